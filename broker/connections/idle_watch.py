"""EDGE: closes a connection on which nothing has happened for connections.max.idle.ms.

Tests: tests/system/answers/test_server.py
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from ..log_lines import Event

logger = logging.getLogger("minibroker")


class Watched(Protocol):
    """A connection, as far as idleness goes."""

    active_at: float  # when something happened last, by the loop's clock

    @property
    def peer(self) -> str:
        """HOST:PORT of the client."""

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing that we owe it, or that it would take."""

    def close(self) -> None:
        """End the connection."""


class IdleWatch:
    """Watches one connection until it is stopped.

    Args:
        limit_ms: connections.max.idle.ms; negative for never.
    """

    def __init__(self, connection: Watched, limit_ms: int) -> None:
        self._connection = connection
        self._limit_ms = limit_ms
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        if limit_ms >= 0:
            self._look()

    def stop(self) -> None:
        """The connection has ended."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        connection, limit_ms = self._connection, self._limit_ms
        idle_ms = (self._loop.time() - connection.active_at) * 1000
        if idle_ms >= limit_ms and connection.is_idle:
            why = f"idle for {idle_ms:.0f} ms"
            logger.info(Event("connection-closed", peer=connection.peer, why=why))
            connection.close()
            return
        rest_ms = max(limit_ms - idle_ms, 10 if connection.is_idle else limit_ms / 2)
        self._timer = self._loop.call_later(rest_ms / 1000, self._look)
