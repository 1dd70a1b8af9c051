"""EDGE: whoever does not read, or does not end what it sends, holds back only himself."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct

import pytest
from minibroker.broker.limits import READ_BYTES_MAX, RESERVE_BYTES
from minibroker.broker.runtime import Runtime
from minibroker.protocol.messages.metadata import MetadataRequest

from tests.support.in_loop.looking import until
from tests.support.in_loop.requests import create, fetch, produce
from tests.support.in_loop.runtime import (
    RawConnection,
    connect,
    request_frame,
    running_broker,
)

MB = 1024 * 1024
BYTES_MAX = 20 * MB
SETTINGS = {"queued.max.request.bytes": str(BYTES_MAX)}
BIG = b"x" * 900_000
STUCK, ASKED = 10, 8
STUCK_NOT_FULL = 4


async def stuck_reader(runtime: Runtime, correlation_id: int) -> RawConnection:
    """A client that asks for everything and reads nothing; its kernel takes as little as can be."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", runtime.bound[0].port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=1024)
    raw = RawConnection(reader, writer)
    request = fetch()
    request.max_bytes = request.topics[0].partitions[0].partition_max_bytes = 50 * MB
    for number in range(ASKED):
        raw.send(request_frame(request, 5, correlation_id + number))
    return raw


@pytest.fixture(autouse=True)
def warnings_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "minibroker")


async def test_who_does_not_read_waits_and_everybody_else_is_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running_broker(settings=SETTINGS) as runtime:
        client, held = await connect(runtime), runtime.broker.held
        await create(client)
        for _ in range(40):
            await client.request(produce(BIG))
        stuck = [await stuck_reader(runtime, number) for number in range(STUCK)]
        await until(lambda: held.is_short)
        for _ in range(20):
            response = await asyncio.wait_for(client.request(produce(b"served")), 5)
            assert response.responses[0].partition_responses[0].error_code == 0
            await asyncio.wait_for(client.request(MetadataRequest(topics=None), version=1), 5)
            answer = await asyncio.wait_for(client.request(fetch()), 5)
            records = answer.responses[0].partitions[0].records
            assert len(records) >= len(BIG), "one batch at least, however short memory is"
            assert held.total <= BYTES_MAX
        told = [each for each in caplog.records if "event=memory-short" in str(each.msg)]
        assert len(told) == 1, "said, and not again and again"
        for raw in stuck:
            await raw.close()
        await until(lambda: held.total < MB)
        answer = await client.request(fetch())
        assert len(answer.responses[0].partitions[0].records) >= len(BIG)
        await client.close()


async def test_who_was_held_back_and_reads_gets_all_its_answers() -> None:
    async with running_broker(settings=SETTINGS) as runtime:
        client = await connect(runtime)
        await create(client)
        for _ in range(40):
            await client.request(produce(BIG))
        # So many hold 18 MB at most, which is short and not full. On a busy machine ten come to
        # more than there is before one has read, and then the one that holds most is closed.
        stuck = [await stuck_reader(runtime, 10 * number) for number in range(STUCK_NOT_FULL)]
        await until(lambda: runtime.broker.held.is_short)
        for number, raw in enumerate(stuck):
            for each in range(ASKED):
                correlation_id, response = await raw.response(1, 5)
                assert correlation_id == 10 * number + each
                assert len(response.responses[0].partitions[0].records) >= len(BIG)
            await raw.close()
        await client.close()


