"""What may be asked before a login, what it answers, and when it must be repeated."""

from __future__ import annotations

from typing import Any

import pytest
from minibroker.broker.apis.served import SERVED
from minibroker.broker.security.login import (
    PASS,
    BareReply,
    End,
    Login,
    Reply,
    Step,
    TellVersions,
)
from minibroker.protocol.connection import ProtocolError, Request, Routes, ServerConnection
from minibroker.protocol.errors import DecodeError, ErrorCode
from minibroker.protocol.messages.api_versions import ApiVersionsRequest
from minibroker.protocol.messages.metadata import MetadataRequest
from minibroker.protocol.messages.sasl_authenticate import SaslAuthenticateRequest
from minibroker.protocol.messages.sasl_handshake import SaslHandshakeRequest
from minibroker.protocol.sasl.outcomes import Challenge, Granted, SaslDenied, SaslRefused

from tests.support.in_loop.runtime import request_frame

REAUTH_MS = 3000
VERSIONS = ApiVersionsRequest(client_software_name="test", client_software_version="1")
METADATA = MetadataRequest(topics=[], allow_auto_topic_creation=False)


class Words:
    """A mechanism whose tokens say what is to happen."""

    def step(self, token: bytes) -> Challenge | Granted:
        word, _, rest = token.decode().partition(" ")
        if word == "denied":
            raise SaslDenied(rest)
        if word == "refused":
            raise SaslRefused(rest)
        if word == "more":
            return Challenge(rest.encode())
        user, _, expires = rest.partition(" ")
        return Granted(user, b"done", int(expires) if expires else None)


class Client:
    """One connection; time stands where it is put."""

    def __init__(self, reauth_ms: int = 0) -> None:
        self.login = Login(
            {"A": reauth_ms, "B": reauth_ms}, lambda mechanism: Words(), self._refuse
        )
        self.now_ms = 0
        self._connection = ServerConnection(Routes(SERVED))

    def ask(self, message: Any, version: int) -> Step:
        """Send a request."""
        return self.send(request_frame(message, version, 1)[4:])

    def send(self, frame: bytes) -> Step:
        """Send a frame."""
        return self.login.receive(self._connection, memoryview(frame), self.now_ms, self.now_ms)

    def handshake(self, mechanism: str = "A", version: int = 1) -> Step:
        """Choose a mechanism."""
        return self.ask(SaslHandshakeRequest(mechanism=mechanism), version)

    def token(self, text: str, version: int = 2) -> Any:
        """Send a token; the answer as (code, text, token, lifetime), or how it ends."""
        step = self.ask(SaslAuthenticateRequest(auth_bytes=text.encode()), version)
        message = getattr(step, "message", None)
        if message is None:
            return step
        told = (message.error_code, message.error_message)
        return (*told, message.auth_bytes.decode(), message.session_lifetime_ms)

    def logged_in(self, text: str = "ok alice") -> Client:
        """Behind a login."""
        self.handshake()
        assert self.token(text)[0] == 0
        return self

    @staticmethod
    def _refuse(request: Request, code: ErrorCode, why: str) -> Any:
        return (request.route.api.name, int(code))


def ended(step: Step, *, at_once: bool, answered: bool) -> bool:
    """Whether the connection ends like that."""
    return isinstance(step, End) and (not step.is_delayed, step.message is not None) == (
        at_once,
        answered,
    )


def test_versions_handshake_and_tokens_are_the_order() -> None:
    client = Client()
    told = client.ask(VERSIONS, 4)
    assert isinstance(told, TellVersions)
    client.login.versions_told()
    chosen = client.handshake()
    assert isinstance(chosen, Reply)
    assert (chosen.message.error_code, chosen.message.mechanisms) == (0, ["A", "B"])
    assert client.token("more x") == (0, "", "x", 0)
    assert not client.login.is_through
    assert client.token("ok alice") == (0, "", "done", 0)
    assert client.login.lets_all_pass
    assert client.login.username == "alice"
    assert client.handshake() == client.ask(METADATA, 9) == PASS


def test_versions_are_told_once_unless_they_were_refused() -> None:
    client = Client()
    assert isinstance(client.ask(VERSIONS, 0), TellVersions)  # say it was an error: not told
    assert isinstance(client.ask(VERSIONS, 0), TellVersions)
    frame = bytearray(request_frame(VERSIONS, 4, 1)[4:])
    frame[2:4] = b"\0\x63"
    assert client.send(bytes(frame)) == Reply(None)  # v99: the connection answers by itself
    client.login.versions_told()
    assert ended(client.ask(VERSIONS, 0), at_once=True, answered=False)


@pytest.mark.parametrize(
    ("message", "version"), [(METADATA, 4), (SaslAuthenticateRequest(auth_bytes=b"ok a"), 2)]
)
def test_what_comes_first_and_may_not_is_closed_at_once(message: Any, version: int) -> None:
    assert ended(Client().ask(message, version), at_once=True, answered=False)


@pytest.mark.parametrize("frame", [b"", b"\0", b"\x7f\xff" * 9, b"\0\x11\0\x63\0\0\0\1\0\0"])
def test_what_cannot_be_read_raises(frame: bytes) -> None:
    with pytest.raises((DecodeError, ProtocolError)):
        Client().send(frame)


def test_a_long_request_before_a_login_is_not_even_decoded() -> None:
    long = SaslHandshakeRequest(mechanism="A" * 32_767)
    assert ended(Client().ask(long, 1), at_once=True, answered=False)


