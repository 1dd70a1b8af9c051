"""EDGE: a request that breaks something inside the broker harms its own connection at most."""

from __future__ import annotations

import asyncio
import logging
import struct
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from minibroker.broker.apis import api_versions, fetch, storing
from minibroker.broker.apis.stored_alone import Numbers, StoredAlone
from minibroker.broker.runtime import Runtime
from minibroker.broker.storage.port import FlushFailed
from minibroker.protocol import connection as protocol_connection
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.api_versions import ApiVersionsRequest
from minibroker.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from minibroker.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from minibroker.protocol.messages.produce import TopicProduceData

from tests.support.in_loop import requests as ask
from tests.support.in_loop.looking import until
from tests.support.in_loop.runtime import (
    RawConnection,
    connect,
    request_frame,
    running_broker,
)
from tests.support.worlds.flushes import HeldFlushes, world_with

PRODUCE, FETCH, JOIN_GROUP, API_VERSIONS = 0, 1, 11, 18
LONG_NAME = "n" * 32_760
LONG_MS = 60_000


@pytest.fixture(autouse=True)
def all_errors_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "minibroker")  # others may have turned it off


class Broken(Exception):
    """What something inside the broker raises."""


def fail(*_: Any, **__: Any) -> Any:
    raise Broken


async def test_an_answer_that_cannot_be_written_leaves_the_others_of_its_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    flushes = HeldFlushes()

    def unwritable(version: int, topic: TopicProduceData, numbers: Numbers) -> StoredAlone:
        answer = StoredAlone(version, topic, numbers)
        _, _, base_offset, _, _ = numbers
        if base_offset == 1:
            answer.body = [cast(bytes, LONG_NAME)]  # no bytes at all
        return answer

    monkeypatch.setattr(storing, "StoredAlone", unwritable)
    async with running_broker(tmp_path, world=world_with(flushes)) as runtime:
        admin = await connect(runtime)
        await ask.create(admin)
        flushes.hold()
        raws = [await RawConnection.open(runtime) for _ in range(5)]
        for number, raw in enumerate(raws):
            raw.send(request_frame(ask.produce(), 9, number))
            await until(partial(has_end, runtime, number + 1))
        flushes.release()
        codes = []
        for raw in raws:
            _, response = await raw.response(PRODUCE, 9)
            codes.append(response.responses[0].partition_responses[0].error_code)
            await raw.close()
        assert codes == [0, -1, 0, 0, 0]
        assert sum(record.exc_info is not None for record in caplog.records) == 1
        await admin.close()


async def test_names_as_long_as_they_can_be_are_refused_in_an_answer() -> None:
    async with running_broker() as runtime:
        client = await connect(runtime)
        topics = [
            CreatableTopic(
                name=name, num_partitions=1, replication_factor=1, assignments=[], configs=[]
            )
            for name in ("ok", LONG_NAME, LONG_NAME)
        ]
        response = await client.request(CreateTopicsRequest(topics=topics), version=2)
        codes = {each.name: each.error_code for each in response.topics}
        assert codes["ok"] == 0
        assert codes[LONG_NAME] != 0
        await client.close()


async def test_a_client_id_as_long_as_it_can_be_joins_a_group() -> None:
    """Its member id begins with it, shortened: else the leader could not be told of it."""
    async with running_broker() as runtime:
        raw = await RawConnection.open(runtime)
        protocols = [JoinGroupRequestProtocol(name="range", metadata=b"")]
        request = JoinGroupRequest(
            group_id="g",
            session_timeout_ms=6000,
            rebalance_timeout_ms=6000,
            member_id="",
            protocol_type="consumer",
            protocols=protocols,
        )
        plain = request_frame(request, 3, 1)
        body = plain[4 + 8 + 2 + len("test") :]
        client_id = LONG_NAME.encode()
        frame = struct.pack(">hhih", JOIN_GROUP, 3, 1, len(client_id)) + client_id + body
        raw.send(struct.pack(">i", len(frame)) + frame)
        _, response = await raw.response(JOIN_GROUP, 3)
        assert response.error_code == 0
        assert response.member_id.startswith("n" * 249 + "-")
        await raw.close()


