"""EDGE: one login on an open connection: SaslHandshake, then what the mechanism says.

What is said is in protocol/sasl; here are the questions, the clock-like parts (nonces, tokens) and
what a refusal means. Nothing here shows a password or a token.
Source: SaslClientAuthenticator.java, KIP-152, KIP-368.
Tests: tests/unit/client/security/test_login.py, tests/interop/clients/test_our_client_security.py
"""

from __future__ import annotations

import asyncio
import inspect
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from ...protocol.errors import ErrorCode, error_code
from ...protocol.messages.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse
from ...protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse
from ...protocol.sasl.oauthbearer import GIVEN_UP, bearer_message
from ...protocol.sasl.plain import plain_message
from ...protocol.sasl.scram import ScramClient, ScramError
from ..door.security_options import BEARER, SecurityOptions
from ..errors import AuthenticationFailed, ConnectionFailed

NONCE_BYTES: Final = 18
HANDSHAKE_VERSION: Final = 1  # v0 is followed by bare frames (before Kafka 1.0)

Ask = Callable[[Any, int | None], Awaitable[Any]]
"""Asks a request message in a version (None: the best) and waits for its answer."""


class Login:
    """How one client logs in, again and again.

    Args:
        options: with a mechanism and what it needs.

    Raises:
        ValueError: a name or password that the mechanism cannot say.
    """

    def __init__(self, options: SecurityOptions) -> None:
        self._mechanism = options.sasl_mechanism or ""
        self._username = options.sasl_plain_username or ""
        self._password = options.sasl_plain_password or ""
        self._provider: Any = options.sasl_oauth_token_provider
        if self._mechanism == "PLAIN":
            self._plain()

    def __repr__(self) -> str:
        return f"Login({self._who})"

    @property
    def _who(self) -> str:
        name = f" as {self._username!r}" if self._username else ""
        return f"{self._mechanism}{name}"

    async def log_in(self, ask: Ask, where: str) -> int:
        """Log in; returns for how many ms, 0 for ever.

        Args:
            where: host:port.

        Raises:
            AuthenticationFailed: the broker refused, or is not who it seems to be.
            ConnectionFailed: there is no token, or the connection ended.
        """
        shaken: SaslHandshakeResponse = await ask(
            SaslHandshakeRequest(mechanism=self._mechanism), HANDSHAKE_VERSION
        )
        if shaken.error_code:
            raise self._no_handshake(shaken, where)
        if self._mechanism == "PLAIN":
            return (await self._say(ask, where, self._plain())).session_lifetime_ms
        if self._mechanism == BEARER:
            return await self._bear(ask, where)
        return await self._scram(ask, where)

    def _plain(self) -> bytes:
        return plain_message(self._username, self._password)

    async def _scram(self, ask: Ask, where: str) -> int:
        nonce = secrets.token_urlsafe(NONCE_BYTES)
        client = ScramClient(self._mechanism, self._username, self._password, nonce)
        try:
            challenge = await self._say(ask, where, client.first())
            # In a thread: the broker decides how many ms of work the password is.
            proof = await asyncio.to_thread(client.answer, bytes(challenge.auth_bytes))
            final = await self._say(ask, where, proof)
            client.verify(bytes(final.auth_bytes))
        except ScramError as error:
            raise AuthenticationFailed(
                f"{where} broke the login by {self._who} off: {error}",
                code=ErrorCode.SASL_AUTHENTICATION_FAILED,
            ) from None
        return final.session_lifetime_ms

    async def _bear(self, ask: Ask, where: str) -> int:
        token, extensions = await self._token()
        try:
            message = bearer_message(token, extensions)
        except ValueError as error:
            raise AuthenticationFailed(f"sasl_oauth_token_provider: {error}") from None
        answer = await self._say(ask, where, message)
        if answer.auth_bytes:
            # 1. The broker tells in JSON why it refuses, and error code 0. 2. Only when the client
            # has given up does it fail the login, and say so (RFC 7628 3.2.3).
            reason = bytes(answer.auth_bytes).decode(errors="replace")
            await self._say(ask, where, GIVEN_UP, reason)
            raise self._refused(where, reason)
        return answer.session_lifetime_ms

    async def _token(self) -> tuple[str, Mapping[str, str]]:
        """A token that is valid now. A provider that is no coroutine function gets a thread."""
        provider = self._provider
        call = provider if callable(provider) else provider.token
        try:
            token = await _called(call)
            other = getattr(provider, "extensions", None)
            extensions = (await _called(other) if callable(other) else None) or {}
        except Exception as error:
            raise ConnectionFailed(
                f"sasl_oauth_token_provider gave no token: {type(error).__name__}: {error}"
            ) from error
        if not isinstance(token, str):
            raise AuthenticationFailed(
                f"sasl_oauth_token_provider gave {type(token).__name__} where a str is due"
            )
        return token, extensions

    async def _say(
        self, ask: Ask, where: str, message: bytes, reason: str | None = None
    ) -> SaslAuthenticateResponse:
        answer: SaslAuthenticateResponse = await ask(
            SaslAuthenticateRequest(auth_bytes=message), None
        )
        if answer.error_code:
            raise self._refused(where, reason or answer.error_message, answer.error_code)
        return answer

    def _refused(
        self, where: str, said: str | None, number: int = ErrorCode.SASL_AUTHENTICATION_FAILED
    ) -> AuthenticationFailed:
        code = error_code(number)
        return AuthenticationFailed(
            f"{where} refused the login by {self._who}: {said or code.text}", code=code, reason=said
        )

    def _no_handshake(self, answer: SaslHandshakeResponse, where: str) -> AuthenticationFailed:
        code = error_code(answer.error_code)
        if code is ErrorCode.ILLEGAL_SASL_STATE and not answer.mechanisms:
            text = "asks for no login: it is no SASL listener; security_protocol says which it is"
        else:
            known = ", ".join(sorted(answer.mechanisms)) or "none that it tells"
            text = f"offers no login by {self._mechanism}, but by {known}"
        return AuthenticationFailed(f"{where} {text}", code=code)


async def _called(call: Callable[[], Any]) -> Any:
    if inspect.iscoroutinefunction(call):
        return await call()
    # Most fetch it over a network, and would hold the loop for as long.
    given = await asyncio.to_thread(call)
    return await given if inspect.isawaitable(given) else given
