"""The world a broker lives in: clock, storage, chance. The real one, or a simulated one.

Cores take facts from here and never from `time`, `os` or `random`, so that a test decides every
delay, crash and draw. The real world is put together in runtime.py.
Tests: tests/unit/broker/test_broker.py
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Protocol

from .storage.port import Storage


class Clock(Protocol):
    """Tells the time in two ways."""

    def now_ms(self) -> int:
        """Wall clock, ms since 1970; may jump."""

    def monotonic_ms(self) -> int:
        """For deadlines, in ms; never goes back."""


class Crashed(BaseException):
    """The broker is dead: nothing that was under way goes on, and nothing else begins.

    Only simulated crashes need to say so.
    """


@dataclass(frozen=True, slots=True)
class World:
    """Everything a broker gets from outside.

    Args:
        random: draws cluster ids, topic ids and, in memory, the first producer id.
    """

    clock: Clock
    storage: Storage
    random: Random
