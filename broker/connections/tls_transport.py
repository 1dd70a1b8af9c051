"""EDGE: what is written to a client with TLS: encrypted in portions, as its socket takes them.

A ClientSession writes to it as to a socket's own transport. What waits for the socket waits here
unencrypted, so that a long answer neither is there twice nor holds the loop. The other direction,
and the handshake: tls_link.py.
Tests: tests/system/security/test_tls.py
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from ..limits import TLS_WRITE_BYTES

TLS_RECORD_BYTES = 16 * 1024  # the most that one record holds

Buffer = bytes | bytearray | memoryview


class TlsTransport(asyncio.Transport):
    """The encrypted side of one connection, once its handshake is over.

    Args:
        raw: the socket's own transport.
        connection, incoming, outgoing: what encrypts, what it has not decrypted yet, and where it
            leaves what is to be sent.
        set_reading: called when the protocol above wants to be read, or not.
        facts: for get_extra_info, besides what `raw` knows.
    """

    def __init__(
        self,
        raw: asyncio.Transport,
        connection: ssl.SSLObject,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        *,
        set_reading: Callable[[bool], None],
        facts: dict[str, Any],
    ) -> None:
        super().__init__(facts)
        self._raw = raw
        self._ssl = connection
        self._incoming = incoming
        self._outgoing = outgoing
        self._set_reading = set_reading
        self._protocol: asyncio.BaseProtocol | None = None
        self._queue: deque[memoryview] = deque()
        self._queued_bytes = 0
        self._high, self._low = 64 * 1024, 16 * 1024
        self._is_raw_full = False
        self._is_paused = False
        self._is_closing = False
        raw.set_write_buffer_limits(TLS_WRITE_BYTES, TLS_WRITE_BYTES // 4)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As every transport's; "principal" is whom the client's certificate names."""
        own = super().get_extra_info(name)
        return own if own is not None else self._raw.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Who is told when to pause writing."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who that is."""
        assert self._protocol is not None
        return self._protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """As every transport's."""
        assert high is not None
        assert low is not None
        self._high, self._low = high, low
        self._tell()

    def get_write_buffer_size(self) -> int:
        """Bytes that have not left yet, and those that nobody has read: what is held here."""
        return self._queued_bytes + self._raw.get_write_buffer_size() + self._incoming.pending

    def write(self, data: Buffer) -> None:
        """Encrypt and send, now or when there is room."""
        is_short = 0 < len(data) <= TLS_RECORD_BYTES
        if is_short and not (self._queue or self._is_raw_full or self.is_closing()):
            self._write_at_once(data)
        else:
            self._add(data)
            self._pump()

    def writelines(self, list_of_data: Iterable[Buffer]) -> None:
        """The same for several."""
        for each in list_of_data:
            self._add(each)
        self._pump()

    def pause_reading(self) -> None:
        """Give the protocol nothing more for now."""
        self._set_reading(False)

    def resume_reading(self) -> None:
        """Go on."""
        self._set_reading(True)

    def is_closing(self) -> bool:
        """Whether it has been closed."""
        return self._is_closing or self._raw.is_closing()

    def close(self) -> None:
        """Close behind what has been written."""
        if not self._is_closing:
            self._is_closing = True
            self._set_reading(False)
            self._pump()

    def abort(self) -> None:
        """Close at once."""
        self._is_closing = True
        self._queue.clear()
        self._queued_bytes = 0
        self._raw.abort()

    def raw_is_full(self, is_full: bool) -> None:
        """The socket takes no more for now, or takes more again."""
        self._is_raw_full = is_full
        if not is_full:
            self._pump()

    def send_outgoing(self) -> None:
        """Send what the handshake or a read has left to be sent."""
        if self._outgoing.pending:
            self._raw.write(self._outgoing.read())

    def _write_at_once(self, data: Buffer) -> None:
        """What fits into one record goes without a queue: so do nearly all answers to producers."""
        try:
            self._ssl.write(data)
        except ssl.SSLError:  # it is at an end that reading will tell of, too
            self.abort()
            return
        self._raw.write(self._outgoing.read())
        self._tell()

    def _add(self, data: Buffer) -> None:
        if len(data) and not self._is_closing:
            self._queue.append(memoryview(data))
            self._queued_bytes += len(data)

    def _pump(self) -> None:
        """Encrypt as much as the socket has room for."""
        queue = self._queue
        try:
            while queue and not self._is_raw_full and not self._raw.is_closing():
                room = TLS_WRITE_BYTES
                while queue and room > 0:
                    part = queue[0]
                    count = self._ssl.write(part[:room])
                    room -= count
                    self._queued_bytes -= count
                    if count == len(part):
                        queue.popleft()
                    else:
                        queue[0] = part[count:]
                self._raw.write(self._outgoing.read())
        except ssl.SSLError:  # it is at an end that reading will tell of, too
            self.abort()
            return
        self._tell()
        if self._is_closing and not queue:
            self._finish()

    def _finish(self) -> None:
        """All has been encrypted: say goodbye behind it, and do not wait for the answer."""
        if self._raw.is_closing():
            return
        with suppress(ssl.SSLError):  # it wants the client's goodbye; ours has been written
            self._ssl.unwrap()
        self.send_outgoing()
        self._raw.close()

    def _tell(self) -> None:
        if self._protocol is None:
            return
        size = self._queued_bytes + self._raw.get_write_buffer_size()
        if not self._is_paused and size > self._high:
            self._is_paused = True
            self._protocol.pause_writing()
        elif self._is_paused and size <= self._low:
            self._is_paused = False
            self._protocol.resume_writing()
