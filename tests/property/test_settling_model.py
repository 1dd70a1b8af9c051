"""Settling against a model of a partition: late requests, restarts and forgetting at every step.

A search goes through every order of events for small counts; what it holds against the settlement
is only the log at the end: each batch that is called stored is there once, in order; one that may
get another identity never comes; and where nothing is missing from the log, nothing is unsettled.
Excluded is what nobody can heal: the broker forgets a producer while a request with a batch that it
has stored is still to come, or late requests that do not follow one another (one between them was
refused); and the limit that settling.py names: it appends a late request and forgets the producer
at once, between a look and the sending that follows.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace

import pytest
from minibroker.client.produce.answers import Answer
from minibroker.client.session.log_scan import LogScan
from minibroker.client.session.open_batch import Floor, OpenBatch
from minibroker.client.session.outcomes import Anew, Stored, Unsettled
from minibroker.client.session.settling import AskLeader, Look, ReadLog, Send, Settling, Step
from minibroker.protocol import sequence
from minibroker.protocol.errors import ErrorCode

from tests.support.sessions.partition_model import Partition
from tests.support.sizes import size

Queues = tuple[tuple[OpenBatch, ...], ...]
E45, E47 = ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorCode.INVALID_PRODUCER_EPOCH
FIRST = 2**31 - 3  # so that sequences wrap among the batches


@dataclass(frozen=True)
class Left:
    """What a process has left when it died.

    Attributes:
        queues: requests that the broker has not worked off, by connection.
        has_gap: a batch among them was refused for good.
    """

    partition: Partition
    queues: Queues
    batches: tuple[OpenBatch, ...]
    floor: Floor
    has_gap: bool


class Watched(Settling):
    """A settlement that also knows how the log was when it learned something of the leader.

    Attributes:
        is_lost: an attempt got no answer since the newest look; that takes its time.
    """

    log_then: tuple[tuple[int, int, int, int], ...] = ()
    is_lost = False

    @property
    def has_looked(self) -> bool:
        """Whether it goes by something that it knows of the leader."""
        return self._look is not None


class Search:
    """Every world that begins with one Left.

    Args:
        kind: of settlement; the drill has others.
        events: restarts, forgettings, lost answers and deaths of the settler, at most.
        is_readable: whether the log may be read.
    """

    def __init__(
        self,
        left: Left,
        kind: type[Watched] = Watched,
        *,
        events: int = 3,
        is_readable: bool = True,
    ) -> None:
        self.events = events
        self.left = left
        self.kind = kind
        self.is_readable = is_readable
        self.seen: set[object] = set()
        self.found: list[str] = []
        self.worlds = 0

    def run(self) -> None:
        """Go through them."""
        settling = self._new()
        self._go(self.left.partition, self.left.queues, settling, self.events, ())

    def _new(self) -> Watched:
        return self.kind(self.left.batches, self.left.floor)

    def _go(
        self,
        partition: Partition,
        queues: Queues,
        settling: Watched,
        events: int,
        path: tuple[str, ...],
    ) -> None:
        step = settling.step()
        key = (partition, queues, events, step, _key(settling))
        if key in self.seen or self.found:
            return
        self.seen.add(key)
        if step is None:
            self._end(partition, queues, settling, path)
            return
        for n, queue in enumerate(queues):  # a late request comes
            after, _ = partition.produce(queue[0])
            rest = _without(queues, n)
            self._go(after, rest, settling, events, (*path, f"late {queue[0].number}"))
        if events:
            if len(partition.kept) > 1:
                self._go(partition.restart(), queues, settling, events - 1, (*path, "restart"))
            if self._may_forget(partition, queues) and not _is_limit(partition, settling, step):
                self._go(partition.forget(), queues, settling, events - 1, (*path, "forget"))
            self._go(partition, queues, self._new(), events - 1, (*path, "settler dies"))
        self._take(partition, queues, settling, events, path, step)

    def _may_forget(self, partition: Partition, queues: Queues) -> bool:
        return _may_forget(partition, queues) and not (self.left.has_gap and queues)

    def _take(
        self,
        partition: Partition,
        queues: Queues,
        settling: Watched,
        events: int,
        path: tuple[str, ...],
        step: object,
    ) -> None:
        after = _copied(settling)
        if isinstance(step, AskLeader):
            after.looked(Look(listed=partition.listed))
            after.log_then, after.is_lost = partition.log, False
            self._go(partition, queues, after, events, (*path, f"look: {partition.listed}"))
        elif isinstance(step, ReadLog):
            scan = partition.scan(self.left.floor.offset)
            after.scanned(scan if self.is_readable else LogScan(refusal="no right"))
            self._go(partition, queues, after, events, (*path, "read"))
        elif isinstance(step, Send):
            batch = step.batch
            stored, answer = partition.produce(batch)
            after.answered(batch, answer)
            after.log_then = stored.log
            name = f"send {batch.number}: {answer.code.name}"
            self._go(stored, queues, after, events, (*path, name))
            if not events:
                return
            lost = _copied(settling)
            lost.answered(batch, None)
            lost.is_lost = True
            self._go(stored, queues, lost, events - 1, (*path, name + ", lost"))
            late = (*queues, (batch,))  # it is not worked off yet, and nobody will tell
            self._go(partition, late, lost, events - 1, (*path, f"send {batch.number} late"))

    def _end(
        self, partition: Partition, queues: Queues, settling: Watched, path: tuple[str, ...]
    ) -> None:
        self.worlds += 1
        for each in queues:
            for batch in each:
                partition, _ = partition.produce(batch)
        wrong = []
        told = {outcome.batch.number for outcome in settling.outcomes}
        silent = [each.number for each in self.left.batches if each.number not in told]
        wrong += [f"{number} has no outcome" for number in silent]
        for outcome in settling.outcomes:
            times = partition.times_stored(outcome.batch)
            expected = {Stored: [1], Anew: [0]}.get(type(outcome), [])
            if isinstance(outcome, Unsettled) and not self.is_readable:
                expected = [0, 1]
            if times not in expected:
                wrong.append(f"{outcome.batch.number}: {outcome}, and stored {times} times")
            places = _places(partition, outcome.batch)
            if isinstance(outcome, Stored) and outcome.base_offset not in (-1, *places):
                wrong.append(f"{outcome.batch.number} is not at {outcome.base_offset}")
        ours = [each for each in partition.log if each[3] >= self.left.floor.offset]
        order = [sequence.add(each[1], -FIRST) for each in ours]
        if order != sorted(order):
            wrong.append(f"order {order}")
        if wrong:
            self.found.append("\n  ".join((*path, *wrong)))


def _is_limit(partition: Partition, settling: Watched, step: object) -> bool:
    """Whether what the settler goes by has changed, or is what it is about to send."""
    if isinstance(step, Send) and partition.times_stored(step.batch):
        return not settling.is_lost
    return settling.has_looked and partition.log != settling.log_then


def _places(partition: Partition, batch: OpenBatch) -> list[int]:
    return [at for _, first, _, at in partition.log if first == batch.base_sequence]


def _may_forget(partition: Partition, queues: Queues) -> bool:
    coming = [batch for queue in queues for batch in queue]
    is_coming_again = any(partition.times_stored(batch) for batch in coming)
    return partition.epoch is not None and not is_coming_again


def _without(queues: Queues, n: int) -> Queues:
    rest = queues[n][1:]
    return (*queues[:n], *((rest,) if rest else ()), *queues[n + 1 :])


def _copied(settling: Watched) -> Watched:
    made = copy(settling)
    for name, value in vars(settling).items():
        if isinstance(value, list | set | dict):
            setattr(made, name, copy(value))
    return made


def _key(settling: Watched) -> str:
    return repr(sorted(vars(settling).items()))


def _batches(first: int, counts: list[int]) -> list[OpenBatch]:
    made = []
    for number, count in enumerate(counts):
        at = sequence.add(first, sum(counts[:number]))
        made.append(OpenBatch(number, "t", bytes(16), 0, 9, 0, at, count, -1, b""))
    return made


def _queues(open_batches: list[OpenBatch], stored: int, sent: int) -> list[Queues]:
    """What may be on its way: the rest of a connection, and a second one with everything again."""
    rest, again = tuple(open_batches[stored:sent]), tuple(open_batches[:sent])
    one, both = ((rest,) if rest else ()), ((rest, again) if rest else (again,))
    return [one, both] if again else [one]


def lefts(count: int, *, is_confirmed: bool, gap_at: int | None = None) -> list[Left]:
    """What may be left of some open batches: what was stored, sent, remembered.

    Args:
        is_confirmed: there is a confirmed batch before them; without one the lane has one batch in
            flight, since the partition does not remember the producer.
        gap_at: the batch that was refused for good.
    """
    if is_confirmed:
        before, *batches = _batches(FIRST, [1, 1, 2, 1][: count + 1])
        begin, _ = Partition(epoch=0).forget().produce(before)
        floor = Floor("t", 0, 9, 0, offset=1, confirmed_sequence=before.last_sequence)
    else:
        batches, begin = _batches(0, [1, 2, 1][:count]), Partition()
        floor = Floor("t", 0, 9, 0, offset=0)
    floor = replace(floor, last_sequence=batches[-1].last_sequence)
    stored_max = count if gap_at is None else gap_at
    open_batches = [each for n, each in enumerate(batches) if n != gap_at]
    made = []
    for sent in range((len(open_batches) if is_confirmed else 1) + 1):
        for stored in range(min(sent, stored_max) + 1):
            partition = begin
            for batch in open_batches[:stored]:
                partition, _ = partition.produce(batch)
            for queues in _queues(open_batches, stored, sent):
                states = {partition, partition.restart()}
                if _may_forget(partition, queues) and not (gap_at is not None and queues):
                    states.add(partition.forget())
                made += [
                    Left(each, queues, tuple(open_batches), floor, gap_at is not None)
                    for each in states
                ]
    return made


@pytest.mark.parametrize(
    ("count", "is_confirmed", "gap_at", "events"),
    [
        (1, False, None, 4),
        (2, False, None, size(fast=2, whole=3)),
        (1, True, None, 4),
        (2, True, None, size(fast=1, whole=2)),
        (3, True, None, 0),
        (2, True, 0, 3),
        (3, True, 1, 2),
    ],
)
@pytest.mark.parametrize("is_readable", [True, False])
def test_nothing_is_doubled_lost_or_guessed(
    count: int, is_confirmed: bool, gap_at: int | None, events: int, is_readable: bool
) -> None:
    worlds = 0
    for left in lefts(count, is_confirmed=is_confirmed, gap_at=gap_at):
        search = Search(left, events=events, is_readable=is_readable)
        search.run()
        worlds += search.worlds
        assert not search.found, f"{left.partition}, {left.queues}:\n  {search.found[0]}"
    assert worlds


class TakesRefusalForStored(Watched):
    """45 and 47 mean that it was there before."""

    def answered(self, batch: OpenBatch, answer: Answer | None) -> None:
        is_refusal = answer is not None and answer.code in (E45, E47)
        super().answered(batch, Answer(ErrorCode.NONE) if is_refusal else answer)


class SendsBlindly(Watched):
    """No answer came: the same bytes again."""

    def answered(self, batch: OpenBatch, answer: Answer | None) -> None:
        if answer is not None:
            super().answered(batch, answer)


class DoesNotRead(Watched):
    """Who is not listed has stored nothing."""

    def looked(self, look: Look) -> None:
        super().looked(look)
        if look.listed is None:
            self.scanned(LogScan(end_offset=1_000, is_anchored=True))


class GivesNewNames(Watched):
    """What is not in the log may be sent under another identity."""

    def _send(self, head: OpenBatch) -> Step | None:
        return self._renew()


class KeepsWhatItRead(Watched):
    """The log is read once, whatever is learned of the leader later."""

    def looked(self, look: Look) -> None:
        scan = self._scan
        super().looked(look)
        self._scan = scan

    def look_again(self) -> None:
        scan = self._scan
        super().look_again()
        self._scan = scan


class TakesListedForAll(Watched):
    """Somebody is listed, so everything of him is stored."""

    def _up_to(self, listed: list[OpenBatch]) -> Step | None:
        return self._store([*self._open])


class SendsBehindGaps(Watched):
    """A batch behind a refused one goes as it is."""

    def _renew(self) -> Step | None:
        return self._send(self._open[0])


class ProbesFirst(Watched):
    """The newest goes again at once, without another look, when the log says nothing."""

    def look_again(self) -> None:
        if not self._is_log_silent:
            super().look_again()


World = tuple[int, bool, int | None, bool]  # count, is_confirmed, gap_at, is_readable
BUGS: dict[type[Watched], World] = {
    TakesRefusalForStored: (3, True, 1, True),
    SendsBlindly: (1, True, None, True),
    DoesNotRead: (1, True, None, True),
    GivesNewNames: (1, True, None, True),
    KeepsWhatItRead: (2, False, None, True),
    TakesListedForAll: (2, True, None, True),
    SendsBehindGaps: (3, True, 1, True),
    ProbesFirst: (2, True, None, False),
}


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_seen(bug: type[Watched]) -> None:
    count, is_confirmed, gap_at, is_readable = BUGS[bug]
    for left in lefts(count, is_confirmed=is_confirmed, gap_at=gap_at):
        search = Search(left, bug, is_readable=is_readable)
        search.run()
        if search.found:
            return
    pytest.fail("the search saw nothing wrong")
