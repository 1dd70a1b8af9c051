"""What waits for a time: a deadline is one more input of a core, and the edge arms one timer.

Broker asks every Timed it owns for its next deadline; runtime.py arms its timer for the first of
them. Whoever gets an earlier deadline than before says so through `Hooks.deadline_moved`.
All instants here are of the monotonic clock, in ms.
"""

from __future__ import annotations

from typing import Protocol


class Timed(Protocol):
    """A core that does something when a time has come."""

    def next_deadline_ms(self) -> int | None:
        """When `on_deadline` is due next; None for never."""

    def on_deadline(self, now_ms: int) -> None:
        """Do everything that is due at `now_ms`. Called too early, it does nothing."""
