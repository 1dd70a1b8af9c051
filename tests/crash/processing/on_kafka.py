"""EDGE: python -m tests.crash.processing.on_kafka RUNS SEED NODES: `make process-kafka`.

As tests.crash.processing, on a real Apache Kafka of NODES nodes (1 or 3). Of three, the one that
leads a partition, or coordinates the group or a worker's transactions, gets SIGKILL in the middle
of each run, BROKER_BLOWS times, and is started again. One line a run; exit code 1 if anything is
wrong, and what the workers of that run said is kept. JOBS (1) runs go on at a time.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from random import Random

from minibroker.client import Admin, ClientError
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.messages.find_coordinator import FindCoordinatorRequest

from tests.crash.processing.run import at_a_time, play
from tests.support.processes.kafka import RealKafka, missing_tools

BROKER_BLOWS = 2
REST_S = (0.5, 3.0)
LOOK_S = 0.1
WHOLE_S = 120.0
SESSION_MS = 2_000
SETTINGS = {
    "group.min.session.timeout.ms": "1000",
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.num.partitions": "3",
}
OF_THREE = {
    "min.insync.replicas": "2",
    "transaction.state.log.min.isr": "2",
    "controller.quorum.election.timeout.ms": "5000",  # three Javas share one machine
    "controller.quorum.fetch.timeout.ms": "10000",
}


class Blows:
    """Kills one node after the other, and starts each again.

    Attributes:
        told: what each was when it was hit, and for how long it was gone, in s.
    """

    def __init__(self, kafka: RealKafka, random: Random, alone: asyncio.Lock) -> None:
        self.told: list[str] = []
        self._kafka = kafka
        self._random = random
        self._alone = alone  # two nodes that are gone at once are no cluster any more

    async def strike(self, name: str) -> None:
        """While a run of this name goes on."""
        for _ in range(BROKER_BLOWS):
            await asyncio.sleep(self._random.uniform(*REST_S))  # the instant is the draw
            what = self._random.choice(("leader", "group coordinator", "transaction coordinator"))
            async with self._alone:
                node = await self._node_of(what, name)
                while node < 1:  # nobody is, at the moment
                    await asyncio.sleep(LOOK_S)
                    node = await self._node_of(what, name)
                began = time.monotonic()
                await asyncio.to_thread(self._kafka.kill, node)
                await asyncio.sleep(self._random.uniform(*REST_S))
                await asyncio.to_thread(self._kafka.start, node)
                # 1. A node is back, and copies what it missed. 2. The next one is killed.
                # 3. Nobody is left who has everything: the partition is offline until it is back.
                await self._until_whole()
            self.told.append(f"{what} gone {time.monotonic() - began:.1f} s")

    async def _until_whole(self) -> None:
        """Every partition has all its replicas in sync."""
        async with asyncio.timeout(WHOLE_S), Admin(self._kafka.bootstrap_servers) as admin:
            topics = await admin.list_topics(list_internal=True)
            while True:
                with suppress(ClientError):
                    described = await admin.describe_topics(topics)
                    places = [each for topic in described.values() for each in topic.partitions]
                    if all({*each.isr} == {*each.replicas} for each in places):
                        return
                await asyncio.sleep(LOOK_S)

    async def _node_of(self, what: str, name: str) -> int:
        servers = self._kafka.bootstrap_servers
        if what == "leader":
            async with Admin(servers) as admin:
                described = await admin.describe_topics([f"{name}-out"])
            return self._random.choice(described[f"{name}-out"].partitions).leader
        host, _, port = servers.partition(",")[0].rpartition(":")
        connection = await Connection.open(host, int(port))
        try:
            key = f"{name}-group" if what == "group coordinator" else f"{name}-group w0"
            request = FindCoordinatorRequest(
                coordinator_keys=[key], key_type=int(what != "group coordinator")
            )
            found = await connection.request(request)
            return int(found.coordinators[0].node_id)
        finally:
            await connection.close()


def main(arguments: list[str]) -> int:
    """See the file's docstring."""
    runs, seed, nodes = (int(each) for each in arguments)
    if (reason := missing_tools()) is not None:
        print(f"no real Kafka here: {reason}")
        return 1
    folder = Path(tempfile.mkdtemp(prefix="minibroker-process-kafka-"))
    with real_kafka(nodes) as kafka:
        jobs, alone = int(os.environ.get("JOBS", "1")), asyncio.Lock()

        async def one(number: int) -> list[str]:
            return await one_run(kafka, nodes, number, folder, alone)

        wrong = asyncio.run(at_a_time(jobs, one, range(seed, seed + runs)))
    print(f"{runs} runs of process() on {nodes} nodes of Kafka, {wrong} violations")
    if wrong:
        print(f"what the workers said: {folder}/seed-*")
        return 1
    shutil.rmtree(folder)
    return 0


def real_kafka(nodes: int) -> RealKafka:
    """One in which a session may be short."""
    settings = SETTINGS if nodes == 1 else {**SETTINGS, **OF_THREE}
    return RealKafka(nodes=nodes, settings=settings, heap="384m")


async def one_run(
    kafka: RealKafka, nodes: int, seed: int, folder: Path, alone: asyncio.Lock
) -> list[str]:
    """One run; prints a line about it, and returns what is wrong."""
    logs = folder / f"seed-{seed}"
    logs.mkdir()
    blows = Blows(kafka, Random(f"brokers {seed}"), alone)
    found, line = await play(
        kafka.bootstrap_servers,
        seed,
        logs,
        session_ms=SESSION_MS,
        replication_factor=nodes,
        disturb=blows.strike if nodes > 1 else None,
    )
    print(f"{line}; {', '.join(blows.told) or 'no node was killed'}", flush=True)
    for each in found:
        print(f"    WRONG: {each}", flush=True)
    if not found:
        shutil.rmtree(logs)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
