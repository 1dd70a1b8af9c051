"""A group through random joins, deaths, time and power losses, judged by what its members heard.

One seed decides everything; a failure names it. Members follow the protocol, except that they fall
silent, leave and come back as they please. What must hold:
- every join and sync of a broker that lives on is answered, once
- generations rise; in each there is one leader, the same for everybody
- what a member was assigned is what the leader of that generation assigned to it
- an acknowledged commit is never lost and what was told never goes back, whatever the disk loses
- of a transaction all offsets count from its durable marker on, or none; while it is open, what it
  has durably committed makes its partitions unstable (offset_transactions.py)
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from minibroker.broker.broker import Broker
from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.groups import offsets
from minibroker.broker.groups.members import Joined, Synced
from minibroker.broker.groups.records import OffsetCommitValue
from minibroker.broker.groups.requests import Speaker
from minibroker.broker.log import state_log
from minibroker.broker.storage.port import DamagedLog
from minibroker.broker.waiting.hooks import Hooks
from minibroker.broker.world import World
from minibroker.protocol.errors import ErrorCode
from minibroker.testing.simulated_disk import Crashed, SimulatedDisk
from minibroker.testing.simulated_storage import SimulatedStorage

from tests.simulation.offset_transactions import OffsetTransactions
from tests.support.groups.bare_groups import GROUP, Clock, Groups, hear
from tests.support.sizes import size

SEEDS = range(size(fast=12, whole=40))
STEPS = 400
PARTITIONS = 3
ALONE, ELSEWHERE = "alone", "elsewhere"  # groups without members
SETTLE_MS = 1_000_000


class Member:
    """One client: what it knows, and what it waits for."""

    def __init__(self, number: int, instance_id: str | None) -> None:
        self.number = number
        self.instance_id = instance_id
        self.forget()

    def forget(self) -> None:
        self.member_id = ""
        self.generation_id = -1
        self.joined: Joined | None = None
        self.is_assigned = False
        self.waits = False


class GroupWorld:
    """The members, the coordinator and its disk."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.disk = SimulatedDisk(Random(seed + 1))
        storage = SimulatedStorage(self.disk)
        self.groups = Groups(storage, durability="fsync", log_dirs=("data",))
        self.members = [Member(n, f"i{n}" if n % 3 == 0 else None) for n in range(6)]
        self.asked: list[list[Any]] = []  # the answers to each question of this life
        self.leaders: dict[int, str] = {}
        self.assigned: dict[tuple[int, str], bytes] = {}
        self.newest_assigned = 0  # generation, durable
        self.next_offset = 1
        self.acknowledged: Counter[tuple[str, int]] = Counter()
        self.deleted: dict[int, int] = {}  # partition of topic other: by which commit
        self.lives = 1
        self.is_refused = False
        self.transactions = OffsetTransactions(self.random, self.groups, (ALONE, ELSEWHERE))

    def run(self) -> None:
        """Everything, then peace."""
        try:
            for _ in range(STEPS):
                try:
                    self.step()
                except Crashed:
                    self.crash()
                self.check_offsets()
                self.transactions.check()
            self.settle()
        except DamagedLog:
            self.is_refused = True  # a hole in what was not flushed: recovery asks a human

    def step(self) -> None:
        """One thing that happens."""
        random = self.random
        kind = random.randrange(100)
        if kind < 40:
            self.act(random.choice(self.members))
        elif kind < 50:
            self.next_offset += 1
            self.transactions.step(self.next_offset - 1)
        elif kind < 65:
            self.commit_to(ALONE)
        elif kind < 75:
            self.groups.pass_ms(random.choice((0, 1, 500, 3000, 12_000)))
        elif kind < 97:
            self.groups.flush()
        elif kind == 97:
            self.crash()
        else:
            self.disk.crash_at = self.disk.steps + random.randrange(1, 20)

    def act(self, member: Member) -> None:
        """Let a member do what comes next, or something else."""
        random = self.random
        if member.waits:
            return
        if random.random() < 0.03:
            member.forget()  # it dies; whoever comes next has its place
        elif member.member_id and random.random() < 0.03:
            leaving = [(member.member_id, member.instance_id)]
            self.groups.coordinator.leave(GROUP, leaving)
            member.forget()
        elif member.joined is None:
            self.join(member)
        elif not member.is_assigned:
            self.sync(member, member.joined)
        elif random.random() < 0.5:
            self.commit(member)
        elif random.random() < 0.2:
            self.join(member)
        else:
            self.believe(member, self.groups.coordinator.heartbeat(self.speaker(member)))

    def join(self, member: Member) -> None:
        """Join, and take the answer when it comes."""
        member.waits, member.joined, member.is_assigned = True, None, False
        answers = self.ask()
        life = self.lives

        def take(joined: Joined) -> None:
            answers.append(joined)
            if self.lives != life:
                return
            member.waits = False
            if joined.code in (ErrorCode.NONE, ErrorCode.MEMBER_ID_REQUIRED):
                member.member_id = joined.member_id
            if joined.code is ErrorCode.NONE:
                member.joined, member.generation_id = joined, joined.generation_id
                self.heard(joined)
            elif joined.code is not ErrorCode.MEMBER_ID_REQUIRED:
                self.believe(member, joined.code)

        first = self.random.random() < 0.7
        self.groups.join_with(
            take, member.member_id, group_instance_id=member.instance_id, gets_id_first=first
        )

    def sync(self, member: Member, joined: Joined) -> None:
        """Sync, as the leader with an assignment for everybody."""
        member.waits = True
        answers = self.ask()
        life = self.lives
        given = {
            member_id: f"{joined.generation_id} {member_id}".encode()
            for member_id, _, _ in joined.members
            if not joined.skip_assignment
        }

        def take(synced: Synced) -> None:
            answers.append(synced)
            if self.lives != life:
                return
            member.waits = False
            if synced.code is ErrorCode.NONE:
                member.is_assigned = True
                assert self.newest_assigned <= joined.generation_id
                self.newest_assigned = joined.generation_id
                if member.instance_id is None:
                    expected = f"{joined.generation_id} {member.member_id}".encode()
                    assert synced.assignment == expected
            else:
                self.believe(member, synced.code)

        hear(self.groups.coordinator.sync(self.speaker(member), None, None, given), take)

    def commit(self, member: Member) -> None:
        """Commit the next offset of a partition; acknowledged when the ledger says so."""
        coordinator = self.groups.coordinator
        code = coordinator.offsets.check_commit(self.speaker(member), knows_missing=True)
        if code is not ErrorCode.NONE:
            self.believe(member, code)
            return
        self.commit_to(GROUP)

    def commit_to(self, group_id: str) -> None:
        """Commit the next offset to a group, one of whose partitions is there today and gone."""
        coordinator = self.groups.coordinator
        where = group_id, self.random.randrange(PARTITIONS)
        offset = self.next_offset
        self.next_offset += 1
        now_ms = self.groups.clock.now_ms()
        value = OffsetCommitValue(offset=offset, metadata="", commit_timestamp=now_ms)
        values = [("t", where[1], value)]
        if group_id == ALONE:
            values.append(("other", offset % 30, value))
        coordinator.offsets.commit(group_id, values)
        if group_id == ALONE and offset % 3:
            coordinator.offsets.delete(ALONE, [("other", offset % 30)])
        hear(self.groups.ledger.when_durable((where, offset), lambda: None), self.acknowledge)

    def acknowledge(self, committed: tuple[tuple[str, int], int] | None) -> None:
        """A commit has been answered, and what was deleted with it has gone."""
        assert committed is not None
        where, offset = committed
        self.acknowledged[where] = max(self.acknowledged[where], offset)
        if where[0] == ALONE and offset % 3:
            self.deleted[offset % 30] = offset

    def believe(self, member: Member, code: ErrorCode) -> None:
        """Do as clients do with a refusal."""
        if code in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
            member.forget()
        elif code is not ErrorCode.NONE:
            member.joined, member.is_assigned = None, False

    def heard(self, joined: Joined) -> None:
        """A generation has begun, or is told again."""
        if not self.is_static(joined.member_id):  # one that came back hears when that is durable
            assert joined.generation_id >= max(self.leaders, default=0)
        leader = self.leaders.setdefault(joined.generation_id, joined.leader)
        assert joined.skip_assignment or joined.leader == leader or self.is_static(leader)
        assert bool(joined.members) == (joined.leader == joined.member_id)

    def is_static(self, member_id: str) -> bool:
        """Whether an id is that of a static member, whose id changes when it comes back."""
        return member_id.startswith("i")

    def crash(self) -> None:
        """The broker is killed or power is lost; the next has what the disk kept."""
        (self.disk.kill if self.random.random() < 0.7 else self.disk.lose_power)()
        self.lives += 1
        self.asked.clear()
        self.leaders.clear()
        for member in self.members:
            if member.waits:
                member.waits, member.joined, member.is_assigned = False, None, False
        self.groups.restart(SimulatedStorage(self.disk))
        self.transactions.restarted()

    def settle(self) -> None:
        """No more troubles: everybody who waits is answered, and nobody stays in the group."""
        self.disk.crash_at = None
        for _ in range(20):
            self.groups.pass_ms(SETTLE_MS // 20)
            self.groups.flush()
        self.transactions.settle()
        assert [answers for answers in self.asked if len(answers) != 1] == []
        group = self.groups.coordinator.roster.find(GROUP)
        assert group is None or not group.members
        self.check_offsets()

    def check_offsets(self) -> None:
        """What was acknowledged is there, or something newer."""
        if self.disk.is_down:
            self.crash()
        for group_id, partition, offset in self.transactions.committed:
            where = group_id, partition
            self.acknowledged[where] = max(self.acknowledged[where], offset)
        for (group_id, partition), offset in self.acknowledged.items():
            found = self.groups.offset(partition, group_id)
            assert found is not None, (group_id, partition)
            assert offset <= found, (group_id, partition)
        others = self.groups.coordinator.offsets.of_group(ALONE).get("other", {})
        for partition, offset in self.deleted.items():
            assert partition not in others or others[partition].offset > offset, "it is back"

    def speaker(self, member: Member) -> Speaker:
        return Speaker(GROUP, member.generation_id, member.member_id, member.instance_id)

    def ask(self) -> list[Any]:
        answers: list[Any] = []
        self.asked.append(answers)
        return answers


@pytest.fixture(autouse=True)
def _rewrites_are_frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_log, "REWRITE_SLACK", 10)
    monkeypatch.setattr(state_log, "REWRITE_FACTOR", 1)
    monkeypatch.setattr(offsets, "SNAPSHOT_STEP", 4)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_members_hear_makes_sense(seed: int) -> None:
    GroupWorld(seed).run()


