"""EDGE: one question over HTTP and its answer; then the connection ends.

What HTTP is, h11 knows. Here are the bounds: METRICS_REQUEST_BYTES_MAX for a question, and
METRICS_EXCHANGE_MS_MAX for all of it, from whoever never asks to whoever never reads. Only GET and
HEAD are answered, and no body is read. An answer of many pieces is written as its reader takes it:
who makes it waits for `room`.
Tests: tests/system/metrics/test_http.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple, cast

import h11

from ..limits import (
    METRICS_EXCHANGE_MS_MAX,
    METRICS_REQUEST_BYTES_MAX,
    METRICS_UNSENT_BYTES_MAX,
)
from ..waiting.promise import Promise

TEXT: Final = "text/plain; charset=utf-8"
_READ: Final = (b"GET", b"HEAD")


class Asked(NamedTuple):
    """What is asked: the path without its query, and the Accept header."""

    path: str
    accept: str


class Exchange(asyncio.Protocol):
    """One connection.

    Args:
        answer: called once with what is asked; it calls `begin`, `write` and `end`, or `say`.
        ended: called once, when the connection has ended.

    Attributes:
        is_head: a HEAD was asked: of the answer only its head is sent.
        transport: None before it is connected, and when it has ended.
    """

    def __init__(
        self, answer: Callable[[Exchange, Asked], None], ended: Callable[[Exchange], None]
    ) -> None:
        self._answer = answer
        self._ended = ended
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=METRICS_REQUEST_BYTES_MAX)
        self.transport: asyncio.Transport | None = None
        self.is_head = self._is_asked = False
        self._room: Promise | None = None
        self._is_writable = True
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(METRICS_EXCHANGE_MS_MAX / 1000, self.abort)

    @property
    def waits(self) -> bool:
        """Whether somebody waits for room."""
        return self._room is not None

    @property
    def is_over(self) -> bool:
        """Whether nobody reads the answer any more."""
        return self.transport is None or self.transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio calls this once."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none, but behaves alike
        self.transport.set_write_buffer_limits(METRICS_UNSENT_BYTES_MAX)

    def data_received(self, data: bytes) -> None:
        """Asyncio says that bytes have come."""
        if self._is_asked:  # one question is answered, whatever else is sent
            return
        try:
            self._http.receive_data(data)
            event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint, str(error))
            return
        if isinstance(event, h11.Request):
            self._is_asked = True
            self._be_asked(event)
        elif isinstance(event, h11.ConnectionClosed):
            self.abort()

    def eof_received(self) -> bool:
        """The client will send no more: who has asked waits for the answer."""
        return self._is_asked

    def pause_writing(self) -> None:
        """Asyncio says that the client reads too slowly."""
        self._is_writable = False

    def resume_writing(self) -> None:
        """Asyncio says that the client has caught up."""
        self._is_writable = True
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio calls this once, at the end."""
        self.transport = None
        self._timer.cancel()
        self._go_on()  # whoever waits for room learns that nobody reads any more
        self._ended(self)

    def abort(self) -> None:
        """End the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    def room(self) -> Promise | None:
        """What is kept when more can be written, or the connection has ended; None: now."""
        if self._is_writable or self.is_over:
            return None
        self._room = Promise()
        return self._room

    def begin(self, content_type: str, status: int = 200, *more: tuple[str, str]) -> None:
        """The head of an answer; nothing else is answered on this connection."""
        headers = [("Content-Type", content_type), ("Connection", "close"), *more]
        self._send(h11.Response(status_code=status, headers=headers))

    def write(self, piece: bytes) -> None:
        """A piece of the answer."""
        if not self.is_head:
            self._send(h11.Data(data=piece))

    def end(self) -> None:
        """The end of the answer, and of the connection once it has left."""
        self._send(h11.EndOfMessage())
        if self.transport is not None:
            self.transport.close()

    def say(self, text: str, status: int = 200, *more: tuple[str, str]) -> None:
        """A short answer."""
        body = f"{text}\n".encode()
        self.begin(TEXT, status, ("Content-Length", str(len(body))), *more)
        self.write(body)
        self.end()

    def _be_asked(self, request: h11.Request) -> None:
        self.is_head = request.method == b"HEAD"
        if request.method not in _READ:
            self.say("only GET and HEAD", 405, ("Allow", "GET, HEAD"))
            return
        accept = b",".join(value for name, value in request.headers if name == b"accept")
        path = request.target.partition(b"?")[0].decode("ascii", "replace")
        self._answer(self, Asked(path, accept.decode("ascii", "replace")))

    def _refuse(self, status: int, why: str) -> None:
        self._is_asked = True
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.say(why, status)
        else:
            self.abort()

    def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data and self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def _go_on(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.keep(None)
