"""Producers that commit offsets to groups in transactions, in the world of test_group_world.py.

Whoever decides about them is simple here, and never loses a decision: a transaction is closed, what
it has written is flushed, it is decided, its marker is appended; again after a crash, until that
is durable. Offsets rise as they are written, so of a partition the largest that counts is told.
"""

from __future__ import annotations

from random import Random

from minibroker.broker.groups.records import OffsetCommitValue
from minibroker.broker.groups.transactional import TransactionalOffsets
from minibroker.protocol.batch.control import Marker
from minibroker.protocol.errors import ErrorCode

from tests.support.groups.bare_groups import Groups, hear

PRODUCERS = (7, 8, 9)
PARTITIONS = 3

Offset = tuple[str, int, int]
"""Group, partition of topic t, offset."""


class OffsetTransactions:
    """The producers, and what must and must not be told.

    Args:
        group_ids: where they commit to.

    Attributes:
        committed: offsets that count, whatever crashes: they were decided, with a durable marker.
        forbidden: offsets that nobody may be told: they are not decided, or were aborted.
        ended: how many transactions ended, for good, by what was decided.
    """

    def __init__(self, random: Random, groups: Groups, group_ids: tuple[str, ...]) -> None:
        self.groups = groups
        self.committed: list[Offset] = []
        self.forbidden: set[int] = set()
        self.ended = {True: 0, False: 0}
        self._random = random
        self._group_ids = group_ids
        self._life = 0
        self._written: dict[int, list[Offset]] = {}  # in this life, not known to be durable
        self._durable: dict[int, list[Offset]] = {}
        self._decided: dict[int, bool] = {}

    @property
    def _offsets(self) -> TransactionalOffsets:
        return self.groups.coordinator.offsets_in_transactions

    def step(self, offset: int) -> None:
        """One producer commits this offset, or its transaction ends."""
        producer_id = self._random.choice(PRODUCERS)
        if producer_id in self._decided:
            return  # its marker is not durable yet: it would wait
        if self._random.random() < 0.7:
            self._commit(producer_id, offset)
        else:
            self._end(producer_id)

    def restarted(self) -> None:
        """The broker was killed: what was written and not durable is there or not."""
        self._life += 1
        self._written.clear()
        for producer_id in tuple(self._decided):
            self._mark(producer_id)

    def settle(self) -> None:
        """Everything ends."""
        for producer_id in PRODUCERS:
            if producer_id not in self._decided:
                self._end(producer_id)
        self.groups.flush()
        assert not self._decided
        assert self.groups.ledger.state.pending.count == 0

    def check(self) -> None:
        """What must hold at any time."""
        for group_id in self._group_ids:
            for partition in range(PARTITIONS):
                found = self.groups.offset(partition, group_id)
                assert found not in self.forbidden, (group_id, partition, found)
        for producer_id, offsets in self._durable.items():
            for group_id, partition, _ in offsets if producer_id not in self._decided else ():
                unstable = self.groups.coordinator.offsets.unstable_in(group_id)
                assert ("t", partition) in unstable, (producer_id, group_id, partition)

    def _commit(self, producer_id: int, offset: int) -> None:
        group_id, partition = self._random.choice(self._group_ids), self._random.randrange(3)
        assert self._offsets.check_open(producer_id, 0) is ErrorCode.NONE
        now_ms = self.groups.ledger.clock.now_ms()
        value = OffsetCommitValue(offset=offset, metadata="", commit_timestamp=now_ms)
        self.forbidden.add(offset)
        self._offsets.commit(group_id, producer_id, 0, [("t", partition, value)])
        written = (group_id, partition, offset)
        self._written.setdefault(producer_id, []).append(written)
        life = self._life

        def acknowledge(message: str) -> None:
            if self._life == life and written in self._written.get(producer_id, ()):
                self._written[producer_id].remove(written)
                self._durable.setdefault(producer_id, []).append(written)

        hear(self.groups.ledger.when_durable("yes", lambda: "no"), acknowledge)

    def _end(self, producer_id: int) -> None:
        self._offsets.close_transaction(producer_id)
        for group_id in self._group_ids:
            assert not self._offsets.has_open(group_id, producer_id, 0)
        if self._offsets.holds_unflushed(producer_id):
            self.groups.flush()
        assert not self._written.get(producer_id), "it was said to be flushed"
        self._decided[producer_id] = self._random.random() < 0.7
        self._mark(producer_id)

    def _mark(self, producer_id: int) -> None:
        is_commit, life = self._decided[producer_id], self._life
        if is_commit:
            pending = self.groups.ledger.state.pending
            for group_id in self._group_ids:
                for _, partition in tuple(pending.in_group(group_id)):
                    found = pending.find(group_id, ("t", partition), producer_id)
                    self.forbidden -= set() if found is None else {found.value.offset}
            self.forbidden -= {offset for *_, offset in self._durable.get(producer_id, ())}
        self._offsets.append_marker(Marker(producer_id, 0, is_commit, 0), 0)

        def end(message: str) -> None:
            if self._life != life:
                return
            del self._decided[producer_id]
            self.ended[is_commit] += 1
            offsets = self._durable.pop(producer_id, [])
            if is_commit:
                self.committed += offsets

        hear(self.groups.ledger.when_durable("yes", lambda: "no"), end)
