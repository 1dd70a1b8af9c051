"""Requests that take long: done in slices, in the order of their connection, none beside its bound.

How many slices there are is counted, and not how long they last: `make hostile` has the clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from minibroker.broker import dispatch
from minibroker.broker.apis import describe_groups, metadata
from minibroker.broker.limits import PARTITIONS_MAX
from minibroker.broker.runtime import Runtime
from minibroker.broker.waiting.long_work import LongWork
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.compression import Codec
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from minibroker.protocol.messages.delete_topics import DeleteTopicsRequest
from minibroker.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
)
from minibroker.protocol.messages.describe_groups import DescribeGroupsRequest
from minibroker.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from minibroker.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from minibroker.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)

from tests.support.in_loop import requests as ask
from tests.support.in_loop.looking import until
from tests.support.in_loop.runtime import (
    RawConnection,
    connect,
    request_frame,
    running_broker,
)

NOW_MS = 1_700_000_000_000
METADATA, CREATE_TOPICS = 3, 19


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    async with running_broker() as running:
        yield running


@pytest.fixture
async def client(runtime: Runtime) -> AsyncIterator[Connection]:
    connection = await connect(runtime)
    yield connection
    await connection.close()


class Slices:
    """Counts the slices that long work takes; each of them is of one step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, runtime: Runtime) -> None:
        self.count = 0
        slices = runtime._slices
        monkeypatch.setattr(slices, "first", lambda: lambda: True)
        monkeypatch.setattr(slices, "next", self._next)

    def _next(self) -> Any:
        self.count += 1
        return lambda: True


def new_topics(names: list[str], partitions: int = 1, **more: Any) -> CreateTopicsRequest:
    topics = [
        CreatableTopic(
            name=name,
            num_partitions=partitions,
            replication_factor=1,
            assignments=[],
            configs=[],
        )
        for name in names
    ]
    return CreateTopicsRequest(topics=topics, **more)


def named(names: list[str], **more: Any) -> MetadataRequest:
    return MetadataRequest(topics=[MetadataRequestTopic(name=name) for name in names], **more)


