"""EDGE: what waiting for the disk costs: many producers, many partitions, slow flushes, memory.

Every producer has one request in flight, so a rate is the number of producers by the time that one
acknowledgement takes. On the slow disk a flush takes SLOW_MS whatever it flushes: there a producer
waits for the round under way, then for its own, never longer.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from minibroker.broker.partitions.sequences import BATCHES_KEPT, SequenceTable
from minibroker.protocol.batch.header import read_header
from minibroker.protocol.batch.writing import build_batch
from rich.table import Table

from tests.bench.generator import Measured, measure
from tests.bench.loads import Load
from tests.bench.run import Run
from tests.bench.servers import ROOT, Server, create_topics, our_broker, real_kafka

PRODUCERS, PARTITIONS = (1, 8, 64), (1, 64)
CASES = [(producers, partitions) for partitions in PARTITIONS for producers in PRODUCERS]
KAFKA_SETTINGS = {"log.flush.interval.messages": "1"}
WARM_UP_S = 1.0
SLOW_MS = 5.0
FLUSHES_MAX = 2.5  # what a produce may wait, in flushes
PIDS = (10_000, 90_000)


def measure_flushing(run: Run) -> dict[str, float]:
    """Measure and print; returns ours to Kafka's by load."""
    ratios = _real_disk(run)
    _slow_disk(run)
    _producer_ids(run)
    return ratios


def _real_disk(run: Run) -> dict[str, float]:
    table = Table("load", "ours /s", "p50 ms", "p99 ms", "Kafka /s", "p50 ms", "p99 ms", "ratio")
    table.title = "durability=fsync, one 100 B record in flight for each producer"
    ratios: dict[str, float] = {}
    with ExitStack() as stack:
        options = ("--durability", "fsync")
        servers = [stack.enter_context(our_broker("ours", run.commands, options))]
        if run.without_kafka is None:
            servers.append(stack.enter_context(real_kafka("Kafka", KAFKA_SETTINGS)))
        for server in servers:
            _create_topics(server)
            for case in CASES:
                _load(server, case, WARM_UP_S)
        measured: dict[tuple[int, int], list[list[Measured]]] = {case: [] for case in CASES}
        for number in range(run.rounds):
            for case in CASES:
                order = servers if number % 2 == 0 else servers[::-1]
                found = {server.name: _load(server, case, run.seconds) for server in order}
                measured[case].append([found[server.name] for server in servers])
    for case, rounds in measured.items():
        name = _name(case)
        columns = [text for each in zip(*rounds, strict=True) for text in _columns(each)]
        if len(servers) > 1:
            ratios[f"fsync: {name}"] = statistics.median(a.per_s / b.per_s for a, b in rounds)
            columns.append(f"{ratios[f'fsync: {name}']:.2f}")
        table.add_row(name, *columns)
    run.console.print(table)
    return ratios


def _slow_disk(run: Run) -> None:
    table = Table("load", "/s", "p50", "p99", f"p99 within {FLUSHES_MAX}")
    table.title = f"a flush takes {SLOW_MS:g} ms; times in flushes"
    p50, p99 = _sleeping(run.rounds * run.seconds)
    table.add_row("for comparison: a lone sleep", "", f"{p50:.2f}", f"{p99:.2f}", "")
    with _slow_broker() as server:
        _create_topics(server)
        for case in CASES:
            _load(server, case, WARM_UP_S)
            rounds = [_load(server, case, run.seconds) for _ in range(run.rounds)]
            p50 = statistics.median(each.p50_ms for each in rounds) / SLOW_MS
            p99 = statistics.median(each.p99_ms for each in rounds) / SLOW_MS
            per_s = statistics.median(each.per_s for each in rounds)
            is_within = "yes" if p99 <= FLUSHES_MAX else "NO"
            table.add_row(_name(case), f"{per_s:,.0f}", f"{p50:.2f}", f"{p99:.2f}", is_within)
    run.console.print(table)


def _sleeping(seconds: float) -> tuple[float, float]:
    """What a flush's time comes to on this machine now, with nothing else to do: p50 and p99."""
    took = []
    until = time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        time.sleep(SLOW_MS / 1000)
        took.append((time.perf_counter() - began) * 1000 / SLOW_MS)
    return statistics.median(took), sorted(took)[int(len(took) * 0.99)]


def _producer_ids(run: Run) -> None:
    header = read_header(build_batch([(None, b"v", (), 0)]))
    for count in PIDS:
        tracemalloc.start()
        table = SequenceTable()
        for producer_id in range(10**9, 10**9 + count):
            for sequence in range(BATCHES_KEPT):
                sent = header._replace(
                    producer_id=producer_id, producer_epoch=0, base_sequence=sequence
                )
                table.record(sent, sequence, 0)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        run.console.print(f"{count} producer ids: {held / count:.0f} bytes each")


def _columns(rounds: tuple[Measured, ...]) -> list[str]:
    return [
        f"{statistics.median(each.per_s for each in rounds):,.0f}",
        f"{statistics.median(each.p50_ms for each in rounds):.2f}",
        f"{statistics.median(each.p99_ms for each in rounds):.2f}",
    ]


def _name(case: tuple[int, int]) -> str:
    producers, partitions = case
    return f"{producers} producers, {partitions} partitions"


def _topic(partitions: int) -> str:
    return f"bench-{partitions}"


def _load(server: Server, case: tuple[int, int], seconds: float) -> Measured:
    producers, partitions = case
    load = Load(_name(case), 1, connections=producers, partitions=partitions)
    return measure(server, load, seconds, topic=_topic(partitions))


def _create_topics(server: Server) -> None:
    asyncio.run(create_topics(server, {_topic(count): count for count in PARTITIONS}))


@contextmanager
def _slow_broker() -> Iterator[Server]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.parts.slow_broker", f"{SLOW_MS:g}"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        yield Server("slow", "127.0.0.1", int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()
