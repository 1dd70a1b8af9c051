"""EDGE: nodes of a real Kafka are killed, one after the other, as long as runs go on beside it.

    async with node_deaths(kafka, Random(1)) as deaths:
        told = await deaths.suffer("p1-4711")     # one run; others may go on

One is gone at a time. Each death is one of every run that goes on: it is drawn for what a node is
to one of them (it leads a partition, or coordinates the group or the transactions of a worker), and
with six partitions on three nodes every node leads some of each.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random

from minibroker.client import Admin, ClientError
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.messages.find_coordinator import FindCoordinatorRequest

from tests.support.processes.kafka import RealKafka

DEATHS = int(os.environ.get("DEATHS", "2"))  # at least, of a run; on a busy machine one takes long
REST_S = (0.5, 3.0)
LOOK_S = 0.1
WHOLE_S = 120.0


@asynccontextmanager
async def node_deaths(kafka: RealKafka, random: Random) -> AsyncIterator[NodeDeaths]:
    """They go on within the block, while there are runs; at its end all nodes are there."""
    deaths = NodeDeaths(kafka, random)
    async with asyncio.TaskGroup() as group:
        group.create_task(deaths.go_on())
        yield deaths
        deaths.end()


class Suffering:
    """A run that goes on, and what each node that died was to it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.told: list[str] = []
        self.had_enough = asyncio.Event()


class NodeDeaths:
    """See the file's docstring."""

    def __init__(self, kafka: RealKafka, random: Random) -> None:
        self._kafka = kafka
        self._random = random
        self._runs: list[Suffering] = []
        self._changed = asyncio.Event()
        self._are_over = False

    async def suffer(self, name: str) -> list[str]:
        """Until a run of this name has been through DEATHS; returns what they were to it."""
        run = Suffering(name)
        self._runs.append(run)
        self._changed.set()
        try:
            await run.had_enough.wait()  # a node that does not come back ends everything
        finally:
            self._runs.remove(run)
        return run.told

    def end(self) -> None:
        """No run comes any more."""
        self._are_over = True
        self._changed.set()

    async def go_on(self) -> None:
        """Until end(): one death after the other."""
        while not self._are_over:
            if self._runs:
                await self._one()
            else:
                self._changed.clear()
                await self._changed.wait()

    async def _one(self) -> None:
        await asyncio.sleep(self._random.uniform(*REST_S))  # the instant is the draw
        hit = [*self._runs]
        if not hit:
            return
        places = {run.name: await self._places(run.name) for run in hit}
        node = self._random.choice(sorted(self._random.choice([*places.values()]).items()))[1]
        began = time.monotonic()
        await asyncio.to_thread(self._kafka.kill, node)
        await asyncio.sleep(self._random.uniform(*REST_S))
        await asyncio.to_thread(self._kafka.start, node)
        # 1. A node is back, and copies what it missed. 2. The next one is killed.
        # 3. Nobody is left who has everything: the partition is offline until it is back.
        await self._until_whole()
        seconds = time.monotonic() - began
        for run in hit:
            were = [what for what, at in places[run.name].items() if at == node] or ["leader"]
            run.told.append(f"{' and '.join(were)} gone {seconds:.1f} s")
            if len(run.told) >= DEATHS:
                run.had_enough.set()

    async def _until_whole(self) -> None:
        """Every partition has all its replicas in sync."""
        async with asyncio.timeout(WHOLE_S), Admin(self._kafka.bootstrap_servers) as admin:
            while True:
                with suppress(ClientError):
                    described = await admin.describe_topics(
                        await admin.list_topics(list_internal=True)
                    )
                    places = [each for topic in described.values() for each in topic.partitions]
                    if all({*each.isr} == {*each.replicas} for each in places):
                        return
                await asyncio.sleep(LOOK_S)

    async def _places(self, name: str) -> dict[str, int]:
        """Which node is what to a run."""
        async with Admin(self._kafka.bootstrap_servers) as admin:
            described = await admin.describe_topics([f"{name}-out"])
        return {
            "leader": self._random.choice(described[f"{name}-out"].partitions).leader,
            "group coordinator": await self._coordinator(0, f"{name}-group"),
            "transaction coordinator": await self._coordinator(1, f"{name}-group w0"),
        }

    async def _coordinator(self, key_type: int, key: str) -> int:
        host, _, port = self._kafka.bootstrap_servers.partition(",")[0].rpartition(":")
        request = FindCoordinatorRequest(coordinator_keys=[key], key_type=key_type)
        connection = await Connection.open(host, int(port))
        try:
            async with asyncio.timeout(WHOLE_S):
                while True:
                    found = await connection.request(request)
                    if (node := int(found.coordinators[0].node_id)) >= 1:
                        return node
                    await asyncio.sleep(LOOK_S)  # nobody is, at the moment
        finally:
            await connection.close()
