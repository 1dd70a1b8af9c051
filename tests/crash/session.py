"""EDGE: one broker and its clients through many crashes, each judged before the next.

The clients are programs of their own (writing.py, founding.py) and go on all the time. A run:
1. the broker works until a rule of faults kills it somewhere on the disk's path, or SIGKILL does
2. a second broker opens the same directory on another port, where no client is: everything is
   read, held against what had been promised by then, and the newest batches are sent again
3. that one is killed, or stopped, and the first is started again
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random

from minibroker.client.cluster.connection import Connection
from minibroker.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)

from tests.crash.founding import name_of
from tests.crash.judge import PARTITIONS, Promise, judge
from tests.crash.looking import Look, look
from tests.crash.writing import WRITERS
from tests.support.processes.broker import BrokerProcess, BrokerProcessError

TOPIC = "load"
YEARS_MS = 5 * 365 * 24 * 3_600_000
REACH_S = 1.5  # a crash point that is not reached by then is none: SIGKILL
BEGIN_S = 30.0
FINISH_S = 120.0
QUOTED_CHARS = 2_000
SEGMENT_BYTES = 20_000
TOPIC_CONFIGS = {
    "internal.segment.bytes": str(SEGMENT_BYTES),
    "retention.ms": "-1",
    "retention.bytes": str(10 * SEGMENT_BYTES),
}
POINTS = {
    "a batch, torn": 'shorten_write: {{path: "load-*/*.log", bytes_written: {n}, then: crash, '
    "nth: {n}}}",
    "a batch, before": 'crash: {{at: write, path: "load-*/*.log", nth: {n}}}',
    "a batch, after": 'crash: {{at: write, path: "load-*/*.log", nth: {n}, side: after}}',
    "a flush, before": "crash: {{at: flush, nth: {n}}}",
    "a flush, after": "crash: {{at: flush, nth: {n}, side: after}}",
    "a roll, before": 'crash: {{at: create, path: "load-*/*.log", nth: {few}}}',
    "a roll, after": 'crash: {{at: create, path: "load-*/*.log", nth: {few}, side: after}}',
    "an index": 'shorten_write: {{path: "load-*/*index", bytes_written: {n}, then: crash, '
    "nth: {few}}}",
    "a snapshot, torn": 'shorten_write: {{path: "*.producers*", bytes_written: {n}, then: crash, '
    "nth: {few}}}",
    "a snapshot, before": 'crash: {{at: replace, path: "*.producers*", nth: {few}}}',
    "a snapshot, after": 'crash: {{at: replace, path: "*.producers*", nth: {few}, side: after}}',
    "retention": 'crash: {{at: remove, path: "load-*/*", nth: {few}}}',
    "topic creation, torn": 'shorten_write: {{path: "__cluster_metadata-0/*", bytes_written: {n}, '
    "then: crash, nth: {few}}}",
    "topic creation, directory": 'crash: {{at: create, path: "founded-*", nth: {few}, '
    "side: after}}",
    "topic creation, metadata": 'crash: {{at: write, path: "founded-*/partition.metadata", '
    "nth: {few}}}",
    "topic deletion, rename": 'crash: {{at: rename, path: "founded-*", nth: {few}}}',
    "topic deletion, remove": 'crash: {{at: remove, path: "*-delete", nth: {few}}}',
}


@dataclass
class Run:
    """One crash: where, what was found wrong, and a line that tells it."""

    found: list[str]
    line: str


class Session:
    """A broker, a data directory, clients.

    Args:
        durability: of the broker, fsync or page-cache.
        directory: for everything this session writes.
    """

    def __init__(self, seed: int, durability: str, directory: Path) -> None:
        self.random = random = Random(seed)
        self._directory = directory
        self._durability = durability
        self._rules = directory / "faults.yaml"
        self._rules.write_text("")
        self._timestamp_ms = int(time.time() * 1000) - random.choice((0, YEARS_MS))
        self._stack = ExitStack()
        self._armed = ""  # one of POINTS
        self._died_early = False
        self._clients: dict[str, subprocess.Popen[str]] = {}
        data = directory / "data"
        settings = {"log.retention.check.interval.ms": "200"}
        self._broker = BrokerProcess(
            data_dir=data,
            durability=self._durability,
            settings=settings,
            options=["--faults", str(self._rules)],
        )
        self._second = BrokerProcess(data_dir=data, durability=self._durability, settings=settings)

    def __enter__(self) -> Session:
        self._broker.start()
        self._stack.callback(self._end)
        asyncio.run(_create_topic(self._broker.port))
        for client in WRITERS:
            arguments = [client, self._broker.bootstrap_servers, TOPIC, self._file(client)]
            self._launch("tests.crash.writing", client, [*arguments, str(self._timestamp_ms)])
        self._launch(
            "tests.crash.founding",
            "founder",
            [self._broker.bootstrap_servers, self._file("founder")],
        )
        deadline = time.monotonic() + BEGIN_S
        while not all(self.promises().values()):
            assert time.monotonic() < deadline, "a client does not begin"
            threading.Event().wait(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def crash(self, number: int) -> Run:
        """One run; `number` is for its line."""
        began = time.monotonic()
        before = sum(map(len, self.promises().values()))
        where = self._await_crash()
        self._broker.kill()
        self._second.start()
        promised = self.promises()
        steps = self._founded()
        seen = asyncio.run(look(self._second.port, TOPIC))
        found = [*judge(promised, seen.logs), *_judge_topics(steps, seen), *seen.wrong]
        stopped = self.random.random() < 0.3
        if stopped:
            self._second.stop()
        else:
            self._second.kill()
        self._arm()
        self._start_armed()
        total = sum(map(len, promised.values()))
        line = (
            f"run {number}: {self._durability}, killed {where}; {total - before} acknowledged "
            f"since the last, {total} in all, {sum(len(each.records) for each in seen.logs)} "
            f"stored; {seen.retries} retries answered (0, first offset); "
            f"{len(seen.topics)} topics; {'stopped' if stopped else 'killed again'}; "
            f"{time.monotonic() - began:.1f} s"
        )
        return Run(found, line)

    def finish(self) -> list[str]:
        """Let the clients deliver everything; returns what is wrong in the end."""
        self._rules.write_text("")
        self._broker.kill()
        self._broker.start()
        counts: dict[str, int] = {}
        for client, program in self._clients.items():
            printed, _ = program.communicate("", FINISH_S)
            said = Path(f"{self._file(client)}.err").read_text()[-QUOTED_CHARS:]
            assert program.returncode == 0, f"{client} failed:\n{said}"
            if client in WRITERS:
                counts[client] = int(printed)
        promised = self.promises()
        found = [
            f"{client} wrote {count} values and was promised {len(promised[client])}"
            for client, count in counts.items()
            if sorted(each.number for each in promised[client]) != list(range(count))
        ]
        self._broker.kill()
        self._broker.start()
        seen = asyncio.run(look(self._broker.port, TOPIC))
        self._broker.stop()
        return [*found, *judge(promised, seen.logs), *seen.wrong]

    def promises(self) -> dict[str, list[Promise]]:
        """What each writer has been promised so far."""
        return {client: _promises(Path(self._file(client))) for client in WRITERS}

    def _await_crash(self) -> str:
        """Wait for the armed crash, or kill the broker; returns where it ended."""
        point = self._armed
        if not point:
            delay_s = self.random.uniform(0.05, 0.8)
            self._broker.wait_for_end(delay_s)
            return f"after {delay_s:.2f} s"
        if self._died_early:
            self._died_early = False
            return f"at {point}, while it started"
        if self._broker.wait_for_end(REACH_S) is None:
            return f"({point}: not reached)"
        return f"at {point}"

    def _start_armed(self) -> None:
        """Start the broker; it may die on the way, if that is where it was armed."""
        try:
            self._broker.start()
        except BrokerProcessError:
            if not self._armed:
                raise
            self._died_early = True

    def _arm(self) -> None:
        self._armed = self.random.choice(["", "", *POINTS])
        n, few = self.random.choice((1, 3, 30)), self.random.choice((1, 2, 5))
        rule = POINTS[self._armed].format(n=n, few=few) if self._armed else ""
        self._rules.write_text(f"- {rule}\n" if rule else "")

    def _founded(self) -> list[tuple[str, int]]:
        path = Path(self._file("founder"))
        lines = path.read_text().splitlines() if path.exists() else []
        return [(word, int(number)) for word, number in map(str.split, lines)]

    def _file(self, client: str) -> str:
        return str(self._directory / client)

    def _launch(self, module: str, client: str, arguments: list[str]) -> None:
        with open(f"{self._file(client)}.err", "w") as errors:
            self._clients[client] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def _end(self) -> None:
        for program in self._clients.values():
            program.kill()
            program.communicate()
        self._broker.kill()
        self._second.kill()


async def _create_topic(port: int) -> None:
    configs = [CreatableTopicConfig(name=k, value=v) for k, v in TOPIC_CONFIGS.items()]
    wanted = CreatableTopic(
        name=TOPIC, num_partitions=PARTITIONS, replication_factor=1, configs=configs
    )
    connection = await Connection.open("127.0.0.1", port)
    try:
        answer = await connection.request(CreateTopicsRequest(topics=[wanted]))
        assert not answer.topics[0].error_code, answer.topics[0].error_message
    finally:
        await connection.close()


def _promises(path: Path) -> list[Promise]:
    if not path.exists():
        return []
    whole, _, _ = path.read_text().rpartition("\n")  # behind it a line that is being written
    return [Promise(*map(int, line.split())) for line in whole.splitlines()]


def _judge_topics(steps: list[tuple[str, int]], seen: Look) -> list[str]:
    """What is wrong with the topics that came and went; what was only asked may be either way."""
    last = {number: word for word, number in steps}
    there = set(seen.topics)
    found = []
    for number, word in last.items():
        name = name_of(number)
        if word in ("created", "stored") and name not in there:
            found.append(f"lost: topic {name}")
        if word == "deleted" and name in there:
            found.append(f"came back: topic {name}")
    return found
