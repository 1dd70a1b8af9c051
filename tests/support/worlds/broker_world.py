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
from random import Random

from minibroker.broker.directory.survey import UnknownPartitions
from minibroker.broker.storage.port import StorageError
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest
from minibroker.testing.simulated_disk import Crashed

from tests.support.worlds.crashing_world import CrashingWorld, Outcome
from tests.support.worlds.judging import create_topic, read_log, send_again, topic_names
from tests.support.worlds.log_history import (
    History,
    Place,
    findings,
    judge_topics,
    newest_of_each,
)
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
PLACES = [(TOPIC, index) for index in range(PARTITIONS)]


class BrokerWorld(CrashingWorld):
    """A machine with its clients.

    Args:
        durability: of the broker.
        ends: how it may end: kill, power, stop.
    """

    def __init__(self, seed: int, *, durability: str, ends: Sequence[str]) -> None:
        random = Random(f"{seed} {durability} {ends}")
        super().__init__(random, durability=durability, ends=ends)
        self.history = History()
        self._stranger: dict[str, bytes] | None = None
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
        self._draw_troubles(length_ms)
        for _ in range(random.choice((0, 1, 4))):
            cut = random.choice([each.cut for each in (*self._clients, self._reader)])
            machine.at(random.uniform(0, length_ms), cut)
        if random.random() < 0.2:
            machine.at(random.uniform(0, length_ms), self._take_many_ids)

    def _is_done(self) -> bool:
        is_done = all(client.is_done for client in self._clients) and self._founder.is_done
        return self.is_over or (is_done and self.machine.broker is not None)

    def _end_well(self) -> None:
        self._reader.is_stopped = True
        super()._end_well()

    def _hanging(self) -> None:
        open_ = [each for each in self.history.sent if each.acknowledged_at is None]
        which = [each.values[0][:24] for each in open_ if each.life == self._life_of(each.place)]
        self.outcome.found.append(f"hanging: {which}")

    def _life_of(self, place: Place) -> int:
        return self.history.lives.get(place[0], -1)

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

    def before_start(self) -> None:
        if self._stranger is None and self.random.random() < STRANGERS:
            self._stranger = put_stranger(self.machine.disk, self.random)
            self.machine.note("somebody has copied a partition of another broker here")

    def look(self) -> None:
        if self._stranger is not None:
            self.outcome.found.append("stranger: the broker started, and did not say whose")
        if self.history.lives:
            self._judge()

    def refused(self, error: Exception) -> None:
        """Nobody knows a partition: rightly, if it is the stranger, and it is as it was."""
        machine, stranger = self.machine, self._stranger
        machine.note(f"refused: {error}")
        unknown = error.unknown if isinstance(error, UnknownPartitions) else ()
        if stranger is None or [each.directory for each in unknown] != [STRANGER]:
            super().refused(error)
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
