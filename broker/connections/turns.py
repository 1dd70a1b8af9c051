"""EDGE: whose turn it is: connections with more to serve than one turn of the loop allows.

1. a client sends 5,000 small requests at once   2. one read brings them all, and they are served
one after the other   3. libuv reads the same socket again, up to 32 times, before it looks at
another: nobody else is served for seconds. So whoever sends more than a few requests in one read
is served at once only while less than ROUND_MS of this turn of the loop went to such as it. Else it
stands in line here, unread meanwhile, and is served for TURN_MS when it is its turn; all turns
within one turn of the loop last for ROUND_MS. Those who ask one thing at a time come between.
Tests: tests/system/neighbours/test_fairness.py
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic

from ..limits import ROUND_MS
from ..waiting.isolation import ENDS_THE_BROKER, call, each_alone


class Turns:
    """The line of one broker's connections.

    Args:
        on_broken: called with what a turn raised that ends the broker.
    """

    def __init__(self, on_broken: Callable[[Exception], None]) -> None:
        self._on_broken = on_broken
        self._line: deque[Callable[[], None]] = deque()
        self._is_due = False
        self._at_once_until = 0.0  # 0: nobody has been served at once in this turn of the loop
        self._loop = asyncio.get_running_loop()

    def is_free(self) -> bool:
        """Whether somebody with much to serve may be served at once."""
        if self._line:
            return False
        if self._at_once_until:
            return monotonic() < self._at_once_until
        self._at_once_until = monotonic() + ROUND_MS / 1000
        self._loop.call_soon(self._next_turn_of_loop)
        return True

    def _next_turn_of_loop(self) -> None:
        self._at_once_until = 0.0

    def wait(self, take_turn: Callable[[], None]) -> None:
        """Call `take_turn` when it is its turn: in a later turn of the loop, behind all others."""
        self._line.append(take_turn)
        self._go_on_later()

    def _go_on_later(self) -> None:
        if self._line and not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._go_round)

    def _go_round(self) -> None:
        self._is_due = False
        try:
            each_alone(self._next(), call, "serving a connection")
        except ENDS_THE_BROKER as error:
            self._on_broken(error)
        finally:
            self._go_on_later()

    def _next(self) -> Iterator[Callable[[], None]]:
        ends_at = monotonic() + ROUND_MS / 1000
        for _ in range(len(self._line)):  # whoever comes back meanwhile waits for the next round
            yield self._line.popleft()
            if monotonic() >= ends_at:
                return
