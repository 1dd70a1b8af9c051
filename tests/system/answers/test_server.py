"""EDGE: the server's edge over real sockets: order, bad frames, bounds, waiting, stopping."""

import asyncio
import struct
from pathlib import Path

import pytest
from minibroker.broker.limits import IN_FLIGHT_MAX
from minibroker.broker.runtime import ListenError, Runtime
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.api_versions import ApiVersionsRequest
from minibroker.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from minibroker.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic

from tests.support.in_loop.looking import until
from tests.support.in_loop.requests import create, fetch, produce
from tests.support.in_loop.runtime import (
    RawConnection,
    connect,
    request_frame,
    running_broker,
)

PRODUCE, FETCH, API_VERSIONS = 0, 1, 18
LONG_MS = 60_000


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("a length of -1", struct.pack(">i", -1)),
        ("the largest length", struct.pack(">i", 2**31 - 1)),
        ("a length over the limit", struct.pack(">i", 100 * 1024 * 1024 + 1)),
        ("an unknown API key", struct.pack(">ihhih", 10, 9999, 0, 1, -1)),
        ("an API that is not served", struct.pack(">ihhih", 10, 4, 0, 1, -1)),
        ("an unknown version", struct.pack(">ihhih", 10, PRODUCE, 99, 1, -1)),
        ("a version of long ago", struct.pack(">ihhih", 10, PRODUCE, 0, 1, -1)),
        ("an HTTP request", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("a frame of 4 bytes", struct.pack(">ii", 4, 0)),
        ("an empty frame", struct.pack(">i", 0)),
        ("a body cut short", struct.pack(">ihhih", 11, PRODUCE, 3, 1, -1) + b"\xff"),
    ],
)
async def test_a_bad_frame_ends_its_connection_without_an_answer(name: str, sent: bytes) -> None:
    async with running_broker() as runtime:
        raw = await RawConnection.open(runtime)
        raw.send(sent)
        assert await raw.is_closed(), name
        await raw.close()
        other = await connect(runtime)
        await create(other)
        await other.close()


async def test_requests_before_a_bad_frame_are_answered() -> None:
    async with running_broker() as runtime:
        raw = await RawConnection.open(runtime)
        raw.send(request_frame(ApiVersionsRequest(), 0, 7) + struct.pack(">i", -1))
        correlation_id, response = await raw.response(API_VERSIONS, 0)
        assert (correlation_id, response.error_code) == (7, 0)
        assert await raw.is_closed()
        await raw.close()


async def test_an_unknown_version_of_api_versions_is_answered_in_version_0() -> None:
    async with running_broker() as runtime:
        raw = await RawConnection.open(runtime)
        raw.send(struct.pack(">ihhihb", 11, API_VERSIONS, 99, 7, -1, 0))
        assert await raw.frame() == bytes.fromhex("00000007 0023 00000001 0012 0000 0004")
        await raw.close()


async def test_answers_come_in_the_order_of_the_requests() -> None:
    """A fetch that waits holds back what was asked after it, and appends go on meanwhile."""
    async with running_broker() as runtime:
        admin = await connect(runtime)
        await create(admin)
        raw = await RawConnection.open(runtime)
        raw.send(request_frame(fetch(wait_ms=LONG_MS), 5, 1))
        raw.send(request_frame(produce(b"wakes the fetch"), 5, 2))
        raw.send(request_frame(ApiVersionsRequest(), 0, 3))
        first, response = await raw.response(FETCH, 5)
        records = response.responses[0].partitions[0].records
        assert [record.value for record in records_in(records)] == [b"wakes the fetch"]
        second, _ = await raw.response(PRODUCE, 5)
        third, _ = await raw.response(API_VERSIONS, 0)
        assert (first, second, third) == (1, 2, 3)
        await raw.close()
        await admin.close()


async def test_a_fetch_waits_for_its_minimum_and_no_longer_than_it_said() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        await create(connection)
        loop = asyncio.get_running_loop()
        began = loop.time()
        response = await connection.request(fetch(wait_ms=200))
        assert response.responses[0].partitions[0].records == b""
        assert 0.19 <= loop.time() - began < 2
        await connection.close()


async def test_an_unknown_partition_answers_a_fetch_at_once() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        response = await connection.request(fetch(wait_ms=LONG_MS, topic="nowhere"))
        part = response.responses[0].partitions[0]
        assert part.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert (part.high_watermark, part.last_stable_offset, part.log_start_offset) == (-1, -1, -1)
        await connection.close()


