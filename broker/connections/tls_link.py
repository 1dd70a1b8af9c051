"""EDGE: one client's bytes with TLS: the handshake, computed off the loop, then what it sends.

1. the first byte says whether that is TLS at all   2. what has come goes to OpenSSL in a thread,
which signs or verifies for a millisecond or several   3. what comes meanwhile waits: OpenSSL must
not be given bytes by two threads   4. the handshake is over, and a ClientSession is made, which
reads and writes as if there were no TLS (tls_transport.py).
Until 4 it is one of the strangers (strangers.py), which have a time and are so many at most.
Tests: tests/system/security/test_tls.py
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from ...protocol.connection import ProtocolError
from ..config.listeners import Listener
from ..limits import HANDSHAKE_BYTES_MAX, HANDSHAKE_MS_MAX
from ..security.door import Door
from ..security.tls_words import handshake_words, is_tls, no_tls_words
from .closings import NO_FRAME
from .tls_transport import TlsTransport

if TYPE_CHECKING:
    from .client_session import ClientSession
    from .server import Server

IN_TIME = f"its TLS handshake was not over within {HANDSHAKE_MS_MAX} ms"


class TlsLink(asyncio.BufferedProtocol):
    """One connection of a listener with TLS."""

    is_link = True

    def __init__(self, server: Server, listener: Listener, port: int, door: Door) -> None:
        self._server = server
        self._listener = listener
        self._port = port
        self._door = door
        self._loop = asyncio.get_running_loop()
        self._raw: asyncio.Transport | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ssl: ssl.SSLObject | None = None  # made when the first byte has come
        self._waiting = bytearray()  # what came while a step of the handshake was computed
        self._is_computing = False
        self._above: ClientSession | None = None
        self._transport: TlsTransport | None = None
        self._is_reading = True  # the session wants to be read
        self._is_raw_reading = True
        self._has_ended = False  # the client has said that it sends no more

    @property
    def peer(self) -> str:
        """HOST:PORT of the client."""
        peer = self._raw.get_extra_info("peername") if self._raw is not None else None
        return f"{peer[0]}:{peer[1]}" if peer else "unknown"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio calls this once."""
        self._raw = cast(asyncio.Transport, transport)
        if self._server.lets_in(self._raw, self.peer):
            self._server.strangers.add(self, HANDSHAKE_MS_MAX, IN_TIME)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Asyncio asks where to put the next bytes; they are taken from there at once."""
        return self._server.tls_buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Asyncio says that so many bytes have come."""
        data = self._server.tls_buffer[:nbytes]
        if self._above is not None:
            self._incoming.write(data)
            self._decrypt()
            return
        self._waiting += data
        if self._ssl is None and not self._begin():
            return
        if not self._is_computing:
            self._compute()
        elif len(self._waiting) > HANDSHAKE_BYTES_MAX:
            self._set_raw_reading(False)

    def eof_received(self) -> bool:
        """The client will send no more: what it has asked is still answered."""
        self._has_ended = True
        if self._transport is None:
            return False
        self._decrypt()
        return True

    def pause_writing(self) -> None:
        """Asyncio says that the client reads too slowly."""
        if self._transport is not None:
            self._transport.raw_is_full(True)

    def resume_writing(self) -> None:
        """Asyncio says that the client has caught up."""
        if self._transport is not None:
            self._transport.raw_is_full(False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio calls this once, at the end."""
        self._server.strangers.discard(self)
        self._server.callers.left(self._raw)
        self._raw = None
        if self._above is not None:
            self._above.connection_lost(exc)

    def turn_away(self, why: str | None) -> None:
        """End a connection whose handshake is not over."""
        self._server.strangers.discard(self)
        if self._raw is not None:
            if why is not None:
                self._say(why)
            self._raw.abort()

    def _begin(self) -> bool:
        """Begin the handshake; False if that is no TLS, which has ended the connection."""
        assert self._raw is not None
        if not is_tls(self._waiting):
            self.turn_away(no_tls_words(self._waiting, self._listener.security.protocol.value))
            return False
        assert self._door.tls is not None
        context = self._door.tls.current()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        return True

    def _compute(self) -> None:
        self._incoming.write(self._waiting)
        self._waiting = bytearray()
        self._is_computing = True
        step = self._loop.run_in_executor(self._server.handshakes, self._step)
        step.add_done_callback(self._computed)

    def _step(self) -> bool:
        """In a thread: whether the handshake is over. Nobody else touches OpenSSL meanwhile."""
        assert self._ssl is not None
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def _computed(self, step: asyncio.Future[bool]) -> None:
        self._is_computing = False
        if step.cancelled() or self._raw is None or self._raw.is_closing():
            if not step.cancelled():
                step.exception()  # looked at: nobody else will
            return
        if self._outgoing.pending:
            self._raw.write(self._outgoing.read())  # an alert says to the client what is wrong
        error = step.exception()
        if error is not None:
            assert self._ssl is not None
            self._fail(handshake_words(error))
        elif step.result():
            self._establish()
        elif self._waiting:
            self._compute()
        if self._raw is not None:
            self._set_raw_reading(self._is_reading)

    def _fail(self, why: str) -> None:
        """The handshake has failed: close behind the alert."""
        assert self._raw is not None
        self._server.strangers.discard(self)
        self._say(why)
        self._raw.close()

    def _establish(self) -> None:
        assert self._raw is not None
        assert self._ssl is not None
        try:
            user = self._door.certificate_user(self._ssl)
        except (PermissionError, ValueError) as error:
            self._fail(str(error))
            return
        self._server.strangers.discard(self)
        transport = TlsTransport(
            self._raw,
            self._ssl,
            self._incoming,
            self._outgoing,
            set_reading=self._set_reading,
            facts={"user": user},
        )
        self._transport = transport
        self._above = self._server.connect(self._listener, self._port)
        transport.set_protocol(self._above)
        self._above.connection_made(transport)
        self._incoming.write(self._waiting)
        self._waiting = bytearray()
        self._decrypt()

    def _decrypt(self) -> None:
        """Give the session what has come, as far as it wants to be read.

        OpenSSL is asked only while it has something: to be told that it has not takes an exception,
        which costs as much as the decryption of a small request.
        """
        above, transport, connection = self._above, self._transport, self._ssl
        if above is None or transport is None or connection is None:
            return
        incoming = self._incoming
        read = cast("Callable[[int, memoryview], int]", connection.read)  # into a buffer
        try:
            is_more = bool(incoming.pending or connection.pending())
            while is_more and self._is_reading and not transport.is_closing():
                buffer = above.get_buffer(-1)
                filled, room, count = 0, len(buffer), 1
                try:
                    while count and filled < room and (incoming.pending or not filled):
                        count = read(room - filled, buffer[filled:] if filled else buffer)
                        filled += count
                except ssl.SSLWantReadError:  # the rest of a record has not come yet
                    is_more = False
                if not count:
                    self._has_ended, is_more = True, False
                if filled:
                    above.buffer_updated(filled)
                is_more = is_more and bool(incoming.pending or filled == room)
            if self._outgoing.pending:
                transport.send_outgoing()
        except ssl.SSLError as error:
            self._say(handshake_words(error))
            transport.send_outgoing()
            transport.abort()
            return
        if self._has_ended and not is_more and not transport.is_closing():
            above.eof_received()
            transport.close()

    def _set_reading(self, is_wanted: bool) -> None:
        self._is_reading = is_wanted
        if is_wanted and not self._is_computing:
            self._loop.call_soon(self._decrypt)  # what OpenSSL has of before comes first
        self._set_raw_reading(is_wanted)

    def _set_raw_reading(self, is_wanted: bool) -> None:
        raw = self._raw
        if raw is None or raw.is_closing() or is_wanted == self._is_raw_reading:
            return
        self._is_raw_reading = is_wanted
        if is_wanted:
            raw.resume_reading()
        else:
            raw.pause_reading()

    def _say(self, why: str) -> None:
        now_ms = int(self._loop.time() * 1000)
        self._server.closings.closed(self.peer, ProtocolError(why), NO_FRAME, now_ms)
