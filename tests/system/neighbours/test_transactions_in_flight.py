"""Requests of one transaction, sent at once over one connection: none overtakes another.

Each scenario begins while the transaction before is still being ended, because its flush is held.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from minibroker.broker.runtime import Runtime
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.compression import Codec
from minibroker.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from minibroker.protocol.messages.end_txn import EndTxnRequest
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)

from tests.support.in_loop.looking import until
from tests.support.in_loop.runtime import connect, running_broker
from tests.support.worlds.flushes import HeldFlushes, world_with

ID, TOPIC, PARTITIONS = "id", "t", 40
TRANSACTIONAL_BIT = 0x10
TIMESTAMP = 1_700_000_000_000
WAIT_S = 5.0


class Stage:
    """A broker whose flushes are held, an open transaction of epoch 0 that is being ended."""

    def __init__(self, runtime: Runtime, flushes: HeldFlushes, connection: Connection) -> None:
        self.runtime = runtime
        self.flushes = flushes
        self.connection = connection
        self.producer_id = -1

    async def begin(self) -> asyncio.Task[Any]:
        """Returns the EndTxn that waits for a flush."""
        new = CreatableTopic(
            name=TOPIC, num_partitions=PARTITIONS, replication_factor=1, assignments=[], configs=[]
        )
        await self.connection.request(CreateTopicsRequest(topics=[new]))
        init = InitProducerIdRequest(transactional_id=ID, transaction_timeout_ms=60_000)
        self.producer_id = (await self.connection.request(init)).producer_id
        last = self.batch(0, 0, epoch=0)
        assert await self.told(self.connection.request(last)) == {0: (0, 0)}
        self.flushes.hold()
        end = EndTxnRequest(
            transactional_id=ID, producer_id=self.producer_id, producer_epoch=0, committed=True
        )
        elsewhere = await connect(self.runtime)
        asked = asyncio.create_task(elsewhere.request(end))
        transactions = self.runtime.broker.transactions
        await until(lambda: ID in transactions.coordinator.endings)
        asked.add_done_callback(lambda _: elsewhere.abort())
        return asked

    def batch(
        self,
        indexes: int | Sequence[int],
        sequence: int,
        *,
        epoch: int = 1,
        codec: Codec = Codec.NONE,
        acks: int = -1,
    ) -> ProduceRequest:
        """One record for each of some partitions."""
        indexes = [indexes] if isinstance(indexes, int) else indexes
        records = build_batch(
            [(None, b"%d-%d" % (epoch, sequence), (), TIMESTAMP)],
            attributes=TRANSACTIONAL_BIT,
            codec=codec,
            producer_id=self.producer_id,
            producer_epoch=epoch,
            base_sequence=sequence,
        )
        data = [PartitionProduceData(index=index, records=records) for index in indexes]
        topic = TopicProduceData(name=TOPIC, partition_data=data)
        return ProduceRequest(transactional_id=ID, acks=acks, timeout_ms=1000, topic_data=[topic])

    async def at_once(self, *requests: ProduceRequest) -> list[dict[int, tuple[int, int]]]:
        """What each is told, of those sent in this order before the ending is over."""
        asked = [asyncio.create_task(self.connection.request(each)) for each in requests]
        await until(lambda: not self.runtime.broker.work.is_idle)
        self.flushes.release()
        return [await self.told(each) for each in asked]

    @staticmethod
    async def told(asked: Any) -> dict[int, tuple[int, int]]:
        """(error, base offset) by partition."""
        async with asyncio.timeout(WAIT_S):
            (topic,) = (await asked).responses
        return {
            each.index: (each.error_code, each.base_offset) for each in topic.partition_responses
        }


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    flushes = HeldFlushes()
    async with running_broker(tmp_path, world=world_with(flushes)) as runtime:
        connection = await connect(runtime)
        yield Stage(runtime, flushes, connection)
        flushes.release()
        await connection.close()


async def test_batches_of_the_next_transaction_wait_in_their_order(stage: Stage) -> None:
    end = await stage.begin()
    told = await stage.at_once(*(stage.batch(0, number) for number in range(5)))
    assert told == [{0: (0, 2 + number)} for number in range(5)], "offset 1 is the marker"
    assert (await end).error_code == 0


async def test_a_short_request_waits_behind_one_of_many_partitions(stage: Stage) -> None:
    await stage.begin()
    everywhere = list(range(PARTITIONS))
    told = await stage.at_once(
        stage.batch(everywhere, 0), stage.batch(PARTITIONS - 1, 1), stage.batch(0, 1)
    )
    assert told[0] == {0: (0, 2)} | dict.fromkeys(everywhere[1:], (0, 0))
    assert told[1:] == [{PARTITIONS - 1: (0, 1)}, {0: (0, 3)}]


async def test_a_plain_batch_waits_behind_a_compressed_one(stage: Stage) -> None:
    await stage.begin()
    told = await stage.at_once(
        stage.batch(0, 0, codec=Codec.GZIP), stage.batch(0, 1), stage.batch(0, 2, codec=Codec.GZIP)
    )
    assert told == [{0: (0, 2)}, {0: (0, 3)}, {0: (0, 4)}]


async def test_what_asks_for_no_answer_keeps_its_place(stage: Stage) -> None:
    await stage.begin()
    first = asyncio.create_task(stage.connection.request(stage.batch(0, 0)))
    await until(lambda: not stage.runtime.broker.work.is_idle)
    written = asyncio.get_running_loop().create_future()
    stage.connection.send_unanswered(stage.batch(0, 1, acks=0), written)
    last = asyncio.create_task(stage.connection.request(stage.batch(0, 2)))
    stage.flushes.release()
    assert [await stage.told(first), await stage.told(last)] == [{0: (0, 2)}, {0: (0, 4)}]
    told = await stage.told(stage.connection.request(stage.batch(0, 3)))
    assert told == {0: (0, 5)}
