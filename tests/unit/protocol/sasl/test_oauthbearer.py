"""OAUTHBEARER: the messages around a token, said and taken."""

from __future__ import annotations

import pytest
from minibroker.protocol.sasl.oauthbearer import (
    BadToken,
    GoodToken,
    OAuthBearerServer,
    bearer_message,
)
from minibroker.protocol.sasl.outcomes import Challenge, Granted, SaslDenied, SaslRefused


def judge(token: str) -> GoodToken | BadToken:
    """Takes one token."""
    return GoodToken("alice", 5000) if token == "good.a-b_c" else BadToken("expired")


def test_a_token_and_its_extensions() -> None:
    assert bearer_message("a.b-c_~+/==", {}) == b"n,,\x01auth=Bearer a.b-c_~+/==\x01\x01"
    extensions = {"logicalCluster": "lkc-1", "identityPoolId": "pool 1"}
    assert bearer_message("t", extensions) == (
        b"n,,\x01auth=Bearer t\x01logicalCluster=lkc-1\x01identityPoolId=pool 1\x01\x01"
    )


@pytest.mark.parametrize("token", ["", "a b", "a\x01b", "sécret", "=a", "tok\n"])
def test_a_token_that_cannot_travel_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ValueError, match="bearer token") as caught:
        bearer_message(token, {})
    assert not token or token not in str(caught.value)


@pytest.mark.parametrize("extension", [("auth", "x"), ("a1", "x"), ("a", ""), ("a", "x\x01y")])
def test_an_extension_that_cannot_travel_is_refused(extension: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="cannot travel"):
        bearer_message("t", dict([extension]))


def test_a_good_token_is_granted_until_it_expires() -> None:
    assert OAuthBearerServer(judge).step(bearer_message("good.a-b_c", {})) == Granted(
        "alice", b"", 5000
    )
    extended = bearer_message("good.a-b_c", {"traceId": "1 2"})
    assert isinstance(OAuthBearerServer(judge).step(extended), Granted)


def test_the_authorization_id_must_be_the_tokens_owner() -> None:
    message = b"n,a=%b,\x01auth=Bearer good.a-b_c\x01\x01"
    assert isinstance(OAuthBearerServer(judge).step(message % b"alice"), Granted)
    with pytest.raises(SaslDenied, match=r"authorization id \(bob\).*principal name \(alice\)"):
        OAuthBearerServer(judge).step(message % b"bob")


def test_a_bad_token_is_told_as_json_and_then_refused() -> None:
    server = OAuthBearerServer(judge)
    challenge = server.step(bearer_message("bad", {}))
    assert challenge == Challenge(b'{"status":"invalid_token"}')
    with pytest.raises(SaslDenied, match='"status":"invalid_token"'):
        server.step(b"\x01")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x01",
        b"garbage",
        b"n,,\x01\x01",
        b"n,,\x01auth=Basic good.a-b_c\x01\x01",
        b"n,,\x01auth=Bearer go od\x01\x01",
        b"y,,\x01auth=Bearer good.a-b_c\x01\x01",
        b"n,,\x01auth=Bearer good.a-b_c\x01\x01\xff",
    ],
)
def test_what_is_no_message_is_refused(message: bytes) -> None:
    with pytest.raises(SaslRefused):
        OAuthBearerServer(judge).step(message)
