"""EDGE: one raw connection to a listener: requests asked, tokens sent, answers as short texts."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from minibroker.protocol.apis import response_type
from minibroker.protocol.codec.compiler import decoder
from minibroker.protocol.codec.schema import api_of
from minibroker.protocol.header import decode_response_header
from minibroker.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsResponse,
)
from minibroker.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from minibroker.protocol.messages.metadata import MetadataRequest, MetadataResponse
from minibroker.protocol.messages.sasl_authenticate import (
    SaslAuthenticateRequest,
    SaslAuthenticateResponse,
)
from minibroker.protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse
from minibroker.protocol.sasl.scram import ScramClient

from tests.support.in_loop.runtime import request_frame

WAIT_S = 10.0
CLOSED = "closed"
VERSIONS = ApiVersionsRequest(client_software_name="test", client_software_version="1")
METADATA = MetadataRequest(topics=[], allow_auto_topic_creation=False)


@dataclass(frozen=True, slots=True)
class Place:
    """A broker's listeners: the port of each, and what a client with TLS needs."""

    ports: Mapping[str, int]
    plain: ssl.SSLContext
    with_certificate: ssl.SSLContext
    _opened: list[Talk] = field(default_factory=list)

    async def open(self, listener: str, context: ssl.SSLContext | None = None) -> Talk:
        """Connect to a listener."""
        if context is None and "SSL" in listener:
            context = self.plain
        return await self._open(listener, context)

    async def open_from(self, address: str) -> Talk:
        """Connect to the listener without TLS from another address of this machine."""
        here = (address, 0)
        port = self.ports["PLAINTEXT"]
        talk = Talk(*await asyncio.open_connection("127.0.0.1", port, local_addr=here))
        self._opened.append(talk)
        return talk

    async def open_bare(self, listener: str) -> Talk:
        """Connect to a listener without TLS, whatever it speaks."""
        return await self._open(listener, None)

    async def _open(self, listener: str, context: ssl.SSLContext | None) -> Talk:
        port = self.ports[listener]
        talk = Talk(*await asyncio.open_connection("127.0.0.1", port, ssl=context))
        self._opened.append(talk)
        return talk

    async def hang_up(self) -> None:
        """Close every connection that was opened here."""
        opened, self._opened[:] = [*self._opened], []
        for each in opened:
            await each.close()


class Talk:
    """One connection.

    Attributes:
        took_ms: how long the last answer, or the end, took.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.took_ms = 0.0

    async def ask(self, message: Any, version: int) -> str:
        """The answer to a request, in short."""
        answer = await self.answer(message, version)
        return answer if isinstance(answer, str) else shown(answer)

    async def answer(self, message: Any, version: int) -> Any:
        """The answer to a request, or CLOSED."""
        key = api_of(type(message)).key
        frame = await self._exchange(request_frame(message, version, 1))
        if frame is None:
            return CLOSED
        _, position = decode_response_header(memoryview(frame), key, version)
        return decoder(response_type(key), version)(memoryview(frame), position)[0]

    async def bare(self, token: bytes) -> str:
        """The frame that answers a bare frame."""
        frame = await self._exchange(struct.pack(">i", len(token)) + token)
        return CLOSED if frame is None else repr(frame)

    async def handshake(self, mechanism: str = "PLAIN", version: int = 1) -> str:
        """Choose a mechanism."""
        return await self.ask(SaslHandshakeRequest(mechanism=mechanism), version)

    async def token(self, token: bytes, version: int = 2) -> str:
        """Send a token."""
        return await self.ask(SaslAuthenticateRequest(auth_bytes=token), version)

    async def scram(self, mechanism: str, user: str, password: str) -> list[str]:
        """Log in by SCRAM: the answers, without what is drawn; raises if the server cannot."""
        client = ScramClient(mechanism, user, password, "abcdefghijklmnopqrstuvwx")
        answers = [await self.handshake(mechanism)]
        first = await self.answer(SaslAuthenticateRequest(auth_bytes=client.first()), 2)
        if first == CLOSED or first.error_code:
            return [*answers, first if first == CLOSED else shown(first)]
        final = client.answer(bytes(first.auth_bytes))
        last = await self.answer(SaslAuthenticateRequest(auth_bytes=final), 2)
        if last == CLOSED or last.error_code:
            return [*answers, last if last == CLOSED else shown(last)]
        client.verify(bytes(last.auth_bytes))
        return [*answers, f"{last.error_code} verified"]

    async def is_open(self) -> str:
        """Whether requests are answered."""
        answer = await self.answer(VERSIONS, 0)
        return CLOSED if answer == CLOSED or answer.error_code else "open"

    async def frame(self) -> bytes:
        """The next frame; raises where the connection ends."""
        async with asyncio.timeout(WAIT_S):
            (size,) = struct.unpack(">i", await self.reader.readexactly(4))
            return await self.reader.readexactly(size)

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except (OSError, ssl.SSLError):
            return

    async def _exchange(self, data: bytes) -> bytes | None:
        """Send, and read a frame; None if the connection ends first."""
        began = monotonic()
        try:
            self.writer.write(data)
            return await self.frame()
        except (asyncio.IncompleteReadError, OSError, ssl.SSLError):
            return None
        finally:
            self.took_ms = (monotonic() - began) * 1000


def shown(answer: Any) -> str:
    """An answer in short."""
    match answer:
        case SaslHandshakeResponse():
            return f"{answer.error_code} {' '.join(sorted(answer.mechanisms))}".strip()
        case SaslAuthenticateResponse():
            token = bytes(answer.auth_bytes).decode()
            lifetime = f" {answer.session_lifetime_ms} ms" if answer.session_lifetime_ms else ""
            return f"{answer.error_code} {answer.error_message}{token}".strip() + lifetime
        case ApiVersionsResponse():
            return f"{answer.error_code}"
        case MetadataResponse():
            return f"{len(answer.brokers)} brokers, {answer.cluster_id}, {answer.controller_id}"
        case AlterUserScramCredentialsResponse():
            return " ".join(f"{each.user} {each.error_code}" for each in answer.results)
    return repr(answer)
