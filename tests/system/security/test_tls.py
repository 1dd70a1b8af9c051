"""Listeners with TLS: who gets in, as whom, and what is said of those who do not."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from minibroker.broker.runtime import Runtime
from minibroker.broker.security.tls_context import LOOK_EVERY_S
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.batch.reading import records_in

from tests.support.in_loop.looking import until
from tests.support.in_loop.requests import create, fetch, produce
from tests.support.in_loop.runtime import request_frame
from tests.support.security.listeners import CLIENT_NAME, Authority
from tests.support.security.secured_broker import secured_broker
from tests.support.security.talk import CLOSED, METADATA, VERSIONS, Place

MIB = 1024 * 1024


def principals(runtime: Runtime) -> set[str]:
    """Of the connections there are."""
    return {each._session.principal for each in runtime.server.connections}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_both_versions_are_spoken(authority: Authority, version: ssl.TLSVersion) -> None:
    async with secured_broker(authority) as (_, place):
        place.plain.minimum_version = place.plain.maximum_version = version
        talk = await place.open("SSL")
        assert await talk.ask(VERSIONS, 4) == "0"
        spoken = talk.writer.get_extra_info("ssl_object").version()
        assert spoken == version.name.replace("_", ".")


async def test_no_older_version_is_spoken(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    only = {"listener.name.ssl.ssl.enabled.protocols": "TLSv1.3"}
    async with secured_broker(authority, only) as (_, place):
        place.plain.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await place.open("SSL")
    assert "the client speaks no version of TLS that ssl.enabled.protocols allows" in caplog.text


async def test_who_has_no_certificate_is_nobody_in_particular(authority: Authority) -> None:
    async with secured_broker(authority) as (runtime, place):
        talk = await place.open("SSL")
        assert (await talk.ask(METADATA, 4)).startswith("1 brokers")
        assert principals(runtime) == {"User:ANONYMOUS"}


async def test_a_certificate_names_its_owner(authority: Authority) -> None:
    async with secured_broker(authority) as (runtime, place):
        talk = await place.open("MTLS", place.with_certificate)
        assert (await talk.ask(METADATA, 4)).startswith("1 brokers")
        assert f"User:{CLIENT_NAME}" in principals(runtime)


async def test_a_rule_makes_a_users_name_of_it(authority: Authority) -> None:
    rules = {"listener.name.mtls.ssl.principal.mapping.rules": "RULE:^CN=(.*?),.*$/$1/U"}
    async with secured_broker(authority, rules) as (runtime, place):
        talk = await place.open("MTLS", place.with_certificate)
        assert await talk.is_open() == "open"
        assert "User:CLIENT" in principals(runtime)


async def test_whom_no_rule_names_stays_outside(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    rules = {"listener.name.mtls.ssl.principal.mapping.rules": "RULE:^CN=x$/x/"}
    async with secured_broker(authority, rules) as (_, place):
        talk = await place.open("MTLS", place.with_certificate)
        assert await talk.is_open() == CLOSED
    assert "no rule of ssl.principal.mapping.rules matches" in caplog.text


async def test_a_required_certificate_is_required(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with secured_broker(authority) as (runtime, place):
        talk = await place.open("MTLS", place.plain)  # TLS 1.3 tells at the first read
        assert await talk.is_open() == CLOSED
        assert len(runtime.server.connections) == 1  # that of the fixture
    assert "the client has no certificate, and ssl.client.auth is required" in caplog.text


async def test_a_login_is_stronger_than_a_certificate(authority: Authority) -> None:
    own = {"listener.name.sasl_ssl.ssl.client.auth": "required"}
    async with secured_broker(authority, own) as (runtime, place):
        talk = await place.open("SASL_SSL", place.with_certificate)
        await talk.handshake()
        assert await talk.token(b"\0alice\0alice-secret") == "0"
        assert principals(runtime) == {"User:ANONYMOUS", "User:alice"}


@pytest.mark.parametrize(
    ("listener", "data", "why"),
    [
        ("SSL", b"\0\0\0\x0e\0\x12\0\0\0\0\0\1\0\4test", "this listener is SSL"),
        ("SASL_SSL", b"\0\0\0\x0e\0\x12\0\0\0\0\0\1\0\4test", "security.protocol=SASL_SSL"),
        ("SSL", b"GET / HTTP/1.1\r\n\r\n", "an HTTP request without TLS"),
        ("SSL", b"\x16\x03\x01\x00\x05hello", "TLS failed"),
        ("PLAINTEXT", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "this listener is PLAINTEXT"),
        ("SASL_PLAINTEXT", b"\x16\x03\x01\x02\x00\x01", "this listener is SASL_PLAINTEXT"),
    ],
)
async def test_who_speaks_something_else_is_closed_and_named(
    authority: Authority,
    caplog: pytest.LogCaptureFixture,
    listener: str,
    data: bytes,
    why: str,
) -> None:
    async with secured_broker(authority) as (_, place):
        reader, writer = await asyncio.open_connection("127.0.0.1", place.ports[listener])
        writer.write(data)
        answer = await asyncio.wait_for(reader.read(), 5)
        assert answer == b"" or answer[0] == 21  # an alert
        writer.close()
    assert why in caplog.text


async def test_long_requests_and_answers_pass(authority: Authority) -> None:
    async with secured_broker(authority, {"message.max.bytes": str(4 * MIB)}) as (_, place):
        talk = await place.open("SSL")
        admin = await Connection.open("127.0.0.1", place.ports["PLAINTEXT"])
        await create(admin)
        values = [bytes([each]) * (3 * MIB + each) for each in range(4)]
        for value in values:
            answer = await talk.answer(produce(value), 9)
            assert answer.responses[0].partition_responses[0].error_code == 0
        got: list[bytes | None] = []
        while len(got) < len(values):
            answer = await talk.answer(fetch(len(got)), 12)
            records = answer.responses[0].partitions[0].records
            got += [each.value for each in records_in(records)]
        assert got == values
        await admin.close()


async def test_who_does_not_read_is_not_read_either_and_holds_little(authority: Authority) -> None:
    async with secured_broker(authority, {"message.max.bytes": str(4 * MIB)}) as (runtime, place):
        talk = await place.open("SSL")
        admin = await Connection.open("127.0.0.1", place.ports["PLAINTEXT"])
        await create(admin)
        await talk.answer(produce(bytes(3 * MIB)), 9)
        asked = 40
        for number in range(asked):
            talk.writer.write(request_frame(fetch(), 12, number))
        await until(lambda: any(not each._is_writable for each in runtime.server.connections))
        assert runtime.server.held.total < 16 * MIB
        for number in range(asked):
            frame = await talk.frame()
            assert int.from_bytes(frame[:4], "big") == number
        await admin.close()


async def test_a_new_certificate_is_taken_without_dropping_anybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("minibroker.broker.security.tls_context.LOOK_EVERY_S", 0.0)
    assert LOOK_EVERY_S == 1.0
    authority = Authority(tmp_path)

    async def serial(place: Place) -> object:
        talk = await place.open("SSL")
        assert await talk.is_open() == "open"
        return talk.writer.get_extra_info("ssl_object").getpeercert()["serialNumber"]

    async with secured_broker(authority) as (_, place):
        old = await place.open("SSL")
        first = await serial(place)
        assert await serial(place) == first
        file = authority.write_broker()
        second = await serial(place)
        assert second != first
        file.write_text("half a file")
        assert await serial(place) == second
        file.unlink()
        assert await serial(place) == second
        authority.write_broker()
        assert await serial(place) not in (first, second)
        assert await old.is_open() == "open"
    assert "certificates-not-reloaded" in caplog.text
