"""What is fuzzed of logins: any frames in any order, at any time; nobody gets in by chance.

    play(rng)     one connection: mostly right frames, some spoilt, some out of order, time leaps

Wrong is: an exception but the documented ones, somebody who is logged in although no frame held
his password or token, a frame that passes before that, or an answer that cannot be written.
"""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import Any

from minibroker.broker.apis.served import SERVED
from minibroker.broker.security.login import BareReply, End, Login, Pass, Reply, Step, _State
from minibroker.protocol.connection import ProtocolError, Request, Routes, ServerConnection
from minibroker.protocol.errors import DecodeError, ErrorCode
from minibroker.protocol.messages.api_versions import ApiVersionsRequest
from minibroker.protocol.messages.metadata import MetadataRequest, MetadataResponse
from minibroker.protocol.messages.sasl_authenticate import SaslAuthenticateRequest
from minibroker.protocol.messages.sasl_handshake import SaslHandshakeRequest
from minibroker.protocol.sasl.oauthbearer import BadToken, GoodToken, OAuthBearerServer
from minibroker.protocol.sasl.outcomes import ServerExchange
from minibroker.protocol.sasl.plain import PlainServer
from minibroker.protocol.sasl.scram import HASHES, ScramClient, ScramError, salted_password
from minibroker.protocol.sasl.scram_credentials import credential_of
from minibroker.protocol.sasl.scram_server import ScramServer

from tests.fuzz.mutations import mutated
from tests.support.in_loop.runtime import request_frame

PASSWORD, TOKEN = "a-password-that-nobody-guesses", "token.nobody.guesses"
REAUTH_MS = 5_000
FRAMES = 8
ROUTES = Routes(SERVED)
SALT = b"salt"
CREDENTIALS = {
    name: credential_of(name, salted_password(name, PASSWORD, SALT, 4096), SALT, 4096)
    for name in HASHES
}
VERSIONS = ApiVersionsRequest(client_software_name="fuzz", client_software_version="1")
METADATA = MetadataRequest(topics=[], allow_auto_topic_creation=False)


def exchange(mechanism: str) -> ServerExchange:
    """The server's half of a login."""
    if mechanism == "PLAIN":
        return PlainServer({"alice": PASSWORD}.get)
    if mechanism == "OAUTHBEARER":
        return OAuthBearerServer(
            lambda token: GoodToken("alice", 10**9) if token == TOKEN else BadToken("no")
        )
    users = {"alice": CREDENTIALS[mechanism]}
    return ScramServer(mechanism, users.get, "NONCE", b"secret")


def refuse(request: Request, code: ErrorCode, why: str) -> Any:
    """As dispatch does for these: in the request's own shape."""
    return MetadataResponse(brokers=[], topics=[])


class Play:
    """One connection, and what it has shown."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.now_ms = 0
        self.knows = False  # a frame held the password, the token or a proof of it
        mechanisms = ("PLAIN", "OAUTHBEARER", *HASHES)
        self.login = Login(dict.fromkeys(mechanisms, REAUTH_MS), exchange, refuse)
        self.connection = ServerConnection(ROUTES)
        self.scram: ScramClient | None = None
        self.final = b""

    def frame(self) -> bytes:
        """What the client sends next."""
        rng = self.rng
        version = rng.randrange(3)
        token = self._token()
        kind = rng.randrange(6)
        if rng.randrange(3):  # mostly what is due
            kind = 5 if self.login._state is _State.TOKENS else 1
            kind = 4 if kind == 5 and self.login._is_bare else kind
        if kind == 0:
            whole = request_frame(VERSIONS, rng.randrange(5), 1)[4:]
        elif kind <= 2:
            name = rng.choice(("PLAIN", "OAUTHBEARER", *HASHES, "NONE"))
            self.scram = ScramClient(name, "alice", PASSWORD, "CLIENT") if name in HASHES else None
            self.final = b""
            whole = request_frame(SaslHandshakeRequest(mechanism=name), version % 2, 1)[4:]
        elif kind == 3:
            whole = request_frame(METADATA, 4, 1)[4:]
        elif kind == 4:
            whole = token  # bare
        else:
            whole = request_frame(SaslAuthenticateRequest(auth_bytes=token), version, 1)[4:]
        if rng.randrange(4) == 0:
            whole = mutated(whole, rng, [whole])
        self.knows = self.knows or any(
            each in whole
            for each in (PASSWORD.encode(), TOKEN.encode(), self.final or PASSWORD.encode())
        )
        return whole

    def _token(self) -> bytes:
        rng, bearer = self.rng, b"n,,\x01auth=Bearer %b\x01\x01"
        tokens = [b"\0alice\0wrong", bearer % b"bad", b"\x01", b"", b"n,,n=alice,r=C"]
        if rng.randrange(2):
            tokens = [b"\0alice\0" + PASSWORD.encode(), bearer % TOKEN.encode()]
        if self.scram is not None and rng.randrange(4):
            tokens = [self.final or self.scram.first()]
        return rng.choice(tokens)

    def go(self) -> None:
        """Send frames until the connection ends."""
        for _ in range(FRAMES):
            self.now_ms += self.rng.choice((0, 1, 900, 6_000))
            was_through = self.login.is_through
            try:
                step = self.login.receive(
                    self.connection, memoryview(self.frame()), self.now_ms, self.now_ms
                )
            except (ProtocolError, DecodeError):
                return
            self._judge(step, was_through=was_through)
            if isinstance(step, End):
                return

    def _judge(self, step: Step, *, was_through: bool) -> None:
        assert not isinstance(step, Pass) or was_through, "a request passed before a login"
        assert not self.login.username or self.knows, "somebody got in who knew nothing"
        request, message = getattr(step, "request", None), getattr(step, "message", None)
        if isinstance(step, Reply) and request is not None:
            self.connection.answer(request, message)
            self._prove(getattr(message, "auth_bytes", b""))
        elif isinstance(step, BareReply):
            self._prove(step.token)

    def _prove(self, server_first: bytes) -> None:
        """What proves the password, if that goes on from what this client said."""
        if self.scram is not None and server_first.startswith(b"r="):
            with suppress(ScramError):
                self.final = self.scram.answer(server_first)


def play(rng: Random) -> Play:
    """One connection. Raises AssertionError for what is wrong."""
    played = Play(rng)
    played.go()
    return played
