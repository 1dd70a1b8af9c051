"""One run of a broker through crashes, decided by a seed, judged after every restart.

    outcome = BrokerWorld(seed, durability="fsync", ends=("kill", "power")).run()

A crash comes at a random instant or at a random step of the disk, also while the broker starts,
stops, rolls, creates or deletes; between them the disk may be full or fail, and somebody may copy
another broker's partition into the directory. After each restart
everything is read back and judged (log_history.py), and the five newest batches of every producer
id are sent again: each must be answered with its first offset, and nothing may grow by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from minibroker.broker.cluster.records import MetadataError
from minibroker.broker.directory.survey import UnknownPartitions
from minibroker.broker.storage.port import DamagedLog, DirectoryRefused, StorageError
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest
from minibroker.testing.simulated_disk import IO_ERROR, Crashed

from tests.support.worlds.judging import create_topic, read_log, send_again, topic_names
from tests.support.worlds.log_history import (
    History,
    Place,
    findings,
    judge_topics,
    newest_of_each,
)
from tests.support.worlds.machine import Machine
from tests.support.worlds.simulated_clients import PARTITIONS, Founder, Producer, Reader
from tests.support.worlds.stranger import (
    STRANGER,
    files_of_stranger,
    put_stranger,
    take_stranger_away,
)

WINDOW = 5  # newest batches of a producer id that a broker must recognise
TOPIC = "t"
FETCH_BYTES = 20_000
EARLIEST = -2
STRANGERS = 0.15  # of all restarts find a partition of another broker
LONGEST_MS = 10_000.0
STARTS_MAX = 40
PLACES = [(TOPIC, index) for index in range(PARTITIONS)]


@dataclass
class Outcome:
    """What came of a run.

    Attributes:
        found: everything wrong; the run ends at the first restart that finds something.
        refused: why the broker did not start; "" if it did.
        retries: batches sent again after restarts and recognised.
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


