"""EDGE: many requests at once are served in turns, between which everybody else is served."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any, cast

import pytest
from minibroker.broker.connections import client_session, turns
from minibroker.broker.connections.client_session import ClientSession
from minibroker.broker.connections.turns import Turns
from minibroker.broker.limits import REQUESTS_AT_ONCE, ROUND_MS, TURN_MS
from minibroker.broker.runtime import Runtime
from minibroker.protocol.messages.api_versions import ApiVersionsRequest
from minibroker.protocol.messages.metadata import MetadataRequest

from tests.support.in_loop.looking import until
from tests.support.in_loop.requests import create, produce
from tests.support.in_loop.runtime import (
    RawConnection,
    connect,
    request_frame,
    running_broker,
)

FLOOD = 2_000
API_VERSIONS = 18


class Ticks:
    """A clock that goes on by a millisecond whenever somebody looks."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 0.001
        return self.now_s


class Transport:
    """Keeps what is written, and whether it is read."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_reading = True

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return {"get_write_buffer_size": lambda: 0, "is_closing": lambda: False}.get(
            name, lambda *_: ("127.0.0.1", 0)
        )

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    @property
    def answered(self) -> list[int]:
        """The correlation ids of the answers, in order."""
        data, ids, at = b"".join(self.written), [], 0
        while at < len(data):
            size, correlation_id = struct.unpack_from(">ii", data, at)
            ids.append(correlation_id)
            at += 4 + size
        return ids


def open_session(runtime: Runtime) -> tuple[ClientSession, Transport]:
    session = runtime.server.connect(runtime.bound[0].listener, 0)
    transport = Transport()
    session.connection_made(cast(Any, transport))
    return session, transport


def receive(session: ClientSession, data: bytes) -> int:
    """One read; returns how many of the bytes there was room for."""
    room = session.get_buffer(-1)
    count = min(len(room), len(data))
    room[:count] = data[:count]
    session.buffer_updated(count)
    return count


def asked(*numbers: int) -> bytes:
    return b"".join(request_frame(ApiVersionsRequest(), 0, number) for number in numbers)


def asked_long(size: int) -> list[bytes]:
    """A few requests of so many bytes together."""
    count = -(-size // 30_000)
    sizes = [size // count] * (count - 1) + [size - size // count * (count - 1)]
    return [
        struct.pack(">ihhih", each - 4, API_VERSIONS, 0, 2, each - 14) + b"c" * (each - 14)
        for each in sizes
    ]


async def test_whoever_sends_many_requests_at_once_waits_in_line_unread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks = Ticks()
    monkeypatch.setattr(client_session, "monotonic", ticks)
    monkeypatch.setattr(turns, "monotonic", ticks)
    async with running_broker() as runtime:
        flooder, flood = open_session(runtime)
        neighbour, quiet = open_session(runtime)
        receive(flooder, asked(*range(50)))
        assert not flood.is_reading
        # The clock is looked at behind each request, and a turn counts from its first look.
        assert len(flood.answered) == TURN_MS + 1
        for turn in range(1, 7):
            receive(neighbour, asked(1000 + turn))
            assert quiet.answered[-1] == 1000 + turn, "at once, whatever the other has sent"
            await asyncio.sleep(0)
            assert len(flood.answered) == (turn + 1) * (TURN_MS + 1)
        await until(lambda: len(flood.answered) == 50)
        assert flood.answered == [*range(50)], "in order"
        await until(lambda: flood.is_reading)
        for session in (flooder, neighbour):
            session.connection_lost(None)


async def test_a_few_requests_at_once_are_served_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_session, "monotonic", lambda: 0.0)  # no turn of theirs ends
    async with running_broker() as runtime:
        session, transport = open_session(runtime)
        receive(session, asked(*range(REQUESTS_AT_ONCE)))
        assert len(transport.answered) == REQUESTS_AT_ONCE
        assert transport.is_reading
        session.connection_lost(None)


async def test_who_sends_much_is_served_at_once_for_a_part_of_the_loops_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """libuv would read the same socket again, up to 32 times, before it looks at others."""
    monkeypatch.setattr(turns, "monotonic", Ticks())
    async with running_broker() as runtime:
        session, transport = open_session(runtime)
        reads = sent = 0
        while transport.is_reading:
            room = len(session.get_buffer(-1))
            frames = asked_long(room)
            assert receive(session, b"".join(frames)) == room, "all room is filled"
            reads, sent = reads + 1, sent + len(frames)
        assert reads == ROUND_MS + 1, "as many looks at the clock as the turn has milliseconds"
        assert len(transport.answered) == sent - len(frames)
        await until(lambda: len(transport.answered) == sent)
        await until(lambda: transport.is_reading)
        session.connection_lost(None)


async def test_nobody_overtakes_those_in_line() -> None:
    async with running_broker() as runtime:
        runtime.server.turns.wait(lambda: None)
        session, transport = open_session(runtime)
        receive(session, asked(*range(50)))
        assert not transport.is_reading
        assert not transport.answered
        await until(lambda: transport.answered == [*range(50)])
        session.connection_lost(None)


async def test_who_waits_for_a_turn_and_leaves_is_not_served() -> None:
    async with running_broker() as runtime:
        runtime.server.turns.wait(lambda: None)
        session, transport = open_session(runtime)
        receive(session, asked(*range(50)))
        session.connection_lost(None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not transport.answered


async def test_turns_go_round_and_a_turn_that_fails_ends_no_other() -> None:
    broken: list[Exception] = []
    line, taken = Turns(broken.append), list[str]()

    def turn(name: str) -> None:
        taken.append(name)
        if len(taken) < 8:
            line.wait(lambda: turn(name))
        if name == "b":
            raise ValueError(name)
        if name == "c":
            raise AssertionError(name)

    for name in "abcd":
        line.wait(lambda name=name: turn(name))  # type: ignore[misc]
    await until(lambda: len(taken) >= 8)
    assert taken[:8] == [*"abcdabcd"]
    assert [str(each) for each in broken] == ["c", "c"]


@pytest.mark.parametrize("api", ["acks=0", "Metadata"])
async def test_a_flood_over_a_socket_leaves_a_neighbour_served(api: str) -> None:
    async with running_broker() as runtime:
        client = await connect(runtime)
        await create(client)
        frame = (
            request_frame(produce(acks=0), 5, 1)
            if api == "acks=0"
            else request_frame(MetadataRequest(topics=None), 1, 1)
        )
        flooder = await RawConnection.open(runtime)
        flooder.send(frame * FLOOD)
        reading = asyncio.create_task(flooder.reader.read(-1))
        for _ in range(20):
            await asyncio.wait_for(client.request(produce()), 5)
        partition = runtime.broker.partition("t", 0)
        assert partition is not None
        if api == "acks=0":
            await until(lambda: partition.log.log_end_offset == FLOOD + 20)
        reading.cancel()
        await flooder.close()
        await client.close()


async def test_who_is_cut_while_it_is_served_is_served_no_further() -> None:
    async with running_broker(settings={"queued.max.request.bytes": "100000"}) as runtime:
        session, transport = open_session(runtime)
        session._core.open_bytes = 10**9  # it holds most, as is found when it sends one more
        receive(session, asked(1))
        assert not transport.answered
        assert session.held_bytes == 0
        assert runtime.broker.held.total == 0
        session.connection_lost(None)
