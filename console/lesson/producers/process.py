"""EDGE: a producer as a process to talk to, with any of the libraries there are.

The process runs program.py: it can be killed like any program that sends. The lesson, the demo and
the story have their producers from here. Read next: ways.py.
Tests: tests/interop/commands/test_demo.py, tests/unit/console/lesson/test_process.py
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import IO, Self

from .program import DELIVERY_TIMEOUT_S
from .ways import Forked, Interpreter, Way

START_TIMEOUT_S = 60
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

    def __init__(self, way: Way, errors: IO[bytes], patience_s: int = DELIVERY_TIMEOUT_S) -> None:
        self._way = way
        self._errors = errors
        self._answer_timeout_s = START_TIMEOUT_S + patience_s

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
        is_forked: bool = False,
    ) -> Self:
        """One of a library, a key of CLIENTS, that may send. Raises ProducerFailed.

        Args:
            is_forked: of a process that has our client; quicker, and for "ours" alone.
        """
        assert client == "ours" or not is_forked
        errors = tempfile.NamedTemporaryFile()  # noqa: SIM115  closed when the process is gone
        task = {
            "client": client,
            "bootstrap_servers": bootstrap_servers,
            "idempotent": idempotent,
            "transactional_id": transactional_id,
            "session": session,
            "patience_s": patience_s,
        }
        start = Forked.started if is_forked else Interpreter.started
        try:
            way = await start(task, errors)
        except BaseException:
            errors.close()
            raise
        producer = cls(way, errors, patience_s)
        try:
            # 1. it starts   2. the broker is killed   3. it finds none, and ends: whoever has one
            # may do what they like with the broker.
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
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                said = await self._way.heard()
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
        await self._way.kill()
        self._errors.close()

    async def close(self) -> None:
        """End of input: it closes its connections and ends; killed if that takes too long."""
        self._way.hang_up()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._way.ended()
        except TimeoutError:
            pass  # it is killed
        await self.kill()

    async def _do(self, what: str) -> None:
        self._tell({"do": what})
        await self.acknowledged()

    def _tell(self, message: dict[str, object]) -> None:
        self._way.tell(json.dumps(message).encode() + b"\n")


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
        is_forked=client == "ours",
    )
    try:
        yield producer
        await producer.close()
    finally:
        await producer.kill()
