"""Fetches that found too little: parked until there are bytes, or their time is up.

A parked fetch is not polled. Partitions that have become readable further on are noted, and once a
turn of the loop all who wait for them are told how much came (`take_ready`); a fetch is answered
when enough has come, or at its deadline with what there is. Looking and answering are long work:
thousands may wait for one partition.
Not here: the durable points of acknowledgements (group_commit.py).
Source: Kafka's DelayedFetch.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Protocol

from ..limits import PARKED_PARTITIONS_MAX
from .isolation import each_alone
from .promise import Promise

DONE_KEPT = 64  # entries of answered fetches in a heap that are not worth a sweep
LOOKS_A_STEP = 500  # partitions of fetches that are looked at or answered


class Readable(Protocol):
    """A partition, or what is committed of it, as far as waiting for its bytes goes."""

    @property
    def readable_bytes(self) -> int:
        """Grows with everything that becomes readable."""

    told_bytes: int  # the part of them that those who wait have been told of
    waiting: dict[ParkedFetch, None] | None


class ParkedFetch:
    """A fetch that found too little.

    Args:
        answer: reads again and returns the response message, or a promise of it.
        missing_bytes: how many more readable bytes complete it.
        deadline_ms: when it is answered with what there is, on the monotonic clock.
    """

    __slots__ = (
        "answer",
        "deadline_ms",
        "forget",
        "is_done",
        "is_wanted",
        "missing_bytes",
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
        self.promise = Promise(self.abandon)
        self.partitions = tuple(dict.fromkeys(partitions))  # one listed twice waits once
        self.answer = answer
        self.deadline_ms = deadline_ms
        self.missing_bytes = missing_bytes
        self.is_done = False
        self.is_wanted = True
        self.forget: Callable[[], object] = _nothing  # set by whoever keeps it

    def wait(self) -> None:
        """Wait at every partition."""
        for partition in self.partitions:
            if partition.waiting is None:
                partition.waiting = {}
                partition.told_bytes = partition.readable_bytes
            # 1. ten bytes come, and those who wait are to be told soon  2. a fetch looks, finds
            # them, wants more, and parks  3. it is told of the same ten with all others: counted
            # twice, they would complete it with less than it asked for. So they count against it.
            self.missing_bytes += partition.readable_bytes - partition.told_bytes
            partition.waiting[self] = None

    def finish(self) -> None:
        """It waits no longer."""
        # First: whatever fails below, nobody is to make it ready a second time.
        self.is_done = True
        self.forget()
        for partition in self.partitions:
            if partition.waiting is not None:
                partition.waiting.pop(self, None)
                if not partition.waiting:
                    partition.waiting = None

    def abandon(self) -> None:
        """Nobody wants its answer any more."""
        # 1. a fetch has become ready, and stands in line to be answered  2. its connection ends
        # 3. it would still be read from disk for, and its promise kept to nobody. In line it stays,
        # as searching for it would cost more than passing over it.
        self.is_wanted = False
        self.finish()


def _nothing() -> None:
    pass


class ParkedFetches:
    """Every parked fetch of a broker.

    What a fetch holds (its request, its connection) is let go when it is done, though its deadline
    be minutes away: of those the heap keeps two numbers each, and never more than it has alive.
    All of them together wait at PARKED_PARTITIONS_MAX partitions at most: beyond it the fetch that
    has most is answered at once.

    Args:
        on_ready: called when there is something to do in this turn; `take_ready` is then due.
        on_earlier: called when a deadline comes before all others; see `next_deadline_ms`.
        begin: LongWork.begin_ahead.
    """

    def __init__(
        self,
        on_ready: Callable[[], None],
        on_earlier: Callable[[], None],
        begin: Callable[[Generator[None, Any, None]], object],
    ) -> None:
        self._on_ready = on_ready
        self._on_earlier = on_earlier
        self._begin = begin
        self._grown: dict[Readable, None] = {}  # with more to read than those who wait were told
        self._ready: deque[ParkedFetch] = deque()
        self._is_ready_due = False
        self._is_answering = False
        self._waiting: dict[int, ParkedFetch] = {}  # by number, in the order they came
        self._deadlines: list[tuple[int, int]] = []  # a heap of (deadline, number), some done
        self._largest: list[tuple[int, int]] = []  # a heap of (-partitions, number), some done
        self._partition_count = 0
        self._next_number = 0

    @property
    def waiting_count(self) -> int:
        """How many fetches wait."""
        return len(self._waiting)

    def park(self, fetch: ParkedFetch) -> Promise:
        """Let a fetch wait; returns the promise of its answer."""
        fetch.wait()
        number = self._next_number
        self._next_number += 1
        self._waiting[number] = fetch
        self._partition_count += len(fetch.partitions)
        fetch.forget = lambda: self._forget(number)
        # 1. a consumer fetches with a limit of ten minutes, and is answered at once, again and
        # again  2. each leaves its deadline in the heap, where only the first can be taken out
        # 3. a thousand a second are 600,000 before the first of them comes up. So the heaps are
        # made anew from those who still wait whenever most of their entries are of others.
        if len(self._deadlines) > 2 * len(self._waiting) + DONE_KEPT:
            self._deadlines = [(each.deadline_ms, n) for n, each in self._waiting.items()]
            self._largest = [(-len(each.partitions), n) for n, each in self._waiting.items()]
            heapq.heapify(self._deadlines)
            heapq.heapify(self._largest)
        else:
            heapq.heappush(self._deadlines, (fetch.deadline_ms, number))
            heapq.heappush(self._largest, (-len(fetch.partitions), number))
        if self._deadlines[0][1] == number:
            self._on_earlier()
        # Whoever waits at most partitions costs most and loses least: it asks again at once.
        while self._partition_count > PARKED_PARTITIONS_MAX:
            _, number = heapq.heappop(self._largest)
            if number in self._waiting:
                self._make_ready(self._waiting[number])
        return fetch.promise

    def readable(self, partition: Readable) -> None:
        """More of a partition can be read: those who wait for that hear of it in this turn."""
        if partition.waiting is not None:
            self._grown[partition] = None
            self._want()

    def gone(self, partition: Readable) -> None:
        """A partition is no longer there: everyone who waits for it is answered."""
        waiting = [each for each in partition.waiting or () if not each.is_done]
        each_alone(waiting, self._make_ready, "ending a parked fetch")

    def take_ready(self) -> None:
        """Tell who waits what has become readable, and answer those who have waited long enough."""
        # 1. a thousand fetches wait for one partition, and are answered in steps, over turns
        # 2. another append makes others ready meanwhile  3. two runs over the same line would each
        # take a part of what the other counts on. So one runs, and takes up what comes meanwhile.
        self._is_ready_due = False
        if not self._is_answering:
            self._is_answering = True
            self._begin(self._answer_all())

    def next_deadline_ms(self) -> int | None:
        """When `on_deadline` is due next, on the monotonic clock; None for never."""
        while self._deadlines and self._deadlines[0][1] not in self._waiting:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def on_deadline(self, now_ms: int) -> None:
        """Answer every fetch whose time is up."""
        while (next_ms := self.next_deadline_ms()) is not None and next_ms <= now_ms:
            self._make_ready(self._waiting[heapq.heappop(self._deadlines)[1]])
        self.take_ready()

    def release_all(self) -> None:
        """Answer everyone with what there is: the broker stops."""
        each_alone(tuple(self._waiting.values()), self._make_ready, "ending a parked fetch")
        self.take_ready()

    def _answer_all(self) -> Generator[None, Any, None]:
        try:
            while self._grown or self._ready:
                while self._grown:
                    yield from self._tell_all(self._grown.popitem()[0])
                each_alone(self._some_ready(), _answer, "answering a parked fetch")
                yield
        finally:
            self._is_answering = False
            if self._grown or self._ready:  # something has ended this that ends the broker
                self._want()

    def _tell_all(self, partition: Readable) -> Generator[None, Any, None]:
        """Tell everyone who waits for a partition how much more there is."""
        # Telling takes several turns. 1. a hundred of a thousand are told of ten bytes  2. five
        # more come  3. noted as told only at the end, the five would be, and nobody has heard of
        # them. Who parks meanwhile is not of `waiting`: it was there already when it looked.
        grown_bytes = partition.readable_bytes - partition.told_bytes
        partition.told_bytes = partition.readable_bytes

        def tell(fetch: ParkedFetch) -> None:
            fetch.missing_bytes -= grown_bytes
            if fetch.missing_bytes <= 0 and not fetch.is_done:
                self._make_ready(fetch)

        waiting = list(partition.waiting or ())
        for at in range(0, len(waiting), LOOKS_A_STEP):
            each_alone(waiting[at : at + LOOKS_A_STEP], tell, "telling a parked fetch")
            yield

    def _some_ready(self) -> Iterator[ParkedFetch]:
        left = LOOKS_A_STEP
        while self._ready and left > 0:
            fetch = self._ready.popleft()
            left -= 1 + len(fetch.partitions)
            yield fetch

    def _forget(self, number: int) -> None:
        fetch = self._waiting.pop(number, None)
        if fetch is not None:
            self._partition_count -= len(fetch.partitions)

    def _make_ready(self, fetch: ParkedFetch) -> None:
        fetch.is_done = True
        fetch.forget()
        self._ready.append(fetch)
        self._want()

    def _want(self) -> None:
        if not (self._is_ready_due or self._is_answering):
            self._is_ready_due = True
            self._on_ready()


def _answer(fetch: ParkedFetch) -> None:
    # 1. one partition's list of who waits is broken, and leaving it raises  2. the fetch has left
    # the line: nobody would come back to it, and its consumer waits until its own timeout.
    try:
        fetch.finish()
    finally:
        if fetch.is_wanted:
            fetch.promise.keep_with(fetch.answer)
