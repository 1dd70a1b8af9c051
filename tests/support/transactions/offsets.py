"""Groups on a stage: their committed offsets, in transactions and without, and members.

A group is named by a letter; `offsets(g)` is the partition of `__consumer_offsets` that group `g`
has. What OffsetFetch says of a partition is its code and offset: `0 10`, `88 -1`.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from minibroker.protocol.messages.delete_groups import DeleteGroupsRequest
from minibroker.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from minibroker.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from minibroker.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
)
from minibroker.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)

from tests.support.transactions.producer import Producer, Where

if TYPE_CHECKING:
    from tests.support.transactions.stage import Stage

OFFSETS_TOPIC, OFFSETS_PARTITIONS = "__consumer_offsets", 50


class Groups:
    """The groups of a stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._names: dict[str, str] = {}

    def name(self, letter: str) -> str:
        """The whole name of a group; the empty one stays empty."""
        if letter not in self._names:
            # In a partition of its own, which is how `shown` tells one group from the other.
            taken = {0, *map(partition_of, self._names.values())}
            drawn = (f"{self._stage.unique}-{letter}{number or ''}" for number in count())
            self._names[letter] = letter and next(e for e in drawn if partition_of(e) not in taken)
        return self._names[letter]

    def shown(self, topic: str, index: int) -> str | None:
        """The group that a partition of committed offsets is for; None if it is another's."""
        if topic != OFFSETS_TOPIC:
            return None
        found = [letter for letter, name in self._names.items() if partition_of(name) == index]
        return f"offsets({found[0]})" if found else f"offsets-{index}"

    async def commit(
        self,
        producer: Producer,
        group: str,
        *offsets: tuple[Where, int],
        epoch: int = 0,
        v: int | None = None,
        pid: str | int = "p",
        name: str | None = None,
        metadata: str = "m",
        generation: int = -1,
        member: str = "",
        instance: str | None = None,
    ) -> str:
        """TxnOffsetCommit: the code of each partition, in the order of asking."""
        version = (4 if producer.tv == 1 else 5) if v is None else v
        topics: dict[str, list[TxnOffsetCommitRequestPartition]] = {}
        for where, offset in offsets:
            topic, index = self._stage.part(where)
            one = TxnOffsetCommitRequestPartition(
                partition_index=index, committed_offset=offset, committed_metadata=metadata
            )
            topics.setdefault(topic, []).append(one)
        request = TxnOffsetCommitRequest(
            transactional_id=producer.name if name is None else name,
            group_id=self.name(group),
            producer_id=producer.id(pid),
            producer_epoch=epoch,
            generation_id=generation,
            member_id=member,
            group_instance_id=instance,
            topics=[
                TxnOffsetCommitRequestTopic(name=topic, partitions=parts)
                for topic, parts in topics.items()
            ],
        )
        answer = await self._stage.ask(request, version)
        return self._codes([where for where, _ in offsets], answer.topics)

    async def commit_plainly(
        self,
        group: str,
        where: Where,
        offset: int,
        *,
        generation: int = -1,
        member: str = "",
    ) -> str:
        """OffsetCommit, in no transaction."""
        topic, index = self._stage.part(where)
        part = OffsetCommitRequestPartition(
            partition_index=index, committed_offset=offset, committed_metadata="plain"
        )
        request = OffsetCommitRequest(
            group_id=self.name(group),
            generation_id_or_member_epoch=generation,
            member_id=member,
            topics=[OffsetCommitRequestTopic(name=topic, partitions=[part])],
        )
        return self._codes([where], (await self._stage.ask(request, 8)).topics)

    async def fetch(self, group: str, *parts: Where, stable: bool = True, v: int = 9) -> str:
        """OffsetFetch of these partitions, or of all that the group has."""
        asked = [self._stage.part(each) for each in parts]
        topics: dict[str, list[int]] = {}
        for topic, index in asked:
            topics.setdefault(topic, []).append(index)
        wanted = [
            OffsetFetchRequestTopic(name=topic, partition_indexes=indexes)
            for topic, indexes in topics.items()
        ] or None
        whose = self.name(group)
        if v >= 8:
            request = OffsetFetchRequest(
                groups=[OffsetFetchRequestGroup(group_id=whose, topics=wanted)],
                require_stable=stable,
            )
        else:
            request = OffsetFetchRequest(
                group_id=whose, topics=wanted, require_stable=stable and v == 7
            )
        answer = await self._stage.ask(request, v)
        found = answer.groups[0] if v >= 8 else answer
        if found.error_code:
            return str(found.error_code)
        return self._fetched(found, asked)

    async def delete(self, group: str) -> str:
        """DeleteGroups."""
        request = DeleteGroupsRequest(groups_names=[self.name(group)])
        return str((await self._stage.ask(request, 2)).results[0].error_code)

    async def delete_offset(self, group: str, where: Where) -> str:
        """OffsetDelete: the code of the whole if there is one, else of the partition."""
        topic, index = self._stage.part(where)
        parts = [OffsetDeleteRequestPartition(partition_index=index)]
        request = OffsetDeleteRequest(
            group_id=self.name(group),
            topics=[OffsetDeleteRequestTopic(name=topic, partitions=parts)],
        )
        answer = await self._stage.ask(request, 0)
        if answer.error_code:
            return str(answer.error_code)
        return str(answer.topics[0].partitions[0].error_code)

    def _codes(self, asked: list[Where], topics: list[Any]) -> str:
        found = {
            (topic.name, each.partition_index): each.error_code
            for topic in topics
            for each in topic.partitions
        }
        return " ".join(str(found[self._stage.part(where)]) for where in asked)

    def _fetched(self, answer: Any, asked: list[tuple[str, int]]) -> str:
        found = {
            (topic.name, each.partition_index): each
            for topic in answer.topics
            for each in topic.partitions
        }
        if not asked:
            return ", ".join(
                f"{self._stage.shown_part(*place)} {each.error_code} {each.committed_offset}"
                for place, each in sorted(found.items())
            )
        each = [found[place] for place in asked]
        return ", ".join(f"{one.error_code} {one.committed_offset}" for one in each)


def partition_of(group: str) -> int:
    """Which of 50 partitions of `__consumer_offsets` a group has: Java's hash of its name."""
    hashed = 0
    for letter in group:
        hashed = (31 * hashed + ord(letter)) & 0xFFFFFFFF
    return abs(hashed - (hashed >> 31 << 32)) % OFFSETS_PARTITIONS