async def test_when_all_is_used_up_the_one_that_holds_most_is_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running_broker(settings=SETTINGS) as runtime:
        client = await connect(runtime)
        await create(client)
        boastful = [await RawConnection.open(runtime) for _ in range(4)]
        sent = [2 * MB, 9 * MB, 4 * MB, 3 * MB]  # held: up to twice as much
        for raw, count in zip(boastful, sent, strict=True):
            raw.send(struct.pack(">ih", 100 * MB, 0) + bytes(count))
            await raw.writer.drain()
            response = await asyncio.wait_for(client.request(produce(BIG)), 5)
            assert response.responses[0].partition_responses[0].error_code == 0
        assert await boastful[1].is_closed(), "it had sent most"
        assert runtime.broker.held.total <= BYTES_MAX
        assert len(runtime.server.connections) >= 3
        told = [str(each.msg) for each in caplog.records]
        assert any("queued.max.request.bytes" in each for each in told)
        for raw in boastful:
            await raw.close()
        await client.close()
        await until(lambda: runtime.broker.held.total == 0)


async def test_when_all_is_used_up_who_takes_its_answers_is_spared(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running_broker(settings=SETTINGS) as runtime:
        client, held, server = await connect(runtime), runtime.broker.held, runtime.server
        await create(client)
        for _ in range(40):
            await client.request(produce(BIG))
        known = set(server.connections)
        reading = await stuck_reader(runtime, 0)
        await until(lambda: any(each.held_bytes > 2 * len(BIG) for each in server.connections))
        (session,) = server.connections - known
        stuck = [await stuck_reader(runtime, 10 * number) for number in range(1, 7)]
        await until(lambda: held.is_short)
        assert session.held_bytes == max(each.held_bytes for each in server.connections)
        while session.taking.counted(session.held_bytes) == session.held_bytes:
            async with asyncio.timeout(5):
                await reading.reader.readexactly(50_000)
        held.bytes_max = held.total  # now it is all used up
        held.change(0)
        server._make_room()
        await until(lambda: len(server.connections) < len(stuck) + 2)
        assert session in server.connections, "others were closed"
        assert any("not about to be taken" in str(each.msg) for each in caplog.records)
        for raw in (reading, *stuck):
            await raw.close()
        await client.close()


async def test_an_announcement_reserves_nothing() -> None:
    async with running_broker(settings=SETTINGS) as runtime:
        raws = [await RawConnection.open(runtime) for _ in range(20)]
        for raw in raws:
            raw.send(struct.pack(">ih", 100 * MB, 0))
        await until(lambda: all(each.held_bytes for each in runtime.server.connections))
        assert runtime.broker.held.total < 20 * RESERVE_BYTES
        assert len(runtime.server.connections) == 20
        for raw in raws:
            await raw.close()


async def test_what_a_connection_held_is_given_back_while_a_promise_to_it_lasts() -> None:
    async with running_broker() as runtime:
        client = await connect(runtime)
        await create(client)
        raw = await RawConnection.open(runtime)
        await create(client, "empty")
        raw.send(request_frame(fetch(topic="empty", wait_ms=60_000), 5, 1))
        raw.send(request_frame(produce(BIG), 5, 2) + request_frame(fetch(), 5, 3))
        sessions = runtime.server.connections
        await until(lambda: any(each._core.queued_bytes > len(BIG) for each in sessions))
        await raw.close()
        await client.close()
        await until(lambda: runtime.broker.held.total == 0)


async def test_who_asks_for_more_than_one_read_gives_does_not_wait_for_it() -> None:
    """What was cut by our own bounds does not come by waiting; what is not there yet may."""
    async with running_broker() as runtime:
        client = await connect(runtime)
        await create(client)
        for _ in range(8):
            await client.request(produce(BIG))
        request = fetch(min_bytes=6 * MB, wait_ms=60_000)
        request.max_bytes = request.topics[0].partitions[0].partition_max_bytes = 50 * MB
        response = await asyncio.wait_for(client.request(request), 5)
        records = response.responses[0].partitions[0].records
        assert 2 * MB < len(records) <= READ_BYTES_MAX
        request.topics[0].partitions[0].fetch_offset = 7
        waiting = asyncio.create_task(client.request(request))
        await until(lambda: runtime.broker.parked.next_deadline_ms() is not None)
        assert not waiting.done(), "less is there than it wants"
        waiting.cancel()
        await client.close()
