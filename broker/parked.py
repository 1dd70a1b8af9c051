"""Requests that wait: a promise of an answer, and the fetches parked until there are bytes.

A parked fetch is not polled. It is looked at again when one of its partitions has become readable
further on, and answered when enough bytes have come, or at its deadline with what there is.
Fetches that became ready in one turn of the loop are answered together (`take_ready`).
Not here: the durable points of acknowledgements (group_commit.py).
Source: Kafka's DelayedFetch.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from ..protocol.errors import ErrorCode
from .isolation import ENDS_THE_BROKER, each_alone

DONE_KEPT = 64  # deadlines of answered fetches that are not worth a sweep


log = logging.getLogger("minibroker")


@dataclass(frozen=True, slots=True)
class Failure:
    """Stands for an answer that could not be made: the request is answered with -1."""

    error: Exception
    error_code: ClassVar[int] = ErrorCode.UNKNOWN_SERVER_ERROR


class Promise:
    """An answer that becomes known later. Whoever holds it keeps it, at most once.

    `on_abandoned` is for who asked: called when nobody wants the answer any more.
    `on_kept` is for who looks on: called with the answer before it is delivered.
    """

    __slots__ = ("_deliver", "_kept", "message", "on_abandoned", "on_kept")

    def __init__(self, on_abandoned: Callable[[], None] | None = None) -> None:
        self._deliver: Callable[[Any], None] | None = None
        self._kept = False
        self.message: Any = None
        self.on_abandoned = on_abandoned
        self.on_kept: Callable[[Any], None] | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the answer is known."""
        return self._kept

    def deliver_to(self, deliver: Callable[[Any], None]) -> None:
        """Where the response message goes; at once when it is known already."""
        self._deliver = deliver
        if self._kept:
            deliver(self.message)

    def keep(self, message: Any) -> None:
        """The answer is `message`."""
        assert not self._kept, "a promise is kept once"
        self._kept = True
        self.message = message
        if self.on_kept is not None:
            self.on_kept(message)
        if self._deliver is not None:
            self._deliver(message)

    def keep_with(self, make: Callable[[], Any]) -> None:
        """Keep it with what `make` returns, or with a Failure if that raises.

        For whoever keeps one promise among others. It raises only what ends the broker, and then
        this promise has been kept, too.
        """
        try:
            message = make()
        except ENDS_THE_BROKER as error:
            self.keep(Failure(error))
            raise
        except Exception as error:
            log.exception("an answer could not be made")
            message = Failure(error)
        self.keep(message)


class Readable(Protocol):
    """A partition, as far as waiting for its bytes goes."""

    readable_bytes: int  # grows with everything that becomes readable
    waiting: list[ParkedFetch] | None


class ParkedFetch:
    """A fetch that found too little.

    Args:
        answer: reads again and returns the response message.
        missing_bytes: how many more readable bytes complete it.
        deadline_ms: when it is answered with what there is, on the monotonic clock.
    """

    __slots__ = (
        "answer",
        "complete_at",
        "deadline_ms",
        "forget",
        "is_done",
        "partitions",
        "promise",
    )

    def __init__(
        self,
        partitions: Iterable[Readable],
        answer: Callable[[], Any],
        *,
        missing_bytes: int,
        deadline_ms: int,
    ) -> None:
        self.promise = Promise(self.finish)
        self.partitions = tuple(dict.fromkeys(partitions))  # one listed twice waits once
        self.answer = answer
        self.deadline_ms = deadline_ms
        self.complete_at = missing_bytes + self.readable_bytes()
        self.is_done = False
        self.forget: Callable[[], object] = _nothing  # set by whoever keeps it

    def readable_bytes(self) -> int:
        """What has ever become readable in its partitions, in bytes."""
        return sum(partition.readable_bytes for partition in self.partitions)

    def finish(self) -> None:
        """It waits no longer."""
        self.is_done = True
        self.forget()
        for partition in self.partitions:
            if partition.waiting is not None:
                partition.waiting = [each for each in partition.waiting if each is not self] or None