@pytest.mark.parametrize("error", [Broken(), AssertionError("a codec's")])
async def test_a_codec_that_breaks_ends_its_own_connection_only(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async with running_broker() as runtime:
        good, bad = await connect(runtime), await RawConnection.open(runtime)
        await ask.create(good)

        def break_down(*_: Any) -> Any:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(protocol_connection, "decode_request_header", break_down)
            bad.send(request_frame(ApiVersionsRequest(), 0, 1))
            assert await bad.is_closed()
        assert not runtime.failed.done()
        await good.request(ask.produce())
        await bad.close()
        await good.close()


async def test_an_answer_and_a_refusal_that_cannot_be_made_end_their_connection_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(api_versions, "handle", fail)
    monkeypatch.setattr(api_versions, "refusal", fail)
    async with running_broker() as runtime:
        bad = await RawConnection.open(runtime)
        bad.send(request_frame(ApiVersionsRequest(), 0, 1))
        assert await bad.is_closed()
        assert not runtime.failed.done()
        await bad.close()


async def test_a_parked_fetch_whose_answer_cannot_be_made_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = fetch._answer
    async with running_broker() as runtime:
        admin = await connect(runtime)
        await ask.create(admin)
        raws = [await RawConnection.open(runtime) for _ in range(3)]
        for number, raw in enumerate(raws):
            raw.send(request_frame(ask.fetch(wait_ms=LONG_MS, min_bytes=10 + number), 7, number))
        await until(lambda: len(runtime.broker.parked._waiting) == 3)
        monkeypatch.setattr(
            fetch, "_answer", lambda broker, m: fail() if m.min_bytes == 11 else answer(broker, m)
        )
        await admin.request(ask.produce())
        codes = [(await raw.response(FETCH, 7))[1].error_code for raw in raws]
        assert codes == [0, ErrorCode.UNKNOWN_SERVER_ERROR, 0]
        for raw in raws:
            await raw.close()
        await admin.close()


async def test_a_timer_that_raises_does_not_stop_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running_broker() as runtime:
        client = await connect(runtime)
        await ask.create(client)
        runtime.broker.groups.timers.set(("x", "", ""), 0, fail)
        response = await client.request(ask.fetch(wait_ms=100))
        assert response.error_code == 0
        again = await asyncio.wait_for(client.request(ask.fetch(wait_ms=100)), 5)
        assert again.error_code == 0
        await client.close()


@pytest.mark.parametrize("error", [AssertionError("an invariant"), FlushFailed("log", "gone")])
async def test_a_broken_invariant_of_a_core_ends_the_broker(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_broker() as runtime:

        def break_down() -> None:
            raise error

        runtime.broker.groups.timers.set(("x", "", ""), 0, break_down)
        assert await asyncio.wait_for(asyncio.shield(runtime.failed), 5) is error


async def test_a_round_that_cannot_begin_is_refused_and_ends_the_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_broker(tmp_path, world=world_with(HeldFlushes())) as runtime:
        client = await connect(runtime)
        await ask.create(client)
        monkeypatch.setattr(runtime, "_flush", fail)
        response = await client.request(ask.produce())
        code = response.responses[0].partition_responses[0].error_code
        assert code == ErrorCode.KAFKA_STORAGE_ERROR
        assert isinstance(await asyncio.wait_for(asyncio.shield(runtime.failed), 5), Broken)
        await client.close()


async def test_a_connection_that_cannot_let_go_is_forgotten_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running_broker() as runtime:
        admin = await connect(runtime)
        await ask.create(admin)
        raw = await RawConnection.open(runtime)
        for number in range(3):
            raw.send(request_frame(ask.fetch(wait_ms=LONG_MS), 5, number))
        parked = runtime.broker.parked
        await until(lambda: len(parked._waiting) == 3)
        parked._waiting[1].promise.on_abandoned = fail
        await raw.close()
        await until(lambda: len(runtime.server.connections) == 1)
        assert sorted(parked._waiting) == [1]
        assert "abandoning a request failed" in caplog.text
        await admin.close()


def has_end(runtime: Runtime, offset: int) -> bool:
    partition = runtime.broker.partition("t", 0)
    return partition is not None and partition.log.log_end_offset == offset
