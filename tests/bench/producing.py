"""EDGE: Produce, ours beside a real Apache Kafka: raw over one socket, and from real clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from tests.bench.clients import aiokafka_rate, confluent_rate
from tests.bench.handler import handler_microseconds
from tests.bench.raw_client import Case, Measured, load
from tests.bench.run import Run
from tests.bench.servers import (
    TOPIC,
    Server,
    create_topic,
    echo_server,
    our_broker,
    real_kafka,
    renew_topic,
)
from tests.bench.tables import Rates, ratio, show_clients, show_raw

SINGLES = Case("100 B singles, 50 in flight", 1, 100, 50)
ONE = Case("100 B, one at a time", 1, 100, 1)
PAGE_CACHE_CASES = (
    SINGLES,
    ONE,
    Case("150 x 100 B batches, 20 in flight", 150, 100, 20),
    Case("16 KB records, 20 in flight", 1, 16_384, 20),
    Case("1 MB records, 5 in flight", 1, 1_000_000, 5),
)
FSYNC_CASES = (SINGLES, ONE)
FSYNC_KAFKA = {"log.flush.interval.messages": "1"}
CLIENTS: dict[str, Callable[[Server], float]] = {
    "confluent-kafka": confluent_rate,
    "aiokafka": aiokafka_rate,
}
WARM_UP_S = 3.0


def measure_producing(run: Run) -> dict[str, float]:
    """Print the tables; returns the ratios by load."""
    _handlers(run)
    ratios: dict[str, float] = {}
    for durability, cases, settings in (
        ("page-cache", PAGE_CACHE_CASES, {}),
        ("fsync", FSYNC_CASES, FSYNC_KAFKA),
    ):
        with ExitStack() as stack:
            servers = _start(stack, run, durability, settings)
            ratios |= _raw(run, durability, servers, cases)
            if durability == "page-cache":
                ratios |= _real_clients(run, servers)
            memory = servers[0].memory_mb
            run.console.print(f"memory of our broker after the run: {memory:.0f} MB\n")
    return ratios


def _start(
    stack: ExitStack, run: Run, durability: str, kafka_settings: dict[str, str]
) -> list[Server]:
    """Ours, Kafka if it can be, the echo server; the first two with the topic."""
    servers = [stack.enter_context(our_broker("ours", run.commands, ("--durability", durability)))]
    if run.without_kafka is None:
        servers.append(stack.enter_context(real_kafka("Kafka", kafka_settings)))
    for server in servers:
        asyncio.run(create_topic(server))
    servers.append(stack.enter_context(echo_server("echo")))
    return servers


def _raw(
    run: Run, durability: str, servers: Sequence[Server], cases: Sequence[Case]
) -> dict[str, float]:
    for server in servers:
        for case in cases:
            _measure(server, case, WARM_UP_S)
    measured = {case: Rates() for case in cases}
    for number in range(run.rounds):
        for case in cases:
            for server in servers if number % 2 == 0 else servers[::-1]:
                found = _measure(server, case, run.seconds)
                measured[case].add(server.name, found.requests_per_s, found.p50_ms)
    show_raw(run.console, f"raw Produce over one socket, durability={durability}", measured)
    return {
        f"{durability}: {case.name}": ratio(rates)
        for case, rates in measured.items()
        if rates.has("Kafka")
    }


def _measure(server: Server, case: Case, seconds: float) -> Measured:
    found = load((server.host, server.port), case, TOPIC, seconds)
    if server.name != "echo":
        asyncio.run(renew_topic(server))
    return found


def _real_clients(run: Run, servers: Sequence[Server]) -> dict[str, float]:
    brokers = [server for server in servers if server.name != "echo"]
    measured = {name: Rates() for name in CLIENTS}
    for number in range(run.rounds + 1):
        for name, rate in CLIENTS.items():
            for server in brokers if number % 2 == 0 else brokers[::-1]:
                found = rate(server)
                if number:  # the first round warms up
                    measured[name].add(server.name, found, 0.0)
    show_clients(run.console, measured)
    return {
        f"{name}, 100 B, idempotent": ratio(rates)
        for name, rates in measured.items()
        if rates.has("Kafka")
    }


def _handlers(run: Run) -> None:
    shown = [
        f"{case.name.partition(',')[0]} {handler_microseconds(case, 'page-cache'):.1f} us"
        for case in PAGE_CACHE_CASES
        if case is not ONE
    ]
    run.console.print("the broker's own time for one Produce, without sockets: " + ", ".join(shown))