async def test_deleting_a_topic_answers_those_who_wait_for_its_records() -> None:
    async with running_broker() as runtime:
        reader, admin = await connect(runtime), await connect(runtime)
        await create(admin)
        waiting = asyncio.create_task(reader.request(fetch(wait_ms=LONG_MS)))
        await until(lambda: runtime.broker.parked.next_deadline_ms() is not None)
        gone = DeleteTopicState(name="t", topic_id=bytes(16))
        await admin.request(
            DeleteTopicsRequest(topics=[gone], topic_names=[], timeout_ms=1000), version=6
        )
        response = await asyncio.wait_for(waiting, 5)
        code = response.responses[0].partitions[0].error_code
        assert code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        await reader.close()
        await admin.close()


async def test_a_client_that_leaves_takes_its_parked_fetch_along() -> None:
    async with running_broker() as runtime:
        admin = await connect(runtime)
        await create(admin)
        raw = await RawConnection.open(runtime)
        raw.send(request_frame(fetch(wait_ms=LONG_MS), 5, 1))
        parked = runtime.broker.parked
        await until(lambda: parked.next_deadline_ms() is not None)
        await raw.close()
        await until(lambda: parked.next_deadline_ms() is None)
        assert runtime.broker.partitions["t", 0].waiting is None
        await admin.close()


@pytest.mark.parametrize("durability", ["fsync", "page-cache"])
async def test_acks_0_has_no_answer_and_readers_still_see_the_record(
    tmp_path: Path, durability: str
) -> None:
    async with running_broker(tmp_path, {"durability": durability}) as runtime:
        connection = await connect(runtime)
        await create(connection)
        raw = await RawConnection.open(runtime)
        waiting = asyncio.create_task(connection.request(fetch(wait_ms=LONG_MS)))
        raw.send(request_frame(produce(b"unasked", acks=0), 5, 1))
        raw.send(request_frame(ApiVersionsRequest(), 0, 2))
        correlation_id, _ = await raw.response(API_VERSIONS, 0)
        assert correlation_id == 2, "the produce got no answer"
        response = await asyncio.wait_for(waiting, 5)
        records = response.responses[0].partitions[0].records
        assert [record.value for record in records_in(records)] == [b"unasked"]
        await raw.close()
        await connection.close()


async def test_acks_0_that_fails_closes_the_connection() -> None:
    async with running_broker() as runtime:
        raw = await RawConnection.open(runtime)
        raw.send(request_frame(produce(topic="nowhere", acks=0), 5, 1))
        assert await raw.is_closed()
        await raw.close()


async def test_more_requests_than_may_be_in_flight_are_all_answered_in_order() -> None:
    async with running_broker() as runtime:
        admin = await connect(runtime)
        await create(admin)
        raw = await RawConnection.open(runtime)
        count = IN_FLIGHT_MAX * 3
        raw.send(request_frame(fetch(wait_ms=300), 5, 0))
        for number in range(1, count):
            raw.send(request_frame(ApiVersionsRequest(), 0, number))
        assert (await raw.response(FETCH, 5))[0] == 0
        for number in range(1, count):
            assert (await raw.response(API_VERSIONS, 0))[0] == number
        await raw.close()
        await admin.close()


async def test_a_client_that_does_not_read_is_not_read_either() -> None:
    """Its answers are bounded, everybody else is served, and when it reads it gets them all."""
    async with running_broker() as runtime:
        admin = await connect(runtime)
        await create(admin)
        big = b"x" * 900_000
        await admin.request(produce(big))
        raw = await RawConnection.open(runtime)
        count = 100
        for number in range(count):
            raw.send(request_frame(fetch(), 5, number))
        await create(admin, "other")  # others go on
        for _ in range(20):
            await admin.request(ApiVersionsRequest(), version=0)
        held = max(session.held_bytes for session in runtime.server.connections)
        assert held < 10 * len(big)
        for number in range(count):
            correlation_id, response = await raw.response(FETCH, 5)
            assert correlation_id == number
            assert len(response.responses[0].partitions[0].records) > len(big)
        await raw.close()
        await admin.close()


async def test_many_idle_and_half_spoken_connections_disturb_nobody() -> None:
    async with running_broker() as runtime:
        idle = [await RawConnection.open(runtime) for _ in range(300)]
        half = [await RawConnection.open(runtime) for _ in range(200)]
        for raw in half:
            raw.send(struct.pack(">ih", 100 * 1024 * 1024, PRODUCE))
        connection = await connect(runtime)
        await create(connection)
        response = await connection.request(produce(b"served"))
        assert response.responses[0].partition_responses[0].error_code == 0
        await connection.close()
        await asyncio.gather(*(raw.close() for raw in (*idle, *half)))