@pytest.mark.parametrize("mechanism", ["C", "a", ""])
def test_a_mechanism_that_is_not_enabled_is_refused_with_the_list(mechanism: str) -> None:
    step = Client().handshake(mechanism)
    assert ended(step, at_once=False, answered=True)
    assert isinstance(step, End)
    assert (step.message.error_code, step.message.mechanisms) == (33, ["A", "B"])


@pytest.mark.parametrize(
    ("message", "version", "name"),
    [
        (METADATA, 4, "Metadata"),
        (VERSIONS, 0, "ApiVersions"),
        (SaslHandshakeRequest(mechanism="A"), 1, "SaslHandshake"),
    ],
)
def test_another_request_where_a_token_is_due_is_refused_in_its_own_shape(
    message: Any, version: int, name: str
) -> None:
    client = Client()
    client.handshake()
    step = client.ask(message, version)
    assert ended(step, at_once=False, answered=True)
    assert isinstance(step, End)
    assert step.message == (name, 34)


def test_a_failed_login_is_told_in_one_sentence_or_in_its_own() -> None:
    client = Client()
    client.handshake()
    step = client.ask(SaslAuthenticateRequest(auth_bytes=b"refused it is secret"), 2)
    assert ended(step, at_once=False, answered=True)
    assert isinstance(step, End)
    assert step.message.error_message == (
        "Authentication failed during authentication due to invalid credentials with SASL "
        "mechanism A"
    )
    assert "it is secret" in step.why  # for the log
    client = Client()
    client.handshake()
    assert client.token("denied Sorry") == (58, "Sorry", "", 0)


def test_behind_a_handshake_v0_tokens_come_bare() -> None:
    client = Client()
    client.handshake(version=0)
    assert client.send(b"more x") == BareReply(b"x")
    assert client.send(b"ok alice") == BareReply(b"done")
    assert client.login.lets_all_pass
    for wrong in (b"refused x", b"denied x"):
        client = Client()
        client.handshake(version=0)
        assert ended(client.send(wrong), at_once=False, answered=False)


def test_a_login_that_holds_for_a_time_may_be_repeated() -> None:
    client = Client(REAUTH_MS)
    client.handshake()
    assert client.token("ok alice") == (0, "", "done", REAUTH_MS)
    assert client.ask(METADATA, 9) == PASS
    for now_ms in (0, 2000, 4900):  # each before the one of before has expired
        client.now_ms = now_ms
        assert isinstance(client.handshake(), Reply)
        assert client.token("ok alice") == (0, "", "done", REAUTH_MS)
        assert client.ask(METADATA, 9) == PASS


def test_a_second_handshake_within_a_second_is_a_request_like_any_other() -> None:
    client = Client(REAUTH_MS).logged_in()
    client.handshake()
    client.token("ok alice")
    client.now_ms = 999
    assert client.handshake() == PASS
    client.now_ms = 1000
    assert isinstance(client.handshake(), Reply)


def test_an_expired_login_ends_the_connection_unless_it_is_repeated() -> None:
    for message in (METADATA, VERSIONS):
        client = Client(REAUTH_MS).logged_in()
        client.now_ms = REAUTH_MS - 1
        assert client.ask(message, 4) == PASS
        client.now_ms = REAUTH_MS
        assert ended(client.ask(message, 4), at_once=True, answered=False)
    client = Client(REAUTH_MS).logged_in()
    client.now_ms = 2 * REAUTH_MS
    assert isinstance(client.handshake(), Reply)
    assert client.token("ok alice")[0] == 0


@pytest.mark.parametrize(
    ("mechanism", "token", "told"),
    [
        (
            "A",
            "ok bob",
            (
                58,
                "Cannot change principals during re-authentication from User.alice: User.bob",
                "",
                0,
            ),
        ),
        ("A", "denied Sorry", (58, "Sorry", "", 0)),
    ],
)
def test_a_later_login_must_be_the_same_users(mechanism: str, token: str, told: object) -> None:
    client = Client(REAUTH_MS).logged_in()
    client.handshake(mechanism)
    assert client.token(token) == told
    assert not client.login.is_through


def test_a_later_login_must_be_by_the_same_mechanism() -> None:
    client = Client(REAUTH_MS).logged_in()
    chosen = client.handshake("B")
    assert isinstance(chosen, Reply)
    assert chosen.message.error_code == 0
    assert ended(client.token("ok alice"), at_once=False, answered=False)


def test_between_handshake_and_token_nothing_is_served_any_more() -> None:
    client = Client(REAUTH_MS).logged_in()
    client.handshake()
    assert ended(client.ask(METADATA, 4), at_once=False, answered=True)


@pytest.mark.parametrize(
    ("reauth_ms", "expires", "lifetime_ms"),
    [(0, 5000, 4000), (3000, 5000, 3000), (3000, 2000, 1000)],
)
def test_a_login_holds_no_longer_than_its_token(
    reauth_ms: int, expires: int, lifetime_ms: int
) -> None:
    client = Client(reauth_ms)
    client.now_ms = 1000
    client.handshake()
    assert client.token(f"ok alice {expires}") == (0, "", "done", lifetime_ms)
    client.now_ms += lifetime_ms
    assert ended(client.ask(METADATA, 4), at_once=True, answered=False)


def test_a_token_that_expired_meanwhile_lets_nothing_pass() -> None:
    client = Client()
    client.now_ms = 9000
    client.handshake()
    assert client.token("ok alice 5000")[0] == 0
    assert ended(client.ask(METADATA, 4), at_once=True, answered=False)
