"""EDGE: all client connections of a broker: how many, what they hold together, and their end.

A single connection stands in client_session.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..protocol.connection import Routes
from .client_session import ClientSession
from .closings import Closings
from .config import BrokerConfig
from .dispatch import SERVED, Dispatch
from .isolation import each_alone
from .listeners import Listener

if TYPE_CHECKING:
    from .fault_path import FaultPath


class Server:
    """All client connections of one broker.

    Args:
        on_broken: called with an exception that no connection can answer for: the broker stops.
        fault_path: the way of requests in a broker that was started with faults.

    Attributes:
        connections_max: max.connections, or fewer where the process has no descriptors for as many.
    """

    def __init__(
        self,
        config: BrokerConfig,
        dispatch: Dispatch,
        on_broken: Callable[[Exception], None],
        fault_path: FaultPath | None = None,
    ) -> None:
        self.config = config
        self.dispatch = dispatch
        self.on_broken = on_broken
        self.fault_path = fault_path
        self.routes = Routes(SERVED)
        self.closings = Closings()
        self.connections: set[ClientSession] = set()
        self.connections_max = config.max_connections
        self.queued_bytes = 0
        self._held_back: set[ClientSession] = set()
        self._all_gone = asyncio.Event()

    def connect(self, listener: Listener, port: int) -> ClientSession:
        """A protocol object for a connection accepted at a listener bound to `port`."""
        return ClientSession(self, listener, port)

    def count_queued(self, change: int) -> None:
        """So many more (or fewer) bytes wait to be sent."""
        self.queued_bytes += change
        if change < 0 and self._held_back and not self.is_full:
            held_back, self._held_back = self._held_back, set()
            each_alone(held_back, ClientSession.go_on, "serving who was held back")

    def hold_back(self, session: ClientSession) -> None:
        """Let `session` go on when there is room again."""
        self._held_back.add(session)

    def forget(self, session: ClientSession) -> None:
        """A connection has ended."""
        self.connections.discard(session)
        self._held_back.discard(session)
        if not self.connections:
            self._all_gone.set()

    async def close(self, timeout_ms: int) -> None:
        """End all connections; those that do not end by themselves in time are cut."""
        self._all_gone.clear()
        if self.connections:
            each_alone(tuple(self.connections), ClientSession.close, "closing a connection")
            done = asyncio.ensure_future(self._all_gone.wait())
            await asyncio.wait([done], timeout=timeout_ms / 1000)
            done.cancel()
        each_alone(tuple(self.connections), ClientSession.abort, "cutting a connection")

    @property
    def is_full(self) -> bool:
        """Whether all connections together hold as many unsent bytes as they may."""
        return self.queued_bytes > self.config.queued_max_request_bytes
