"""Power is lost at every single step of the disk while one producer runs two transactions.

Old and new clients, commits and aborts, several partitions and offsets, by seed: a run without a
loss counts the steps, then there is a run for each of them. What was told holds, and nothing is
half there (transaction_world.py judges).
"""

from __future__ import annotations

import itertools

import pytest

from tests.support.worlds.transaction_world import TransactionWorld
from tests.support.worlds.transactional_program import NEW, OLD, TransactionalProgram, Versions

SEEDS = 4
STEPS_MIN = 10


class CommitWorld(TransactionWorld):
    """One producer, and a power loss at one step of the disk; none for step 0."""

    def __init__(self, seed: int, versions: Versions, step: int) -> None:
        super().__init__(seed, durability="fsync", ends=("power",))
        self.steps = 0
        self._step = step
        self.people(
            [
                TransactionalProgram(
                    self.machine,
                    self.history,
                    "only",
                    transactional_id="app0",
                    versions=versions,
                    partitions=self.partitions,
                    offsets=itertools.count(1),
                    timeout_ms=60_000,
                    count=2,
                )
            ]
        )

    def begin(self) -> None:
        disk = self.machine.disk
        self.steps = -disk.steps
        if self._step:
            disk.crash_at = disk.steps + self._step
            self._next_end = "power"
        for running in self.running.values():
            running.start()

    def finish(self) -> None:
        self.steps += self.machine.disk.steps
        super().finish()


@pytest.mark.parametrize("versions", [NEW, OLD], ids=["new", "old"])
def test_power_is_lost_at_every_step_of_two_transactions(versions: Versions) -> None:
    for seed in range(SEEDS):
        undisturbed = CommitWorld(seed, versions, 0)
        assert not undisturbed.run().found, undisturbed.outcome.found
        assert undisturbed.steps > STEPS_MIN
        for step in range(1, undisturbed.steps + 1):
            world = CommitWorld(seed, versions, step)
            outcome = world.run()
            transcript = "\n".join(world.machine.transcript[-40:])
            assert not outcome.found + [outcome.refused][: bool(outcome.refused)], (
                f"seed {seed}, step {step}: {outcome.found} {outcome.refused}\n{transcript}"
            )
            assert outcome.power_losses >= 2, "the step was not reached"
