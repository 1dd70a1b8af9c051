"""EDGE: python -m tests.crash.restoring ROUNDS SEED: backups made and put back under load.

Producers go on all the time, through everything; some are old, some begin after a restore. A round:
1. the broker is killed or stopped at a random moment, its directory copied, the broker started
2. later it is killed or stopped again, one of the newest backups put back, the broker started
What had been acknowledged when a backup was made must be there once, at its offset, after every
restore of it; so must what is acknowledged later. What a restore takes away may be there or not,
but never twice: its producer may have been sending it again. The history checker judges.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

from minibroker.client import Admin, Producer
from minibroker.client.cluster.connection import Connection
from minibroker.client.errors import ClientError
from minibroker.testing import Acknowledged, Failed, Kept, Sent, findings
from minibroker.testing.stored import stored_records

from tests.support.processes.broker import BrokerProcess

TOPIC = "load"
PARTITIONS = 2
BACKUPS_KEPT = 3
WRITERS_MAX = 4
RECORDS_A_TURN = 3
PAUSE_S = 0.02
LOAD_S = (0.05, 0.4)
END_S = 60.0
TOPIC_CONFIGS = {"internal.segment.bytes": "20000", "retention.ms": "-1"}


@dataclass
class Backup:
    """A copy, and the values that had been acknowledged when it was made."""

    path: Path
    alive: set[bytes]


class Writer:
    """A producer that sends one value after the other until it is told to end."""

    def __init__(self, name: str, rounds: Rounds) -> None:
        self._name = name
        self._rounds = rounds
        self._ends = asyncio.Event()
        self._open: set[asyncio.Task[None]] = set()
        self._number = 0
        self.task = asyncio.create_task(self._run())

    async def end(self) -> None:
        """Deliver what is under way."""
        self._ends.set()
        await self.task

    async def _run(self) -> None:
        async with Producer(
            self._rounds.servers,
            client_id=self._name,
            batch_size=2_000,
            delivery_timeout_ms=int(END_S * 1000),
            reconnect_backoff_max_ms=100,
        ) as producer:
            while not self._ends.is_set():
                for _ in range(RECORDS_A_TURN):
                    await self._send(producer)
                await _pause(self._ends, PAUSE_S)
            await asyncio.gather(*self._open)

    async def _send(self, producer: Producer[bytes, bytes]) -> None:
        value = b"%s %d" % (self._name.encode(), self._number)
        sent = Sent(self._number % PARTITIONS, value, sender=self._name)
        self._number += 1
        self._rounds.sent.append(sent)
        try:
            delivery = await producer.send(TOPIC, value, partition=sent.partition)
        except ClientError as error:
            sent.outcome = Failed(error.possibly_persisted, str(error))
            return

        async def settle() -> None:
            try:
                receipt = await delivery
            except ClientError as error:
                sent.outcome = Failed(error.possibly_persisted, str(error))
            else:
                sent.outcome = Acknowledged(receipt.offset)
                self._rounds.alive.add(value)

        task = asyncio.create_task(settle())
        self._open.add(task)
        task.add_done_callback(self._open.discard)


async def _pause(event: asyncio.Event, at_most_s: float) -> None:
    try:
        async with asyncio.timeout(at_most_s):
            await event.wait()
    except TimeoutError:
        return


class Rounds:
    """A broker, its backups, its producers.

    Attributes:
        sent: everything that was sent, in order.
        alive: the values acknowledged in this life of the directory or one it was copied from.
    """

    def __init__(self, seed: int, directory: Path) -> None:
        self.sent: list[Sent] = []
        self.alive: set[bytes] = set()
        self._random = Random(seed)
        self._directory = directory
        self._data = directory / "data"
        self._broker = BrokerProcess(data_dir=self._data)
        self._backups: list[Backup] = []
        self._writers: list[Writer] = []
        self._count = 0
        self._never = asyncio.Event()

    @property
    def servers(self) -> str:
        """Where the broker is, whenever it is."""
        return self._broker.bootstrap_servers

    async def play(self, rounds: int) -> list[str]:
        """Play so many rounds; returns what is wrong in the end."""
        await asyncio.to_thread(self._broker.start)
        try:
            async with Admin(bootstrap_servers=self.servers) as admin:
                await admin.create_topic(TOPIC, num_partitions=PARTITIONS, configs=TOPIC_CONFIGS)
            for _ in range(2):
                self._add_writer()
            for number in range(rounds):
                await self._round(number)
            async with asyncio.timeout(2 * END_S):
                await asyncio.gather(*(each.end() for each in self._writers))
            return await self._judge()
        finally:
            await asyncio.to_thread(self._broker.kill)

    async def _round(self, number: int) -> None:
        began, before = time.monotonic(), len(self.alive)
        await self._load()
        await asyncio.to_thread(self._end_broker)
        backup = Backup(self._directory / f"backup-{number}", set())
        await asyncio.to_thread(shutil.copytree, self._data, backup.path)
        backup.alive = {*self.alive}
        self._backups.append(backup)
        await asyncio.to_thread(self._broker.start)
        await self._load()
        await asyncio.to_thread(self._end_broker)
        restored = self._random.choice(self._backups)
        await asyncio.to_thread(self._restore, restored)
        lost = len(self.alive) - len(restored.alive)
        self.alive = {*restored.alive}
        await asyncio.to_thread(self._broker.start)
        self._add_writer()
        if len(self._writers) > WRITERS_MAX:
            leaving = self._writers.pop(self._random.randrange(len(self._writers)))
            await leaving.end()
        print(
            f"round {number}: {len(self.alive) - before} acknowledged and kept, {lost} restored "
            f"away from {restored.path.name}; {len(self.sent)} sent in all; "
            f"{time.monotonic() - began:.1f} s",
            flush=True,
        )

    async def _load(self) -> None:
        await _pause(self._never, self._random.uniform(*LOAD_S))

    def _add_writer(self) -> None:
        self._count += 1
        self._writers.append(Writer(f"p{self._count}", self))

    def _end_broker(self) -> None:
        if self._random.random() < 0.5:
            self._broker.kill()
        else:
            self._broker.stop()

    def _restore(self, backup: Backup) -> None:
        shutil.rmtree(self._data)
        shutil.copytree(backup.path, self._data)
        while len(self._backups) > BACKUPS_KEPT:
            shutil.rmtree(self._backups.pop(0).path)

    async def _judge(self) -> list[str]:
        connection = await Connection.open("127.0.0.1", self._broker.port)
        try:
            stored = {
                partition: [
                    Kept(each.offset, each.value or b"")
                    for each in await stored_records(connection, TOPIC, partition)
                ]
                for partition in range(PARTITIONS)
            }
        finally:
            await connection.close()
        for each in self.sent:
            if isinstance(each.outcome, Acknowledged) and each.value not in self.alive:
                each.outcome = Failed(possibly_persisted=True, why="restored away")
        return [each.text for each in findings(self.sent, stored)]


def play(rounds: int, seed: int) -> list[str]:
    """Play rounds in a directory of their own; returns what is wrong."""

    async def run(directory: str) -> list[str]:
        return await Rounds(seed, Path(directory)).play(rounds)

    with tempfile.TemporaryDirectory() as directory:
        return asyncio.run(run(directory))


def main(arguments: list[str]) -> int:
    """See the file's docstring."""
    rounds, seed = (int(each) for each in arguments)
    found = play(rounds, seed)
    for each in found[:20]:
        print(f"    WRONG: {each}")
    print(f"{rounds} rounds, SEED={seed}, {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
