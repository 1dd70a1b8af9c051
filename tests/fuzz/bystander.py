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

from minibroker.client.network import Connection
from minibroker.protocol.batch import build_batch
from minibroker.protocol.errors import error_code
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest

from tests.fuzz.seeds import produce

TOPIC = "bystander"
PAUSE_S = 0.004
ANSWER_WAIT_S = 30.0
_SPAWN = multiprocessing.get_context("spawn")


class Witness(NamedTuple):
    """What the client has lived through: latencies in ms by phase, and the offsets it was told."""

    latencies: dict[int, list[float]]
    offsets: list[int]
    failure: str


def value_of(number: int) -> bytes:
    """The value of the `number`-th record, from 0."""
    return f"{number:08}".encode().ljust(100, b".")


class Bystander:
    """The client at work; `phase` says under which heading latencies are noted."""

    def __init__(self, port: int) -> None:
        self._phase = _SPAWN.Value("i", 0)
        self._stop = _SPAWN.Event()
        self._results, theirs = _SPAWN.Pipe(duplex=False)
        arguments = (port, self._phase, self._stop, theirs)
        self._process = _SPAWN.Process(target=_run, args=arguments, daemon=True)
        self._process.start()

    @property
    def has_ended(self) -> bool:
        """Whether it gave up by itself."""
        return not self._process.is_alive()

    def enter(self, phase: int) -> None:
        """Note latencies under another heading from now on."""
        self._phase.value = phase

    def finish(self) -> Witness:
        """Let it end, and hear it."""
        self._stop.set()
        if not self._results.poll(ANSWER_WAIT_S):
            raise TimeoutError("the well-behaved client does not answer")
        witness: Witness = self._results.recv()
        self._process.join(ANSWER_WAIT_S)
        return witness


def _run(port: int, phase: Any, stop: Any, results: Pipe) -> None:
    witness = Witness({}, [], "")
    try:
        asyncio.run(_produce(port, phase, stop, witness))
    except Exception as error:  # whatever it is, it is a disturbance
        witness = witness._replace(failure=f"{type(error).__name__}: {error}")
    results.send(witness)


async def _produce(port: int, phase: Any, stop: Any, witness: Witness) -> None:
    never = asyncio.get_running_loop().create_future()
    connection = await Connection.open("127.0.0.1", port)
    told = await connection.request(
        InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000)
    )
    while not stop.is_set():
        number = len(witness.offsets)
        batch = build_batch(
            [(None, value_of(number), (), time.time_ns() // 1_000_000)],
            producer_id=told.producer_id,
            producer_epoch=told.producer_epoch,
            base_sequence=number,
        )
        began = time.perf_counter()
        response = await connection.request(produce(batch, topic=TOPIC))
        took_ms = (time.perf_counter() - began) * 1000
        answer = response.responses[0].partition_responses[0]
        if answer.error_code:
            raise AssertionError(f"{error_code(answer.error_code).name} for record {number}")
        witness.offsets.append(answer.base_offset)
        witness.latencies.setdefault(phase.value, []).append(took_ms)
        await asyncio.wait([never], timeout=PAUSE_S)
    await connection.close()
