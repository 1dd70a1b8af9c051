"""EDGE: python -m tests.crash.processing.on_kafka RUNS SEED NODES: `make process-kafka`.

As tests.crash.processing, on a real Apache Kafka of NODES nodes (1 or 3). Of three, the one that
leads a partition, or coordinates the group or a worker's transactions, gets SIGKILL in the middle
of each run, DEATHS (2) times or more (node_deaths.py), and is started again. One line a run; exit
code 1 if anything is wrong, and what the workers of that run said is kept. JOBS (1) runs go on at a
time.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path
from random import Random

from tests.crash.processing.node_deaths import NodeDeaths, node_deaths
from tests.crash.processing.run import at_a_time, play
from tests.support.processes.kafka import RealKafka, missing_tools

SESSION_MS = 2_000
SETTINGS = {
    "group.min.session.timeout.ms": "1000",
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.num.partitions": "3",
}
OF_THREE = {
    "min.insync.replicas": "2",
    "transaction.state.log.min.isr": "2",
    "controller.quorum.election.timeout.ms": "2000",  # three Javas share one machine
    "controller.quorum.fetch.timeout.ms": "4000",
    "broker.session.timeout.ms": "6000",  # others take over before the dead one is back
    "broker.heartbeat.interval.ms": "500",
}


def main(arguments: list[str]) -> int:
    """See the file's docstring."""
    runs, seed, nodes = (int(each) for each in arguments)
    if (reason := missing_tools()) is not None:
        print(f"no real Kafka here: {reason}")
        return 1
    folder = Path(tempfile.mkdtemp(prefix="minibroker-process-kafka-"))
    with real_kafka(nodes) as kafka:
        wrong = asyncio.run(_all(kafka, nodes, range(seed, seed + runs), folder))
    print(f"{runs} runs of process() on {nodes} nodes of Kafka, {wrong} violations")
    if wrong:
        print(f"what the workers said: {folder}/seed-*")
        return 1
    shutil.rmtree(folder)
    return 0


def real_kafka(nodes: int) -> RealKafka:
    """One in which a session may be short."""
    settings = SETTINGS if nodes == 1 else {**SETTINGS, **OF_THREE}
    return RealKafka(nodes=nodes, settings=settings, heap="384m", is_quick=True)


async def _all(kafka: RealKafka, nodes: int, seeds: range, folder: Path) -> int:
    jobs = int(os.environ.get("JOBS", "1"))
    async with node_deaths(kafka, Random(f"nodes {seeds.start}")) as deaths:

        async def one(number: int) -> list[str]:
            return await one_run(kafka, nodes, number, folder, deaths)

        return await at_a_time(jobs, one, seeds)


async def one_run(
    kafka: RealKafka, nodes: int, seed: int, folder: Path, deaths: NodeDeaths
) -> list[str]:
    """One run; prints a line about it, and returns what is wrong."""
    logs = folder / f"seed-{seed}"
    logs.mkdir()
    told: list[str] = []

    async def suffer(name: str) -> None:
        told.extend(await deaths.suffer(name))

    found, line = await play(
        kafka.bootstrap_servers,
        seed,
        logs,
        session_ms=SESSION_MS,
        replication_factor=nodes,
        disturb=suffer if nodes > 1 else None,
    )
    print(f"{line}; {', '.join(told) or 'no node was killed'}", flush=True)
    for each in found:
        print(f"    WRONG: {each}", flush=True)
    if not found:
        shutil.rmtree(logs)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
