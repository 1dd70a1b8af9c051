"""EDGE: `make bench ARGS="--only scale"`: starts, stops, recovery, bytes; without sockets.

Each figure is taken in a process of its own, on files that the one before has left, with a warm
page cache.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from minibroker.broker.broker import Broker
from minibroker.broker.cluster.metadata import Topic
from minibroker.broker.cluster.topics import NewTopic
from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.log.log import Log, LogConfig
from minibroker.broker.partitions.producers import Producers
from minibroker.broker.runtime import RealClock
from minibroker.broker.storage.files import FileStorage
from minibroker.broker.waiting.hooks import Hooks
from minibroker.broker.world import World
from minibroker.protocol.batch.header import read_header
from minibroker.protocol.batch.writing import build_batch, head_for

from tests.bench.run import Run

WRITE_BYTES = 4 * 1024 * 1024
NOW_MS = 1_700_000_000_000
PARTITIONS = 10_000
MEGABYTES = 1_000
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Running:
    """A broker without sockets on a data directory."""

    broker: Broker
    storage: FileStorage

    def send(self, partition_count: int, producer_id: int, sequence: int) -> None:
        """Append one record to each of the first partitions."""
        batch = build_batch(
            [(None, b"v" * 100, (), NOW_MS)],
            producer_id=producer_id,
            producer_epoch=0,
            base_sequence=sequence,
        )
        for index in range(partition_count):
            partition = self.broker.partition("scale", index)
            assert partition is not None
            partition.produce(batch, NOW_MS)
            self.broker.appended(partition)

    def stop(self) -> None:
        """Stop as a broker does."""
        self.broker.close()
        self.storage.close()


def start(directory: str) -> Running:
    """Start a broker on a directory."""
    storage = FileStorage(directory)
    hooks = Hooks(_nothing, _nothing, _nothing, print)
    config = BrokerConfig(durability="fsync")
    return Running(Broker(config, [], World(RealClock(), storage, random.Random()), hooks), storage)


def fill_partitions(directory: str, count: int) -> Figures:
    """Make `count` partitions with one record each, and stop."""
    running = start(directory)
    topic = running.broker.plan_topic(NewTopic("scale", partition_count=count))
    assert isinstance(topic, Topic)
    running.broker.create_topics([topic])
    running.send(count, 1, 0)
    began = time.perf_counter()
    running.stop()
    return {"stop after writing to all, s": time.perf_counter() - began}


def start_and_stop(directory: str, count: int) -> Figures:
    """Start after a clean stop, write to 100 partitions, stop."""
    before = _rss_bytes()
    began = time.perf_counter()
    running = start(directory)
    started = time.perf_counter()
    rss = _rss_bytes()
    assert len(running.broker.partitions) == count
    running.send(min(count, 100), 2, 0)
    wrote = time.perf_counter()
    running.stop()
    return {
        "clean start, s": started - began,
        "clean stop, s": time.perf_counter() - wrote,
        "RSS after the start, MB": rss / 1e6,
        "bytes per idle partition": (rss - before) / count,
    }


def start_killed(directory: str, count: int) -> Figures:
    """Start without the mark of a clean stop."""
    Path(directory, "clean-stop").unlink()
    began = time.perf_counter()
    running = start(directory)
    started = time.perf_counter()
    assert len(running.broker.partitions) == count
    running.storage.close()
    return {"start after kill -9, s": started - began}


def recover(directory: str, megabytes: int, record_bytes: int, records: int) -> Figures:
    """Write a log of equal batches of one idempotent producer, and recover it unread."""
    values = [(None, b"v" * record_bytes, (), NOW_MS)] * records
    batch = build_batch(values, producer_id=1, producer_epoch=0, base_sequence=0)
    header = read_header(batch)
    storage = FileStorage(directory)
    storage.make_dirs("big-0")
    file = storage.create_file(f"big-0/{0:020d}.log")
    count = megabytes * 1_000_000 // len(batch)
    parts: list[bytes] = []
    for number in range(count):
        head = head_for(header, number * records, 0)
        parts += (head, batch[len(head) :])
        if len(parts) * len(batch) > 2 * WRITE_BYTES or number == count - 1:
            file.append([b"".join(parts)])
            parts.clear()
    file.close()
    producers = Producers()

    began = time.perf_counter()
    log = Log.open(storage, "big-0", LogConfig(), producers.on_batch, producers=producers)
    took = time.perf_counter() - began
    assert log.log_end_offset == count * records
    storage.close()
    return {"MB/s": file.size / took / 1e6, "batches/s": count / took}


def _nothing() -> None:
    pass


def _rss_bytes() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


STEPS: dict[str, Callable[..., Figures]] = {
    step.__name__: step for step in (fill_partitions, start_and_stop, start_killed, recover)
}


def in_a_process(step: str, *arguments: object) -> Figures:
    """Run one step in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.parts.scale", step, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure_scale(run: Run) -> dict[str, float]:
    """Run every step and print its figures; there is nothing of Kafka to compare with."""
    console = run.console
    with tempfile.TemporaryDirectory() as directory:
        console.print(f"{PARTITIONS} partitions")
        for step in (fill_partitions, start_and_stop, start_and_stop, start_killed):
            for name, figure in in_a_process(step.__name__, directory, PARTITIONS).items():
                console.print(f"  {name:32} {figure:10.2f}")
    for label, record_bytes, records in (("16 KB batches", 1600, 10), ("100 B singles", 100, 1)):
        with tempfile.TemporaryDirectory() as directory:
            figures = in_a_process("recover", directory, MEGABYTES, record_bytes, records)
        told = ", ".join(f"{figure:,.0f} {name}" for name, figure in figures.items())
        console.print(f"recovery of {MEGABYTES} MB, {label}: {told}")
    return {}


if __name__ == "__main__":
    name, where, *numbers = sys.argv[1:]
    print(json.dumps(STEPS[name](where, *map(int, numbers))))
