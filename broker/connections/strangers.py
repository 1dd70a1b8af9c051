"""EDGE: connections that have not said yet who they are: a TLS handshake or a login is under way.

They have a time, and there are only so many: whoever comes then takes the place of the oldest, who
has had the longest time. So a thousand that say nothing keep nobody out who does.
Tests: tests/system/security/test_strangers.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from ..limits import STRANGERS_MAX


class Stranger(Protocol):
    """A connection of somebody unknown; a link is one whose TLS handshake is not over."""

    @property
    def is_link(self) -> bool:
        """Whether it is none of the server's connections yet."""

    def turn_away(self, why: str | None) -> None:
        """End the connection at once, and forget that it was a stranger; None: without a word."""


class Strangers:
    """All of one broker, the oldest first.

    Attributes:
        links: how many of them are.
    """

    def __init__(self) -> None:
        self._timers: dict[Stranger, asyncio.TimerHandle] = {}
        self.links = 0
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        return len(self._timers)

    def add(self, stranger: Stranger, within_ms: int, why: str) -> None:
        """Somebody has come.

        Args:
            within_ms: it is turned away if it has not been discarded by then.
            why: what is said of that.
        """
        if len(self._timers) >= STRANGERS_MAX:
            self.make_room()
        self.links += stranger.is_link
        turn_away: Callable[[str], None] = stranger.turn_away
        self._timers[stranger] = self._loop.call_later(within_ms / 1000, turn_away, why)

    def discard(self, stranger: Stranger) -> None:
        """It is no stranger any more, or has gone."""
        timer = self._timers.pop(stranger, None)
        if timer is not None:
            timer.cancel()
            self.links -= stranger.is_link

    def make_room(self) -> bool:
        """Turn the oldest away, so that another can come; False if there is none."""
        oldest = next(iter(self._timers), None)
        if oldest is None:
            return False
        oldest.turn_away("another came, and it had had the longest time to say who it is")
        self.discard(oldest)
        return True

    def turn_all_away(self) -> None:
        """The broker stops."""
        for each in tuple(self._timers):
            each.turn_away(None)
            self.discard(each)
