"""EDGE: Transaction of the blocking face: `with producer.transaction() as tx:`.

Tests: tests/system/client/test_client_blocking.py
"""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Generic, Self

from ..door.door import Headers
from ..partitions import GroupOffsets, RecordMetadata
from ..produce.receipts import Receipts
from ..transaction import K, TakesOffsets, V, taken_from
from ..transaction import Transaction as AsyncTransaction
from .loop_thread import LoopThread
from .parts import Delivery


class Transaction(Generic[K, V]):
    """One transaction; made by Producer.transaction(), and used once.

    Leaving `with` commits; an exception aborts. Within it Producer.send does the same as send here.
    Read with isolation_level="read_committed".
    """

    def __init__(self, loop: LoopThread, transaction: AsyncTransaction[K, V]) -> None:
        self._loop = loop
        self._inner = transaction

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.run(lambda: self._inner.__aexit__(kind, error, trace))

    def begin(self) -> None:
        """Open it, once the one before has ended; `with` does so. Raises as the asyncio face."""
        self._loop.run(self._inner.begin)

    def commit(self) -> None:
        """Wait for all that was sent, then commit; `with` does so.

        Raises:
            Abortable: it was not committed, and is aborted: do all of it again in a new one.
            DeliveryTimeout: whether it is committed is not known; possibly_persisted is True.
            Fenced: another producer has the transactional id.
            Fatal: the producer is at its end.
            RuntimeError: it is not open.
        """
        self._loop.run(self._inner.commit)

    def abort(self) -> None:
        """Give it up: nothing of it is ever seen by read_committed. Raises as commit()."""
        self._loop.run(self._inner.abort)

    def commit_offsets(self, consumer: TakesOffsets | GroupOffsets) -> None:
        """Commit a consumer's positions with the transaction: of the next records to read.

        Args:
            consumer: one with a group_id and enable_auto_commit=False; or what its group_offsets()
                gave.

        Raises:
            Abortable: the group has gone on without the consumer; Consumer.seek_to_committed()
                goes back to what is committed.
            ValueError: it has no group_id, or commits by itself.
        """
        # The consumer lives in a loop of its own: it is asked there, and the producer here.
        taken = taken_from(consumer)
        self._loop.run(lambda: self._inner.commit_offsets(taken))

    def send(
        self,
        topic: str,
        value: V | None = None,
        *,
        key: K | None = None,
        partition: int | None = None,
        timestamp_ms: float | None = None,
        headers: Headers | None = (),
    ) -> Delivery:
        """As Producer.send. Raises RuntimeError when this transaction has ended."""
        delivery = self._loop.run(
            lambda: self._inner.send(
                topic,
                value,
                key=key,
                partition=partition,
                timestamp_ms=timestamp_ms,
                headers=headers,
            )
        )
        return Delivery(self._loop, delivery)

    def send_and_wait(
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
        return self._loop.run(
            lambda: self._inner.send_and_wait(
                topic,
                value,
                key=key,
                partition=partition,
                timestamp_ms=timestamp_ms,
                headers=headers,
            )
        )

    def send_many(
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
        return self._loop.run(
            lambda: self._inner.send_many(
                topic,
                values,
                keys,
                partition=partition,
                timestamp_ms=timestamp_ms,
                headers=headers,
                timestamps=timestamps,
            )
        )
