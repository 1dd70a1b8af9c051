"""EDGE: one client's connection at a listener with SASL: nothing is served before it has logged in.

What a frame leads to is decided in broker/security/login.py; here it is done. Until then frames are
small, the connection is one of the strangers, and an answer that refuses comes late: who guesses
waits. Behind a login that holds for ever the frames go the way they go everywhere.
Tests: tests/system/security/test_logins.py
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from struct import Struct
from typing import TYPE_CHECKING

from ...protocol.connection import ProtocolError
from ...protocol.framing import FrameBuffer
from ..config.listeners import Listener
from ..limits import LOGIN_MS_MAX
from ..security.login import BareReply, End, Login, Pass, Reply, Step, TellVersions
from ..security.mechanisms import Mechanisms
from ..session import principal_of
from .client_session import ClientSession

if TYPE_CHECKING:
    from .server import Server

IN_TIME = f"nobody had logged in within {LOGIN_MS_MAX} ms"
_SIZE = Struct(">i")


class LoginSession(ClientSession):
    """One client's connection, which has to log in."""

    is_link = False

    def __init__(
        self, server: Server, listener: Listener, port: int, mechanisms: Mechanisms
    ) -> None:
        super().__init__(server, listener, port)
        settings = mechanisms.settings
        self._settings = settings
        self._frames = FrameBuffer(
            min(settings.receive_bytes_max, server.config.socket_request_max_bytes)
        )
        self._login = Login(settings.reauth_ms, mechanisms.exchange, self.refuse)
        self._is_ending = False
        self._ending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio calls this once."""
        super().connection_made(transport)
        if self in self._server.connections:
            self._server.strangers.add(self, LOGIN_MS_MAX, IN_TIME)

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio calls this once, at the end."""
        self._server.strangers.discard(self)
        if self._ending is not None:
            self._ending.cancel()
        super().connection_lost(exc)

    def turn_away(self, why: str | None) -> None:
        """End a connection whose login is not over."""
        self._server.strangers.discard(self)
        self._is_ending = True
        if why is None:
            self.abort()
        else:
            self.cut(ProtocolError(why))

    def go_on(self) -> None:
        """There is room again; but who has been refused is not read any more."""
        if not self._is_ending:
            super().go_on()

    def _serve_frame(self, frame: memoryview) -> bool:
        """Serve one request, or take it for a login; False when it ended the connection."""
        login = self._login
        if login.lets_all_pass:
            return super()._serve_frame(frame)
        if self._is_ending:
            return False
        now_ms = int(self._loop.time() * 1000)
        try:
            step = login.receive(self._core, frame, now_ms, time.time_ns() // 1_000_000)
        except Exception as error:  # noqa: BLE001  ends this connection; logged there
            return self._unreadable(error, frame)
        if isinstance(step, Pass):
            return super()._serve_frame(frame)
        return self._do(step, frame)

    def _do(self, step: Step, frame: memoryview) -> bool:
        match step:
            case TellVersions(request):
                message = self._dispatch.handle(request, self._session)
                if not message.error_code:
                    self._login.versions_told()
                self._write_down(request, message)
            case Reply(request, message):
                if request is not None:
                    self._write_down(request, message)
            case BareReply(token):
                self._send()
                if self._transport is not None:
                    self._transport.write(_SIZE.pack(len(token)) + token)
            case End():
                self._end(step, frame)
                return False
        if self._login.is_through:
            self._let_in()
        return self._transport is not None

    def _let_in(self) -> None:
        self._server.strangers.discard(self)
        self._frames.allow(self._server.config.socket_request_max_bytes)
        self._session = replace(self._session, principal=principal_of(self._login.username))

    def _end(self, end: End, frame: memoryview) -> None:
        if not end.is_delayed or not self._settings.failed_delay_ms:
            self._finish(end, frame)
            return
        # From here on the client is neither read nor answered, until its time has come.
        self._is_ending = True
        self._backlog.clear()
        self._send()
        self._set_reading(False)
        delay_s = self._settings.failed_delay_ms / 1000
        self._ending = self._loop.call_later(delay_s, self._finish, end, frame)

    def _finish(self, end: End, frame: memoryview) -> None:
        if end.request is not None and self._transport is not None:
            self._write_down(end.request, end.message)
        if self._transport is not None:
            self.hang_up(ProtocolError(end.why), frame)
