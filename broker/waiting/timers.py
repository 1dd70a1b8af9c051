"""What a core waits for by name: one deadline per key, which may be moved as often as need be.

A deadline that moves away, as with each heartbeat of a member, costs no work: its place in the heap
is looked at when it comes up. Who waits so: groups/ and transactions/.
All instants are of the monotonic clock, in ms.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator

from .isolation import call, each_alone

DONE_KEPT = 64  # places in the heap of what is cancelled that are not worth a sweep

Key = tuple[str, str, str]
"""What is waited for, and of whom: a group and its member, or an id and one of its requests."""


class Timers:
    """Deadlines by key. Implements deadlines.Timed.

    `on_earlier`, once somebody has set it, is called when a deadline comes before all others.
    """

    def __init__(self) -> None:
        self.on_earlier: Callable[[], None] | None = None
        self._due: dict[Key, tuple[int, Callable[[], None]]] = {}
        self._heap: list[tuple[int, Key]] = []  # every key of _due is in it, not later than due

    def set(self, key: Key, at_ms: int, action: Callable[[], None]) -> None:
        """Call `action` at `at_ms`; a deadline that the key had is forgotten."""
        known = self._due.get(key)
        self._due[key] = at_ms, action
        if known is not None and known[0] <= at_ms:
            return
        first = self.next_deadline_ms() if self._heap else None
        # 1. a member joins again and again, with a rebalance timeout of three weeks  2. each
        # generation waits for syncs, and is cancelled by the next: its place in the heap stays
        # until it comes up  3. a thousand a second fill the memory. So the heap is made anew from
        # what is waited for whenever most of its places are of nothing any more.
        if len(self._heap) > 2 * len(self._due) + DONE_KEPT:
            self._heap = [(due_ms, each) for each, (due_ms, _) in self._due.items()]
            heapq.heapify(self._heap)
        else:
            heapq.heappush(self._heap, (at_ms, key))
        if self.on_earlier is not None and (first is None or at_ms < first):
            self.on_earlier()

    def cancel(self, key: Key) -> None:
        """Forget a key's deadline, if it has one."""
        self._due.pop(key, None)

    def next_deadline_ms(self) -> int | None:
        """When `on_deadline` is due next; None for never."""
        heap = self._heap
        while heap:
            at_ms, key = heap[0]
            due = self._due.get(key)
            if due is None or due[0] < at_ms:
                heapq.heappop(heap)
            elif due[0] > at_ms:
                heapq.heapreplace(heap, (due[0], key))
            else:
                return at_ms
        return None

    def on_deadline(self, now_ms: int) -> None:
        """Do everything that is due at `now_ms`."""
        each_alone(self._taken(now_ms), call, "a timer")

    def _taken(self, now_ms: int) -> Iterator[Callable[[], None]]:
        while (next_ms := self.next_deadline_ms()) is not None and next_ms <= now_ms:
            _, key = heapq.heappop(self._heap)
            _, action = self._due.pop(key)
            yield action
