"""EDGE: the half of Consumer that is about committed offsets, by itself or within transactions.

Read next: consumer.py, group/committing.py.
Tests: tests/system/client/test_client_groups.py, tests/system/client/test_client_transactional.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic

from .cluster.cluster import Cluster
from .cluster.list_offsets import EARLIEST, LATEST
from .config import ConsumerConfig
from .door import door, place_door
from .door.owner import Owner
from .errors import Fatal
from .fetch.fetcher import Fetcher
from .fetch.position import K, V
from .fetch.positions import Positions
from .group.member import GroupMember
from .partitions import GroupOffsets, OffsetAndMetadata, TopicPartition, name_of


class Commits(Generic[K, V]):
    """What a consumer of a group commits and looks up."""

    _owner: Owner
    _config: ConsumerConfig
    _cluster: Cluster
    _fetcher: Fetcher[K, V]
    _positions: Positions[K, V]
    _member: GroupMember[K, V] | None

    async def commit(
        self,
        offsets: Mapping[TopicPartition, OffsetAndMetadata | int] | None = None,
        *,
        timeout_ms: float | None = None,
    ) -> None:
        """Store positions for the group: of the next records to read, not of the last ones read.

        Args:
            offsets: by default the position of every assigned partition.
            timeout_ms: by default request_timeout_ms.

        Raises:
            Fenced: the group went on without this consumer.
            Retriable: the group rebalances, or no answer within `timeout_ms`.
            Fatal: the broker refuses for good.
            ValueError: there is no group_id, or an offset is below 0.
        """
        self._owner.check()
        limit_ms = self._limit_ms(timeout_ms)
        if offsets is None:
            wanted = self._fetcher.positions()
        else:
            wanted = place_door.by_place("offsets", offsets, place_door.committable)
        self._cluster.raise_if_ended()
        committing = self._group().committing
        self._fetcher.done_with({place: each.offset for place, each in wanted.items()})
        await committing.commit(wanted, limit_ms)

    async def committed(
        self, partition: TopicPartition, *, timeout_ms: float | None = None
    ) -> OffsetAndMetadata | None:
        """What the group has committed for a partition; None if nothing. Raises as commit()."""
        self._owner.check()
        place, limit_ms = place_door.place("partition", partition), self._limit_ms(timeout_ms)
        self._cluster.raise_if_ended()
        found = await self._group().committing.committed([place], limit_ms)
        return found.get(place)

    def group_offsets(self) -> GroupOffsets:
        """The positions and the membership they belong to, for Transaction.commit_offsets.

        Raises:
            Abortable: the group has gone on without this consumer, or gave a partition away of
                which records were handed out since the newest call.
            ValueError: there is no group_id, or the consumer commits by itself.
        """
        self._owner.check()
        self._cluster.raise_if_ended()
        member = self._group()
        if self._config.enable_auto_commit:
            raise ValueError(
                "offsets are committed with the transaction or by the consumer, not by both: give "
                "the consumer enable_auto_commit=False"
            )
        return member.taking.take()

    async def seek_to_committed(self, *, timeout_ms: float | None = None) -> None:
        """Go back to what the group has committed, as after a transaction that was aborted.

        Partitions for which nothing is committed go where auto_offset_reset says.

        Raises:
            Fatal: there is none, and auto_offset_reset is "none". Otherwise as commit().
        """
        self._owner.check()
        limit_ms = self._limit_ms(timeout_ms)
        self._cluster.raise_if_ended()
        self._fetcher.handed_out.take(self._fetcher.readings)
        asked_for = dict(self._fetcher.readings)
        places = [*asked_for]
        found = await self._group().committing.committed(places, limit_ms)
        without = [place for place in places if place not in found]
        reset = self._config.auto_offset_reset
        if without and reset == "none":
            raise Fatal(f"{name_of(without[0])}: nothing is committed, auto_offset_reset is 'none'")
        if without:
            await self._positions.seek_to(EARLIEST if reset == "earliest" else LATEST, without)
        for place, each in found.items():
            # Not given to somebody else meanwhile, who may have read on before it came back.
            if self._fetcher.readings.get(place) is asked_for[place]:
                self._positions.seek(place, each.offset)

    def _limit_ms(self, timeout_ms: float | None) -> float:
        return door.within_ms("timeout_ms", timeout_ms, self._config.request_timeout_ms)

    def _group(self) -> GroupMember[K, V]:
        if self._member is None:
            raise ValueError("offsets are committed for a group: give the consumer a group_id")
        return self._member
