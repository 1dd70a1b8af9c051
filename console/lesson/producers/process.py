"""EDGE: a producer as a process to talk to, with any of the libraries there are.

The process runs program.py: it can be killed like any program that sends. The lesson, the demo and
the story have their producers from here.
Tests: tests/interop/commands/test_demo.py, tests/unit/console/lesson/test_process.py
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
from typing import IO, Self

from .program import DELIVERY_TIMEOUT_S

MODULE = f"{__package__}.program"
START_TIMEOUT_S = 20
STOP_TIMEOUT_S = 10

# By the value of --client: (the module it needs, the distribution that brings it).
CLIENTS = {
    "ours": ("minibroker", "minibroker"),
    "kafka-python": ("kafka", "kafka-python"),
    "aiokafka": ("aiokafka", "aiokafka"),
    "confluent": ("confluent_kafka", "confluent-kafka"),
}


class ProducerFailed(Exception):
    """It cannot go on; the text says why, in the words of the process that failed."""


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

    def __init__(
        self,
        process: Process,
        errors: IO[bytes],
        task: dict[str, object],
        patience_s: int = DELIVERY_TIMEOUT_S,
    ) -> None:
        self._process = process
        self._errors = errors
        self._answer_timeout_s = START_TIMEOUT_S + patience_s
        self._tell(task)

    @classmethod
    async def started(
        cls,
        client: str,
        bootstrap_servers: str,
        *,
        idempotent: bool,
        transactional_id: str | None = None,
        session: str | None = None,
        patience_s: int = DELIVERY_TIMEOUT_S,
    ) -> Self:
        """One of a library, a key of CLIENTS. Raises ProducerFailed.

        With a transactional_id it has been initialised then; with a session its mark is known.
        """
        errors = tempfile.TemporaryFile()  # noqa: SIM115  closed when the process is gone
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", MODULE, stdin=PIPE, stdout=PIPE, stderr=errors
        )
        task = {
            "client": client,
            "bootstrap_servers": bootstrap_servers,
            "idempotent": idempotent,
            "transactional_id": transactional_id,
            "session": session,
            "patience_s": patience_s,
        }
        producer = cls(process, errors, task, patience_s)
        try:
            if transactional_id is not None:
                await producer.acknowledged()
            if session is not None:
                producer.mark = await producer.acknowledged()
        except BaseException:
            await producer.kill()
            raise
        return producer

    async def send(self, topic: str, value: str, partition: int = 0) -> int:
        """Send a record; its offset once it is acknowledged. Raises ProducerFailed."""
        self.start_sending(topic, value, partition)
        return await self.acknowledged()

    async def begin(self) -> None:
        """Begin a transaction. Raises ProducerFailed, as the next two do."""
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
        """The offset of the record that is on its way. Raises ProducerFailed."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                said = await self._process.stdout.readline()
        except TimeoutError:
            waited = f"the producer said nothing for {self._answer_timeout_s} s"
            raise ProducerFailed(waited) from None
        if not said:
            self._errors.seek(0)
            words = self._errors.read().decode(errors="replace")
            await self.kill()
            raise ProducerFailed(f"the producer ended:\n{words}")
        return int(said)

    async def kill(self) -> None:
        """SIGKILL, unless it has ended; returns when the process is gone."""
        if self._process.returncode is None:
            # 1. the process has just ended of itself   2. Process.kill() polls first, and takes
            # the exit status   3. the event loop's own wait finds no child, and says so on stderr.
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        self._errors.close()

    async def close(self) -> None:
        """End of input: it closes its connections and ends; killed if that takes too long."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            pass  # it is killed
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
    """A producer of a library, a key of CLIENTS; gone when the block ends."""
    producer = await ProducerProcess.started(
        client,
        bootstrap_servers,
        idempotent=idempotent,
        transactional_id=transactional_id,
        session=session,
    )
    try:
        yield producer
        await producer.close()
    finally:
        await producer.kill()
