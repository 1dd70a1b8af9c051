"""EDGE: python -m tests.soak MINUTES SEED: everything that `make soak` does; prints a table.

All Python clients, unmodified and idempotent, write to one partition through a proxy that cuts
connections at random. In rounds, each with new producers and a topic of its own; while one round
writes, all clients read what the round before was promised, through the same proxy.
Exit code 1 unless in the end, after all clients have left, the broker holds no task, connection or
request of theirs, its memory is at most GROWTH_KB_MAX above what it was after the first round,
and every log, before and after a restart, holds what its writers were promised: each acknowledged
record once, at its offset, in order for each producer, and nothing else.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

from minibroker.testing import Acknowledged, Sent

from tests.soak.cuts import Cuts
from tests.soak.writing import write_for
from tests.support.processes.clients import READERS, WRITERS, codecs_of
from tests.support.processes.figures import Figures
from tests.support.processes.load import value_of
from tests.support.processes.observed import COUNTED, ObservedBroker
from tests.support.processes.vitals import Vitals, vitals
from tests.support.records.stored import broken_promises

GROWTH_KB_MAX = 8 * 1024
ROUND_S_MAX = 60.0
ROUNDS_MIN = 5
RESULT_WAIT_S = 300.0
SETTLE_S = 2.0
OWN_FAULTS = (b"Traceback", b"level=ERROR", b"level=CRITICAL")


class Soak:
    """The rounds, and what came of them."""

    def __init__(self, broker: ObservedBroker, proxied: str, seed: int, figures: Figures) -> None:
        self._broker = broker
        self._proxied = proxied
        self._rng = Random(seed)
        self._figures = figures
        self.promised: dict[str, list[Sent]] = {}
        self.samples: list[Vitals] = []
        self.read = 0

    def run(self, seconds: float, round_s: float) -> None:
        """Write in rounds until the time is over; read the last round as well."""
        end = time.monotonic() + seconds
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(2 * len(WRITERS), spawn) as pool:
            before = ""
            while time.monotonic() < end:
                topic = f"round-{len(self.promised)}"
                writing = self._start_writers(pool, topic, min(round_s, end - time.monotonic()))
                reading = self._start_readers(pool, before)
                self.promised[topic] = self._collect(writing)
                self._check_readers(reading, before)
                before = topic
            self._check_readers(self._start_readers(pool, before), before)

    def check_logs(self, when: str) -> None:
        """Compare every log with what was promised."""
        for topic, promised in self.promised.items():
            found = broken_promises(self._broker.port, topic, promised)
            self._figures.demand(not found, f"{topic} {when} is not what was promised: {found}")

    def _start_writers(
        self, pool: ProcessPoolExecutor, topic: str, seconds: float
    ) -> dict[str, Future[list[int]]]:
        return {
            client: pool.submit(
                write_for,
                client,
                self._proxied,
                topic,
                self._rng.choice(["none", *codecs_of(client)]),
                seconds,
            )
            for client in WRITERS
        }

    def _start_readers(
        self, pool: ProcessPoolExecutor, topic: str
    ) -> dict[str, Future[list[bytes]]]:
        if not topic:
            return {}
        count = len(self.promised[topic])
        return {
            client: pool.submit(READERS[client], self._proxied, topic, count) for client in READERS
        }

    def _collect(self, writing: dict[str, Future[list[int]]]) -> list[Sent]:
        promised: list[Sent] = []
        for client, each in writing.items():
            offsets = self._result(each)
            promised += (
                Sent(0, value_of(client, number), Acknowledged(offset), client)
                for number, offset in enumerate(offsets)
            )
        return promised

    def _check_readers(self, reading: dict[str, Future[list[bytes]]], topic: str) -> None:
        expected = [value for _, value in sorted(_places(self.promised.get(topic, [])))]
        for client, each in reading.items():
            values = self._result(each)
            self.read += len(values)
            self._figures.demand(values == expected, f"{client} read something else from {topic}")

    def _result(self, each: Future[Any]) -> Any:
        """What a client's process returns; meanwhile look at the broker now and then."""
        deadline = time.monotonic() + RESULT_WAIT_S
        while time.monotonic() < deadline:
            try:
                return each.result(1.0)
            except TimeoutError:
                self.samples.append(vitals(self._broker.pid))
        raise TimeoutError("a client does not come to an end")


