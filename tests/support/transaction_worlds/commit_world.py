"""Power is lost at every single step of the disk while one producer runs two transactions.

Old and new clients, commits and aborts, several partitions and offsets, by seed: a run without a
loss counts the steps, then there is a run for each of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial

from tests.support.transaction_worlds.transaction_world import TransactionWorld
from tests.support.transaction_worlds.transactional_program import TransactionalProgram
from tests.support.transaction_worlds.transactional_words import NEW, OLD
from tests.support.worlds.crashing_world import Outcome
from tests.support.worlds.machine import Machine


class CommitWorld(TransactionWorld):
    """One producer, and a power loss at one step of the disk; none for step 0."""

    def __init__(self, seed: int, *, durability: str, ends: Sequence[str], step: int) -> None:
        super().__init__(seed, durability=durability, ends=ends, level=2)
        self.steps = 0
        self._step = step
        self.people(
            [
                TransactionalProgram(
                    self.machine,
                    self.history,
                    "only",
                    transactional_id="app0",
                    versions=OLD if seed % 2 else NEW,
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
            self._next_end = self._ends[0]
        for running in self.running.values():
            running.start()

    def finish(self) -> None:
        self.steps += self.machine.disk.steps
        super().finish()


class EveryStep:
    """All the worlds of one seed, as if they were one; it ends with the first that goes wrong.

    Attributes:
        machine: of the last one.
        outcome: of all together.
        count: how many there were with a power loss.
    """

    def __init__(self, seed: int, *, durability: str, ends: Sequence[str]) -> None:
        self.outcome = Outcome()
        self.machine: Machine
        self.count = 0
        self._make = partial(CommitWorld, seed, durability=durability, ends=ends)

    def run(self) -> Outcome:
        """Run them."""
        steps = self._run(0)
        for step in range(1, steps + 1):
            if self.outcome.found or self.outcome.refused:
                break
            self.count += 1
            self._run(step)
        return self.outcome

    def _run(self, step: int) -> int:
        """One of them; how many steps it took."""
        world = self._make(step=step)
        self.machine = world.machine
        outcome, together = world.run(), self.outcome
        together.found += [f"at step {step}: {each}" for each in outcome.found]
        together.refused = outcome.refused
        together.acknowledged += outcome.acknowledged
        together.restarts += outcome.restarts
        together.power_losses += outcome.power_losses
        together.retries += outcome.retries
        return world.steps
