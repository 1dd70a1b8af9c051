"""A rewrite of the groups' log, with transactions open: nothing changes, whatever is left of it.

One seed decides everything. Records of all kinds come between the steps of rewrites, some of which
are given up; what is left after a crash is what had been written, and after a rewrite any number of
the older segments, oldest first, may have gone. A start must find the state that was live.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from random import Random
from typing import Any

import pytest
from minibroker.broker.groups import offsets
from minibroker.broker.groups.offsets import GroupsState
from minibroker.broker.groups.records import (
    GroupMetadataValue,
    GroupRecord,
    OffsetCommitValue,
    OffsetRecord,
    PendingRecord,
    StateRecord,
)
from minibroker.broker.log import state_log
from minibroker.broker.log.state_log import StateLog
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.broker.storage.names import GROUPS_LOG
from minibroker.broker.storage.port import NoSpace
from minibroker.protocol.batch.control import Marker

from tests.support.sizes import size

SEEDS = range(size(fast=3, whole=15))
STEPS = 120
PRODUCERS = 3


class Watched(StateLog[StateRecord]):
    """A log that is read again after each batch of a rewrite, and fails when it is told to."""

    random: Random
    storage: MemoryStorage
    is_copying = False
    fails_in = -1
    looks = 0

    def begin_rewrite(self, now_ms: int) -> None:
        self.is_copying = True
        try:
            super().begin_rewrite(now_ms)
        finally:
            self.is_copying = False

    def _append(self, records: Sequence[StateRecord], now_ms: int) -> None:
        if self.is_copying:
            if self.fails_in == 0:
                raise NoSpace(GROUPS_LOG, "the disk is full")
            self.fails_in -= 1
        super()._append(records, now_ms)
        if self.is_copying:
            self.look()

    def look(self) -> None:
        """A crash now, and what a start would find."""
        self.looks += 1
        assert read_again(deepcopy(self.storage)) == facts(self._state)  # type: ignore[arg-type]


class World:
    """A log, and what happens to it."""

    def __init__(self, seed: int, *, gives_up: bool) -> None:
        self.random = Random(seed)
        self.gives_up = gives_up
        self.storage = MemoryStorage()
        self.state = GroupsState()
        self.log = Watched(self.storage, GROUPS_LOG, self.state, 0)
        self.log.storage = self.storage
        self.rewrites = 0
        self.copied = 0

    def run(self) -> None:
        for _ in range(STEPS):
            if self.random.random() < 0.25:
                self.rewrite()
            elif self.random.random() < 0.05:
                self.log.log.roll()
            else:
                self.log.commit(self.records(), 0)
            if self.random.random() < 0.2:
                self.log.look()

    def records(self) -> list[StateRecord]:
        """What is committed next, as one batch."""
        random = self.random
        producer_id = random.randrange(PRODUCERS)
        kind = random.randrange(10)
        if kind == 0:
            value = GroupMetadataValue(
                protocol_type="",
                generation=random.randrange(9),
                protocol=None,
                leader="",
                members=[],
            )
            return [GroupRecord("g", random.choice((value, None)))]
        if kind in (1, 2):
            return [self.offset(is_gone=kind == 1)]
        if kind in (3, 4):
            return [Marker(producer_id, 0, random.random() < 0.7, 0)]
        at = self.log.log.log_end_offset
        return [
            PendingRecord(producer_id, 0, at + n, self.offset(is_gone=random.random() < 0.1))
            for n in range(random.randrange(1, 4))
        ]

    def offset(self, *, is_gone: bool) -> OffsetRecord:
        random = self.random
        value = OffsetCommitValue(
            offset=random.randrange(1000), metadata="", commit_timestamp=random.randrange(9)
        )
        where = random.choice(("g", "h")), random.choice(("t", "u")), random.randrange(2)
        return OffsetRecord(*where, None if is_gone else value)

    def rewrite(self) -> None:
        """One step of a rewrite; at its end, what a crash amid the removals would leave."""
        log = self.log
        if not log.is_rewriting:
            log.fails_in = self.random.randrange(3) if self.gives_up else -1
            if log.fails_in >= 0 and self.random.random() < 0.5:
                log.fails_in = -1
            self.copied += self.state.pending.count
            try:
                log.begin_rewrite(0)
            except NoSpace:
                return
        if self.random.random() < 0.1:
            log._portions = None  # the broker was killed, or the disk full
            return
        if log.append_portion(0):
            return
        self.rewrites += 1
        old = [each for each in log.log.segments if each.base_offset < log._rewritten_from]
        counts = range(1, len(old) + 1)
        for count in counts:
            left = deepcopy(self.storage)
            for segment in old[:count]:
                remove(left, segment.base_offset)
            assert read_again(left) == facts(self.state), f"{count} of {len(old)} segments gone"
        log.flush()


def remove(storage: MemoryStorage, base_offset: int) -> None:
    for name in storage.list_dir(GROUPS_LOG):
        if name.startswith(f"{base_offset:020d}."):
            storage.remove(f"{GROUPS_LOG}/{name}")


def read_again(storage: MemoryStorage) -> Any:
    state = GroupsState()
    StateLog(storage, GROUPS_LOG, state, 0)
    return facts(state)


def facts(state: GroupsState) -> Any:
    """All that the state says."""
    pending = {
        (group_id, where, producer_id): state.pending.find(group_id, where, producer_id)
        for producer_id, _, group_ids in state.pending.opened()
        for group_id in group_ids
        for where in state.pending.in_group(group_id)
        if state.pending.find(group_id, where, producer_id) is not None
    }
    counts = state.offsets_bytes, state.live_count(), state.pending.count
    return state.groups, state.offsets, pending, counts


@pytest.fixture(autouse=True)
def _portions_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offsets, "SNAPSHOT_STEP", 2)
    monkeypatch.setattr(state_log, "REWRITE_SLACK", 10**6)  # only when the world says so


def test_a_rewrite_that_is_given_up_is_not_tried_again_with_each_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(state_log, "REWRITE_SLACK", 100)
    world = World(0, gives_up=False)
    for at in range(2):
        world.log.commit([PendingRecord(at, 0, at, world.offset(is_gone=False))], 0)
    world.log.fails_in = 1
    begun: list[int] = []
    begin = world.log.begin_rewrite

    def counted(now_ms: int) -> None:
        begun.append(1)
        begin(now_ms)

    monkeypatch.setattr(world.log, "begin_rewrite", counted)
    for _ in range(150):
        world.log.commit([world.offset(is_gone=False)], 0)
        world.log.rewrite_a_little(0)
    assert begun == [1]


@pytest.mark.parametrize("gives_up", [False, True])
def test_a_start_finds_what_was_live_whatever_is_left_of_a_rewrite(gives_up: bool) -> None:
    worlds = [World(seed, gives_up=gives_up) for seed in SEEDS]
    for world in worlds:
        world.run()
    assert sum(world.rewrites for world in worlds) > 2 * len(worlds)
    assert sum(world.copied for world in worlds) > 10 * len(worlds)
    assert sum(world.log.looks for world in worlds) > 20 * len(worlds)
