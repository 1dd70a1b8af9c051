"""What a listener with SASL answers, row by row: the same for ours and for Apache Kafka.

Each row is a function from a Place to what was seen, and what that should be. A row that ends with
a failed login looks that it came late (connection.failed.authentication.delay.ms).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest
from minibroker.protocol.messages.sasl_authenticate import SaslAuthenticateRequest

from tests.support.security.listeners import FAILED_DELAY_MS, RENEW_MS
from tests.support.security.talk import CLOSED, METADATA, VERSIONS, Place, Talk

MECHANISMS = "PLAIN SCRAM-SHA-256 SCRAM-SHA-512"
CHOSEN = f"0 {MECHANISMS}"
REFUSED = f"33 {MECHANISMS}"
BAD = "58 Authentication failed: Invalid username or password"
OTHER_ID = (
    "58 Authentication failed: Client requested an authorization id that is different from username"
)
BAD_SCRAM = (
    "58 Authentication failed during authentication due to invalid credentials with SASL mechanism "
    "SCRAM-SHA-256"
)
BEHIND = "34 SaslAuthenticate request received after successful authentication"
ALICE = b"\0alice\0alice-secret"
LATE = "late"
NOBODY = "0 brokers, None, -1"
INIT = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1)


class Row(NamedTuple):
    """One row."""

    name: str
    play: Callable[[Place], Awaitable[list[str]]]
    expected: list[str]


def late(talk: Talk) -> str:
    """Whether the last answer was held back."""
    is_late = talk.took_ms >= FAILED_DELAY_MS - 1
    return LATE if is_late else f"not late: {talk.took_ms:.0f} ms"


def _asks(
    listener: str, *steps: tuple[object, int] | bytes | str, is_late: bool = False
) -> Callable[[Place], Awaitable[list[str]]]:
    """A row whose steps are requests with their versions, tokens, or mechanisms."""

    async def play(place: Place) -> list[str]:
        talk = await place.open(listener)
        seen = []
        for step in steps:
            if isinstance(step, bytes):
                seen.append(await talk.token(step))
            elif isinstance(step, str):
                seen.append(await talk.handshake(step))
            else:
                seen.append(await talk.ask(*step))
        if is_late:
            seen.append(late(talk))
        seen.append(await talk.is_open())
        return seen

    return play


def _refused(name: str, token: bytes, told: str) -> Row:
    steps = _asks("SASL_PLAINTEXT", "PLAIN", token, is_late=True)
    return Row(name, steps, [CHOSEN, told, LATE, CLOSED])


def _scram_first(name: str, token: bytes, told: str) -> Row:
    steps = _asks("SASL_PLAINTEXT", "SCRAM-SHA-256", token, is_late=True)
    return Row(name, steps, [CHOSEN, told, LATE, CLOSED])


async def _unknown_version(place: Place) -> list[str]:
    talk = await place.open("SASL_PLAINTEXT")
    frame = b"\0\x12\0\x63\0\0\0\x07\0\x04test\0\x05test\x02" + b"1\0"
    return [await talk.bare(frame), await talk.is_open(), await talk.is_open()]


async def _bare(place: Place) -> list[str]:
    talk = await place.open("SASL_PLAINTEXT")
    return [await talk.handshake(version=0), await talk.bare(ALICE), await talk.is_open()]


async def _bare_wrong(place: Place) -> list[str]:
    talk = await place.open("SASL_PLAINTEXT")
    return [await talk.handshake(version=0), await talk.bare(b"\0alice\0no"), late(talk)]


async def _bare_request(place: Place) -> list[str]:
    talk = await place.open("SASL_PLAINTEXT")
    first = await talk.handshake(version=0)
    return [first, await talk.ask(SaslAuthenticateRequest(auth_bytes=ALICE), 0), late(talk)]


def _versions(version: int) -> Callable[[Place], Awaitable[list[str]]]:
    async def play(place: Place) -> list[str]:
        talk = await place.open("SASL_PLAINTEXT")
        return [await talk.handshake(), await talk.token(ALICE, version), await talk.is_open()]

    return play


def _scram(mechanism: str, user: str, password: str) -> Callable[[Place], Awaitable[list[str]]]:
    async def play(place: Place) -> list[str]:
        talk = await place.open("SASL_PLAINTEXT")
        seen = await talk.scram(mechanism, user, password)
        return [*seen, await talk.is_open()]

    return play


async def _scram_nonce(place: Place) -> list[str]:
    talk = await place.open("SASL_PLAINTEXT")
    await talk.handshake("SCRAM-SHA-256")
    await talk.token(b"n,,n=carol,r=abc")
    return [await talk.token(b"c=biws,r=abcd,p=AAAA"), late(talk), await talk.is_open()]


async def _scram_twice(place: Place) -> list[str]:
    talk = await place.open("SASL_PLAINTEXT")
    await talk.handshake("SCRAM-SHA-256")
    await talk.token(b"n,,n=carol,r=abc")
    return [await talk.token(b"n,,n=carol,r=abc"), late(talk), await talk.is_open()]


async def _scram_authzid(place: Place) -> list[str]:
    talk = await place.open("SASL_PLAINTEXT")
    await talk.handshake("SCRAM-SHA-256")
    return [(await talk.token(b"n,a=carol,n=carol,r=abc"))[:7]]


async def _logged_in(place: Place, version: int = 2) -> Talk:
    talk = await place.open("RENEW")
    await talk.handshake()
    told = await talk.token(ALICE, version)
    assert told == (f"0 {RENEW_MS} ms" if version else "0"), told
    return talk


async def _renewed(place: Place) -> list[str]:
    talk = await _logged_in(place)
    seen = [await talk.handshake(), await talk.token(ALICE)]
    await asyncio.sleep(1.05)  # Kafka takes one a second
    seen += [await talk.handshake(), await talk.token(ALICE), await talk.is_open()]
    return seen


async def _renewed_too_soon(place: Place) -> list[str]:
    talk = await _logged_in(place)
    await talk.handshake()
    await talk.token(ALICE)
    return [await talk.handshake(), await talk.is_open()]


def _expired(version: int, *, by_handshake: bool) -> Callable[[Place], Awaitable[list[str]]]:
    async def play(place: Place) -> list[str]:
        talk = await _logged_in(place, version)
        await asyncio.sleep(RENEW_MS / 1000 + 0.05)  # what expires is the broker's time
        if not by_handshake:
            return [await talk.ask(METADATA, 4)]
        return [await talk.handshake(), await talk.token(ALICE, version), await talk.is_open()]

    return play


def _again(
    mechanism: str, step: tuple[object, int] | bytes
) -> Callable[[Place], Awaitable[list[str]]]:
    async def play(place: Place) -> list[str]:
        talk = await _logged_in(place)
        seen = [await talk.handshake(mechanism)]
        if isinstance(step, bytes):
            seen.append(await talk.token(step))
        else:
            seen.append(await talk.ask(*step))
        return [*seen, late(talk), await talk.is_open()]

    return play


SASL = "SASL_PLAINTEXT"
BEFORE = [
    *(
        Row(f"ApiVersions v{version} twice", _asks(SASL, (VERSIONS, version)), ["0", CLOSED])
        for version in range(5)
    ),
    Row(
        "ApiVersions of an unknown version, then v0",
        _unknown_version,
        [repr(bytes.fromhex("00000007002300000001001200000004")), "open", CLOSED],
    ),
    Row(
        "the normal order",
        _asks(SASL, (VERSIONS, 4), "PLAIN", ALICE),
        ["0", CHOSEN, "0", "open"],
    ),
    *(
        Row(f"{name} first", _asks(SASL, step), [CLOSED, CLOSED])
        for name, step in {
            "Metadata": (METADATA, 4),
            "InitProducerId": (INIT, 1),
            "SaslAuthenticate v0": (SaslAuthenticateRequest(auth_bytes=ALICE), 0),
            "SaslAuthenticate v2": (SaslAuthenticateRequest(auth_bytes=ALICE), 2),
        }.items()
    ),
    Row(
        "handshake, Metadata",
        _asks(SASL, "PLAIN", (METADATA, 4), is_late=True),
        [CHOSEN, NOBODY, LATE, CLOSED],
    ),
    Row(
        "handshake, ApiVersions",
        _asks(SASL, "PLAIN", (VERSIONS, 0), is_late=True),
        [CHOSEN, "34", LATE, CLOSED],
    ),
    Row(
        "handshake twice",
        _asks(SASL, "PLAIN", "PLAIN", is_late=True),
        [CHOSEN, "34", LATE, CLOSED],
    ),
    *(
        Row(f"mechanism {name!r}", _asks(SASL, name, is_late=True), [REFUSED, LATE, CLOSED])
        for name in ("NONE", "plain", "")
    ),
    *(
        Row(
            f"SASL at {listener}",
            _asks(listener, "PLAIN", ALICE),
            ["34", BEHIND, "open"],
        )
        for listener in ("PLAINTEXT", "SSL")
    ),
]
PLAIN = [
    *(
        Row(f"right, v{version}", _versions(version), [CHOSEN, "0", "open"])
        for version in (0, 1, 2)
    ),
    Row("over TLS", _asks("SASL_SSL", "PLAIN", ALICE), [CHOSEN, "0", "open"]),
    Row(
        "authorization id, the user",
        _asks(SASL, "PLAIN", b"alice" + ALICE),
        [CHOSEN, "0", "open"],
    ),
    _refused("wrong password", b"\0alice\0wrong", BAD),
    _refused("unknown user", b"\0nobody\0alice-secret", BAD),
    _refused("empty user", b"\0\0x", "58 Authentication failed: username not specified"),
    _refused("empty password", b"\0alice\0", "58 Authentication failed: password not specified"),
    _refused("authorization id, another", b"bob" + ALICE, OTHER_ID),
    _refused("2 fields", ALICE[1:], "58 Invalid SASL/PLAIN response: expected 3 tokens, got 2"),
    _refused("4 fields", ALICE + b"\0", "58 Invalid SASL/PLAIN response: expected 3 tokens, got 4"),
    _refused("nothing", b"", "58 Invalid SASL/PLAIN response: expected 3 tokens, got 1"),
    _refused("garbage", b"\xff\xfe", "58 Invalid SASL/PLAIN response: expected 3 tokens, got 1"),
    Row("bare token", _bare, [CHOSEN, "b''", "open"]),
    Row("bare token, wrong", _bare_wrong, [CHOSEN, CLOSED, LATE]),
    Row("a request where a bare token is due", _bare_request, [CHOSEN, CLOSED, LATE]),
]
SCRAM = [
    *(
        Row(
            f"{mechanism}, right",
            _scram(mechanism, "carol", "carol-secret"),
            [CHOSEN, "0 verified", "open"],
        )
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
    ),
    Row(
        "wrong password",
        _scram("SCRAM-SHA-256", "carol", "wrong"),
        [CHOSEN, BAD_SCRAM, CLOSED],
    ),
    Row(  # at the first message in Kafka, at the last here: cli/deviations.py
        "unknown user",
        _scram("SCRAM-SHA-256", "nobody", "wrong"),
        [CHOSEN, BAD_SCRAM, CLOSED],
    ),
    Row(
        "no credential for this mechanism",
        _scram("SCRAM-SHA-512", "dave", "dave-secret"),
        [CHOSEN, BAD_SCRAM.replace("256", "512"), CLOSED],
    ),
    _scram_first("gs2 y", b"y,,n=carol,r=abc", BAD_SCRAM),
    _scram_first("channel binding", b"p=tls-unique,,n=carol,r=abc", BAD_SCRAM),
    _scram_first("garbage", b"garbage", BAD_SCRAM),
    _scram_first("nothing", b"", BAD_SCRAM),
    _scram_first("a delegation token", b"n,,n=carol,r=abc,tokenauth=true", BAD_SCRAM),
    _scram_first("authorization id, another", b"n,a=admin,n=carol,r=abc", OTHER_ID),
    Row("authorization id, the user", _scram_authzid, ["0 r=abc"]),
    Row("another nonce", _scram_nonce, [BAD_SCRAM, LATE, CLOSED]),
    Row("the first message twice", _scram_twice, [BAD_SCRAM, LATE, CLOSED]),
]
AGAIN = [
    Row(
        "behind a login that holds for ever",
        _asks(SASL, "PLAIN", ALICE, "PLAIN", ALICE),
        [CHOSEN, "0", "34", BEHIND, "open"],
    ),
    Row("in time", _renewed, [CHOSEN, f"0 {RENEW_MS} ms", CHOSEN, f"0 {RENEW_MS} ms", "open"]),
    Row("twice within a second", _renewed_too_soon, ["34", "open"]),
    *(
        Row(f"v{version} expired: Metadata", _expired(version, by_handshake=False), [CLOSED])
        for version in (0, 2)
    ),
    Row(
        "expired: SaslHandshake",
        _expired(2, by_handshake=True),
        [CHOSEN, f"0 {RENEW_MS} ms", "open"],
    ),
    Row("handshake, Metadata", _again("PLAIN", (METADATA, 4)), [CHOSEN, NOBODY, LATE, CLOSED]),
    Row(
        "another user",
        _again("PLAIN", b"\0bob\0bob-secret"),
        [
            CHOSEN,
            "58 Cannot change principals during re-authentication from User.alice: User.bob",
            LATE,
            CLOSED,
        ],
    ),
    Row("wrong password", _again("PLAIN", b"\0alice\0no"), [CHOSEN, BAD, LATE, CLOSED]),
    Row(
        "another mechanism",
        _again("SCRAM-SHA-256", b"n,,n=alice,r=abc"),
        [CHOSEN, CLOSED, LATE, CLOSED],
    ),
]
PARTS = {"before": BEFORE, "plain": PLAIN, "scram": SCRAM, "again": AGAIN}


async def differences(place: Place, rows: list[Row]) -> dict[str, tuple[list[str], list[str]]]:
    """Play rows, all at once: what was seen and expected, where that differs."""
    seen = await asyncio.gather(*(row.play(place) for row in rows))
    pairs = zip(rows, seen, strict=True)
    return {row.name: (each, row.expected) for row, each in pairs if each != row.expected}
