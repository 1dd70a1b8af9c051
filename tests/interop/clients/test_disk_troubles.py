"""A full disk, a failing write and a failing flush, as real clients see them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from minibroker.client import Producer
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.errors import ErrorCode

from tests.support.in_loop.requests import produce
from tests.support.processes.broker import BrokerProcess
from tests.support.processes.clients import LEAVES_SOCKETS, write_confluent, write_kafka_python
from tests.support.records.stored import create_topic, read_records

TOPIC = "t"
VALUES = [b"%d" % number for number in range(20)]
END_S = 30.0
CLIENT_S = 90.0
LOG = 'path: "t-0/*.log"'
FAILING_WRITES = {
    "full": f"disk_full: {{{LOG}, after_bytes: 0, times: 3}}",
    "full in the middle": f"shorten_write: {{{LOG}, bytes_written: 30, times: 3}}",
    "broken": f"disk_error: {{at: write, {LOG}, times: 3}}",
}
FAILING_FLUSH = f"disk_error: {{at: flush, {LOG}}}"


pytestmark = [pytest.mark.interop, *LEAVES_SOCKETS]


def write_ours(bootstrap_servers: str, topic: str, values: Iterable[bytes]) -> list[int]:
    """minibroker.client.Producer."""

    async def write() -> list[int]:
        async with Producer(bootstrap_servers, reconnect_backoff_max_ms=100) as producer:
            sent = [await producer.send(topic, value, partition=0) for value in values]
            return [(await each).offset for each in sent]

    return asyncio.run(write())


CLIENTS = {
    "minibroker": write_ours,
    "kafka-python": write_kafka_python,
    "confluent-kafka": write_confluent,
}


def broker_with(rule: str, tmp_path: Path) -> BrokerProcess:
    rules = tmp_path / "faults.yaml"
    rules.write_text(f"- {rule}\n")
    options = ["--faults", str(rules)]
    return BrokerProcess(data_dir=tmp_path / "data", durability="fsync", options=options)


def refusal_of(port: int) -> int:
    """The error code that one Produce gets."""

    async def ask() -> int:
        connection = await Connection.open("127.0.0.1", port)
        try:
            answer = await connection.request(produce(topic=TOPIC))
            code: int = answer.responses[0].partition_responses[0].error_code
            return code
        finally:
            await connection.close()

    return asyncio.run(ask())


@pytest.mark.parametrize("trouble", FAILING_WRITES)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_failed_write_is_refused_and_writing_goes_on_when_there_is_room(
    client: str, trouble: str, tmp_path: Path
) -> None:
    with broker_with(FAILING_WRITES[trouble], tmp_path) as broker:
        create_topic(broker.port, TOPIC)
        assert refusal_of(broker.port) == ErrorCode.KAFKA_STORAGE_ERROR
        offsets = CLIENTS[client](broker.bootstrap_servers, TOPIC, VALUES)
        assert offsets == list(range(len(VALUES))), "nothing of what was refused is there"
        assert broker.is_running
        broker.restart()
        assert [each.value for each in read_records(broker.port, TOPIC)] == VALUES


@pytest.mark.parametrize("client", CLIENTS)
def test_a_failed_flush_is_refused_and_ends_the_broker_and_nothing_is_stored_twice(
    client: str, tmp_path: Path
) -> None:
    with broker_with(FAILING_FLUSH, tmp_path) as broker, ThreadPoolExecutor(1) as pool:
        create_topic(broker.port, TOPIC)
        writing = pool.submit(CLIENTS[client], broker.bootstrap_servers, TOPIC, VALUES)
        assert broker.wait_for_end(END_S) == 1, "a broker that cannot flush must stop"
        assert "flush failed, stopping" in broker.said
        (tmp_path / "faults.yaml").write_text("")
        broker.kill()
        broker.start()
        offsets = writing.result(CLIENT_S)
        stored = {each.offset: each.value for each in read_records(broker.port, TOPIC)}
        assert stored == dict(zip(offsets, VALUES, strict=True))


def test_everybody_who_waits_for_a_failed_flush_is_refused(tmp_path: Path) -> None:
    with broker_with(FAILING_FLUSH, tmp_path) as broker:
        create_topic(broker.port, TOPIC)
        assert refusal_of(broker.port) == ErrorCode.KAFKA_STORAGE_ERROR
        assert broker.wait_for_end(END_S) == 1
        broker.kill()
