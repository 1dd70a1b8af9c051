"""One connection's logins: what may be asked before, which answers come, and when it ends.

ApiVersions (once), SaslHandshake, then tokens: in SaslAuthenticate, or as bare frames behind a
SaslHandshake v0. Where logins hold for a time only, a SaslHandshake behind one begins another, and
what else comes too late ends the connection. Nothing is sent here and no clock is read: frames and
times come in, and what is to be done goes out.
Source: SaslServerAuthenticator.java, KafkaChannel.java; KIP-43, KIP-152, KIP-368, KIP-511.
Tests: tests/unit/broker/security/test_login.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from ...protocol.connection import Request, ServerConnection
from ...protocol.errors import ErrorCode
from ...protocol.header import decode_request_header
from ...protocol.messages.sasl_authenticate import SaslAuthenticateResponse
from ...protocol.messages.sasl_handshake import SaslHandshakeResponse
from ...protocol.sasl.outcomes import Challenge, Granted, SaslDenied, SaslRefused, ServerExchange
from ..limits import LONG_FRAME_BYTES

SASL_HANDSHAKE, API_VERSIONS, SASL_AUTHENTICATE = 17, 18, 36
REAUTH_EVERY_MS = 1000  # Kafka's; a SaslHandshake that comes sooner is answered with 34


@dataclass(frozen=True, slots=True)
class Pass:
    """The frame is a request like any other: serve it."""


@dataclass(frozen=True, slots=True)
class TellVersions:
    """Serve this ApiVersions; call versions_told() if its answer has no error."""

    request: Request


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer the request; None where the connection has answered by itself."""

    request: Request | None
    message: Any = None


@dataclass(frozen=True, slots=True)
class BareReply:
    """Send a frame of these bytes alone."""

    token: bytes


@dataclass(frozen=True, slots=True)
class End:
    """Close the connection.

    Attributes:
        why: for the log.
        request, message: what is answered before, if anything.
        is_delayed: a login has failed: all of it after connection.failed.authentication.delay.ms.
    """

    why: str
    request: Request | None = None
    message: Any = None
    is_delayed: bool = True


Step: TypeAlias = Pass | TellVersions | Reply | BareReply | End
PASS = Pass()


class _State(Enum):
    FIRST = "nothing has been answered"
    HANDSHAKE = "ApiVersions has been answered"
    TOKENS = "a mechanism is chosen"
    THROUGH = "logged in"


