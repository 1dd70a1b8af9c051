"""Attempts to be talked into something weaker: old versions, a forced fallback, a weaker login."""

from __future__ import annotations

import asyncio
import ssl
import struct

import pytest

from tests.hostile.handshakes import whole_hello
from tests.support.security.listeners import Authority
from tests.support.security.secured_broker import secured_broker
from tests.support.security.talk import CLOSED, Place

ALERT, HANDSHAKE, SERVER_HELLO = 21, 22, 2
FATAL, HANDSHAKE_FAILURE, PROTOCOL_VERSION, INAPPROPRIATE_FALLBACK = 2, 40, 70, 86
FALLBACK_SCSV = 0x5600  # RFC 7507: "I can do better, and was made to try this"
SENTINEL = b"DOWNGRD\x01"  # RFC 8446 4.1.3: "so can I"
VERSION_AT, SESSION_AT, RANDOM_END = 9, 43, 43  # in a hello with its record's header
WAIT_S = 5


def older_hello() -> bytearray:
    """The hello of a client that knows TLS 1.2 and nothing newer."""
    return bytearray(whole_hello(ssl.TLSVersion.TLSv1_2))


def with_suite(hello: bytearray, suite: int) -> bytearray:
    """The same hello with one more cipher suite."""
    at = SESSION_AT + 1 + hello[SESSION_AT]
    (length,) = struct.unpack_from(">H", hello, at)
    struct.pack_into(">H", hello, at, length + 2)
    hello[at + 2 + length : at + 2 + length] = struct.pack(">H", suite)
    struct.pack_into(">H", hello, 3, len(hello) - 5)  # of the record
    hello[6:9] = (len(hello) - 9).to_bytes(3, "big")  # of the message
    return hello


async def said_to(hello: bytearray, place: Place) -> bytes:
    """The first bytes of the answer to it."""
    talk = await place.open_bare("SSL")
    talk.writer.write(hello)
    async with asyncio.timeout(WAIT_S):
        answer = await talk.reader.read(RANDOM_END)
    assert answer, "closed without a word"
    return answer


@pytest.mark.parametrize(
    ("minor", "alert"), [(0, HANDSHAKE_FAILURE), (1, PROTOCOL_VERSION), (2, PROTOCOL_VERSION)]
)
async def test_ssl_3_and_tls_before_1_2_are_refused(
    minor: int, alert: int, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    hello = older_hello()
    hello[VERSION_AT : VERSION_AT + 2] = bytes([3, minor])
    async with secured_broker(authority) as (_, place):
        answer = await said_to(hello, place)
    assert (answer[0], answer[5], answer[6]) == (ALERT, FATAL, alert)
    assert "no version of TLS that ssl.enabled.protocols allows" in caplog.text


async def test_who_was_made_to_fall_back_is_told_so(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with secured_broker(authority) as (_, place):
        answer = await said_to(with_suite(older_hello(), FALLBACK_SCSV), place)
        assert (answer[0], answer[5], answer[6]) == (ALERT, FATAL, INAPPROPRIATE_FALLBACK)
        usual = await said_to(older_hello(), place)
    assert (usual[0], usual[5]) == (HANDSHAKE, SERVER_HELLO)
    assert usual.endswith(SENTINEL), "a client whose hello was altered on its way would not see it"
    assert "was made to try this older one" in caplog.text


async def test_a_listener_of_scram_takes_no_password(authority: Authority) -> None:
    """Whoever stands between cannot make a client say it: it is refused before it is asked for."""
    only = {"listener.name.sasl_plaintext.sasl.enabled.mechanisms": "SCRAM-SHA-512"}
    async with secured_broker(authority, only) as (_, place):
        for mechanism in ("PLAIN", "SCRAM-SHA-256"):
            talk = await place.open("SASL_PLAINTEXT")
            assert await talk.handshake(mechanism) == "33 SCRAM-SHA-512"
            assert await talk.token(b"\0alice\0alice-secret") == CLOSED