async def test_topics_are_created_and_described_in_slices(
    runtime: Runtime, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices = Slices(monkeypatch, runtime)
    names = [f"a.{number}" for number in range(2000)]
    created = await client.request(new_topics(names))
    assert {each.error_code for each in created.topics} == {0}
    assert slices.count > 100
    slices.count = 0
    told = await client.request(named(names))
    assert [each.name for each in told.topics] == names
    assert slices.count > 20
    assert runtime.broker.state.partition_count == 2000


async def test_what_is_asked_later_is_begun_later(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    Slices(monkeypatch, runtime)
    raw = await RawConnection.open(runtime)
    names = [f"t{number}" for number in range(500)]
    last = named(names[-1:], allow_auto_topic_creation=False)
    raw.send(request_frame(new_topics(names), 5, 1) + request_frame(last, 8, 2))
    number, created = await raw.response(CREATE_TOPICS, 5)
    assert (number, len(created.topics)) == (1, 500)
    number, told = await raw.response(METADATA, 8)
    assert (number, told.topics[0].error_code) == (2, 0)
    await raw.close()


async def test_others_are_served_between_two_slices(
    runtime: Runtime, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices = Slices(monkeypatch, runtime)
    other = await connect(runtime)
    await ask.create(other, "good")
    long = asyncio.create_task(client.request(new_topics([f"t{n}" for n in range(2000)])))
    served = 0
    while not long.done():
        answer = await other.request(ask.produce(topic="good"))
        assert answer.responses[0].partition_responses[0].error_code == 0
        served += 1
    assert served > 10
    assert slices.count > 100
    await other.close()


async def test_long_work_that_fails_is_refused_and_its_connection_goes_on(
    client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = describe_groups._described

    def fail_at_first(group_id: str, group: object) -> Any:
        monkeypatch.setattr(describe_groups, "_described", described)
        raise ValueError("a bug")

    monkeypatch.setattr(describe_groups, "_described", fail_at_first)
    told = await client.request(DescribeGroupsRequest(groups=["g"]))
    assert told.groups[0].error_code == ErrorCode.UNKNOWN_SERVER_ERROR
    told = await client.request(DescribeGroupsRequest(groups=["g"]))
    assert told.groups[0].error_code == 0


async def test_a_connection_that_ends_leaves_no_work_behind(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    Slices(monkeypatch, runtime)
    raw = await RawConnection.open(runtime)
    resource = DescribeConfigsResource(resource_type=4, resource_name="1", configuration_keys=[])
    raw.send(request_frame(DescribeConfigsRequest(resources=[resource] * 20_000), 1, 1))
    work: LongWork = runtime.broker.work
    await until(lambda: not work.is_idle)
    await raw.close()
    await until(lambda: work.is_idle)


async def test_partitions_are_stored_into_in_slices_and_deleted_so(
    runtime: Runtime, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices = Slices(monkeypatch, runtime)
    await client.request(new_topics(["wide"], 1000))
    records = build_batch([(None, b"v", (), NOW_MS)])
    parts = [PartitionProduceData(index=index, records=records) for index in range(1000)]
    topic = TopicProduceData(name="wide", partition_data=parts)
    slices.count = 0
    stored = await client.request(ProduceRequest(acks=-1, timeout_ms=1, topic_data=[topic]))
    answers = stored.responses[0].partition_responses
    assert [(each.index, each.error_code) for each in answers] == [(n, 0) for n in range(1000)]
    assert slices.count > 100
    slices.count = 0
    deleting = asyncio.create_task(
        client.request(DeleteTopicsRequest(topic_names=["wide"], timeout_ms=5000), version=3)
    )
    await until(lambda: "wide" not in runtime.broker.state.topics)
    other = await connect(runtime)
    again = await other.request(new_topics(["wide"]))
    assert again.topics[0].error_code in (0, ErrorCode.TOPIC_ALREADY_EXISTS)
    assert (await deleting).responses[0].error_code == 0
    assert slices.count > 500
    await other.close()


async def test_a_search_by_time_looks_through_many_records_in_slices(
    runtime: Runtime, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask.create(client)
    many = [(None, b"", (), NOW_MS + number) for number in range(20_000)]
    records = build_batch(many, codec=Codec.GZIP)
    part = PartitionProduceData(index=0, records=records)
    topic = TopicProduceData(name="t", partition_data=[part])
    await client.request(ProduceRequest(acks=-1, timeout_ms=1, topic_data=[topic]))
    slices = Slices(monkeypatch, runtime)
    wanted = ListOffsetsPartition(partition_index=0, timestamp=NOW_MS + 19_990)
    asked = ListOffsetsTopic(name="t", partitions=[wanted])
    found = await client.request(ListOffsetsRequest(replica_id=-1, topics=[asked]))
    partition = found.topics[0].partitions[0]
    assert (partition.error_code, partition.offset) == (0, 19_990)
    assert slices.count > 50


async def test_a_topic_is_described_once_however_often_it_is_listed(client: Connection) -> None:
    await client.request(new_topics(["wide"], PARTITIONS_MAX))
    told = await client.request(named(["wide"] * 300))
    assert [len(each.partitions) for each in told.topics] == [PARTITIONS_MAX]


async def test_rows_of_topics_are_shared(runtime: Runtime) -> None:
    rows = metadata.Rows(runtime.broker)
    assert rows.first(10)[3] is rows.first(5)[3]


async def test_more_partitions_in_one_request_than_kafka_creates_are_refused(
    runtime: Runtime, client: Connection
) -> None:
    answer = await client.request(new_topics(["a", "b"], 6000))
    assert {each.error_code for each in answer.topics} == {ErrorCode.POLICY_VIOLATION}
    assert runtime.broker.state.topics == {}


async def test_partitions_in_all_are_bounded(
    runtime: Runtime, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("apis.topic_creation", "apis.create_partitions"):
        monkeypatch.setattr(f"minibroker.broker.{module}.PARTITIONS_IN_ALL_MAX", 10)
    answer = await client.request(new_topics(["a", "b", "c"], 4))
    codes = [each.error_code for each in answer.topics]
    assert codes == [0, 0, ErrorCode.POLICY_VIOLATION]
    told = await client.request(named(["d", "e", "f"]))
    assert [each.error_code for each in told.topics] == [0, 0, ErrorCode.POLICY_VIOLATION]


async def test_an_answer_that_would_be_too_long_is_refused(
    client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "ANSWER_BYTES_MAX", 100_000)
    resource = DescribeConfigsResource(resource_type=4, resource_name="1", configuration_keys=[])
    told = await client.request(DescribeConfigsRequest(resources=[resource] * 1000))
    assert {each.error_code for each in told.results} == {ErrorCode.INVALID_REQUEST}
    told = await client.request(DescribeConfigsRequest(resources=[resource]))
    assert told.results[0].error_code == 0


async def test_a_fetch_that_lists_a_partition_twenty_thousand_times_reads_it_once(
    client: Connection,
) -> None:
    await ask.create(client)
    await client.request(ask.produce(b"x" * 1000))
    part = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=2**20)
    topic = FetchTopic(topic="t", partitions=[part] * 20_000)
    found = await client.request(
        FetchRequest(
            max_wait_ms=0, min_bytes=1, max_bytes=2**20, topics=[topic], forgotten_topics_data=[]
        )
    )
    assert len(found.responses[0].partitions) == 1
    assert len(found.responses[0].partitions[0].records) > 1000
