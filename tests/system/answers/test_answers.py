"""EDGE: single answers of a running broker that are our own choice, or easy to get wrong."""

import sys

import pytest
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.batch.header import read_header
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.compression import Codec
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.delete_topics import DeleteTopicsRequest
from minibroker.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
)
from minibroker.protocol.messages.find_coordinator import FindCoordinatorRequest
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

from tests.support.in_loop.requests import create, fetch, produce, stored_values
from tests.support.in_loop.runtime import connect, running_broker

PRODUCE, FETCH, API_VERSIONS = 0, 1, 18
LONG_MS = 60_000


async def test_a_fetch_session_is_declined() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        await create(connection)
        request = fetch()
        request.session_epoch = 0
        response = await connection.request(request)
        assert (response.error_code, response.session_id) == (0, 0)
        await connection.close()


async def test_the_coordinator_is_this_node_at_once() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        request = FindCoordinatorRequest(key="group", key_type=0)
        response = await connection.request(request, version=3)
        found = (response.error_code, response.node_id, response.host, response.port)
        assert found == (0, 1, "127.0.0.1", runtime.bound[0].port)
        await connection.close()


@pytest.mark.parametrize("version", range(6))
async def test_no_error_has_the_word_for_it_that_clients_of_the_version_know(version: int) -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        if version < 4:
            one = FindCoordinatorRequest(key="id", key_type=1 if version else 0)
            told = [await connection.request(one, version=version)]
        else:
            two = FindCoordinatorRequest(coordinator_keys=["id", ""], key_type=1)
            told = (await connection.request(two, version=version)).coordinators
            assert [each.key for each in told] == ["id", ""]
        word = None if version == 0 else "NONE" if version < 4 else ""
        assert {(each.error_code, each.node_id, each.error_message) for each in told} == {
            (0, 1, word)
        }
        await connection.close()


async def test_an_empty_key_has_a_coordinator_and_keys_of_other_kinds_have_none() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        empty = await connection.request(FindCoordinatorRequest(key="", key_type=1), version=3)
        assert empty.error_code == 0
        none = FindCoordinatorRequest(coordinator_keys=[], key_type=1)
        assert (await connection.request(none, version=4)).coordinators == []
        for kind in (2, 3, 7, -1):
            other = FindCoordinatorRequest(coordinator_keys=["a"], key_type=kind)
            (told,) = (await connection.request(other, version=4)).coordinators
            refused = (ErrorCode.INVALID_REQUEST, -1, "", -1)
            assert (told.error_code, told.node_id, told.host, told.port) == refused
        await connection.close()


async def topic_id(connection: Connection, name: str) -> bytes:
    """The id of a topic."""
    request = MetadataRequest(topics=[MetadataRequestTopic(name=name)])
    found: bytes = (await connection.request(request)).topics[0].topic_id
    return found


async def test_topics_are_named_by_their_ids_and_one_unknown_disturbs_no_other() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        await create(connection)
        known, unknown = await topic_id(connection, "t"), b"\7" * 16
        request = produce()
        (data,) = request.topic_data[0].partition_data
        request.topic_data = [
            TopicProduceData(topic_id=unknown, partition_data=[data]),
            TopicProduceData(topic_id=bytes(16), partition_data=[data]),
            TopicProduceData(
                topic_id=known,
                partition_data=[data, PartitionProduceData(index=9, records=data.records)],
            ),
        ]
        response = await connection.request(request, version=13)
        told = {
            (topic.topic_id, each.index): (each.error_code, each.base_offset)
            for topic in response.responses
            for each in topic.partition_responses
        }
        assert told == {
            (unknown, 0): (ErrorCode.UNKNOWN_TOPIC_ID, -1),
            (bytes(16), 0): (ErrorCode.UNKNOWN_TOPIC_ID, -1),
            (known, 0): (0, 0),
            (known, 9): (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1),
        }
        assert await stored_values(connection) == [b"v"]
        request.acks = 2
        response = await connection.request(request, version=13)
        assert {topic.topic_id for topic in response.responses} == {unknown, bytes(16), known}
        await connection.close()


async def test_an_old_id_is_unknown_when_another_topic_has_the_name() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        await create(connection)
        before = await topic_id(connection, "t")
        await connection.request(DeleteTopicsRequest(topic_names=["t"], timeout_ms=1000), version=5)
        await create(connection)
        request = produce()
        request.topic_data[0].name, request.topic_data[0].topic_id = "", before
        response = await connection.request(request, version=13)
        (told,) = response.responses[0].partition_responses
        assert told.error_code == ErrorCode.UNKNOWN_TOPIC_ID
        assert await stored_values(connection) == []
        await connection.close()


async def test_a_listener_everywhere_names_what_was_reached() -> None:
    async with running_broker(settings={"listeners": "PLAINTEXT://0.0.0.0:0"}) as runtime:
        connection = await connect(runtime)
        response = await connection.request(MetadataRequest(topics=[]))
        told = (response.brokers[0].host, response.brokers[0].port)
        assert told == ("127.0.0.1", runtime.bound[0].port)
        await connection.close()