class Login:
    """The logins of one connection.

    Args:
        reauth_ms: the mechanisms that are enabled; how long a login by it holds, 0 for ever.
        exchange: makes the server's half of one login by a mechanism.
        refuse: makes the response that refuses a request, in the request's own shape.

    Attributes:
        username: who has logged in; "" before.
    """

    def __init__(
        self,
        reauth_ms: Mapping[str, int],
        exchange: Callable[[str], ServerExchange],
        refuse: Callable[[Request, ErrorCode, str], Any],
    ) -> None:
        self._reauth_ms = reauth_ms
        self._make_exchange = exchange
        self._refuse = refuse
        self._state = _State.FIRST
        self._mechanism = ""
        self._exchange: ServerExchange | None = None  # None: the mechanism may not change
        self._is_bare = False
        self._expires_at_ms: int | None = None
        self._reauth_began_ms: int | None = None
        self.username = ""

    @property
    def is_through(self) -> bool:
        """Whether somebody has logged in, and is not about to do so anew."""
        return self._state is _State.THROUGH

    @property
    def lets_all_pass(self) -> bool:
        """Whether every frame is a request like any other, from now on for ever."""
        return self._state is _State.THROUGH and self._expires_at_ms is None

    def versions_told(self) -> None:
        """An ApiVersions was answered without an error: there is no second one."""
        self._state = _State.HANDSHAKE

    def receive(
        self, connection: ServerConnection, frame: memoryview, now_ms: int, wall_ms: int
    ) -> Step:
        """What a frame leads to.

        Args:
            connection: decodes it.
            now_ms: by a clock that never jumps.
            wall_ms: ms since 1970, which tokens expire by.

        Raises:
            ProtocolError, DecodeError: it cannot be read: close the connection at once.
        """
        if self._state is _State.TOKENS and self._is_bare:
            return self._bare_token(bytes(frame), now_ms, wall_ms)
        key = decode_request_header(frame)[0].api_key
        if self._state is _State.THROUGH:
            return self._behind_a_login(connection, frame, key, now_ms)
        if len(frame) > LONG_FRAME_BYTES and key != SASL_AUTHENTICATE:
            return End(f"a request of {len(frame)} bytes came before a login", is_delayed=False)
        if self._state is _State.TOKENS:
            return self._tokens(connection, frame, key, now_ms, wall_ms)
        if key == SASL_HANDSHAKE:
            return self._handshake(connection, frame)
        if key == API_VERSIONS and self._state is _State.FIRST:
            request = connection.receive(frame)
            return Reply(None) if request is None else TellVersions(request)
        twice = "again " if key == API_VERSIONS else ""
        return End(f"API key {key} came {twice}before a login", is_delayed=False)

    def _behind_a_login(
        self, connection: ServerConnection, frame: memoryview, key: int, now_ms: int
    ) -> Step:
        if self._expires_at_ms is None:
            return PASS
        began_ms = self._reauth_began_ms
        is_due = began_ms is None or now_ms - began_ms >= REAUTH_EVERY_MS
        if key == SASL_HANDSHAKE and is_due:
            self._reauth_began_ms = now_ms
            return self._handshake(connection, frame)
        if now_ms >= self._expires_at_ms:
            return End("its login has expired (connections.max.reauth.ms)", is_delayed=False)
        return PASS

    def _handshake(self, connection: ServerConnection, frame: memoryview) -> Step:
        request = connection.receive(frame)
        assert request is not None
        mechanism, mechanisms = request.message.mechanism, [*self._reauth_ms]
        if mechanism not in self._reauth_ms:
            code = ErrorCode.UNSUPPORTED_SASL_MECHANISM
            refusal = SaslHandshakeResponse(error_code=code, mechanisms=mechanisms)
            return End(f"mechanism {mechanism!r} is not enabled", request, refusal)
        is_other = self.username != "" and mechanism != self._mechanism
        self._exchange = None if is_other else self._make_exchange(mechanism)
        if not is_other:
            self._mechanism = mechanism
        self._is_bare = request.route.version == 0
        self._state = _State.TOKENS
        return Reply(request, SaslHandshakeResponse(error_code=0, mechanisms=mechanisms))

    def _tokens(
        self,
        connection: ServerConnection,
        frame: memoryview,
        key: int,
        now_ms: int,
        wall_ms: int,
    ) -> Step:
        if self._exchange is None:
            return End(f"another mechanism than {self._mechanism} was chosen for a later login")
        request = connection.receive(frame)
        if key != SASL_AUTHENTICATE or request is None:
            why = f"API key {key} came where a SaslAuthenticate was due"
            if request is None:
                return End(why)
            return End(why, request, self._refuse(request, ErrorCode.ILLEGAL_SASL_STATE, why))
        try:
            outcome = self._exchange.step(bytes(request.message.auth_bytes))
            if isinstance(outcome, Challenge):
                return Reply(request, _authenticated(outcome.token))
            lifetime_ms = self._granted(outcome, now_ms, wall_ms)
        except SaslRefused as refused:
            return End(
                f"login refused: {refused}",
                request,
                SaslAuthenticateResponse(
                    error_code=ErrorCode.SASL_AUTHENTICATION_FAILED,
                    error_message=self._told(refused),
                    auth_bytes=b"",
                ),
            )
        return Reply(request, _authenticated(outcome.token, lifetime_ms))

    def _bare_token(self, token: bytes, now_ms: int, wall_ms: int) -> Step:
        if self._exchange is None:
            return End(f"another mechanism than {self._mechanism} was chosen for a later login")
        try:
            outcome = self._exchange.step(token)
            if isinstance(outcome, Granted):
                self._granted(outcome, now_ms, wall_ms)
        except SaslRefused as refused:
            return End(f"login refused: {refused}")
        return BareReply(outcome.token)

    def _granted(self, granted: Granted, now_ms: int, wall_ms: int) -> int:
        """Somebody has logged in; returns for how long, in ms, 0 for ever."""
        if self.username not in ("", granted.username):
            raise SaslDenied(
                "Cannot change principals during re-authentication from "
                f"User.{self.username}: User.{granted.username}"
            )
        limits = []
        if self._reauth_ms[self._mechanism]:
            limits.append(self._reauth_ms[self._mechanism])
        if granted.expires_at_ms is not None:
            limits.append(max(granted.expires_at_ms - wall_ms, 0))
        self._expires_at_ms = now_ms + min(limits) if limits else None
        self.username, self._exchange, self._state = granted.username, None, _State.THROUGH
        return min(limits, default=0)

    def _told(self, refused: SaslRefused) -> str:
        if isinstance(refused, SaslDenied):
            return str(refused)
        return (
            "Authentication failed during authentication due to invalid credentials with SASL "
            f"mechanism {self._mechanism}"
        )


def _authenticated(token: bytes, lifetime_ms: int = 0) -> SaslAuthenticateResponse:
    return SaslAuthenticateResponse(
        error_code=0, error_message="", auth_bytes=token, session_lifetime_ms=lifetime_ms
    )