def _nothing() -> None:
    pass


class ParkedFetches:
    """Every parked fetch of a broker.

    What a fetch holds (its request, its connection) is let go when it is done, though its deadline
    be minutes away: of those the heap keeps two numbers each, and never more than it has alive.

    Args:
        on_ready: called when the first fetch of a turn becomes ready; `take_ready` is then due.
        on_earlier: called when a deadline comes before all others; see `next_deadline_ms`.
    """

    def __init__(self, on_ready: Callable[[], None], on_earlier: Callable[[], None]) -> None:
        self._on_ready = on_ready
        self._on_earlier = on_earlier
        self._ready: list[ParkedFetch] = []
        self._waiting: dict[int, ParkedFetch] = {}  # by number, in the order they came
        self._deadlines: list[tuple[int, int]] = []  # a heap of (deadline, number), some done
        self._next_number = 0

    def park(self, fetch: ParkedFetch) -> Promise:
        """Let a fetch wait; returns the promise of its answer."""
        for partition in fetch.partitions:
            if partition.waiting is None:
                partition.waiting = []
            partition.waiting.append(fetch)
        number = self._next_number
        self._next_number += 1
        self._waiting[number] = fetch
        fetch.forget = lambda: self._waiting.pop(number, None)
        if len(self._deadlines) > 2 * len(self._waiting) + DONE_KEPT:
            self._deadlines = [(each.deadline_ms, n) for n, each in self._waiting.items()]
            heapq.heapify(self._deadlines)
        else:
            heapq.heappush(self._deadlines, (fetch.deadline_ms, number))
        if self._deadlines[0][1] == number:
            self._on_earlier()
        return fetch.promise

    def readable(self, partition: Readable) -> None:
        """More of a partition can be read, or it has gone: see who has waited for that."""
        if partition.waiting is None:
            return
        # 1. a batch is appended  2. a fetch that waits for it cannot be looked at  3. if that were
        # raised here, the producer would hear -1 for a batch that is stored.
        each_alone(tuple(partition.waiting), self._look_at, "looking at a parked fetch")

    def gone(self, partition: Readable) -> None:
        """A partition is no longer there: everyone who waits for it is answered."""
        waiting = [each for each in partition.waiting or () if not each.is_done]
        each_alone(waiting, self._make_ready, "ending a parked fetch")

    def take_ready(self) -> None:
        """Answer everything that has become ready."""
        ready, self._ready = self._ready, []
        each_alone(ready, _answer, "answering a parked fetch")

    def next_deadline_ms(self) -> int | None:
        """When `on_deadline` is due next, on the monotonic clock; None for never."""
        while self._deadlines and self._deadlines[0][1] not in self._waiting:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def on_deadline(self, now_ms: int) -> None:
        """Answer every fetch whose time is up."""
        each_alone(self._due(now_ms), _answer, "answering a parked fetch")

    def release_all(self) -> None:
        """Answer everyone with what there is: the broker stops."""
        each_alone(tuple(self._waiting.values()), self._make_ready, "ending a parked fetch")
        self.take_ready()

    def _due(self, now_ms: int) -> Iterator[ParkedFetch]:
        while self._deadlines and self._deadlines[0][0] <= now_ms:
            _, number = heapq.heappop(self._deadlines)
            fetch = self._waiting.get(number)
            if fetch is not None:
                yield fetch

    def _look_at(self, fetch: ParkedFetch) -> None:
        if not fetch.is_done and fetch.readable_bytes() >= fetch.complete_at:
            self._make_ready(fetch)

    def _make_ready(self, fetch: ParkedFetch) -> None:
        if not self._ready:
            self._on_ready()
        self._ready.append(fetch)
        fetch.finish()


def _answer(fetch: ParkedFetch) -> None:
    try:
        if not fetch.is_done:
            fetch.finish()
    finally:
        fetch.promise.keep_with(fetch.answer)
