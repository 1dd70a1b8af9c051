"""Connections that do not say who they are: they have a time, are few, and harm nobody."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from tests.fuzz.mutations import mutated
from tests.hostile.handshakes import whole_hello
from tests.support.in_loop.looking import until
from tests.support.security.listeners import PROTOCOLS, Authority
from tests.support.security.secured_broker import secured_broker
from tests.support.security.talk import CLOSED, VERSIONS, Place

MOST = 8
HELLO = bytes.fromhex("16030102000100")  # the beginning of one, never its end


async def half_open(place: Place, listener: str, data: bytes = b"") -> asyncio.StreamReader:
    """A connection that says no more than `data`."""
    talk = await place.open_bare(listener)
    if data:
        talk.writer.write(data)
    return talk.reader


async def is_closed(reader: asyncio.StreamReader) -> bool:
    """Whether the broker ends a connection, with an alert at most."""
    try:
        return len(await asyncio.wait_for(reader.read(), 5)) < 32
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    ("listener", "data"),
    [("SSL", b""), ("SSL", HELLO), ("SASL_SSL", HELLO), ("SASL_PLAINTEXT", b"")],
)
async def test_they_have_a_time(
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    listener: str,
    data: bytes,
) -> None:
    monkeypatch.setattr("minibroker.broker.connections.tls_link.HANDSHAKE_MS_MAX", 50)
    monkeypatch.setattr("minibroker.broker.connections.login_session.LOGIN_MS_MAX", 50)
    async with secured_broker(authority) as (runtime, place):
        reader = await half_open(place, listener, data)
        assert await is_closed(reader)
        await until(lambda: not len(runtime.server.strangers))
        assert runtime.server.strangers.links == 0
    assert "was not over within" in caplog.text or "nobody had logged in within" in caplog.text


async def test_who_has_logged_in_has_all_the_time(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minibroker.broker.connections.login_session.LOGIN_MS_MAX", 300)
    async with secured_broker(authority) as (runtime, place):
        talk = await place.open("SASL_SSL")
        await talk.handshake()
        assert await talk.token(b"\0alice\0alice-secret") == "0"
        assert len(runtime.server.strangers) == 0
        reader = await half_open(place, "SASL_PLAINTEXT")
        assert await is_closed(reader)  # by then the time of both is over
        assert await talk.is_open() == "open"


@pytest.mark.parametrize("listener", ["SSL", "SASL_SSL", "SASL_PLAINTEXT"])
async def test_the_oldest_makes_room_for_who_says_who_it_is(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, listener: str
) -> None:
    monkeypatch.setattr("minibroker.broker.connections.strangers.STRANGERS_MAX", MOST)
    async with secured_broker(authority) as (runtime, place):
        crowd = [await half_open(place, listener, b"\x16" * (listener != "SASL_PLAINTEXT"))]
        await until(lambda: len(runtime.server.strangers) == 1)
        crowd += [await half_open(place, listener) for _ in range(2 * MOST)]
        await until(lambda: len(runtime.server.strangers) == MOST)
        assert await is_closed(crowd[0])
        for name in PROTOCOLS:
            context = place.with_certificate if name == "MTLS" else None
            talk = await place.open(name, context)
            assert await talk.ask(VERSIONS, 4) == "0"
            if PROTOCOLS[name].startswith("SASL"):
                await talk.handshake()
                assert (await talk.token(b"\0alice\0alice-secret")).startswith("0")


async def test_where_there_is_no_room_at_all_a_stranger_goes_first(authority: Authority) -> None:
    async with secured_broker(authority, {"max.connections": "3"}) as (runtime, place):
        silent = await half_open(place, "SSL")
        await until(lambda: runtime.server.strangers.links == 1)
        one = await place.open("SSL")
        assert await one.is_open() == "open"
        two = await place.open("PLAINTEXT")
        assert await two.is_open() == "open"
        assert await is_closed(silent)
        three = await place.open("PLAINTEXT")
        assert await three.is_open() == CLOSED  # everybody else has said who it is


async def test_a_stop_ends_them(authority: Authority) -> None:
    async with secured_broker(authority) as (_, place):
        readers = [await half_open(place, name, HELLO) for name in ("SSL", "SASL_SSL")]
        readers.append(await half_open(place, "SASL_PLAINTEXT"))
    assert all([await is_closed(each) for each in readers])


async def test_a_long_frame_before_a_login_ends_the_connection(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with secured_broker(authority) as (_, place):
        reader = await half_open(place, "SASL_PLAINTEXT", (524_289).to_bytes(4, "big"))
        assert await is_closed(reader)
    assert "frame size 524289 is outside 0..524288" in caplog.text


async def test_spoilt_handshakes_end_in_words_and_harm_nobody(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    rng, hello = Random(21), whole_hello()
    async with secured_broker(authority) as (runtime, place):
        for _ in range(60):
            bare = await place.open_bare(rng.choice(("SSL", "MTLS", "SASL_SSL")))
            bare.writer.write(mutated(hello, rng, [hello]))
            bare.writer.write_eof()
        talk = await place.open("SSL")
        assert await talk.ask(VERSIONS, 4) == "0"
        await place.hang_up()
        await until(lambda: not len(runtime.server.strangers))
    assert not [each for each in caplog.records if each.levelname in ("ERROR", "CRITICAL")]
