"""Which tokens are taken, and what is said of others."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jwt
import pytest
from minibroker.broker.config.listener_security import TokenSettings
from minibroker.broker.config.properties import ConfigError, Secret
from minibroker.broker.security.tokens import UNSECURED, Tokens
from minibroker.protocol.sasl.oauthbearer import BadToken, GoodToken

from tests.support.security.tokens import CLAIMS, LIFE_S, NOW, jwks, signed, unsigned

SETTINGS = TokenSettings(None, None, None, 1000, (), None, 30, "sub", "scope")


def judged(tmp_path: Path, token: str, **changed: Any) -> GoodToken | BadToken:
    """What is said of a signed token."""
    file = tmp_path / "jwks.json"
    if not file.exists():
        file.write_bytes(jwks("a"))
    return Tokens("X", replace(SETTINGS, jwks_url=file.as_uri(), **changed)).judge(token)


def test_a_signed_token_is_good_until_it_expires(tmp_path: Path) -> None:
    good = GoodToken("alice", (NOW + LIFE_S) * 1000)
    assert judged(tmp_path, signed(CLAIMS)) == good
    assert judged(tmp_path, signed(CLAIMS, kid=None)) == good
    now = int(time.time())
    late = signed({**CLAIMS, "iat": now - 60, "exp": now - 10})  # within the clocks' difference
    assert judged(tmp_path, late) == GoodToken("alice", (now - 10) * 1000)


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (partial(signed, CLAIMS, key="b"), "InvalidSignatureError"),
        (partial(signed, CLAIMS, kid="b"), "no key"),
        (partial(signed, {**CLAIMS, "exp": NOW - 31}), "ExpiredSignatureError"),
        (partial(signed, {"sub": "alice", "iat": NOW}), "MissingRequiredClaimError"),
        (partial(signed, {"sub": "alice", "exp": NOW + 9}), "MissingRequiredClaimError"),
        (partial(signed, {"iat": NOW, "exp": NOW + 9}), "MissingRequiredClaimError"),
        (partial(signed, {**CLAIMS, "sub": " "}), "names nobody"),
        (partial(signed, {**CLAIMS, "sub": 5}), "names nobody"),
        (partial(signed, {**CLAIMS, "iat": NOW + LIFE_S}), "ImmatureSignatureError"),
        (unsigned(CLAIMS), "no key|InvalidAlgorithm"),
        (jwt.encode(CLAIMS, "k" * 32, algorithm="HS256", headers={"kid": "a"}), "Invalid"),
        ("garbage", "DecodeError"),
        ("a.b.c", "DecodeError"),
        ("x" * 70_000, "too long"),
    ],
    ids=range(14),
)
def test_a_signed_token_is_refused(
    tmp_path: Path, token: str | Callable[[], str], why: str
) -> None:
    said = judged(tmp_path, token() if callable(token) else token)
    assert isinstance(said, BadToken)
    assert any(each in said.why for each in why.split("|")), said


def test_audience_issuer_and_the_claim_of_the_user(tmp_path: Path) -> None:
    token = signed({**CLAIMS, "aud": ["us", "them"], "iss": "me", "name": "a"})
    assert isinstance(judged(tmp_path, token, audience=("us", "x"), issuer="me"), GoodToken)
    assert isinstance(judged(tmp_path, token, audience=("x",)), BadToken)
    assert isinstance(judged(tmp_path, token, issuer="you"), BadToken)
    assert isinstance(judged(tmp_path, signed(CLAIMS), audience=("us",)), BadToken)
    assert judged(tmp_path, token, subject_claim="name") == GoodToken("a", (NOW + LIFE_S) * 1000)


def tokens(jaas: str | None = None) -> Tokens:
    """What takes unsigned tokens."""
    line = None if jaas is None else Secret(f"x.OAuthBearerLoginModule required {jaas};")
    return Tokens("X", replace(SETTINGS, handler_class=f"org.x.{UNSECURED}", jaas=line))


def test_an_unsigned_token_is_taken_where_a_setting_says_so() -> None:
    assert tokens().judge(unsigned(CLAIMS)) == GoodToken("alice", (NOW + LIFE_S) * 1000)


@pytest.mark.parametrize(
    "token",
    [
        unsigned(CLAIMS, {"alg": "RS256"}),
        unsigned(CLAIMS, signature="abc"),
        unsigned({**CLAIMS, "exp": NOW - 1}),
        unsigned({**CLAIMS, "exp": "x"}),
        unsigned({**CLAIMS, "exp": True}),
        unsigned({**CLAIMS, "exp": float("inf")}),
        unsigned({**CLAIMS, "sub": ""}),
        unsigned({**CLAIMS, "iat": NOW + LIFE_S}),
        unsigned({"exp": NOW + 5}),
        unsigned([1]),
        partial(signed, CLAIMS),
        "..",
        "a.b.c.d",
    ],
    ids=range(13),
)
def test_an_unsigned_token_is_refused(token: str | Callable[[], str]) -> None:
    said = tokens().judge(token() if callable(token) else token)
    assert isinstance(said, BadToken)
    assert said.status == "invalid_token"


def test_the_options_of_the_jaas_line_count() -> None:
    names = 'unsecuredValidatorPrincipalClaimName="user" unsecuredValidatorScopeClaimName="s"'
    lax = tokens(f'{names} unsecuredValidatorAllowableClockSkewMs="60000"')
    now = int(time.time())
    late = unsigned({"user": "bob", "exp": now - 10})
    assert lax.judge(late) == GoodToken("bob", (now - 10) * 1000)
    strict = tokens('unsecuredValidatorRequiredScope="read write"')
    assert strict.judge(unsigned(CLAIMS)) == BadToken(
        "a scope is missing", "insufficient_scope", "[read, write]"
    )
    assert isinstance(strict.judge(unsigned({**CLAIMS, "scope": "read write"})), BadToken)
    assert isinstance(strict.judge(unsigned({**CLAIMS, "scope": ["write", "read"]})), GoodToken)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, "jwks.endpoint.url: listener X has OAUTHBEARER and no keys"),
        ({"handler_class": "com.example.Mine"}, "no class is loaded here"),
        ({"jwks_url": "ftp://x/y"}, "expected https"),
        ({"jwks_url": "file:///no/such/file"}, "No such file"),
    ],
)
def test_what_is_missing_is_named(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Tokens("X", replace(SETTINGS, **changed))
