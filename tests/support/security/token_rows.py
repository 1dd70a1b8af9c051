"""What a listener with OAUTHBEARER answers, row by row: the same for ours and for Apache Kafka.

OAUTH takes unsigned tokens, SCOPED those with two scopes and another claim, SIGNED those that one
of two keys has signed, for an audience.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.security.rows import LATE, Row, late
from tests.support.security.talk import CLOSED, Place
from tests.support.security.tokens import CLAIMS, jwks, signed, unsigned

TOKEN_LISTENERS = ("OAUTH", "SCOPED", "SIGNED")
_CLASSES = "org.apache.kafka.common.security.oauthbearer"
_UNSECURED = f"{_CLASSES}.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"
_MODULE = f"{_CLASSES}.OAuthBearerLoginModule required"
_SCOPED = (
    'unsecuredLoginStringClaim_sub="b" unsecuredValidatorRequiredScope="read write" '
    'unsecuredValidatorPrincipalClaimName="user" unsecuredValidatorAllowableClockSkewMs="30000"'
)
INVALID = '0 {"status":"invalid_token"}'
SCOPE = '0 {"status":"insufficient_scope", "scope":"[read, write]"}'
NO_MESSAGE = (
    "58 Authentication failed during authentication due to invalid credentials with SASL mechanism "
    "OAUTHBEARER"
)
OTHER = (
    "58 Authentication failed: Client requested an authorization id (bob) that is different from "
    "the token's principal name (alice)"
)
GOOD = "0 for its time"
TAKEN, REFUSED = [GOOD, "open"], [INVALID, CLOSED]


def keys_file(home: Path) -> Path:
    """Where the keys are; written by token_settings()."""
    return home / "jwks.json"


def token_settings(home: Path) -> Mapping[str, str]:
    """The properties of the listeners."""
    keys_file(home).write_bytes(jwks("a", "b"))
    signed_prefix = "listener.name.signed.oauthbearer"
    return {
        **{
            f"listener.name.{name.lower()}.sasl.enabled.mechanisms": "OAUTHBEARER"
            for name in TOKEN_LISTENERS
        },
        "listener.name.oauth.oauthbearer.sasl.jaas.config": f"{_MODULE};",
        "listener.name.oauth.oauthbearer.sasl.server.callback.handler.class": _UNSECURED,
        "listener.name.scoped.oauthbearer.sasl.jaas.config": f"{_MODULE} {_SCOPED};",
        "listener.name.scoped.oauthbearer.sasl.server.callback.handler.class": _UNSECURED,
        f"{signed_prefix}.sasl.jaas.config": f"{_MODULE};",
        f"{signed_prefix}.sasl.server.callback.handler.class": (
            f"{_CLASSES}.OAuthBearerValidatorCallbackHandler"
        ),
        f"{signed_prefix}.sasl.oauthbearer.jwks.endpoint.url": keys_file(home).as_uri(),
        f"{signed_prefix}.sasl.oauthbearer.expected.audience": "us",
    }


def _row(name: str, listener: str, *tokens: str | bytes, expected: list[str]) -> Row:
    """Log in with tokens, one behind the other; the last answers, and whether it is open then."""

    async def play(place: Place) -> list[str]:
        talk = await place.open(listener)
        await talk.handshake("OAUTHBEARER")
        seen = []
        for token in tokens:
            whole = token if isinstance(token, bytes) else _message(token)
            answer = await talk.token(whole)
            seen.append(GOOD if answer.startswith("0") and answer.endswith(" ms") else answer)
        if seen[-1].startswith("58"):
            seen.append(late(talk))
        return [*seen, await talk.is_open()]

    return Row(f"{listener}: {name}", play, expected)


def _message(token: str, header: bytes = b"n,,") -> bytes:
    return header + b"\x01auth=Bearer " + token.encode() + b"\x01\x01"


def _claims(**changed: Any) -> dict[str, Any]:
    found = {**CLAIMS, **changed}
    return {name: value for name, value in found.items() if value is not None}


def _for_us(**changed: Any) -> dict[str, Any]:
    return _claims(aud="us", **changed)


def token_rows() -> list[Row]:
    """The rows, with tokens made now."""
    now = int(time.time())
    return [*_unsigned(now), *_scoped(now), *_signed(now)]


def _unsigned(now: int) -> list[Row]:
    small = _message(unsigned(CLAIMS)).replace(b"Bearer", b"bearer")
    extended = _message(unsigned(CLAIMS))[:-1] + b"a=b\x01\x01"
    taken: dict[str, str | bytes] = {
        "good": unsigned(CLAIMS),
        "without iat": unsigned(_claims(iat=None)),
        "half a second": unsigned(_claims(exp=now + 100.5)),
        "a name with blanks": unsigned(_claims(sub=" a ")),
        "small letters": small,
        "an extension": extended,
        "authorization id": _message(unsigned(CLAIMS), b"n,a=alice,"),
    }
    refused = [NO_MESSAGE, LATE, CLOSED]
    return [
        *(_row(name, "OAUTH", token, expected=TAKEN) for name, token in taken.items()),
        *(
            _row(name, "OAUTH", unsigned(claims), expected=REFUSED)
            for name, claims in {
                "expired": _claims(exp=now - 1),
                "without exp": _claims(exp=None),
                "exp is a text": _claims(exp="x"),
                "nobody's": _claims(sub=None),
                "of an empty name": _claims(sub=""),
                "of a number": _claims(sub=5),
                "of tomorrow": _claims(iat=now + 50),
            }.items()
        ),
        _row("signed", "OAUTH", signed(CLAIMS), expected=REFUSED),
        _row("another algorithm", "OAUTH", unsigned(CLAIMS, {"alg": "RS256"}), expected=REFUSED),
        _row("a signature", "OAUTH", unsigned(CLAIMS, signature="abc"), expected=REFUSED),
        _row("no JSON", "OAUTH", "a.b.c", expected=REFUSED),
        _row(
            "bad, ^A",
            "OAUTH",
            "bad",
            b"\x01",
            expected=[INVALID, INVALID.replace("0", "58"), LATE, CLOSED],
        ),
        _row("bad, good", "OAUTH", "bad", unsigned(CLAIMS), expected=[INVALID, *TAKEN]),
        *(
            _row(repr(message), "OAUTH", message, expected=refused)
            for message in (
                b"",
                b"\x01",
                b"garbage",
                b"n,,\x01\x01",
                b"y,,\x01auth=Bearer abc\x01\x01",
                b"n,,\x01auth=Bearer a b\x01\x01",
            )
        ),
        _row(
            "another authorization id",
            "OAUTH",
            _message(unsigned(CLAIMS), b"n,a=bob,"),
            expected=[OTHER, LATE, CLOSED],
        ),
    ]


def _scoped(now: int) -> list[Row]:
    scopes = {"user": "bob", "exp": now + 100, "scope": ["read", "write"]}
    return [
        _row("both scopes", "SCOPED", unsigned(scopes), expected=TAKEN),
        _row(
            "late, within the skew",
            "SCOPED",
            unsigned({**scopes, "exp": now - 5}),
            expected=["0", CLOSED],
        ),
        *(
            _row(name, "SCOPED", unsigned({**scopes, "scope": scope}), expected=[SCOPE, CLOSED])
            for name, scope in {"one scope": ["read"], "a text": "read write"}.items()
        ),
    ]


def _signed(now: int) -> list[Row]:
    return [
        *(
            _row(name, "SIGNED", token, expected=TAKEN)
            for name, token in {
                "good": signed(_for_us()),
                "by the other key": signed(_for_us(), key="b", kid="b"),
                "names no key": signed(_for_us(), kid=None),
            }.items()
        ),
        *(
            _row(name, "SIGNED", token, expected=REFUSED)
            for name, token in {
                "by another key than it names": signed(_for_us(), key="b"),
                "names no key, by the second": signed(_for_us(), key="b", kid=None),
                "names an unknown key": signed(_for_us(), kid="zzz"),
                "for nobody": signed(_claims()),
                "for others": signed(_claims(aud="them")),
                "expired": signed(_for_us(iat=now - 90, exp=now - 40)),
                "nobody's": signed(_for_us(sub=None)),
                "without iat": signed(_for_us(iat=None)),
                "without exp": signed(_for_us(exp=None)),
                "unsigned": unsigned(_for_us()),
            }.items()
        ),
        _row(
            "late, within the skew",
            "SIGNED",
            signed(_for_us(iat=now - 60, exp=now - 10)),
            expected=["0", CLOSED],
        ),
    ]
