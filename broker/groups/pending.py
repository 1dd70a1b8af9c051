"""Offsets that transactions have committed, and about which nobody has decided yet.

The record that is later in the log wins, whoever's marker comes first:
1. t1 commits 10 for a partition, then t2 20  2. the marker of t2 comes: 20 counts, and the 10 is
superseded  3. the marker of t1 comes: 20 stays. A plain commit supersedes in the same way. What is
superseded changes nothing any more, but its partition stays unstable until its marker, as in Kafka.
A tombstone of a committed offset drops what is superseded and leaves the rest: deleting what a
group has does not take back what a transaction is about to say.
Source: OffsetMetadataManager.replay and replayEndTransactionMarker of Kafka.
Tests: tests/unit/broker/groups/test_pending.py, tests/unit/broker/groups/test_rewrites.py
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TypeVar

from .records import OffsetCommitValue, OffsetRecord, PendingRecord
from .sizes import pending_bytes

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")

Where = tuple[str, int]
"""Topic and partition."""


@dataclass(slots=True)
class Pending:
    """One offset of one transaction.

    Attributes:
        at: its offset in the log, where it was first written.
        is_superseded: a later record of its key counts already.
    """

    producer_epoch: int
    at: int
    value: OffsetCommitValue
    is_superseded: bool


class PendingOffsets:
    """All pending offsets; part of the fold in offsets.py.

    Attributes:
        count: of offsets, with those that are superseded.
        held_bytes: what they take.
    """

    def __init__(self) -> None:
        self.count = 0
        self.held_bytes = 0
        # The same offsets twice: by group, for readers, and by producer, for markers.
        self._of_group: dict[str, dict[Where, dict[int, Pending]]] = {}
        self._of_producer: dict[int, dict[str, dict[Where, Pending]]] = {}

    def __contains__(self, producer_id: int) -> bool:
        return producer_id in self._of_producer

    def groups(self) -> Collection[str]:
        """The groups in which something is pending."""
        return self._of_group.keys()

    def in_group(self, group_id: str) -> Collection[Where]:
        """Topics and partitions of a group that a transaction is about to change, or was."""
        return self._of_group.get(group_id, {}).keys()

    def epoch_in(self, group_id: str, producer_id: int) -> int | None:
        """The epoch of what a producer has pending in a group; None for nothing."""
        pending = self._of_producer.get(producer_id, {}).get(group_id)
        return None if pending is None else next(iter(pending.values())).producer_epoch

    def epoch_of(self, producer_id: int) -> int | None:
        """The epoch of what a producer has pending anywhere; None for nothing."""
        for group_id in self._of_producer.get(producer_id, {}):
            return self.epoch_in(group_id, producer_id)
        return None

    def find(self, group_id: str, where: Where, producer_id: int) -> Pending | None:
        """What one producer has pending for one partition."""
        return self._of_group.get(group_id, {}).get(where, {}).get(producer_id)

    def opened(self) -> Iterator[tuple[int, int, Collection[str]]]:
        """(producer id, epoch, groups) of every producer with something pending."""
        for producer_id, groups in self._of_producer.items():
            epoch = self.epoch_of(producer_id)
            assert epoch is not None
            yield producer_id, epoch, groups.keys()

    def put(self, record: PendingRecord) -> None:
        """A record of a transaction: an offset, or without a value that there is none any more."""
        offset, producer_id = record.offset, record.producer_id
        where = (offset.topic, offset.partition)
        had = self.find(offset.group_id, where, producer_id)
        if offset.value is None:
            if had is not None:
                self._drop(offset.group_id, where, producer_id)
            return
        if had is not None:
            self._count(had, -1)
        new = Pending(record.producer_epoch, record.at, offset.value, record.is_superseded)
        self._count(new, 1)
        of_group = self._of_group.setdefault(offset.group_id, {})
        of_group.setdefault(where, {})[producer_id] = new
        of_producer = self._of_producer.setdefault(producer_id, {})
        of_producer.setdefault(offset.group_id, {})[where] = new

    def supersede(self, group_id: str, where: Where, before: int | None = None) -> None:
        """A value has been applied: what pends from before it changes nothing any more.

        Args:
            before: where in the log that value stands; None for its end.
        """
        for each in self._of_group.get(group_id, {}).get(where, {}).values():
            if before is None or each.at < before:
                each.is_superseded = True

    def drop_superseded(self, group_id: str, where: Where) -> None:
        """A committed offset was removed."""
        pending = self._of_group.get(group_id, {}).get(where, {})
        for producer_id in [name for name, each in pending.items() if each.is_superseded]:
            self._drop(group_id, where, producer_id)

    def end(self, producer_id: int) -> list[tuple[str, Where, Pending]]:
        """The transaction of a producer has ended: all it had pending, which is forgotten here."""
        groups = self._of_producer.get(producer_id, {})
        ended = [
            (group_id, where, each)
            for group_id, pending in groups.items()
            for where, each in pending.items()
        ]
        for group_id, where, _ in ended:
            self._drop(group_id, where, producer_id)
        return ended

    def copies(self, step: int) -> Iterator[list[PendingRecord]]:
        """All there is, as a rewrite writes it: so many records at a time, of one producer each."""
        for producer_id, groups in self._of_producer.items():
            portion: list[PendingRecord] = []
            for group_id, pending in groups.items():
                for (topic, partition), each in pending.items():
                    offset = OffsetRecord(group_id, topic, partition, each.value)
                    epoch, state = each.producer_epoch, each.is_superseded
                    copy = PendingRecord(producer_id, epoch, each.at, offset, state, is_copy=True)
                    portion.append(copy)
                    if len(portion) >= step:
                        yield portion
                        portion = []
            if portion:
                yield portion

    def removals(
        self, step: int, is_gone: Callable[[str, OffsetCommitValue], bool]
    ) -> list[list[PendingRecord]]:
        """Records that drop what `is_gone` says of a topic and an offset; portions as of `copies`.

        A tombstone within the transaction: it says that the transaction commits nothing there.
        """
        gone = []
        for portion in self.copies(step):
            dropped = [
                each._replace(offset=each.offset._replace(value=None), is_copy=False)
                for each in portion
                if each.offset.value is not None and is_gone(each.offset.topic, each.offset.value)
            ]
            if dropped:
                gone.append(dropped)
        return gone

    def _drop(self, group_id: str, where: Where, producer_id: int) -> None:
        self._count(self._of_group[group_id][where][producer_id], -1)
        _take_out(self._of_group, group_id, where, producer_id)
        _take_out(self._of_producer, producer_id, group_id, where)

    def _count(self, pending: Pending, sign: int) -> None:
        self.count += sign
        self.held_bytes += sign * pending_bytes(pending.value)


def _take_out(tree: dict[A, dict[B, dict[C, Pending]]], first: A, second: B, third: C) -> None:
    """Remove a leaf, and the branches that are empty without it."""
    branch = tree[first]
    twig = branch[second]
    del twig[third]
    if not twig:
        del branch[second]
    if not branch:
        del tree[first]
