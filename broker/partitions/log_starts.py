"""Where logs begin, on record: what retention and DeleteRecords move, and what is removed for them.

A log start is written before readers are refused below it; up to where segments go is written, and
durable, before the first of their files goes. The space for both is the reserve's: on a full disk
it is they that make room.   Read next: retention.py.
Tests: tests/unit/broker/partitions/test_retention.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from ..cluster.metadata import ClusterMetadata
from ..cluster.records import LogStartsRecord, MetadataRecord, RemovedRecord
from ..directory.reserve import Reserve
from ..waiting.group_commit import GroupCommit
from ..waiting.isolation import each_alone
from ..waiting.promise import Promise
from .partition import Partition

T = TypeVar("T")


class LogStarts:
    """The log starts of one broker. Implements retention.Ground.

    Args:
        commit: writes metadata records and applies them, all or none; may raise StorageError.
        is_flushed: False under durability memory, where nothing waits.
    """

    def __init__(
        self,
        state: ClusterMetadata,
        group_commit: GroupCommit,
        reserve: Reserve,
        commit: Callable[[Sequence[MetadataRecord]], None],
        *,
        is_flushed: bool,
    ) -> None:
        self._state = state
        self._group_commit = group_commit
        self._reserve = reserve
        self._commit = commit
        self._is_flushed = is_flushed

    def move(self, log_starts: Mapping[Partition, int]) -> None:
        """Move log starts up, on record and in memory. Raises StorageError: none has moved."""
        self._write(log_starts, LogStartsRecord)
        for partition, offset in log_starts.items():
            partition.log.raise_start(offset)

    def note_removals(self, offsets: Mapping[Partition, int]) -> None:
        """Write up to where segments go. Raises StorageError: nothing is written."""
        self._write(offsets, RemovedRecord)

    def when_durable(self, partitions: Sequence[Partition]) -> bool | Promise:
        """Whether all that was written is durable, in these partitions, too: True or a promise."""
        each_alone(partitions, self._group_commit.written, "having a log flushed")
        return not self._is_flushed or self._group_commit.when_durable(True, lambda: False)

    def pay(self, act: Callable[[], T]) -> T:
        """Do something that makes room, on a full disk, too: Reserve.pay."""
        return self._reserve.pay(act)

    def _write(
        self,
        offsets: Mapping[Partition, int],
        record: Callable[[bytes, Mapping[int, int]], MetadataRecord],
    ) -> None:
        by_topic: dict[str, dict[int, int]] = {}
        for partition, offset in offsets.items():
            by_topic.setdefault(partition.topic, {})[partition.index] = offset
        topics = self._state.topics
        records = [record(topics[name].topic_id, numbered) for name, numbered in by_topic.items()]
        self._reserve.pay(lambda: self._commit(records))
