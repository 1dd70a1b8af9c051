"""Three real Kafka nodes, the leader killed and started again under load, five times."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest
from minibroker.client import Delivery, Producer
from minibroker.testing import Acknowledged, Kept, Sent, findings

from tests.interop.clients.test_producer_anywhere import read
from tests.support.processes.kafka import RealKafka, missing_tools

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
KILLS = 5
PARTITIONS = 2
SOME = 3_000  # records acknowledged between one event and the next
UNCONFIRMED = 1_000
WAIT_S = 120.0
SETTINGS = {
    "min.insync.replicas": "2",
    "num.partitions": str(PARTITIONS),
    "controller.quorum.election.timeout.ms": "5000",  # three Javas share one machine
    "controller.quorum.fetch.timeout.ms": "10000",
}


class Load:
    """Sends numbers to the partitions in turn for as long as it is let."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._received: asyncio.Queue[Sent | None] = asyncio.Queue()
        self.told: list[Sent] = []
        self.stopping = False

    async def send(self) -> None:
        """Until stopping; never more than UNCONFIRMED records ahead of the receipts."""
        open_ones: deque[tuple[int, bytes, Delivery]] = deque()
        number = 0
        while not self.stopping or open_ones:
            if not self.stopping:
                value, partition = b"%d" % number, number % PARTITIONS
                delivery = await self._producer.send("t", value, partition=partition)
                open_ones.append((partition, value, delivery))
                number += 1
            if self.stopping or len(open_ones) > UNCONFIRMED:
                partition, value, delivery = open_ones.popleft()
                offset = (await delivery).offset
                self._received.put_nowait(Sent(partition, value, Acknowledged(offset)))
        self._received.put_nowait(None)

    async def more(self) -> None:
        """Wait until so many more are acknowledged."""
        wanted = len(self.told) + SOME
        async with asyncio.timeout(WAIT_S):
            while len(self.told) < wanted:
                await self._take()

    async def rest(self) -> None:
        """Wait for every receipt."""
        self.stopping = True
        async with asyncio.timeout(WAIT_S):
            while await self._take():
                pass

    async def _take(self) -> bool:
        sent = await self._received.get()
        if sent is not None:
            self.told.append(sent)
        return sent is not None


async def test_a_leader_killed_five_times_under_load_loses_doubles_and_reorders_nothing() -> None:
    with RealKafka(nodes=3, settings=SETTINGS, heap="384m") as kafka:
        async with (
            Producer(kafka.bootstrap_servers, batch_size=16_384) as producer,
            asyncio.TaskGroup() as group,
        ):
            load = Load(producer)
            group.create_task(load.send())
            leaders = set()
            for _ in range(KILLS):
                await load.more()
                leader = producer._sending.cluster.metadata.leader_of("t", 0)
                leaders.add(leader)
                await asyncio.to_thread(kafka.kill, leader)
                await load.more()
                await asyncio.to_thread(kafka.start, leader)
            await load.more()
            await load.rest()
        assert len(leaders) > 1, "the leader never moved"
        stored = {
            partition: [
                Kept(each.offset, each.value or b"")
                for each in await read(kafka.bootstrap_servers, "t", partition)
            ]
            for partition in range(PARTITIONS)
        }
    assert [finding.text for finding in findings(load.told, stored)] == []
    assert sum(map(len, stored.values())) == len(load.told)