def _places(promised: list[Sent]) -> Iterator[tuple[int, bytes]]:
    for each in promised:
        if isinstance(each.outcome, Acknowledged):
            yield each.outcome.offset, each.value


def main() -> int:
    """See the file's docstring."""
    minutes, seed = float(sys.argv[1]), int(sys.argv[2])
    figures = Figures(f"make soak MINUTES={minutes:g} SEED={seed}")
    with (
        tempfile.TemporaryDirectory() as directory,
        ObservedBroker(data_dir=Path(directory) / "data", durability="page-cache") as broker,
    ):
        cuts = Cuts(broker.bootstrap_servers, seed)
        soak = Soak(broker, cuts.bootstrap_servers, seed, figures)
        round_s = min(ROUND_S_MAX, minutes * 60 / ROUNDS_MIN)
        soak.run(round_s, round_s)
        warm, held_before = _settled(broker)
        soak.run(minutes * 60 - round_s, round_s)
        after, held_after = _settled(broker)
        faults = cuts.finish()
        figures.note("faults", ", ".join(f"{count} {name}" for name, count in faults.items()))
        _judge_broker(figures, soak, (warm, held_before), (after, held_after))
        said = broker.said_from(0)
        figures.demand(not any(each in said for each in OWN_FAULTS), "the broker reported a fault")
        soak.check_logs("at the end")
        broker.restart()
        soak.check_logs("after a restart")
    written = sum(map(len, soak.promised.values()))
    figures.note("records", f"{written} written in {len(soak.promised)} rounds, {soak.read} read")
    return figures.print()


def _judge_broker(
    figures: Figures,
    soak: Soak,
    before: tuple[Vitals, dict[str, int]],
    after: tuple[Vitals, dict[str, int]],
) -> None:
    """Memory, descriptors and objects after all clients have left, against the first round's."""
    (warm, held_before), (end, held_after) = before, after
    peak = max((each.rss_kb for each in soak.samples), default=0)
    growth = end.rss_kb - warm.rss_kb
    figures.note("broker RSS after round 1, peak, after all", (warm.rss_kb, peak, end.rss_kb), "kB")
    figures.note("growth since round 1", f"{growth} kB, at most {GROWTH_KB_MAX} allowed")
    figures.note(
        "sockets with clients, without",
        (
            max((each.sockets for each in soak.samples), default=0),
            end.sockets,
        ),
    )
    files = (warm.descriptors - warm.sockets, end.descriptors - end.sockets)
    figures.note("files open after round 1, after all", files)
    figures.note("threads", (warm.threads, end.threads))
    figures.note("held after round 1", held_before)
    figures.note("held after all", held_after)
    figures.demand(growth <= GROWTH_KB_MAX, "the broker's memory grew")
    figures.demand(end.sockets <= warm.sockets, "sockets stayed open")
    figures.demand(files[1] <= files[0] + len(soak.promised), "more files than partitions are open")
    figures.demand(held_after["tasks"] <= held_before["tasks"], "tasks were left behind")
    for name in COUNTED:
        figures.demand(held_after[name] == 0, f"{held_after[name]} {name} were left behind")


def _settled(broker: ObservedBroker) -> tuple[Vitals, dict[str, int]]:
    """The broker a moment after its clients have left."""
    threading.Event().wait(SETTLE_S)
    held = broker.observe()
    return vitals(broker.pid), held


if __name__ == "__main__":
    sys.exit(main())
