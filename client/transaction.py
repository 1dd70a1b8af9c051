"""EDGE: Transaction, what `producer.transaction()` gives: all of it is committed, or nothing.

    async with producer.transaction() as tx:        # commits on leaving, aborts on an exception
        await tx.send("orders", b"value")
        await tx.commit_offsets(consumer)

What happens is decided in produce/transactional.py, and waited for in produce/transacting.py.
Tests: tests/system/client/test_client_transactional.py
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, Self

from .door.door import Headers, shown
from .errors import ClientError
from .partitions import GroupOffsets, RecordMetadata
from .produce.receipts import Delivery, Receipts
from .produce.transacting import TakenAgain, Transacting

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    K = TypeVar("K", default=bytes)
    V = TypeVar("V", default=bytes)
else:
    from typing import TypeVar

    K = TypeVar("K")
    V = TypeVar("V")

logger = logging.getLogger("minibroker.client")
NOT_BEGUN: Final = -1


class Sends(Protocol):
    """A Producer, as its transactions need it."""

    @property
    def send(self) -> Callable[..., Coroutine[Any, Any, Delivery]]: ...

    @property
    def send_many(self) -> Callable[..., Awaitable[Receipts]]: ...


class TakesOffsets(Protocol):
    """A consumer, of either face."""

    def group_offsets(self) -> GroupOffsets:
        """Positions, and as which member."""


def taken_from(consumer: TakesOffsets | GroupOffsets) -> GroupOffsets:
    """What commit_offsets was given, or what it gives. Raises as commit_offsets, and TypeError."""
    if isinstance(consumer, GroupOffsets):
        return consumer
    if not callable(getattr(consumer, "group_offsets", None)):
        raise TypeError(
            f"consumer is {shown(consumer)}: expected a Consumer with a group_id, or what its "
            "group_offsets() gave"
        )
    return consumer.group_offsets()


class Transaction(Generic[K, V]):
    """One transaction; made by Producer.transaction(), and used once.

    Leaving `async with` commits; an exception, or a cancellation, aborts. Within it Producer.send
    does the same as send here. Read with isolation_level="read_committed".
    """

    def __init__(self, producer: Sends, transacting: Transacting) -> None:
        self._producer = producer
        self._send = producer.send
        self._transacting = transacting
        self._core = transacting.core
        self._number = NOT_BEGUN
        self._has_ended = False

    async def __aenter__(self) -> Self:
        await self.begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._has_ended:
            return
        if error is None:
            await self.commit()
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            self._has_ended = True
            self._transacting.give_up()  # who is cancelled waits for nothing; the next one does
        else:
            try:
                await self.abort()
            except (ClientError, TimeoutError) as behind:
                logger.warning("aborting a transaction: %s", behind)
                error.add_note(f"the transaction was not committed; aborting it: {behind}")

    async def begin(self) -> None:
        """Open it, once the one before has ended; `async with` does so.

        Raises:
            RuntimeError: another one is open, or this one was begun before.
            Retriable: the one before has not ended within max_block_ms.
            Fatal, Fenced: the producer is at its end.
        """
        self._transacting.check_owner()
        if self._number != NOT_BEGUN:
            raise RuntimeError(
                "a transaction is begun once: ask producer.transaction() for another"
            )
        self._number = await self._transacting.begin()

    async def commit(self) -> None:
        """Wait for all that was sent, then commit; `async with` does so.

        An empty transaction costs nothing. delivery_timeout_ms bounds the records, max_block_ms
        the commit itself.

        Raises:
            Abortable: it was not committed, and is aborted: do all of it again in a new one.
            DeliveryTimeout: whether it is committed is not known; possibly_persisted is True.
            Fenced: another producer has the transactional id.
            Fatal: the producer is at its end.
            RuntimeError: it is not open.
        """
        self._check_open()
        self._has_ended = True
        await self._transacting.commit()

    async def abort(self) -> None:
        """Give it up: nothing of it is ever seen by read_committed.

        Raises:
            Retriable: not within max_block_ms; it goes on behind the caller.
            Fatal, Fenced: the producer is at its end.
            RuntimeError: it is not open.
        """
        self._check_open()
        self._has_ended = True
        await self._transacting.abort()

    async def commit_offsets(self, consumer: TakesOffsets | GroupOffsets) -> None:
        """Commit a consumer's positions with the transaction: of the next records to read.

        The consumer's generation and member go along: after a rebalance that it has not seen, the
        group refuses, and nothing is committed by two.

        Args:
            consumer: one with a group_id and enable_auto_commit=False; or what its group_offsets()
                gave.

        Raises:
            Abortable: the group has gone on without the consumer, or gave a partition away of which
                records were handed out; the transaction can only be aborted. Afterwards,
                Consumer.seek_to_committed() goes back to what is committed.
            ValueError: it has no group_id, or commits by itself.
            Fatal, Fenced: the producer is at its end.
        """
        self._check_open()
        await self._transacting.commit_offsets(taken_from(consumer))

    async def _commit_offsets(self, taken: GroupOffsets, again: TakenAgain) -> None:
        """As commit_offsets; what is refused as of an older generation is taken again."""
        self._check_open()
        await self._transacting.commit_offsets(taken, again)

    def send(
        self,
        topic: str,
        value: V | None = None,
        *,
        key: K | None = None,
        partition: int | None = None,
        timestamp_ms: float | None = None,
        headers: Headers | None = (),
    ) -> Coroutine[Any, Any, Delivery]:
        """As Producer.send, awaited like it. Raises RuntimeError when this transaction has ended.

        Not a coroutine of its own: around that of the producer it would take a third of the time.
        """
        # The core's number, not what the property gives: that is 60 ns more, of 800.
        if self._has_ended or self._number != self._core.number:
            self._check_open()
        return self._send(
            topic,
            value,
            key=key,
            partition=partition,
            timestamp_ms=timestamp_ms,
            headers=headers,
        )

    async def send_and_wait(
        self,
        topic: str,
        value: V | None = None,
        *,
        key: K | None = None,
        partition: int | None = None,
        timestamp_ms: float | None = None,
        headers: Headers | None = (),
    ) -> RecordMetadata:
        """As `send`, and wait until the record is stored; readers see it after the commit."""
        return await (
            await self.send(
                topic,
                value,
                key=key,
                partition=partition,
                timestamp_ms=timestamp_ms,
                headers=headers,
            )
        )

    async def send_many(
        self,
        topic: str,
        values: Iterable[V | None],
        keys: Iterable[K | None] | None = None,
        *,
        partition: int | None = None,
        timestamp_ms: float | None = None,
        headers: Iterable[Headers | None] | None = None,
        timestamps: Iterable[float] | None = None,
    ) -> Receipts:
        """As Producer.send_many."""
        self._check_open()
        return await self._producer.send_many(
            topic,
            values,
            keys,
            partition=partition,
            timestamp_ms=timestamp_ms,
            headers=headers,
            timestamps=timestamps,
        )

    def _check_open(self) -> None:
        self._transacting.check_owner()
        if self._has_ended or self._number != self._core.number:
            state = "has ended" if self._number != NOT_BEGUN else "has not begun: use `async with`"
            raise RuntimeError(f"this transaction {state}")
