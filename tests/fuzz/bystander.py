"""EDGE: a well-behaved idempotent client in a process of its own, beside a broker that is fuzzed.

It sends one record at a time, a few hundred a second, on one connection from beginning to end, and
notes how long each took. A lost connection or an error answer ends it: nobody may disturb it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from multiprocessing.connection import Connection as Pipe
from typing import Any, NamedTuple

from minibroker.client.cluster.connection import Connection
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.errors import error_code
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest
from minibroker.testing import Acknowledged, Sent

from tests.fuzz.seeds import produce

TOPIC = "bystander"
PAUSE_S = 0.004
ANSWER_WAIT_S = 30.0
PRODUCE_WAIT_S = 60.0
# Not spawned: what a worker of pytest has at hand is imported once for all bystanders.
_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(["tests.fuzz.bystander"])


class Look(NamedTuple):
    """What the client has lived through since the last look.

    Args:
        waits: when each Produce was sent (time.monotonic()), and how long it took in ms.
        open_ms: how long the one under way has been waiting.
    """

    waits: list[tuple[float, float]]
    open_ms: float
    failure: str


class Witness(NamedTuple):
    """What the client has lived through: latencies in ms by phase, and the offsets it was told."""

    latencies: dict[int, list[float]]
    offsets: list[int]
    failure: str

    def sent(self) -> list[Sent]:
        """What it sent and was promised, for the judge."""
        promised = enumerate(self.offsets)
        return [Sent(0, value_of(number), Acknowledged(offset)) for number, offset in promised]


def value_of(number: int) -> bytes:
    """The value of the `number`-th record, from 0."""
    return f"{number:08}".encode().ljust(100, b".")


class Bystander:
    """The client at work; `phase` says under which heading latencies are noted."""

    def __init__(self, port: int) -> None:
        self._phase = _FORKED.Value("i", 0)
        self._stop = _FORKED.Event()
        self._results, theirs = _FORKED.Pipe()
        self._has_failed = _FORKED.Event()
        arguments = (port, self._phase, self._stop, self._has_failed, theirs)
        self._process = _FORKED.Process(target=_run, args=arguments, daemon=True)
        self._process.start()

    @property
    def has_ended(self) -> bool:
        """Whether it gave up by itself: it was disturbed."""
        return self._has_failed.is_set() or not self._process.is_alive()

    def enter(self, phase: int) -> None:
        """Note latencies under another heading from now on."""
        self._phase.value = phase

    def look(self) -> Look:
        """Ask it now; it answers while it waits for the broker, too."""
        self._results.send("look")
        if not self._results.poll(ANSWER_WAIT_S):
            raise TimeoutError("the well-behaved client does not answer")
        look: Look = self._results.recv()
        return look

    def kill(self) -> None:
        """End it without hearing it."""
        self._process.kill()
        self._process.join(ANSWER_WAIT_S)

    def finish(self) -> Witness:
        """Let it end, and hear it."""
        self._stop.set()
        if not self._results.poll(ANSWER_WAIT_S):
            raise TimeoutError("the well-behaved client does not answer")
        witness: Witness = self._results.recv()
        self._process.join(ANSWER_WAIT_S)
        return witness


def _run(port: int, phase: Any, stop: Any, has_failed: Any, results: Pipe) -> None:
    client = _Client(port, phase, stop, results)
    try:
        asyncio.run(client.produce())
    except Exception as error:  # whatever it is, it is a disturbance
        client.failure = f"{type(error).__name__}: {error}"
        has_failed.set()
    while not stop.is_set():  # somebody may still want to look
        if results.poll(PAUSE_S):
            client.tell()
    results.send(Witness(client.latencies, client.offsets, client.failure))


class _Client:
    """The child's side."""

    def __init__(self, port: int, phase: Any, stop: Any, results: Pipe) -> None:
        self.latencies: dict[int, list[float]] = {}
        self.offsets: list[int] = []
        self.failure = ""
        self._port, self._phase, self._stop, self._results = port, phase, stop, results
        self._waits: list[tuple[float, float]] = []
        self._sent_at = 0.0

    def tell(self) -> None:
        """Answer one look."""
        self._results.recv()
        open_ms = (time.monotonic() - self._sent_at) * 1000 if self._sent_at else 0.0
        self._results.send(Look(self._waits, open_ms, self.failure))
        self._waits = []

    async def produce(self) -> None:
        """One record after the other until it is stopped; raises what disturbs it."""
        asyncio.get_running_loop().add_reader(self._results.fileno(), self.tell)
        never = asyncio.get_running_loop().create_future()
        connection = await Connection.open("127.0.0.1", self._port)
        asked = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000)
        while (told := await connection.request(asked)).error_code:
            await asyncio.wait([never], timeout=PAUSE_S)  # a real Kafka may not have ids yet
        while not self._stop.is_set():
            number = len(self.offsets)
            batch = build_batch(
                [(None, value_of(number), (), time.time_ns() // 1_000_000)],
                producer_id=told.producer_id,
                producer_epoch=told.producer_epoch,
                base_sequence=number,
            )
            await self._one(connection, batch, number)
            await asyncio.wait([never], timeout=PAUSE_S)
        await connection.close()

    async def _one(self, connection: Connection, batch: bytes, number: int) -> None:
        self._sent_at = time.monotonic()
        response = await connection.request(
            produce(batch, topic=TOPIC), timeout_ms=int(PRODUCE_WAIT_S * 1000)
        )
        took_ms = (time.monotonic() - self._sent_at) * 1000
        answer = response.responses[0].partition_responses[0]
        if answer.error_code:
            raise AssertionError(f"{error_code(answer.error_code).name} for record {number}")
        self.offsets.append(answer.base_offset)
        self.latencies.setdefault(self._phase.value, []).append(took_ms)
        self._waits.append((self._sent_at, took_ms))
        self._sent_at = 0.0
