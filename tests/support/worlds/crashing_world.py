"""A machine through crashes, decided by a seed: what every world with a whole broker has in common.

A crash comes at a random instant or at a random step of the disk, also while the broker starts,
stops, rolls, creates or deletes; between them the disk may be full or fail. Who uses it says what
happens besides, and what is looked at after each start: broker_world.py, transaction_world.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from minibroker.broker.cluster.records import MetadataError
from minibroker.broker.config.properties import Value
from minibroker.broker.storage.port import DamagedLog, DirectoryRefused, StorageError
from minibroker.testing.simulated_disk import IO_ERROR, Crashed

from tests.support.worlds.machine import Machine

STARTS_MAX = 40


@dataclass
class Outcome:
    """What came of a run.

    Attributes:
        found: everything wrong; the run ends at the first restart that finds something.
        refused: why the broker did not start; "" if it did.
        acknowledged: what clients were promised: batches, or transactions.
        retries: requests that were asked again and recognised.
    """

    found: list[str] = field(default_factory=list)
    refused: str = ""
    acknowledged: int = 0
    restarts: int = 0
    power_losses: int = 0
    retries: int = 0

    @property
    def has_lost(self) -> bool:
        """Whether something acknowledged was lost."""
        return any("lost" in each or "gone" in each for each in self.found)


class CrashingWorld:
    """A machine, and how it ends and starts.

    Args:
        durability: of the broker.
        ends: how it may end: kill, power, stop.
    """

    def __init__(
        self,
        random: Random,
        *,
        durability: str,
        ends: Sequence[str],
        settings: Mapping[str, Value] | None = None,
    ) -> None:
        self.random = random
        self.machine = Machine(random, durability, settings or {})
        self.machine.crashed = self._crashed
        self.outcome = Outcome()
        self.is_over = False
        self._ends = tuple(ends)
        self._next_end = random.choice(self._ends)

    def run(self) -> Outcome:
        """Let everything happen; returns what is wrong with it."""
        raise NotImplementedError

    def look(self) -> None:
        """The broker has started: hold it against what it has promised."""
        raise NotImplementedError

    def before_start(self) -> None:
        """The broker is down, and about to be started."""

    def refused(self, error: Exception) -> None:
        """It did not start."""
        self.outcome.refused = f"{type(error).__name__}: {error}"
        self.is_over = True

    def _draw_troubles(self, length_ms: float) -> None:
        """Ends of the broker, and of some worlds troubles of the disk, in the time that comes."""
        random, machine = self.random, self.machine
        for _ in range(random.randint(1, 4)):
            end = self._crash_soon if random.random() < 0.6 else self._end_now
            machine.at(random.uniform(0, length_ms), end)
        if random.random() < 0.3:
            troubles = [self._fill_disk, self._fail_writes, self._fail_flush]
            if "power" not in self._ends:
                troubles.pop()  # it costs what power loss costs, see _crashed
            machine.at(random.uniform(0, length_ms), random.choice(troubles))

    def _end_well(self) -> None:
        """Crash once more, and look at everything with nobody at work."""
        self.machine.disk.trouble = None
        self.machine.disk.capacity_bytes = None
        self._next_end = self.random.choice([end for end in self._ends if end != "stop"])
        self._crashed("the end")

    def _crash_soon(self) -> None:
        """The n-th step of the disk from now on is the last."""
        disk = self.machine.disk
        self._next_end = self.random.choice(self._ends)
        disk.crash_at = disk.steps + self.random.choice((1, 5, 40)) + self.random.randrange(10)

    def _end_now(self) -> None:
        machine = self.machine
        if machine.broker is None:
            return
        self._next_end = self.random.choice(self._ends)
        if self._next_end != "stop":
            raise Crashed("now")
        if machine.is_flushing:
            machine.at(machine.now_ms + 1, self._end_now)
            return
        try:
            machine.stop()
            machine.note("stopped")
        except StorageError as error:
            raise Crashed(f"exit 1: {error}") from error
        machine.disk.kill()
        self._mend()
        self._start()

    def _fill_disk(self) -> None:
        disk = self.machine.disk
        used = sum(len(node.data) for _, node in disk.files())
        disk.capacity_bytes = used + self.random.choice((0, 100, 2_000))
        self.machine.note("the disk is full")
        self._mend_later()

    def _fail_writes(self) -> None:
        chance, kinds = self.random.choice((0.2, 1.0)), ("write", "cut", "name")
        self.machine.disk.trouble = lambda kind, path: (
            IO_ERROR if kind in kinds and self.random.random() < chance else ""
        )
        self.machine.note("writes fail")
        self._mend_later()

    def _fail_flush(self) -> None:
        self.machine.disk.trouble = lambda kind, path: IO_ERROR if kind == "flush" else ""
        self.machine.note("flushes fail")
        self._mend_later()

    def _mend_later(self) -> None:
        self.machine.at(self.machine.now_ms + self.random.choice((5, 50)), self._mend)

    def _mend(self) -> None:
        self.machine.disk.capacity_bytes = self.machine.disk.trouble = None
        self.machine.note("the disk is well")

    def _crashed(self, why: str) -> None:
        """The broker has ended; start it again."""
        machine, disk = self.machine, self.machine.disk
        machine.end()
        # After a failed flush the page cache says more than the disk will ever have. Where no
        # power is lost no flush fails either (_draw_troubles leaves that out): what ends a broker
        # there is a name that could not be changed, which takes nothing out of the page cache.
        is_flush = why.startswith("exit 1") and "power" in self._ends
        if self._next_end == "power" or is_flush:
            disk.lose_power()
            self.outcome.power_losses += 1
            machine.note(f"POWER LOST: {why}")
        else:
            disk.kill()
            machine.note(f"KILLED: {why}")
        self._mend()
        self.before_start()
        if self.random.random() < 0.2:
            disk.crash_at = disk.steps + self.random.randint(1, 60)
            self._next_end = self.random.choice([end for end in self._ends if end != "stop"])
        self._start()

    def _start(self) -> None:
        machine = self.machine
        assert machine.starts < STARTS_MAX, "it never starts"
        try:
            machine.start()
            machine.note("started")
            self.outcome.restarts += 1
            self.look()
        except Crashed as crash:
            self._crashed(str(crash))
        except (DamagedLog, DirectoryRefused, MetadataError, StorageError) as error:
            self.refused(error)
