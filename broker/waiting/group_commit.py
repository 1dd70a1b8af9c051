"""Group commit: which logs must be flushed, who waits for it, and when they hear.

One round at a time. A round flushes every log written since the last round began; whoever was
waiting when it began is answered when it ends, all together. While nobody waits, nothing is
flushed. The flushing itself is the runtime's, between begin() and finish() or fail(). Clients that
were just answered send again at once; a round that begins without them makes them wait for two
flushes, so it may wait a little until as many are there as were (`awaits_company`).

1. batch 7 is appended   2. round 1 begins with it   3. its retry arrives: a duplicate of a batch
that is not durable yet   4. the retry joins round 2, which begins after round 1 has ended: it is
never acknowledged before the original.
A failed flush refuses all that waited and is never retried: what the kernel dropped cannot be
known, so the broker must stop (LWN 752063, "PostgreSQL's fsync() surprise").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..storage.flushable import Flushable, Mark
from ..storage.port import File
from .isolation import call, each_alone
from .promise import Promise

ROUNDS_ALONE = 8  # after waiting in vain, so many rounds begin at once


@dataclass(frozen=True, slots=True)
class Waiting:
    """An answer that waits for a flush.

    Args:
        message: the response once everything is durable.
        refusal: makes the response for the case that the flush failed.
    """

    promise: Promise
    message: Any
    refusal: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Round:
    """One round of flushes: the files, what they make durable, and who waits for it.

    Args:
        write_count: how often logs had been written since the last round: batches, mostly.
    """

    files: tuple[File, ...]
    marks: tuple[tuple[Flushable, Mark], ...]
    waiting: tuple[Waiting, ...]
    write_count: int = 0


class GroupCommit:
    """Collects what was written and who waits.

    Args:
        on_wanted: called when a round becomes due; the runtime then calls `begin` soon.

    Attributes:
        has_failed: a flush has; from then on everybody is refused.
    """

    def __init__(self, on_wanted: Callable[[], None]) -> None:
        self._on_wanted = on_wanted
        self._written: dict[Flushable, None] = {}
        self._write_count = 0
        self._waiting: list[Waiting] = []
        self._reader_waits = False
        self._is_running = False
        self._is_wanted = False
        self._expected_count = 0
        self._count_when_wanted = 0
        self._rounds_alone = 0
        self.has_failed = False

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits and no round is under way."""
        return not (self._waiting or self._reader_waits or self._is_running)

    @property
    def waiting_count(self) -> int:
        """How many answers wait for the next round."""
        return len(self._waiting)

    @property
    def awaits_company(self) -> bool:
        """Whether a wanted round had better wait a little: fewer wait for it than did last time.

        The edge decides how long. Source: commit_siblings of PostgreSQL.
        """
        return not self._rounds_alone and 0 < len(self._waiting) < self._expected_count

    def written(self, log: Flushable) -> None:
        """A log was appended to."""
        # A log, and not where it ends: 1. batch 7 is noted  2. batch 8 comes before the round
        # begins, and its flush makes both durable  3. waiting for the mark of 7 alone, 8 would
        # take a flush of its own. The marks are taken when the round begins.
        self._written[log] = None
        self._write_count += 1

    def forget(self, log: Flushable) -> None:
        """A log is being deleted; nothing of it needs a flush any more."""
        self._written.pop(log, None)

    def when_durable(self, message: Any, refusal: Callable[[], Any]) -> Promise:
        """A response that stands once all that is written so far is durable: a promise of it.

        For logs of whose durable point the caller knows that it is not far enough: there is nothing
        to wait for otherwise.

        Args:
            refusal: makes the response for the case that the flush fails.
        """
        promise = Promise()
        if self.has_failed:
            promise.keep_with(refusal)
        else:
            self._waiting.append(Waiting(promise, message, refusal))
            self._want()
        return promise

    def want(self) -> None:
        """A reader waits for what was written; flush although no acknowledgement waits."""
        if self._written:
            self._reader_waits = True
            self._want()

    def begin(self) -> Round:
        """Start a round; `finish` or `fail` must follow before the next."""
        assert not self._is_running
        # 1. four clients send one batch each and wait  2. a fifth has ended: four are fewer than
        # last time, so their round waits as long as it may, and finds as many as it had
        # 3. where few of many come again at once, each round would be so much later for nothing.
        # So after a wait in which nobody came the next rounds do not wait. If somebody came, it
        # was worth it, though not all did: the next round expects only as many as were here.
        if self.awaits_company and len(self._waiting) <= self._count_when_wanted:
            self._rounds_alone = ROUNDS_ALONE
        elif self._rounds_alone:
            self._rounds_alone -= 1
        # 1. a round flushes a log up to offset 100  2. batches up to 120 come while it does
        # 3. a mark taken when the flush has ended would say 120, of which 20 are not on the disk.
        # So files and marks are taken together, here; what is written from now on is for the next.
        files = tuple(file for log in self._written for file in log.dirty_files())
        marks = tuple((log, log.mark()) for log in self._written)
        # From here on nothing raises: who waits is never out of both, this round and the next.
        self._is_running, self._is_wanted, self._reader_waits = True, False, False
        self._written = {}
        write_count, self._write_count = self._write_count, 0
        waiting, self._waiting = self._waiting, []
        return Round(files, marks, tuple(waiting), write_count)

    def finish(self, round_: Round) -> None:
        """The files of a round are flushed: move the durable points, answer who waited."""
        self._is_running = False
        self._expected_count = len(round_.waiting) + len(self._waiting)
        # 1. five logs were flushed, and the second cannot move its durable point  2. raised from
        # here, nobody of this round would be answered, and who came meanwhile would wait for a
        # round that nobody wants any more  3. all of them hang, with their batches on disk.
        # All is flushed, whatever a log makes of it: so each of the three is done in any case, and
        # the points move first, as who is answered may read at once what was acknowledged.
        each_alone(
            (
                lambda: each_alone(round_.marks, _move, "moving a durable point"),
                lambda: each_alone(round_.waiting, _acknowledge, "answering after a flush"),
                self._want_again,
            ),
            call,
            "ending a round",
        )

    def fail(self, round_: Round) -> None:
        """A flush failed: refuse all who waited, and whoever still comes; the broker stops."""
        # 1. fsync fails: the kernel has marked the pages clean and may have dropped them  2. it is
        # asked again, has nothing to write, and says that all is well  3. batch 7 is acknowledged
        # and is not there after a power loss. So no second flush can make good for the first.
        self._is_running = False
        self._waiting[:0] = round_.waiting
        self.refuse_all()

    def refuse_all(self) -> None:
        """A flush outside of rounds failed: the same, and a round under way must `fail`, too."""
        self.has_failed = True
        waiting, self._waiting = self._waiting, []
        each_alone(waiting, _refuse, "refusing after a failed flush")

    def _want_again(self) -> None:
        # Who came while the round ran found it running and could not ask for the next (see _want).
        if self._waiting or self._reader_waits:
            self._want()

    def _want(self) -> None:
        if not (self._is_wanted or self._is_running or self.has_failed):
            self._is_wanted = True
            self._count_when_wanted = len(self._waiting)
            self._on_wanted()


def _move(made_durable: tuple[Flushable, Mark]) -> None:
    log, mark = made_durable
    log.made_durable(mark)


def _acknowledge(waiting: Waiting) -> None:
    waiting.promise.keep(waiting.message)


def _refuse(waiting: Waiting) -> None:
    waiting.promise.keep_with(waiting.refusal)
