"""Retention, DeleteRecords and deletion of topics, cut off at any step of the disk by a power loss.

After each start: it does start; the log begins where an answered DeleteRecords put it, or further
on; under durability fsync nothing acknowledged is missing from there on, and a retry of the five
newest batches is recognised though their segments be gone. A failure prints its seed.
"""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import pytest
from minibroker.broker.partitions import retention
from minibroker.broker.partitions.partition import Appended, Partition
from minibroker.broker.partitions.sequences import BATCHES_KEPT, Duplicate
from minibroker.protocol.batch.header import headers_in, read_header
from minibroker.testing.simulated_disk import Crashed, SimulatedDisk
from minibroker.testing.simulated_storage import SimulatedStorage

from tests.support.worlds.timed_broker import BATCH_BYTES, Machine, batch_at

SEEDS = range(15)
STARTS = 8
ACTIONS = 25
STEPS_MAX = 150  # of the disk, before the power goes
CHECK_MS = 300_000
PID = 7


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is removed in several turns, as only a large one is."""
    monkeypatch.setattr(retention, "REMOVED_A_TURN_BYTES", BATCH_BYTES + 7)


class Truth:
    """What was acknowledged for the one partition."""

    def __init__(self) -> None:
        self.log_start_offset = 0
        self.stored: dict[int, int] = {}  # base offset of a batch -> its sequence
        self.newest: deque[tuple[int, int, int]] = deque(maxlen=BATCHES_KEPT)  # + its time
        self.next_sequence = 0


class World:
    """One disk, a broker after another, and one producer that sends a batch after another."""

    def __init__(self, seed: int, durability: str) -> None:
        self.random = random.Random(seed)
        self.disk = SimulatedDisk(random.Random(seed))
        self.machine = Machine(durability=durability)
        self.truth = Truth()
        self.texts: dict[str, Any] = {
            "internal_segment_bytes": str(3 * BATCH_BYTES),
            "retention_ms": str(2 * CHECK_MS),
            "retention_bytes": str(self.random.choice((-1, 0, 4 * BATCH_BYTES))),
        }

    def start(self) -> Partition:
        self.machine.storage = SimulatedStorage(self.disk)
        self.machine.start()
        return self.machine.partition("orders", 0, **self.texts)

    def end(self) -> None:
        """The power goes, unless the broker still runs and may stop as it should."""
        if not self.disk.is_down and self.random.random() < 0.5:
            self.disk.crash_at = None
            self.machine.broker.close()
        self.disk.lose_power()

    def act(self, partition: Partition) -> None:
        """One of the things that happen to a broker; what is acknowledged is noted."""
        match self.random.randrange(8):
            case 0:
                self.machine.pass_ms(self.random.choice((1000, CHECK_MS)))
            case 1:
                self.delete_records(partition)
            case _:
                self.append(partition)

    def append(self, partition: Partition) -> None:
        sequence, now_ms = self.truth.next_sequence, self.machine.clock.now_ms()
        outcome = partition.produce(batch_at(now_ms, PID, sequence), now_ms)
        assert isinstance(outcome, Appended), f"sequence {sequence}: {outcome}"
        self.machine.broker.appended(partition)
        self.machine.flush()
        self.truth.stored[outcome.base_offset] = sequence
        self.truth.newest.append((sequence, outcome.base_offset, now_ms))
        self.truth.next_sequence += 1

    def delete_records(self, partition: Partition) -> None:
        low, high = partition.log.log_start_offset, partition.high_watermark
        answer = self.machine.broker.delete_records(partition, self.random.randint(low, high))
        self.machine.flush()
        assert isinstance(answer, int)
        self.truth.log_start_offset = max(self.truth.log_start_offset, answer)

    def check(self, partition: Partition) -> None:
        """After a start: what was acknowledged holds."""
        log = partition.log
        assert log.log_start_offset >= self.truth.log_start_offset
        found = {}
        offset = log.log_start_offset
        while offset < log.log_end_offset:
            for _, header in headers_in(log.read(offset, log.log_end_offset, 10**6)):
                found[header.base_offset] = header.base_sequence
                offset = header.next_offset
        wanted = {
            offset: sequence
            for offset, sequence in self.truth.stored.items()
            if offset >= log.log_start_offset
        }
        assert wanted.items() <= found.items(), "an acknowledged batch is missing"
        # One more may have been stored without its acknowledgement: then the oldest is forgotten.
        for sequence, base_offset, at_ms in [*self.truth.newest][1:]:
            answer = partition.sequences.check(read_header(batch_at(at_ms, PID, sequence)))
            assert answer == Duplicate(base_offset, base_offset + 1, at_ms), (
                f"sequence {sequence}: {answer}; {self.machine.warned}"
            )

    def resume(self, partition: Partition) -> None:
        """The producer sends again what it has no answer for."""
        sequence, now_ms = self.truth.next_sequence, self.machine.clock.now_ms()
        outcome = partition.produce(batch_at(now_ms, PID, sequence), now_ms)
        assert isinstance(outcome, Appended | Duplicate), outcome
        self.machine.broker.appended(partition)
        self.machine.flush()
        self.truth.stored[outcome.base_offset] = sequence
        self.truth.newest.append((sequence, outcome.base_offset, now_ms))
        self.truth.next_sequence += 1


@pytest.mark.parametrize("seed", SEEDS)
def test_with_fsync_all_that_was_acknowledged_holds(seed: int) -> None:
    world = World(seed, "fsync")
    for _ in range(STARTS):
        try:
            partition = world.start()
            world.check(partition)
            world.resume(partition)
            world.disk.crash_at = world.disk.steps + world.random.randrange(1, STEPS_MAX)
            for _ in range(ACTIONS):
                world.act(partition)
        except Crashed:
            pass
        world.end()


@pytest.mark.parametrize("seed", SEEDS)
def test_with_page_cache_it_starts_and_no_deleted_record_comes_back(seed: int) -> None:
    world = World(seed, "page-cache")
    for _ in range(STARTS):
        try:
            partition = world.start()
            assert partition.log.log_start_offset >= world.truth.log_start_offset
            world.disk.crash_at = world.disk.steps + world.random.randrange(1, STEPS_MAX)
            for _ in range(ACTIONS):
                batch = batch_at(world.machine.clock.now_ms())
                partition.produce(batch, world.machine.clock.now_ms())
                world.machine.broker.appended(partition)
                match world.random.randrange(6):
                    case 0:
                        world.machine.pass_ms(CHECK_MS)
                    case 1:
                        world.delete_records(partition)
        except Crashed:
            pass
        world.end()
