"""EDGE: the generator's loads, on ours beside a real Apache Kafka or beside an earlier build."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import permutations
from pathlib import Path

from tests.bench.against import named, show_against
from tests.bench.generator import (
    Measured,
    cpu_seconds,
    fill,
    measure,
    null_server,
)
from tests.bench.loads import (
    FSYNC_LOADS,
    ONE,
    PAGE_CACHE_LOADS,
    PARTITIONS,
    READ_TOPIC,
    TOPIC,
    Load,
)
from tests.bench.parts.clients import aiokafka_rate, confluent_rate
from tests.bench.parts.handler import handler_microseconds
from tests.bench.run import Run
from tests.bench.servers import (
    Server,
    create_topics,
    our_broker,
    real_kafka,
    renew_topic,
)
from tests.bench.tables import Rounds, ratio, show_clients, show_requests

FSYNC_KAFKA = {"log.flush.interval.messages": "1"}
CLIENTS: dict[str, Callable[[Server], tuple[float, int]]] = {
    "confluent-kafka": confluent_rate,
    "aiokafka": aiokafka_rate,
}
JVM_WARM_UP_S = 3.0  # of each load
WARM_UP_S = 0.2
Start = Callable[[], AbstractContextManager[Server]]
LISTED = [f"bench-listed-{number}" for number in range(8)]  # for Metadata


def measure_requests(run: Run) -> dict[str, float]:
    """Print the tables; returns the ratios to Kafka by load."""
    if run.before is None:
        _handlers(run)
    ratios: dict[str, float] = {}
    for durability, loads in (("page-cache", PAGE_CACHE_LOADS), ("fsync", FSYNC_LOADS)):
        title = f"requests of the generator, durability={durability}"
        measured: dict[Load, Rounds] = {load: Rounds() for load in loads}
        for servers in _rounds(run, durability, loads):
            for load in loads:
                for server in servers:
                    measured[load].add(server.name, _measure(server, load, run.seconds))
        if run.before is not None:
            run.slower.extend(show_against(run.console, title, named(measured)))
            continue
        show_requests(run.console, title, measured)
        ratios |= {
            f"{durability}: {load.name}": ratio(rounds)
            for load, rounds in measured.items()
            if rounds.has("Kafka")
        }
    return ratios


def measure_clients(run: Run) -> dict[str, float]:
    """Print the table of producing clients; returns the ratios to Kafka by client."""
    title = "idempotent producers of 100 B records, durability=page-cache"
    measured = {name: Rounds() for name in CLIENTS}
    for servers in _rounds(run, "page-cache", ()):
        for name, rate in CLIENTS.items():
            for server in servers:
                if server.name != "limit":
                    measured[name].add(server.name, _client(server, rate))
    if run.before is not None:
        run.slower.extend(show_against(run.console, title, measured))
        return {}
    show_clients(run.console, title, measured)
    return {
        f"{name}, 100 B, idempotent": ratio(rounds)
        for name, rounds in measured.items()
        if rounds.has("Kafka")
    }


def _rounds(run: Run, durability: str, loads: Sequence[Load]) -> Iterator[list[Server]]:
    """The servers of each round, in turning order.

    Our broker is a new process in each, so that what chance decides once for a process (where its
    memory lies, how its sets are ordered) is part of the spread and not of the result. A JVM would
    be cold then: Kafka stays, and is warmed up.
    """
    with ExitStack() as all_rounds:
        lasting = [all_rounds.enter_context(null_server("limit"))] if run.before is None else []
        if run.before is None and run.without_kafka is None:
            settings = FSYNC_KAFKA if durability == "fsync" else {}
            kafka = all_rounds.enter_context(real_kafka("Kafka", settings))
            _prepare(kafka)
            for load in loads:
                _measure(kafka, load, JVM_WARM_UP_S)
            for rate in CLIENTS.values() if not loads else ():
                _client(kafka, rate)
            lasting.append(kafka)
        for number in range(run.rounds):
            with ExitStack() as this_round:
                fresh = [
                    this_round.enter_context(_ours(name, commands, durability))
                    for name, commands in run.builds
                ]
                orders = list(permutations(fresh + lasting))
                yield list(orders[number % len(orders)])


@contextmanager
def _ours(name: str, commands: Path, durability: str) -> Iterator[Server]:
    with our_broker(name, commands, ("--durability", durability)) as server:
        _prepare(server)
        yield server


def _prepare(server: Server) -> None:
    asyncio.run(
        create_topics(server, {TOPIC: PARTITIONS, READ_TOPIC: 1} | dict.fromkeys(LISTED, 1))
    )
    fill(server)


def _measure(server: Server, load: Load, seconds: float) -> Measured:
    found = measure(server, load, seconds, warm_up_s=WARM_UP_S)
    if load.api == "produce" and server.name != "limit":
        asyncio.run(renew_topic(server, TOPIC, PARTITIONS))
    return found


def _client(server: Server, rate: Callable[[Server], tuple[float, int]]) -> Measured:
    before = cpu_seconds(server.pid)
    per_s, count = rate(server)
    found = Measured(per_s, cpu_us=(cpu_seconds(server.pid) - before) / count * 1e6)
    asyncio.run(renew_topic(server, TOPIC, PARTITIONS))
    return found


def _handlers(run: Run) -> None:
    shown = [
        f"{load.name.partition(',')[0]} {handler_microseconds(load, 'page-cache'):.1f} µs"
        for load in PAGE_CACHE_LOADS[:5]
        if load is not ONE
    ]
    run.console.print("the broker's own time for one Produce, without sockets: " + ", ".join(shown))
