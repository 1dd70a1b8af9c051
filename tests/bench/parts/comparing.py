"""EDGE: `minibroker compare` of a million records, beside two consumers that read them.

    make compare RECORDS=1000000

Two brokers of ours hold the same records, in the same batches and in others. Two consumers read
one each at the same time, in one process as the command is one. What counts is the time, and the
most memory that the command ever had.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from minibroker.client import Admin, Consumer, Producer, TopicPartition

from tests.support.processes.broker import RUN, BrokerProcess

PARTITIONS = 4
VALUE_BYTES = 100
AT_ONCE = 10_000
START_MS = 1_700_000_000_000
MB = 1_000_000


async def fill(servers: str, topic: str, count: int, batch_size: int) -> None:
    """The same records in every broker; how they lie in batches is the caller's."""
    async with Admin(servers) as admin:
        configs = {"retention.ms": "-1"}  # the records are old
        await admin.create_topic(topic, num_partitions=PARTITIONS, configs=configs)
    async with Producer(servers, batch_size=batch_size) as producer:
        for begin in range(0, count, AT_ONCE):
            for partition in range(PARTITIONS):
                numbers = range(begin + partition, min(begin + AT_ONCE, count), PARTITIONS)
                await producer.send_many(
                    topic,
                    [b"%0*d" % (VALUE_BYTES, number) for number in numbers],
                    keys=[b"key %d" % number for number in numbers],
                    partition=partition,
                    timestamps=[START_MS + number for number in numbers],
                )


async def read(servers: str, topic: str, count: int) -> None:
    """All of it, as a consumer does."""
    async with Consumer(bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition(topic, index) for index in range(PARTITIONS)])
        while count > 0:
            found = await consumer.getmany(timeout_ms=10_000)
            count -= sum(map(len, found.values()))


async def measure(servers: Sequence[str], count: int) -> None:
    """Print seconds of both, and the command's memory."""
    for topic, sizes in (("copies", (100_000, 100_000)), ("other-batches", (100_000, 16_384))):
        for each, size in zip(servers, sizes, strict=True):
            await fill(each, topic, count, size)
        began, cpu_began = time.monotonic(), time.process_time()
        await asyncio.gather(*(read(each, topic, count) for each in servers))
        consumers_s = time.monotonic() - began
        consumers_cpu_s = time.process_time() - cpu_began
        began = time.monotonic()
        words = ("compare", *servers, "--topics", topic, "--no-groups")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", MEASURED, *words), stdout=subprocess.PIPE
        )
        out, _ = await process.communicate()
        compare_s = time.monotonic() - began
        assert process.returncode == 0, out.decode()
        compare_cpu_s, most_kib = map(float, out.split()[-2:])
        most_mb = most_kib * 1024 / MB
        print(
            f"{topic}: {count:,} records; two consumers {consumers_s:.1f} s, "
            f"compare {compare_s:.1f} s; of a processor {consumers_cpu_s:.1f} s and "
            f"{compare_cpu_s:.1f} s, from the start of the process; "
            f"at most {most_mb:.0f} MB",
            flush=True,
        )


MEASURED = f"""
import atexit, resource
def tell():
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime, used.ru_maxrss, flush=True)
atexit.register(tell)
{RUN}
"""


def main() -> None:
    """Play it."""
    count = int(sys.argv[1])
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        brokers = [
            stack.enter_context(BrokerProcess(data_dir=folder / name, durability="page-cache"))
            for name in "ab"
        ]
        asyncio.run(measure([each.bootstrap_servers for each in brokers], count))


if __name__ == "__main__":
    main()
