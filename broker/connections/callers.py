"""EDGE: who has connected: how many connections each address has, and who is turned away for it.

Counted from the moment a connection is accepted, whatever it speaks: TLS handshakes and logins too.
Source: ConnectionQuotas (SocketServer.scala); KIP-402, KIP-612.
Tests: tests/system/answers/test_callers.py
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping

from ..limits import TURNED_AWAY_MAX


class Callers:
    """All connections by their address.

    Args:
        most: how many an address may have; `exceptions` for some addresses another number.
    """

    def __init__(self, most: int, exceptions: Mapping[str, int]) -> None:
        self._most = most
        self._exceptions = exceptions
        self._addresses: dict[asyncio.BaseTransport, str] = {}
        self._counts: Counter[str] = Counter()
        self._ending: dict[asyncio.Transport, asyncio.TimerHandle] = {}

    def most(self, address: str) -> int:
        """How many connections an address may have."""
        return self._exceptions.get(address, self._most)

    def let_in(self, transport: asyncio.BaseTransport, address: str) -> bool:
        """Whether an address may have one more: then it is counted until it has left."""
        if self._counts[address] >= self.most(address):
            if not self._counts[address]:
                del self._counts[address]  # a thousand addresses without a connection are none
            return False
        self._addresses[transport] = address
        self._counts[address] += 1
        return True

    def left(self, transport: asyncio.BaseTransport | None) -> None:
        """A connection has ended."""
        address = None if transport is None else self._addresses.pop(transport, None)
        if address is not None:
            self._counts[address] -= 1
            if not self._counts[address]:
                del self._counts[address]

    def turn_away(self, transport: asyncio.Transport, within_ms: float) -> None:
        """Read nothing of a connection, and end it after a while: who hurries waits."""
        if len(self._ending) >= TURNED_AWAY_MAX:
            transport.abort()
            return
        transport.pause_reading()
        loop = asyncio.get_running_loop()
        self._ending[transport] = loop.call_later(within_ms / 1000, self._end, transport)

    def close(self) -> None:
        """The broker stops: nobody waits any more."""
        for transport, timer in [*self._ending.items()]:
            timer.cancel()
            self._end(transport)

    def _end(self, transport: asyncio.Transport) -> None:
        del self._ending[transport]
        transport.abort()
