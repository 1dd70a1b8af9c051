"""EDGE: begins, commits and aborts: waits for the phases of transactional.py, each wait bounded.

max_block_ms bounds what is asked of coordinators, delivery_timeout_ms the records that a commit
waits for. What a caller waits for no longer goes on, and the next transaction begins behind it.
Read next: transactional.py, coordinating.py.
Tests: tests/system/client/test_client_transactional.py
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from ..cluster.cluster import bounded
from ..config import ProducerConfig
from ..errors import Abortable, ClientError, DeliveryTimeout
from ..partitions import GroupOffsets
from .pump import Sending
from .transactional import UNENDED, Phase

logger = logging.getLogger("minibroker.client")
TakenAgain: TypeAlias = Callable[[GroupOffsets], Awaitable[GroupOffsets]]
"""Gives offsets that were refused in the generation that has begun; or raises."""
UNDER_WAY = frozenset({Phase.STARTING, Phase.COMMITTING, Phase.ABORTING, Phase.RECOVERING})


class Transacting:
    """The transactions of one producer.

    Args:
        flush: sends what was handed over, and waits until each record has its outcome.

    Attributes:
        core: what decides.
    """

    def __init__(
        self, config: ProducerConfig, sending: Sending, flush: Callable[[float], Awaitable[None]]
    ) -> None:
        assert sending.coordinating is not None, "made for producers with a transactional id"
        self._config = config
        self._sending = sending
        self._flush = flush
        self._coordinating = sending.coordinating
        self.core = sending.coordinating.transactional
        self._offsets_lock = asyncio.Lock()

    def check_owner(self) -> None:
        """Raise RuntimeError in another loop, thread or process than the producer's."""
        self._sending.owner.check()

    async def start(self) -> None:
        """Wait for the producer id, which ends what a predecessor has left open.

        Raises:
            Retriable: not within max_block_ms.
            Fatal, Fenced: the coordinator refuses.
        """
        limit_ms = self._config.max_block_ms
        self._sending.wake()
        async with bounded(limit_ms, lambda: self._late("no producer id", limit_ms)):
            await self._until(lambda: self.core.phase is not Phase.STARTING)
        self._raise_if_fatal()

    def disconnect(self) -> None:
        """A start has failed; the next one connects anew."""
        self._coordinating.disconnect()

    async def begin(self) -> int:
        """Open a transaction once the one before has ended; returns its number."""
        limit_ms, core = self._config.max_block_ms, self.core
        text = "the transaction before has not ended"
        if core.phase in UNDER_WAY:
            async with bounded(limit_ms, lambda: self._late(text, limit_ms)):
                await self._until(lambda: core.phase not in UNDER_WAY)
        self._raise_if_fatal()
        if core.phase is not Phase.READY:
            raise RuntimeError("a transaction of this producer is open already: one at a time")
        core.begin()
        return core.number

    async def commit(self) -> None:
        """Wait for every delivery, then commit; one that cannot be committed is aborted.

        Raises:
            Abortable: it was not committed.
            DeliveryTimeout: whether it is committed is not known yet.
            Fatal, Fenced: the producer is at its end.
        """
        core, number = self.core, self.core.number
        if core.phase is not Phase.BROKEN:
            core.close()
            await self._deliver()
        if core.phase is Phase.CLOSING:
            core.commit()
            self._coordinating.turn()  # all batches are done: there is nothing to pump before
            limit_ms = self._config.max_block_ms
            async with bounded(limit_ms, lambda: self._late_to_commit(limit_ms)):
                await self._until(lambda: self._has_left(number, Phase.COMMITTING))
        if core.committed_number < number:
            await self._raise_aborted(number)

    async def abort(self) -> None:
        """Give the transaction up, and wait until the coordinator knows.

        Raises:
            Retriable: not within max_block_ms; it goes on.
            Fatal, Fenced: the producer is at its end, and with it the transaction.
        """
        number, bound_ms = self.core.number, self._config.max_block_ms
        self.give_up()
        async with bounded(bound_ms, lambda: self._late("not aborted", bound_ms)):
            await self._until(lambda: self._has_left(number, Phase.ABORTING, Phase.RECOVERING))
        self._raise_if_fatal()

    def give_up(self) -> None:
        """Begin to abort, without waiting."""
        self.core.abort()
        self._sending.wake()

    async def end(self, limit_ms: float) -> None:
        """The producer stops: abort what is open, and wait for what is under way."""
        if self.core.phase in UNENDED:
            self.core.fall(Abortable("the producer was stopped"))
            self.give_up()
        try:
            async with asyncio.timeout(min(limit_ms, self._config.max_block_ms) / 1000):
                await self._until(lambda: self.core.phase not in UNDER_WAY)
        except TimeoutError:
            logger.warning(
                "stopped before the transaction had ended; its coordinator aborts it after "
                "transaction_timeout_ms=%d, or when a producer starts under the same id",
                self._config.transaction_timeout_ms,
            )

    async def commit_offsets(self, taken: GroupOffsets, again: TakenAgain | None = None) -> None:
        """Make offsets of a group part of the transaction, and wait until its coordinator has them.

        Args:
            again: what to do if the group has begun another generation; by default that is the
                end of the transaction.

        Raises:
            Abortable: the group has gone on without the consumer, or refuses otherwise.
            Fatal, Fenced: the producer is at its end.
        """
        core, number = self.core, self.core.number
        async with self._offsets_lock:
            core.raise_unless_open(number)
            if not taken.offsets:
                return
            limit_ms = self._config.max_block_ms
            try:
                async with bounded(limit_ms, lambda: self._late("offsets not taken", limit_ms)):
                    await self._offer(taken, is_last=again is None)
                    while again is not None and core.is_outdated:
                        taken = await again(taken)
                        await self._offer(taken, is_last=False)
            except BaseException as error:
                # 1. A caller waits no longer, and the offsets are on their way. 2. It commits all
                # the same. 3. Whether they are part of it nobody knows. So it is aborted.
                known = error if isinstance(error, ClientError) else None
                core.fall(known or Abortable("a call of commit_offsets was cancelled"))
                self._sending.wake()
                raise
            core.raise_unless_open(number)

    async def _offer(self, taken: GroupOffsets, *, is_last: bool) -> None:
        core = self.core
        core.offer(taken, is_last=is_last)
        self._sending.wake()
        await self._until(lambda: core.offsets is not taken or core.phase is not Phase.OPEN)

    async def _deliver(self) -> None:
        try:
            await self._flush(self._config.delivery_timeout_ms)
        except DeliveryTimeout as error:
            self.core.fall(error, loses_sequences=True)
        except BaseException:
            self.give_up()  # cancelled before anything was decided
            raise

    async def _raise_aborted(self, number: int) -> None:
        why = self.core.error
        try:
            await self.abort()
        except (ClientError, TimeoutError) as error:
            if self.core.phase is Phase.FATAL:
                raise
            logger.warning("the transaction is not aborted yet: %s", error)
        assert why is not None, f"transaction {number} is neither committed nor failed"
        raise why.with_traceback(None)

    def _has_left(self, number: int, *phases: Phase) -> bool:
        return self.core.phase not in phases or self.core.number != number

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition() and self.core.phase is not Phase.FATAL:
            await self._coordinating.change()

    def _late(self, what: str, limit_ms: float) -> ClientError:
        return self.core.late(what, limit_ms, self._coordinating.last_problem)

    def _late_to_commit(self, limit_ms: float) -> ClientError:
        return self.core.late_to_commit(limit_ms, self._coordinating.last_problem)

    def _raise_if_fatal(self) -> None:
        if self.core.phase is Phase.FATAL and self.core.error is not None:
            raise self.core.error.with_traceback(None)