async def test_an_idle_connection_is_closed_after_its_time() -> None:
    async with running_broker(settings={"connections.max.idle.ms": "50"}) as runtime:
        raw = await RawConnection.open(runtime)
        assert await raw.is_closed()
        await raw.close()


async def test_a_client_that_never_reads_its_answers_is_closed_after_its_time() -> None:
    async with running_broker(settings={"connections.max.idle.ms": "200"}) as runtime:
        admin = await connect(runtime)
        await create(admin)
        await admin.request(produce(b"x" * 900_000))
        await admin.close()
        raw = await RawConnection.open(runtime)
        for number in range(100):
            raw.send(request_frame(fetch(), 5, number))
        await until(lambda: any(not each._is_writable for each in runtime.server.connections))
        await until(lambda: not runtime.server.connections)
        await raw.close()


async def test_a_connection_that_waits_for_records_is_not_idle() -> None:
    async with running_broker(settings={"connections.max.idle.ms": "200"}) as runtime:
        raw = await RawConnection.open(runtime)
        # In one go: on a busy machine it would be idle for long between the two.
        made = request_frame(MetadataRequest(topics=[MetadataRequestTopic(name="t")]), 4, 0)
        raw.send(made + request_frame(fetch(wait_ms=500), 5, 1))
        await raw.frame()
        assert (await raw.response(FETCH, 5))[0] == 1
        await raw.close()


async def test_connections_beyond_the_limit_are_closed() -> None:
    async with running_broker(settings={"max.connections": "2"}) as runtime:
        first, second = await RawConnection.open(runtime), await RawConnection.open(runtime)
        first.send(request_frame(ApiVersionsRequest(), 0, 1))
        await first.frame()
        third = await RawConnection.open(runtime)
        assert await third.is_closed()
        for raw in (first, second, third):
            await raw.close()


@pytest.mark.parametrize("version", [10, 11])
@pytest.mark.parametrize(
    "asked",
    [
        MetadataRequestTopic(name=None),
        MetadataRequestTopic(name=None, topic_id=bytes(range(16))),
        MetadataRequestTopic(name="t", topic_id=bytes(range(16))),
    ],
)
async def test_topic_ids_are_refused_before_metadata_v12(
    version: int, asked: MetadataRequestTopic
) -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        request = MetadataRequest(topics=[asked, MetadataRequestTopic(name="named")])
        response = await connection.request(request, version=version)
        refused = [(each.name, each.error_code) for each in response.topics]
        code = ErrorCode.INVALID_REQUEST
        assert refused == [(asked.name or "", code), ("named", code)]
        await connection.close()


async def test_a_port_in_use_is_named_with_a_way_out(tmp_path: Path) -> None:
    async with running_broker() as runtime:
        port = runtime.bound[0].port
        second = Runtime(
            runtime.config,
            [type(runtime.bound[0].listener)("PLAINTEXT", "127.0.0.1", port, "127.0.0.1", 0)],
        )
        with pytest.raises(ListenError, match=f"{port}.*--listeners"):
            await second.start()


async def test_stopping_answers_a_fetch_that_waits() -> None:
    async with running_broker() as runtime:
        admin = await connect(runtime)
        await create(admin)
        raw = await RawConnection.open(runtime)
        raw.send(request_frame(fetch(wait_ms=LONG_MS), 5, 9))
        await until(lambda: runtime.broker.parked.next_deadline_ms() is not None)
    assert (await raw.response(FETCH, 5))[0] == 9
    assert await raw.is_closed()
    await raw.close()


async def test_ids_that_are_not_utf_8_are_answered_as_java_reads_them() -> None:
    """A client id, a group id; and a member id made of the one can be written to everybody."""
    client_id, group_id = b"\x00\x02c\xff", b"\x00\x02g\xff"
    ask = struct.pack(">hhi", 15, 0, 7) + client_id + struct.pack(">i", 1) + group_id
    protocol = b"\x00\x08consumer" + struct.pack(">i", 1) + b"\x00\x01r" + struct.pack(">i", 0)
    join = struct.pack(">hhi", 11, 0, 8) + client_id + group_id + struct.pack(">i", 10_000)
    join += b"\x00\x00" + protocol
    async with running_broker() as runtime:
        raw = await RawConnection.open(runtime)
        raw.send(b"".join(struct.pack(">i", len(each)) + each for each in (ask, join)))
        _, described = await raw.response(15, 0)
        assert described.groups[0].group_id == "g\ufffd"
        _, joined = await raw.response(11, 0)
        assert joined.error_code == 0
        assert joined.member_id.startswith("c\ufffd-")
        await raw.close()
