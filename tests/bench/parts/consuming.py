"""EDGE: reading through a group and committing, ours beside a real Apache Kafka.

Both brokers hold the same records, written by the same client in the same batches. A round reads
them with each client from each broker, in turns; then offsets are committed one at a time.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import permutations

import confluent_kafka
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.errors import ErrorCode, error_code
from minibroker.protocol.messages.find_coordinator import FindCoordinatorRequest
from minibroker.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from rich.table import Table

from tests.bench.against import show_against
from tests.bench.generator import Measured, cpu_seconds
from tests.bench.loads import TOPIC
from tests.bench.parts.group_readers import GROUP_READERS
from tests.bench.run import Run
from tests.bench.servers import Server, create_topics, our_broker, real_kafka
from tests.bench.tables import Rounds, ratio, show_clients

DURABILITIES: dict[str, dict[str, str]] = {
    "memory": {},
    "page-cache": {},
    "fsync": {"log.flush.interval.messages": "1"},
}
PAGE_CACHE = ("--durability", "page-cache")
FLUSH_S = 120.0
COMMITS = 1_000
COORDINATOR_S = 30.0
TITLE = "records read through a group, durability=page-cache"
BATCH_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Load:
    """Records of one size, and how many each kind of client reads of them in a round."""

    topic: str
    record_bytes: int
    count: int
    clients: tuple[str, ...]


C_AND_JAVA = ("confluent-kafka", "consumer-perf")
LOADS = (
    Load("small", 100, 300_000, tuple(GROUP_READERS)),
    Load("medium", 1_000, 300_000, tuple(GROUP_READERS)),
    Load("large", 10_000, 60_000, C_AND_JAVA),
)


def measure_consuming(run: Run) -> dict[str, float]:
    """Print the tables; returns the ratios by load."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(our_broker(name, commands, PAGE_CACHE))
            for name, commands in run.builds
        ]
        if run.before is None and run.without_kafka is None:
            servers.append(stack.enter_context(real_kafka("Kafka", {})))
        for server in servers:
            for load in LOADS:
                _fill(server, load)
        measured = _read(run, servers)
    if run.before is not None:
        run.slower.extend(show_against(run.console, TITLE, measured))
        return {}
    show_clients(run.console, TITLE, measured)
    _commits(run)
    return {
        f"group: {name}": ratio(rounds) for name, rounds in measured.items() if rounds.has("Kafka")
    }


def _fill(server: Server, load: Load) -> None:
    failed: list[object] = []
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": f"{server.host}:{server.port}",
            "batch.size": BATCH_BYTES,
            "linger.ms": 100,
            "enable.idempotence": True,
        }
    )
    value = b"x" * load.record_bytes

    def delivered(error: object, _: object) -> None:
        if error is not None:
            failed.append(error)

    for _ in range(load.count):
        while True:
            try:
                producer.produce(load.topic, value, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.01)
    left = producer.flush(FLUSH_S)
    if left or failed:
        raise RuntimeError(f"{server.name}: {left} records left, {len(failed)} failed")


def _read(run: Run, servers: Sequence[Server]) -> dict[str, Rounds]:
    measured: dict[str, Rounds] = {}
    orders = list(permutations(servers))
    for number in range(run.rounds + 1):
        for load in LOADS:
            for name in load.clients:
                rounds = measured.setdefault(f"{name}, {load.record_bytes:,} B", Rounds())
                for server in orders[number % len(orders)]:
                    before = cpu_seconds(server.pid)
                    seconds = GROUP_READERS[name](server, load.topic, load.count)
                    cpu_us = (cpu_seconds(server.pid) - before) / load.count * 1e6
                    if number:  # the first round warms up
                        rounds.add(server.name, Measured(load.count / seconds, cpu_us=cpu_us))
    return measured


def _commits(run: Run) -> None:
    table = Table(title=f"one offset committed at a time, medians of {run.rounds} x {COMMITS}")
    for column in ("durability", "ours p50", "ours p99", "Kafka p50", "Kafka p99"):
        table.add_column(column, justify="right")
    for durability, settings in DURABILITIES.items():
        with ExitStack() as stack:
            ours = our_broker("ours", run.commands, ("--durability", durability))
            servers = [stack.enter_context(ours)]
            if run.without_kafka is None and durability != "memory":
                servers.append(stack.enter_context(real_kafka("Kafka", settings)))
            for server in servers:
                asyncio.run(create_topics(server, {TOPIC: 1}))
            found: dict[str, list[tuple[float, float]]] = {}
            for number in range(run.rounds + 1):
                for server in servers if number % 2 == 0 else servers[::-1]:
                    latency = asyncio.run(_commit(server))
                    if number:
                        found.setdefault(server.name, []).append(latency)
            cells = [
                f"{statistics.median(each):.3f} ms"
                for server in servers
                for each in zip(*found[server.name], strict=True)
            ]
            table.add_row(durability, *cells)
    run.console.print(table)


async def _commit(server: Server) -> tuple[float, float]:
    """(p50, p99) in ms of commits by nobody in particular."""
    connection = await Connection.open(server.host, server.port)
    try:
        await _await_coordinator(connection)
        latencies = []
        for offset in range(COMMITS):
            began = time.perf_counter()
            code = await _commit_one(connection, offset)
            latencies.append((time.perf_counter() - began) * 1000)
            if code:
                raise RuntimeError(f"{server.name}: commit refused with {code.name}")
        cuts = statistics.quantiles(latencies, n=100)
        return cuts[49], cuts[98]
    finally:
        await connection.close()


async def _commit_one(connection: Connection, offset: int) -> ErrorCode:
    partition = OffsetCommitRequestPartition(
        partition_index=0, committed_offset=offset, committed_metadata=""
    )
    topic = OffsetCommitRequestTopic(name=TOPIC, partitions=[partition])
    answer = await connection.request(OffsetCommitRequest(group_id="bench", topics=[topic]))
    return error_code(answer.topics[0].partitions[0].error_code)


async def _await_coordinator(connection: Connection) -> None:
    """Kafka needs a moment to make its offsets topic."""
    deadline = time.monotonic() + COORDINATOR_S
    while time.monotonic() < deadline:
        await connection.request(FindCoordinatorRequest(coordinator_keys=["bench"]))
        if not await _commit_one(connection, 0):
            return
        await asyncio.sleep(0.1)
    raise RuntimeError(f"no coordinator within {COORDINATOR_S:g} s")
