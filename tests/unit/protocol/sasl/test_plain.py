"""PLAIN: what a client says; which tokens a server takes, and its words for others (Kafka's)."""

from __future__ import annotations

import pytest
from minibroker.protocol.sasl.outcomes import Granted, SaslDenied
from minibroker.protocol.sasl.plain import PlainServer, plain_message

USERS = {"alice": "alice-secret", "bob": "bob-secret"}
DIFFERENT = (
    "Authentication failed: Client requested an authorization id that is different from username"
)


def test_name_and_password_as_they_are() -> None:
    assert plain_message("älice", "s e=c,ret") == "\0älice\0s e=c,ret".encode()


@pytest.mark.parametrize(("name", "password"), [("", "p"), ("u", ""), ("u\0", "p"), ("u", "\0p")])
def test_what_cannot_be_said_is_refused_and_not_shown(name: str, password: str) -> None:
    with pytest.raises(ValueError, match="PLAIN has no") as caught:
        plain_message(name, password)
    assert "'p'" not in str(caught.value)


def log_in(token: bytes) -> str:
    """What a login comes to: the user, or the text that the client is told."""
    try:
        outcome = PlainServer(USERS.get).step(token)
    except SaslDenied as denied:
        return str(denied)
    assert outcome == Granted(outcome.username)
    return outcome.username


@pytest.mark.parametrize(
    ("token", "outcome"),
    [
        (b"\0alice\0alice-secret", "alice"),
        (b"alice\0alice\0alice-secret", "alice"),
        (b"\0alice\0wrong", "Authentication failed: Invalid username or password"),
        (b"\0alice\0bob-secret", "Authentication failed: Invalid username or password"),
        (b"\0nobody\0wrong", "Authentication failed: Invalid username or password"),
        (b"\0nobody\0\xff", "Authentication failed: Invalid username or password"),
        (b"\0\0alice-secret", "Authentication failed: username not specified"),
        (b"\0alice\0", "Authentication failed: password not specified"),
        (b"bob\0alice\0alice-secret", DIFFERENT),
        (b"bob\0alice\0wrong", "Authentication failed: Invalid username or password"),
        (b"alice\0alice-secret", "Invalid SASL/PLAIN response: expected 3 tokens, got 2"),
        (b"\0alice\0alice-secret\0", "Invalid SASL/PLAIN response: expected 3 tokens, got 4"),
        (b"\0" * 9, "Invalid SASL/PLAIN response: expected 3 tokens, got 4"),
        (b"", "Invalid SASL/PLAIN response: expected 3 tokens, got 1"),
        (b"\xffgarbage", "Invalid SASL/PLAIN response: expected 3 tokens, got 1"),
    ],
)
def test_a_token_is_answered_in_kafkas_words(token: bytes, outcome: str) -> None:
    assert log_in(token) == outcome


def test_what_a_client_says_is_what_a_server_takes() -> None:
    assert log_in(plain_message("alice", "alice-secret")) == "alice"


def test_a_password_of_no_user_never_opens_the_door() -> None:
    with pytest.raises(SaslDenied, match="Invalid username or password"):
        PlainServer({"alice": ""}.get).step(b"\0alice\0x")