async def test_resources_that_are_not_kept_are_refused() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        for kind in (8, 16, 32):
            resource = DescribeConfigsResource(
                resource_type=kind, resource_name="1", configuration_keys=None
            )
            response = await connection.request(DescribeConfigsRequest(resources=[resource]))
            assert response.results[0].error_code == ErrorCode.INVALID_REQUEST
        await connection.close()


async def test_a_missing_codec_concerns_only_searches_by_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Storing and fetching go on without the package; a second partition is not disturbed."""
    async with running_broker() as runtime:
        connection = await connect(runtime)
        await create(connection)
        batch = build_batch([(None, b"v", (), 1_700_000_000_000)], codec=Codec.LZ4)
        part = PartitionProduceData(index=0, records=batch)
        topic_data = [TopicProduceData(name="t", partition_data=[part])]
        monkeypatch.setitem(sys.modules, "lz4", None)  # as if it were not installed
        stored = await connection.request(
            ProduceRequest(acks=-1, timeout_ms=1000, topic_data=topic_data)
        )
        assert stored.responses[0].partition_responses[0].error_code == 0
        fetched = await connection.request(fetch())
        assert bytes(fetched.responses[0].partitions[0].records)[16:] == batch[16:]
        asked = ListOffsetsPartition(partition_index=0, timestamp=1_600_000_000_000)
        found = await connection.request(
            ListOffsetsRequest(
                replica_id=-1, topics=[ListOffsetsTopic(name="t", partitions=[asked])]
            )
        )
        code = found.topics[0].partitions[0].error_code
        assert code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
        await connection.close()


async def test_list_offsets_finds_ends_times_and_the_newest() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        await create(connection)
        for value in (b"a", b"b"):
            await connection.request(produce(value))

        async def ask(timestamp: int) -> tuple[int, int, int]:
            part = ListOffsetsPartition(partition_index=0, timestamp=timestamp)
            request = ListOffsetsRequest(
                replica_id=-1, topics=[ListOffsetsTopic(name="t", partitions=[part])]
            )
            answer = (await connection.request(request)).topics[0].partitions[0]
            return answer.error_code, answer.offset, answer.timestamp

        assert await ask(-1) == (0, 2, -1)
        assert await ask(-2) == (0, 0, -1)
        assert await ask(-3) == (0, 0, 1_700_000_000_000)
        assert await ask(1_700_000_000_000) == (0, 0, 1_700_000_000_000)
        assert await ask(1_700_000_000_001) == (0, -1, -1)
        assert (await ask(-99))[0] == ErrorCode.UNSUPPORTED_VERSION
        await connection.close()


async def test_a_stored_batch_keeps_its_bytes_but_for_offset_and_epoch() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        await create(connection)
        sent = build_batch([(b"k", b"v", (("h", None),), 1_700_000_000_000)])
        await connection.request(produce(b"first"))
        part = PartitionProduceData(index=0, records=sent)
        await connection.request(
            ProduceRequest(
                acks=-1,
                timeout_ms=1000,
                topic_data=[TopicProduceData(name="t", partition_data=[part])],
            )
        )
        response = await connection.request(fetch(1))
        stored = bytes(response.responses[0].partitions[0].records)
        assert read_header(stored).base_offset == 1
        assert stored[16:] == sent[16:]
        await connection.close()


async def test_each_listener_advertises_its_own_name() -> None:
    settings = {
        "listeners": "INSIDE://127.0.0.1:0,OUTSIDE://127.0.0.1:0",
        "advertised.listeners": "OUTSIDE://broker.example:9094",
    }
    async with running_broker(settings=settings) as runtime:
        told = []
        for bound in runtime.bound:
            connection = await Connection.open("127.0.0.1", bound.port)
            response = await connection.request(MetadataRequest(topics=[]))
            told.append((response.brokers[0].host, response.brokers[0].port))
            await connection.close()
        assert told == [("127.0.0.1", runtime.bound[0].port), ("broker.example", 9094)]


async def test_a_retry_answers_the_first_offset_and_its_own_timestamp() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        await create(connection)
        records = build_batch(
            [(None, b"v", (), 1_700_000_000_000)],
            producer_id=5,
            producer_epoch=0,
            base_sequence=0,
        )
        part = PartitionProduceData(index=0, records=records)
        request = ProduceRequest(
            acks=-1,
            timeout_ms=1000,
            topic_data=[TopicProduceData(name="t", partition_data=[part])],
        )
        answers = []
        for _ in range(2):
            response = await connection.request(request)
            answer = response.responses[0].partition_responses[0]
            answers.append((answer.error_code, answer.base_offset, answer.log_append_time_ms))
        assert answers == [(0, 0, -1), (0, 0, 1_700_000_000_000)]
        assert await stored_values(connection) == [b"v"]
        await connection.close()