class BrokerWorld:
    """A machine with its clients.

    Args:
        durability: of the broker.
        ends: how it may end: kill, power, stop.
    """

    def __init__(self, seed: int, *, durability: str, ends: Sequence[str]) -> None:
        self.random = random = Random(f"{seed} {durability} {ends}")
        self.machine = Machine(random, durability)
        self.machine.crashed = self._crashed
        self.history = History()
        self.outcome = Outcome()
        self.is_over = False
        self._stranger: dict[str, bytes] | None = None
        self._ends = tuple(ends)
        self._next_end = random.choice(self._ends)
        self._configs = {
            "internal.segment.bytes": str(random.choice((2_500, 6_000, 40_000))),
            "index.interval.bytes": str(random.choice((0, 300))),
            "retention.ms": "-1",
        }
        if random.random() < 0.3:
            self._configs["retention.bytes"] = str(random.choice((0, 5_000)))
            self.history.expires = True
        self._clients = [
            Producer(self.machine, self.history, f"p{number}", PLACES)
            for number in range(random.choice((1, 2, 3)))
        ]
        self._founder = Founder(self.machine, self.history, "f", random.choice((0, 1, 3)))
        self._founder.configs = self._configs
        self._reader = Reader(self.machine, self.history, "reader", PLACES)

    def run(self) -> Outcome:
        """Let everything happen; returns what is wrong with it."""
        self._start()
        if not self.is_over:
            create_topic(self.machine, TOPIC, PARTITIONS, self._configs)
            self.history.lives[TOPIC] = 0
            self._begin()
            done = self.machine.run(LONGEST_MS, self._is_done)
            if not self.is_over:
                if not done:
                    self._hanging()
                self._end_well()
        self.outcome.acknowledged = self.history.acknowledged_count()
        return self.outcome

    def _begin(self) -> None:
        random, machine = self.random, self.machine
        for client in self._clients:
            client.write(random.choice((5, 20, 60)))
        self._founder.found(random.choice((1, 6)))
        self._reader.go_on()
        length_ms = random.choice((30, 150, 400))
        for _ in range(random.randint(1, 4)):
            end = self._crash_soon if random.random() < 0.6 else self._end_now
            machine.at(random.uniform(0, length_ms), end)
        for _ in range(random.choice((0, 1, 4))):
            cut = random.choice([each.cut for each in (*self._clients, self._reader)])
            machine.at(random.uniform(0, length_ms), cut)
        if random.random() < 0.3:
            troubles = [self._fill_disk, self._fail_writes, self._fail_flush]
            if "power" not in self._ends:
                troubles.pop()  # it costs what power loss costs, see _crashed
            machine.at(random.uniform(0, length_ms), random.choice(troubles))
        if random.random() < 0.2:
            machine.at(random.uniform(0, length_ms), self._take_many_ids)

    def _is_done(self) -> bool:
        is_done = all(client.is_done for client in self._clients) and self._founder.is_done
        return self.is_over or (is_done and self.machine.broker is not None)

    def _end_well(self) -> None:
        """Crash once more, and look at everything with nobody at work."""
        self._reader.is_stopped = True
        self.machine.disk.trouble = None
        self.machine.disk.capacity_bytes = None
        self._next_end = self.random.choice([end for end in self._ends if end != "stop"])
        self._crashed("the end")

    def _hanging(self) -> None:
        open_ = [each for each in self.history.sent if each.acknowledged_at is None]
        which = [each.values[0][:24] for each in open_ if each.life == self._life_of(each.place)]
        self.outcome.found.append(f"hanging: {which}")

    def _life_of(self, place: Place) -> int:
        return self.history.lives.get(place[0], -1)

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

    def _take_many_ids(self) -> None:
        machine = self.machine
        if machine.broker is None or machine.is_flushing:
            return
        try:
            for _ in range(700):
                message = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=0)
                answer = machine.ask(message)
                if not answer.error_code:
                    self.history.producer_ids.append(answer.producer_id)
        except StorageError as error:
            raise Crashed(f"exit 1: {error}") from error

    def _crashed(self, why: str) -> None:
        """The broker has ended; start it again."""
        machine, disk = self.machine, self.machine.disk
        machine.end()
        # After a failed flush the page cache says more than the disk will ever have. Where no
        # power is lost no flush fails either (_begin leaves that trouble out): what ends a broker
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
        if self._stranger is None and self.random.random() < STRANGERS:
            self._stranger = put_stranger(disk, self.random)
            machine.note("somebody has copied a partition of another broker here")
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
            if self._stranger is not None:
                self.outcome.found.append("stranger: the broker started, and did not say whose")
            self.outcome.restarts += 1
            if self.history.lives:
                self._judge()
        except Crashed as crash:
            self._crashed(str(crash))
        except UnknownPartitions as error:
            self._refused_for_stranger(error)
        except (DamagedLog, DirectoryRefused, MetadataError, StorageError) as error:
            self.outcome.refused = f"{type(error).__name__}: {error}"
            self.is_over = True

    def _refused_for_stranger(self, error: UnknownPartitions) -> None:
        """Nobody knows a partition: rightly, if it is the stranger, and it is as it was."""
        machine, stranger = self.machine, self._stranger
        machine.note(f"refused: {error}")
        if stranger is None or [each.directory for each in error.unknown] != [STRANGER]:
            self.outcome.refused = f"{type(error).__name__}: {error}"
            self.is_over = True
        elif files_of_stranger(machine.disk) != stranger:
            self.outcome.found.append("stranger: its files were changed or removed")
            self.is_over = True
        else:
            take_stranger_away(machine.disk)
            self._stranger = None
            machine.disk.kill()
            self._start()

    def _judge(self) -> None:
        stored = {
            (topic, index): read_log(self.machine, (topic, index))
            for topic in self.history.lives
            for index in range(PARTITIONS)
        }
        found = judge_topics(self.history, topic_names(self.machine))
        found += findings(self.history, stored)
        for place, log in stored.items() if not found else ():
            for batch in newest_of_each(self.history, place, log, WINDOW):
                wrong = send_again(self.machine, place, batch)
                self.outcome.retries += not wrong
                found += wrong
            if not found and read_log(self.machine, place) != log:
                found.append(f"{place}: retries have changed the log")
        self.outcome.found += found
        self.is_over = bool(self.outcome.found)
