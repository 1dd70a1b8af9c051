"""EDGE: the producers of the demos: which libraries there are, and one as a process to talk to.

The process is demo_producer.py: it can be killed like any program that sends.
Tests: tests/interop/commands/test_demo.py, tests/unit/cli/test_demo_clients.py
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from typing import IO

from .demo_producer import DELIVERY_TIMEOUT_S

MODULE = f"{__package__}.demo_producer"
START_TIMEOUT_S = 20
ANSWER_TIMEOUT_S = START_TIMEOUT_S + DELIVERY_TIMEOUT_S
STOP_TIMEOUT_S = 10

# By the value of --client: (the module it needs, the distribution that brings it).
CLIENTS = {
    "ours": ("minibroker", "minibroker"),
    "kafka-python": ("kafka", "kafka-python"),
    "aiokafka": ("aiokafka", "aiokafka"),
    "confluent": ("confluent_kafka", "confluent-kafka"),
}


class DemoFailed(Exception):
    """The demo cannot go on; the text says why, in the words of the child that failed."""


def missing_library(client: str) -> str | None:
    """The distribution to install before this client can be taken; None if nothing is missing."""
    module, distribution = CLIENTS[client]
    return distribution if find_spec(module) is None else None


class ProducerProcess:
    """A producer that sends one record at a time; its session begins with the process.

    Attributes:
        mark: of a durable session: how many records it had taken before this process.
    """

    mark = 0

    def __init__(self, process: Process, errors: IO[bytes], task: dict[str, object]) -> None:
        self._process = process
        self._errors = errors
        self._tell(task)

    async def send(self, topic: str, value: str, partition: int = 0) -> int:
        """Send a record; its offset once it is acknowledged. Raises DemoFailed."""
        self.start_sending(topic, value, partition)
        return await self.acknowledged()

    async def begin(self) -> None:
        """Begin a transaction. Raises DemoFailed, as the next two do."""
        await self._do("begin")

    async def commit(self) -> None:
        """Commit it."""
        await self._do("commit")

    async def abort(self) -> None:
        """Abort it."""
        await self._do("abort")

    def start_sending(self, topic: str, value: str, partition: int = 0) -> None:
        """Tell it to send a record; `acknowledged` comes next."""
        self._tell({"topic": topic, "partition": partition, "value": value})

    async def acknowledged(self) -> int:
        """The offset of the record that is on its way. Raises DemoFailed."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                said = await self._process.stdout.readline()
        except TimeoutError:
            raise DemoFailed(f"the producer said nothing for {ANSWER_TIMEOUT_S} s") from None
        if not said:
            await self.kill()
            self._errors.seek(0)
            words = self._errors.read().decode(errors="replace")
            raise DemoFailed(f"the producer ended:\n{words}")
        return int(said)

    async def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        if self._process.returncode is None:
            # 1. the process has just ended of itself   2. Process.kill() polls first, and takes
            # the exit status   3. the event loop's own wait finds no child, and says so on stderr.
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def close(self) -> None:
        """End of input: it closes its connections and ends; killed if that takes too long."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    async def _do(self, what: str) -> None:
        self._tell({"do": what})
        await self.acknowledged()

    def _tell(self, message: dict[str, object]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")


@asynccontextmanager
async def running_producer(
    client: str,
    bootstrap_servers: str,
    *,
    idempotent: bool,
    transactional_id: str | None = None,
    session: str | None = None,
) -> AsyncIterator[ProducerProcess]:
    """A producer of this library; gone when the block ends.

    With a transactional_id it has been initialised when the block begins; with a session its mark
    is known.
    """
    with tempfile.TemporaryFile() as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", MODULE, stdin=PIPE, stdout=PIPE, stderr=errors
        )
        task = {
            "client": client,
            "bootstrap_servers": bootstrap_servers,
            "idempotent": idempotent,
            "transactional_id": transactional_id,
            "session": session,
        }
        producer = ProducerProcess(process, errors, task)
        try:
            if transactional_id is not None:
                await producer.acknowledged()
            if session is not None:
                producer.mark = await producer.acknowledged()
            yield producer
            await producer.close()
        finally:
            await producer.kill()
