"""Connections of one address: so many at most, and only so quickly."""

from __future__ import annotations

import asyncio
from pathlib import Path

from minibroker.broker.cluster.records import ClientQuotaRecord
from minibroker.broker.runtime import Runtime

from tests.support.in_loop.looking import until
from tests.support.in_loop.runtime import running_broker
from tests.support.security.listeners import Authority
from tests.support.security.secured_broker import secured_broker
from tests.support.security.talk import CLOSED, Talk


async def talk_to(port: int, source: str = "127.0.0.1") -> Talk:
    return Talk(*await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0)))


async def test_an_address_has_so_many_and_others_have_theirs() -> None:
    settings = {"max.connections.per.ip": "2", "max.connections.per.ip.overrides": "127.0.0.3:1"}
    async with running_broker(settings=settings) as runtime:
        port = runtime.bound[0].port
        first, second = await talk_to(port), await talk_to(port)
        assert [await first.is_open(), await second.is_open()] == ["open", "open"]
        refused = await talk_to(port)
        assert await refused.is_open() == CLOSED
        third = await talk_to(port, "127.0.0.3")
        assert await third.is_open() == "open"
        also = await talk_to(port, "127.0.0.3")
        assert await also.is_open() == CLOSED
        await first.close()
        await until(lambda: counted(runtime) == 1)
        fourth = await talk_to(port)
        assert await fourth.is_open() == "open"
        for each in (second, refused, third, also, fourth):
            await each.close()


async def test_handshakes_and_logins_count(tmp_path: Path) -> None:
    settings = {"max.connections.per.ip": "3"}
    async with secured_broker(Authority(tmp_path), settings) as (runtime, place):
        assert len(runtime.server.connections) == 1  # the one that has made the users
        silent = await place.open_bare("SSL")  # says nothing
        logging_in = await place.open("SASL_PLAINTEXT")
        await until(lambda: counted(runtime) == 3)
        assert await (await place.open("PLAINTEXT")).is_open() == CLOSED
        await silent.close()
        await until(lambda: counted(runtime) == 2)
        encrypted = await place.open("SSL")
        assert await encrypted.is_open() == "open"
        await logging_in.close()
        await encrypted.close()
        await until(lambda: counted(runtime) == 1)


def counted(runtime: Runtime) -> int:
    return runtime.server.callers._counts["127.0.0.1"]


async def test_who_hurries_is_not_read_and_ends_a_moment_later(tmp_path: Path) -> None:
    async with secured_broker(Authority(tmp_path)) as (runtime, place):
        entity = (("ip", "127.0.0.1"),)
        runtime.broker.change_security([ClientQuotaRecord(entity, {"connection_creation_rate": 1})])
        loop = asyncio.get_running_loop()
        began = loop.time()
        opened = [await place.open("PLAINTEXT") for _ in range(10)]
        # Each one more has to wait until there is one a second since the first; a slow machine
        # has let some of that pass by.
        for seconds, listener in enumerate(("PLAINTEXT", "SASL_PLAINTEXT"), 1):
            late = await place.open(listener)
            assert await late.is_open() == CLOSED
            assert loop.time() - began >= 0.9 * seconds
        bare = await place.open_bare("SSL")
        assert await bare.reader.read() == b""
        assert loop.time() - began >= 0.9 * 3
        assert [await each.is_open() for each in opened] == ["open"] * 10
