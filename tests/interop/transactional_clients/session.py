"""EDGE: one transactional client at work for long, three others reading, a broker that is killed.

The client goes through a proxy that loses answers of every transactional API, at random by seed;
the readers do not, and read with read_committed from the beginning on, all the while. Transaction
by transaction the client is told what to do, and behind each the group's offset is looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Protocol

from minibroker.broker.faults.rules import LoseReply, Rule
from minibroker.client import Admin, ClientError, Producer
from minibroker.client.cluster.connection import Connection
from minibroker.testing import Kept
from minibroker.testing.proxy import Proxy
from minibroker.testing.stored import stored_batches, stored_in

from tests.interop.matrix.environments import Runnable
from tests.interop.transactional_clients.judgement import Account
from tests.interop.transactional_clients.programs.conversation import END, PARTITIONS
from tests.support.transaction_worlds.transaction_readers import (
    OFFSET_FETCH,
    offset_fetch,
    offset_in,
)
from tests.support.transaction_worlds.transaction_readers import TOPIC as SOURCE

OUTPUT = "output"
GROUP = "workers"
LOST_SHARES = {
    "Produce": 0.03,
    "AddPartitionsToTxn": 0.03,
    "AddOffsetsToTxn": 0.03,
    "TxnOffsetCommit": 0.03,
    "EndTxn": 0.05,
    "InitProducerId": 0.2,
    "FindCoordinator": 0.05,
}
KILLS = 10  # of the broker, in a session; but not more often than every 20 transactions
KILL_PAUSE_MIN = 20
KILL_DELAY_S = 0.05
ANSWER_S = 180.0
READ_S = 90.0
OFFSET_S = 75.0  # a transaction that nobody ends is over after 60 s
PAUSE_S = 0.02
LINE_BYTES_MAX = 1_048_576
QUOTED_CHARS = 3_000


class Broker(Protocol):
    """Ours as a process, or a real Kafka."""

    @property
    def bootstrap_servers(self) -> str: ...
    def kill(self) -> None: ...
    def start(self) -> None: ...


class Session:
    """One run of one client.

    Args:
        readers: how each is started, by name.
        folder: for what the programs say.
        count: of transactions.
    """

    def __init__(
        self,
        client: str,
        runnable: Runnable,
        readers: Mapping[str, Runnable],
        broker: Broker,
        folder: Path,
        *,
        count: int,
        seed: int,
    ) -> None:
        self.client = client
        self.account = Account(client, GROUP)
        self.kills = 0
        self._runnable = runnable
        self._readers = readers
        self._broker = broker
        self._folder = folder
        self._count = count
        self._random = Random(seed)
        self._proxy = Proxy(broker.bootstrap_servers, rules_of(seed))
        self._began = time.monotonic()
        self._stack = AsyncExitStack()

    @property
    def lost_answers(self) -> int:
        """How many the client was not given."""
        return sum(each.fired for each in self._proxy.rules)

    async def run(self) -> str:
        """All of it; returns a line for people. What is wrong is in account.findings."""
        address = self._broker.bootstrap_servers
        async with self._stack:
            await self._found(address)
            reading = [await self._launch(name, "read", address, OUTPUT) for name in self._readers]
            await self._stack.enter_async_context(self._proxy)
            place = (self._proxy.bootstrap_servers, OUTPUT, SOURCE, GROUP, f"id of {self.client}")
            program = await self._launch(self.client, "transact", *place)
            kill_every = max(KILL_PAUSE_MIN, self._count // KILLS)
            for number in range(self._count):
                is_killed = number % kill_every == kill_every - 1
                await self._transaction(program, number, is_killed=is_killed)
            await self._finish(address, reading)
        return self.summary()

    def summary(self) -> str:
        """One line."""
        outcomes = ", ".join(f"{n} {name}" for name, n in self.account.outcomes.most_common())
        lost = ", ".join(
            f"{each.rule.api} {each.fired} of {each.matched}" for each in self._proxy.rules
        )
        return (
            f"{self.client}: {self._count} transactions: {outcomes}; broker killed {self.kills} "
            f"times; answers lost: {lost}; read by {', '.join(self._readers)}; "
            f"{len(self.account.findings)} findings; {time.monotonic() - self._began:.0f} s"
        )

    async def _found(self, address: str) -> None:
        async with Admin(address) as admin:
            await admin.create_topic(OUTPUT, num_partitions=PARTITIONS)
            await admin.create_topic(SOURCE, num_partitions=1)
        async with Producer(address) as producer:
            for number in range(self._count):
                await producer.send(SOURCE, b"%d" % number, partition=0)

    async def _transaction(
        self, program: asyncio.subprocess.Process, number: int, *, is_killed: bool
    ) -> None:
        """Have one done, and look at the group's offset behind it."""
        name = f"{self.client}/{number}"
        task = self._task(number)
        command = {"do": task, "name": name, "offset": self.account.position + 1}
        answering = asyncio.create_task(self._answer(program, command))
        if is_killed:
            await asyncio.wait({answering}, timeout=self._random.uniform(0, KILL_DELAY_S))
            await asyncio.to_thread(self._broker.kill)
            await asyncio.to_thread(self._broker.start)
            self.kills += 1
        answer = await answering
        with (self._folder / "told.txt").open("a") as told:
            told.write(f"{name} {task} {json.dumps(answer)}\n")
        self.account.told(name, task, answer["attempts"])
        self.account.found_offset(name, await self._offset())

    def _task(self, number: int) -> str:
        if number in (self._count // 3, self._count * 2 // 3):
            return "zombie"
        return "abort" if number % 3 == 2 else "commit"

    async def _answer(
        self, program: asyncio.subprocess.Process, command: Mapping[str, object]
    ) -> dict[str, list[str]]:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(json.dumps(command).encode() + b"\n")
        async with asyncio.timeout(ANSWER_S):
            line = await program.stdout.readline()
        assert line, f"{self.client} has ended\n{self.said(self.client)}"
        answer: dict[str, list[str]] = json.loads(line)
        return answer

    async def _offset(self) -> int:
        """The group's committed offset, once nothing is pending; -1 for none."""
        host, _, port = self._broker.bootstrap_servers.rpartition(":")
        code: object = "never asked"
        async with asyncio.timeout(OFFSET_S):
            while True:
                try:
                    connection = await Connection.open(host, int(port))
                    try:
                        message = offset_fetch((GROUP, 0), True)
                        answer = await connection.request(message, version=OFFSET_FETCH)
                    finally:
                        await connection.close()
                    code, offset = offset_in(answer)
                    if not code:
                        return offset
                except ClientError as error:
                    code = error
                await _pause()

    async def _finish(self, address: str, reading: list[asyncio.subprocess.Process]) -> None:
        """Let the readers come to an end, and judge what each has read."""
        async with Producer(address) as producer:
            for partition in range(PARTITIONS):
                await producer.send(OUTPUT, END.encode(), partition=partition)
        stored = await _stored(address)
        for name, process in zip(self._readers, reading, strict=True):
            try:
                async with asyncio.timeout(READ_S):
                    code = await process.wait()
            except TimeoutError:
                code = -1
            if code:
                self.account.findings.append(f"{name} did not read to the end: {self.said(name)}")
            self.account.judge(name, (self._folder / f"{name}.out").read_text(), stored)

    async def _launch(self, name: str, do: str, *arguments: str) -> asyncio.subprocess.Process:
        """Start a program; whoever reads prints into a file."""
        runnable = self._runnable if name == self.client else self._readers[name]
        output = self._folder / f"{name}.out"
        with output.open("wb") as printed, output.with_suffix(".err").open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *(*runnable.command, do, *arguments),
                env={**os.environ, **runnable.environment},
                stdin=asyncio.subprocess.PIPE if do == "transact" else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if do == "transact" else printed,
                stderr=errors,
                limit=LINE_BYTES_MAX,
            )
        self._stack.push_async_callback(_ended, process)
        return process

    def said(self, name: str) -> str:
        """The end of what a program wrote to standard error."""
        return (self._folder / f"{name}.err").read_text(errors="replace")[-QUOTED_CHARS:]


def rules_of(seed: int) -> list[Rule]:
    """Which answers are lost; each API draws for itself."""
    return [
        Rule(action=LoseReply(), api=api, probability=share, seed=seed * len(LOST_SHARES) + number)
        for number, (api, share) in enumerate(LOST_SHARES.items())
    ]


async def _stored(address: str) -> dict[int, list[Kept]]:
    host, _, port = address.rpartition(":")
    connection = await Connection.open(host, int(port))
    try:
        return {
            partition: [
                Kept(each.offset, each.value)
                for header, batch in await stored_batches(connection, OUTPUT, partition)
                if not header.is_control
                for each in stored_in(partition, header, batch)
                if each.value is not None and each.value != END.encode()
            ]
            for partition in range(PARTITIONS)
        }
    finally:
        await connection.close()


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def _pause() -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), PAUSE_S)