def test_the_worlds_are_worth_the_time() -> None:
    worlds = [GroupWorld(seed) for seed in range(15)]
    for world in worlds:
        world.run()
    assert sum(world.is_refused for world in worlds) < len(worlds) / 2
    assert sum(world.lives for world in worlds) > 3 * len(worlds)
    assert sum(world.newest_assigned for world in worlds) > 5 * len(worlds)
    assert sum(len(world.deleted) for world in worlds) > 5 * len(worlds)
    ended = [sum(world.transactions.ended[how] for world in worlds) for how in (True, False)]
    assert min(ended) > 2 * len(worlds)


def test_what_a_killed_broker_had_written_is_told_only_when_it_is_durable() -> None:
    disk = SimulatedDisk(Random(1))
    config = BrokerConfig.of({"log.dirs": ("data",)})
    hooks = Hooks(lambda: None, lambda: None, lambda: None, lambda line: None)

    def start() -> Broker:
        return Broker(config, [], World(Clock(), SimulatedStorage(disk), Random(2)), hooks)

    value = OffsetCommitValue(offset=7, metadata="", commit_timestamp=Clock().now_ms())
    start().groups.offsets.commit(GROUP, [("t", 0, value)])  # nobody waits for a flush
    disk.kill()
    assert start().groups.offsets.of_group(GROUP)["t"][0].offset == 7  # told from now on
    disk.lose_power()
    assert start().groups.offsets.of_group(GROUP)["t"][0].offset == 7
