"""EDGE: a broker with few file descriptors serves whom it can, and never ends for want of one."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from minibroker.testing.stored import stored_records

from tests.support.processes.broker import RUN, BrokerProcess

SOCKETS = 1_100
WITHOUT_UVLOOP = "import sys; sys.modules['uvloop'] = None; "
FEW = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit})); "
NEW_BATCH = build_batch([(None, b"v", (), 1_700_000_000_000)])


@contextmanager
def broker_with(limit: int, data_dir: Path, first: str = "") -> Iterator[BrokerProcess]:
    """A broker that cannot have more descriptors; it must stop cleanly at the end."""

    class Limited(BrokerProcess):
        program = ("-c", first + FEW.format(limit=limit) + RUN)

    with Limited(data_dir=data_dir) as broker:
        yield broker
        broker.stop()


async def create(connection: Connection, count: int) -> None:
    new = CreatableTopic(
        name="t", num_partitions=count, replication_factor=1, assignments=[], configs=[]
    )
    answer = await connection.request(CreateTopicsRequest(topics=[new]))
    assert answer.topics[0].error_code == 0


def produce(*partitions: int) -> ProduceRequest:
    data = [PartitionProduceData(index=each, records=NEW_BATCH) for each in partitions]
    topics = [TopicProduceData(name="t", partition_data=data)]
    return ProduceRequest(acks=-1, timeout_ms=5000, topic_data=topics)


async def codes(connection: Connection, *partitions: int) -> set[int]:
    answer = await connection.request(produce(*partitions))
    return {each.error_code for each in answer.responses[0].partition_responses}


async def write_everywhere(port: int, count: int) -> None:
    connection = await Connection.open("127.0.0.1", port)
    try:
        await create(connection, count)
        for each in range(count):  # a round of flushes each
            assert await codes(connection, each) == {0}
        assert await codes(connection, *range(count)) == {0}  # all in one round
        few = [codes(connection, *range(each, each + 10)) for each in range(0, count, 10)]
        assert await asyncio.gather(*few) == [{0}] * len(few)
        for each in range(0, count, 50):
            assert len(await stored_records(connection, "t", each)) == 3
    finally:
        await connection.close()


def test_more_partitions_are_written_than_there_are_descriptors(tmp_path: Path) -> None:
    with broker_with(256, tmp_path) as broker:
        asyncio.run(write_everywhere(broker.port, 500))
        assert "flush-failed" not in broker.said


@pytest.mark.parametrize(
    ("limit", "first"), [(256, ""), (1024, ""), (256, WITHOUT_UVLOOP)], ids=["256", "1024", "plain"]
)
def test_more_idle_connections_come_than_there_are_descriptors(
    limit: int, first: str, tmp_path: Path
) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < SOCKETS + 200:
        pytest.skip(f"this process may not open {SOCKETS} sockets (ulimit -n)")
    with broker_with(limit, tmp_path, first) as broker, ExitStack() as sockets:
        asyncio.run(with_idle_ones(broker, sockets))
        assert "flush-failed" not in broker.said
        assert 1 <= broker.said.count("event=connection-refused") <= 5


async def with_idle_ones(broker: BrokerProcess, sockets: ExitStack) -> None:
    connection = await Connection.open("127.0.0.1", broker.port)
    try:
        await create(connection, 40)
        for number in range(SOCKETS):
            idle = sockets.enter_context(socket.socket())
            idle.setblocking(False)
            idle.connect_ex(("127.0.0.1", broker.port))
            if number % 25 == 0:
                assert await codes(connection, number // 25 % 40) == {0}
        for number in range(40):
            assert await codes(connection, number) == {0}
        assert len(await stored_records(connection, "t", 3)) >= 2
        sockets.close()
        newcomer = await Connection.open("127.0.0.1", broker.port)
        assert await codes(newcomer, 0) == {0}
        await newcomer.close()
    finally:
        await connection.close()
