"""What the broker tells the edge: that a flush, a turn or a timer is due, and lines for people.

Tests: tests/unit/broker/test_broker.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..log_lines import Line
from .long_work import AtOnce, Slices


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the broker tells the edge; each is called at most once a turn.

    Args:
        flush_wanted: `begin_round` is due.
        fetches_ready: `parked.take_ready` is due.
        deadline_moved: `Broker.next_deadline_ms` has come nearer.
        warn: one line for the operator, as text or as an Event (log_lines.py).
        tell: the same, for what goes as it should.
        slices: turns for long work, and a place off the loop; without, all is done at once.
    """

    flush_wanted: Callable[[], None]
    fetches_ready: Callable[[], None]
    deadline_moved: Callable[[], None]
    warn: Callable[[Line], None]
    tell: Callable[[Line], None] = lambda line: None
    slices: Slices = field(default_factory=AtOnce)
