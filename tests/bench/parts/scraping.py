"""EDGE: what a scrape of very many partitions and groups does to the loop, turn by turn.

A broker in this process, in memory, with 10,000 partitions that have been written to and 1,000
groups with ten offsets each; scrapes over a socket, in both formats. Given is the longest turn of
the loop while they are made, in time of this thread, and what a scrape takes of it in all. The
longest turn while nobody scrapes stands beside.
"""

from __future__ import annotations

import asyncio
import time
from asyncio import base_events
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minibroker.broker.broker import Broker
from minibroker.broker.cluster.metadata import Topic
from minibroker.broker.cluster.topics import NewTopic
from minibroker.broker.config.sources import Layer, load
from minibroker.broker.groups.records import OffsetCommitValue
from minibroker.broker.metrics.server import MetricsServer
from minibroker.broker.runtime import Runtime
from minibroker.cli.terminal.process_memory import collect_rarely
from minibroker.protocol.batch.writing import build_batch
from rich.table import Table

TOPICS, PARTITIONS = 100, 100
GROUPS, OFFSETS = 1_000, 10
SCRAPES = 10
IDLE_S = 3.0
FORMATS = {
    "Prometheus text": "text/plain",
    "OpenMetrics": "application/openmetrics-text;version=1.0.0",
}


class Turns:
    """The longest turn, and the sum of all, in s of this thread's processor time."""

    def __init__(self) -> None:
        self.longest = self.total = 0.0
        self.count = 0

    def add(self, took: float) -> None:
        self.longest = max(self.longest, took)
        self.total += took
        self.count += 1


@contextmanager
def measured_turns() -> Iterator[Turns]:
    """Of a loop of asyncio's own, from now on."""
    turns, run_once = Turns(), base_events.BaseEventLoop._run_once  # type: ignore[attr-defined]

    def measured(loop: Any) -> None:
        began = time.thread_time()
        run_once(loop)
        turns.add(time.thread_time() - began)

    base_events.BaseEventLoop._run_once = measured  # type: ignore[attr-defined]
    try:
        yield turns
    finally:
        base_events.BaseEventLoop._run_once = run_once  # type: ignore[attr-defined]


def fill(broker: Broker) -> None:
    """Topics, a record in each partition, and groups."""
    now_ms = time.time_ns() // 1_000_000
    batch = build_batch([(None, b"x" * 100, (), now_ms)])
    for number in range(TOPICS):
        name = f"topic-{number}"
        topic = broker.plan_topic(NewTopic(name, partition_count=PARTITIONS))
        assert isinstance(topic, Topic)
        broker.create_topics([topic])
        for index in range(PARTITIONS):
            partition = broker.partition(name, index)
            assert partition is not None
            partition.produce(batch, now_ms)
    value = OffsetCommitValue(offset=1, metadata="", commit_timestamp=now_ms)
    for number in range(GROUPS):
        some = [(f"topic-{number % TOPICS}", index, value) for index in range(OFFSETS)]
        broker.groups.offsets.commit(f"group-{number}", some)


async def scrape(port: int, accept: str) -> int:
    """The bytes of one scrape."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n".encode())
    count = 0
    while data := await reader.read(65536):
        count += len(data)
    writer.close()
    return count


async def scraped(table: Table) -> None:
    """One row for each format, and one for none."""
    loaded = load([Layer("bench", {"listeners": "PLAINTEXT://127.0.0.1:0"})])
    async with Runtime(loaded.config, loaded.listeners) as runtime:
        collect_rarely()
        fill(runtime.broker)
        server = MetricsServer(runtime, "bench")
        await server.start("127.0.0.1", 0)
        with measured_turns() as turns:
            await asyncio.sleep(IDLE_S)
        table.add_row("nobody scrapes", f"{turns.longest * 1000:.2f} ms", "", "", "")
        for name, accept in FORMATS.items():
            with measured_turns() as turns:
                for _ in range(SCRAPES):
                    size = await scrape(server.port, accept)
            table.add_row(
                name,
                f"{turns.longest * 1000:.2f} ms",
                f"{turns.total / SCRAPES * 1000:.0f} ms",
                f"{turns.count // SCRAPES}",
                f"{size / 1e6:.1f} MB",
            )
        server.close()


def scraping_table() -> Table:
    """Measure, and show it. The reader is in the same thread: its part is in the figures."""
    title = f"{TOPICS * PARTITIONS:,} partitions, {GROUPS:,} groups of {OFFSETS} offsets; "
    table = Table(title=f"{title}{SCRAPES} scrapes each")
    for name in ("format", "longest turn", "a scrape", "turns", "size"):
        table.add_column(name, justify="right")
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(scraped(table))
    return table
