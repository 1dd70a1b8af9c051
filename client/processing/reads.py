"""EDGE: the consumer of process(): takes the records of a batch, says what to commit, goes back.

first() is a call like getmany(): the application is done with what it got, and the group may take
partitions away. more() is none: a batch in hand is committed before the group gets them, and ends
as soon as it wants them.
Read next: batches.py, ../group/member.py.
Tests: tests/system/client/test_client_process.py
"""

from __future__ import annotations

import asyncio
from typing import Generic

from ..consumer import Consumer
from ..errors import Abortable, Fenced, Retriable
from ..fetch.position import NO_POSITION, ConsumerRecord, K, V
from ..partitions import GroupOffsets, OffsetAndMetadata, TopicPartition


class Reads(Generic[K, V]):
    """What process() needs of a consumer; used in the consumer's loop.

    Attributes:
        is_stopped: nothing more is taken.
    """

    def __init__(self, consumer: Consumer[K, V]) -> None:
        self.is_stopped = False
        self._consumer = consumer
        self._fetching = consumer._fetching
        self._fetcher = consumer._fetcher

    async def stop(self) -> None:
        """Take nothing more, and end the wait for it."""
        self.is_stopped = True
        self._fetching.wake_waiting()

    async def first(self, count_max: int) -> list[ConsumerRecord[K, V]]:
        """Wait for the first records of a batch; none after stop().

        Raises:
            Abortable: the group has gone on without this consumer.
            Otherwise as Consumer.getmany.
        """
        consumer = self._consumer
        consumer._owner.check()
        consumer._call_begins()
        self._fetcher.handed_out.take(self._fetcher.readings)  # what was before is not of the batch
        try:
            while not self.is_stopped:
                taken = self._fetching.take(count_max, None)
                if taken:
                    await self._pin({place: each[0].offset for place, each in taken.items()})
                    return [record for records in taken.values() for record in records]
                await self._fetching.until_more()
        finally:
            consumer._call_ends()
        return []

    async def more(self, count_max: int, left_ms: float) -> list[ConsumerRecord[K, V]]:
        """Further records of the batch; none when the time is over, or the batch must end."""
        loop = asyncio.get_running_loop()
        until = loop.time() + left_ms / 1000
        while not (self.is_stopped or self._must_end):
            taken = self._fetching.take(count_max, None)
            if taken:
                begun = {p: each[0].offset for p, each in taken.items() if not self._is_pinned(p)}
                await self._pin(begun)
                return [record for records in taken.values() for record in records]
            try:
                async with asyncio.timeout_at(until):
                    await self._fetching.until_more()
            except TimeoutError:
                break
        return []

    async def group_offsets(self) -> GroupOffsets:
        """Where the batch ends, and as which member. Raises as Consumer.group_offsets."""
        return self._consumer.group_offsets()

    async def group_offsets_again(self, taken: GroupOffsets) -> GroupOffsets:
        """The same, after a rebalance that has refused them. Raises Abortable."""
        member = self._consumer._member
        assert member is not None, "process() needs a group"
        return await member.taking.take_again(taken)

    async def go_back(self) -> dict[TopicPartition, int]:
        """Read again what is not committed; returns lag()."""
        # Looked up when a pending commit is decided (KIP-447), so this is right although nobody
        # knows yet whether the last one was.
        self._fetcher.go_back()
        self._fetching.wake()
        return self._fetcher.lags()

    async def lag(self) -> dict[TopicPartition, int]:
        """How far behind the end each partition is, where that is known."""
        return self._fetcher.lags()

    @property
    def _must_end(self) -> bool:
        member = self._consumer._member
        return member is not None and member.wants_back

    def _is_pinned(self, place: TopicPartition) -> bool:
        return self._fetcher.readings[place].committed != NO_POSITION

    async def _pin(self, begun: dict[TopicPartition, int]) -> None:
        """Commit where it began, for partitions for which nothing is committed, or else."""
        # 1. Nothing is committed, auto_offset_reset is "latest", and reading begins at 100.
        # 2. Records up to 120 come, and this process dies, or the batch is aborted.
        # 3. Whoever reads on begins at the latest record: 100 to 119 are lost.
        wanted = {p: OffsetAndMetadata(at) for p, at in begun.items() if not self._is_pinned(p)}
        if not wanted:
            return
        readings = {place: self._fetcher.readings[place] for place in wanted}
        try:
            await self._consumer.commit(wanted)
        except (Retriable, Fenced) as error:
            raise Abortable(
                f"where reading begins could not be committed: {error}",
                code=error.code,
                reason=error.reason,
            ) from error
        for place, reading in readings.items():
            reading.committed = wanted[place].offset
