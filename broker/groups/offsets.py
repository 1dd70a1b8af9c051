"""The durable state of groups: their newest records and their offsets; a fold over records.

Committed offsets are here, those of open transactions in pending.py; a marker makes the one of the
other. A rewrite of the log first writes all that is pending: behind the roll no marker may come
that a start, with the older segments gone, could not apply. What it copies has the place in the log
that it had, so that a crash amid the copies changes nothing, and they may stand in any order.
Which offsets have expired is told here, too. Kafka's rule: a group that speaks a protocol keeps
its offsets while it has members, except of topics it has unsubscribed from; from the moment it is
empty the retention runs. Offsets without such a group live from their commit on. An offset that was
committed with a time of its own (OffsetCommit v2 to v4) has that.
Source: OffsetMetadataManager.cleanupExpiredOffsets, OffsetExpirationConditionImpl; KIP-211.
Tests: tests/unit/broker/groups/test_expiry.py
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from ...protocol.batch.control import Marker
from ...protocol.batch.header import Buffer
from .batches import pack, unpack
from .members import CONSUMER, Group
from .pending import PendingOffsets, Where
from .records import (
    CopiedOffset,
    GroupMetadataValue,
    GroupRecord,
    OffsetCommitValue,
    OffsetRecord,
    PendingRecord,
    StateRecord,
)
from .sizes import offset_bytes
from .states import EMPTY, STABLE

SNAPSHOT_STEP = 200  # records copied at a time when the log is rewritten

Offsets = dict[str, dict[int, OffsetCommitValue]]
"""The committed offsets of one group, by topic and partition."""


class GroupsState:
    """What the log of the groups says. Implements state_log.State."""

    def __init__(self) -> None:
        self.groups: dict[str, GroupMetadataValue] = {}
        self.offsets: dict[str, Offsets] = {}
        self.pending = PendingOffsets()
        self._committed_bytes = 0
        self._offset_count = 0
        self._groups_of_topic: dict[str, set[str]] = {}  # those that have offsets of it

    @property
    def offsets_bytes(self) -> int:
        """What offsets take, committed and pending."""
        return self._committed_bytes + self.pending.held_bytes

    def pack(self, records: Sequence[StateRecord], now_ms: int) -> bytes:
        """Records as one batch."""
        return pack(records, now_ms)

    def unpack(self, batch: Buffer) -> Sequence[StateRecord]:
        """The records of a batch. Raises UnknownRecord, DecodeError."""
        return unpack(batch)

    def apply(self, record: StateRecord) -> None:
        """Take one record into the state."""
        if isinstance(record, OffsetRecord):
            if record.value is None:
                self._remove(record)
                self.pending.drop_superseded(record.group_id, (record.topic, record.partition))
            else:
                self._put(record)
                if self.pending.count:
                    self.pending.supersede(record.group_id, (record.topic, record.partition))
        elif isinstance(record, GroupRecord):
            if record.value is None:
                self.groups.pop(record.group_id, None)
            else:
                self.groups[record.group_id] = record.value
        elif isinstance(record, PendingRecord):
            self.pending.put(record)
        elif isinstance(record, CopiedOffset):
            self._put(record.offset)
        else:
            self._end(record)

    def live_count(self) -> int:
        """How many records `leading` and `snapshot` would give."""
        return len(self.groups) + self._offset_count + self.pending.count

    def leading(self) -> Iterator[Sequence[StateRecord]]:
        """All that is pending."""
        return self.pending.copies(SNAPSHOT_STEP)

    def snapshot(self) -> Iterator[Sequence[StateRecord]]:
        """All else, as it is when asked for, in portions.

        Records may be applied between two portions: of a key that is written meanwhile, the portion
        has what is newest or leaves it out.
        """
        portion: list[StateRecord] = []
        for key in [(group_id, "", -1) for group_id in self.groups] + self._offset_keys():
            found = self._find(*key)
            if found is not None:
                portion.append(found)
            if len(portion) >= SNAPSHOT_STEP:
                yield portion
                portion = []
        if portion:
            yield portion

    def of_group(self, group_id: str) -> Offsets:
        """The committed offsets of a group; none for one that is not known."""
        return self.offsets.get(group_id, {})

    def removals(self, group_id: str) -> list[StateRecord]:
        """Records that remove all offsets of a group."""
        return [
            OffsetRecord(group_id, topic, partition, None)
            for topic, partitions in self.of_group(group_id).items()
            for partition in partitions
        ]

    def removals_of_topic(self, topic: str) -> list[StateRecord]:
        """Records that remove the offsets of a topic from all groups."""
        return [
            OffsetRecord(group_id, topic, partition, None)
            for group_id in self._groups_of_topic.get(topic, ())
            for partition in self.offsets[group_id][topic]
        ]

    def _end(self, marker: Marker) -> None:
        for group_id, (topic, partition), each in self.pending.end(marker.producer_id):
            if marker.is_commit and not each.is_superseded:
                self._put(OffsetRecord(group_id, topic, partition, each.value))
                self.pending.supersede(group_id, (topic, partition), before=each.at)

    def _put(self, record: OffsetRecord) -> None:
        assert record.value is not None
        partitions = self.offsets.setdefault(record.group_id, {}).setdefault(record.topic, {})
        had = partitions.get(record.partition)
        if had is None:
            self._offset_count += 1
            self._groups_of_topic.setdefault(record.topic, set()).add(record.group_id)
        else:
            self._committed_bytes -= offset_bytes(had)
        self._committed_bytes += offset_bytes(record.value)
        partitions[record.partition] = record.value

    def _remove(self, record: OffsetRecord) -> None:
        topics = self.offsets.get(record.group_id, {})
        partitions = topics.get(record.topic, {})
        had = partitions.pop(record.partition, None)
        if had is None:
            return
        self._offset_count -= 1
        self._committed_bytes -= offset_bytes(had)
        if not partitions:
            del topics[record.topic]
            groups = self._groups_of_topic[record.topic]
            groups.discard(record.group_id)
            if not groups:
                del self._groups_of_topic[record.topic]
        if not topics:
            del self.offsets[record.group_id]

    def _offset_keys(self) -> list[tuple[str, str, int]]:
        return [
            (group_id, topic, partition)
            for group_id, topics in self.offsets.items()
            for topic, partitions in topics.items()
            for partition in partitions
        ]

    def _find(self, group_id: str, topic: str, partition: int) -> StateRecord | None:
        if partition == -1:
            group = self.groups.get(group_id)
            return None if group is None else GroupRecord(group_id, group)
        value = self.of_group(group_id).get(topic, {}).get(partition)
        if value is None:
            return None
        offset = OffsetRecord(group_id, topic, partition, value)
        # 1. 5 is committed, the log rolls  2. a transaction commits 10  3. the 5 is copied behind
        # it: as a record like any other it would supersede the 10.
        is_unstable = (topic, partition) in self.pending.in_group(group_id)
        return CopiedOffset(offset) if is_unstable else offset


def expired(
    group: Group, offsets: Offsets, unstable: Collection[Where], now_ms: int, retention_ms: int
) -> list[StateRecord]:
    """Records that remove what has expired of a group's offsets at `now_ms` since 1970.

    Args:
        unstable: partitions for which something is pending; their offsets stay.
    """
    if group.protocol_type is None:
        since_ms = None
    elif group.state is EMPTY:
        since_ms = group.state_at_ms
    elif group.protocol_type == CONSUMER and group.subscribed is not None and group.state is STABLE:
        since_ms = None
    else:
        return []
    found: list[StateRecord] = []
    for topic, partitions in offsets.items():
        if group.is_subscribed_to(topic):
            continue
        for partition, value in partitions.items():
            if (topic, partition) in unstable:
                continue
            ends_ms = value.expire_timestamp
            if ends_ms == -1:
                begins_ms = value.commit_timestamp if since_ms is None else since_ms
                ends_ms = begins_ms + retention_ms
            if now_ms >= ends_ms:
                found.append(OffsetRecord(group.group_id, topic, partition, None))
    return found
