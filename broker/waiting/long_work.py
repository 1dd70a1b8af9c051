"""Long work: whatever might hold the loop for longer than a turn of it may last.

Work is a generator. It yields wherever others may go on, at least every millisecond or so, and
returns its result. It may yield an Aside instead: a function to be called off the loop, whose
result (or exception) it then gets from that yield; for what releases the GIL or cannot be cut. Or
it yields a Promise, gets its answer, and goes on within the call that keeps it.

    steps ---- begin(): a first slice at once ----> done: the result itself, as of a plain function
                      else a Working promise; go_on(): a slice a turn, one job after the other

So short requests stay synchronous and cheap, and nobody waits for a long one but those who asked.
Order: whoever needs it (a connection) begins nothing new while `is_working`. At most
JOBS_ACTIVE_MAX go on in turn, which bounds what half-made answers take; others wait in line.
How long a slice lasts, and what off the loop means, is the edge's (slices.py, or a simulation).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import Any, Protocol

from ..limits import ASIDES_MAX, JOBS_ACTIVE_MAX
from .isolation import ENDS_THE_BROKER
from .promise import Failure, Promise

logger = logging.getLogger("minibroker")


class Aside:
    """What long work yields to have a function called off the loop.

    The function must touch nothing but what it was given: the loop goes on meanwhile.
    """

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call


Steps = Generator[Aside | Promise | None, Any, Any]
"""Long work: yields None (others may go on), an Aside or a Promise, and returns its result."""

Done = Callable[[Any, BaseException | None], None]
"""Takes what came of an Aside: its result, or the exception it raised."""


class Slices(Protocol):
    """What the edge gives: turns, and a place off the loop."""

    def first(self) -> Callable[[], bool]:
        """Begin the slice that new work gets at once; what is returned tells when it is over.

        All work that begins in one turn of the loop shares one such slice.
        """

    def next(self) -> Callable[[], bool]:
        """Begin the slice of this turn, for work under way; returns what tells when it is over."""

    def wanted(self, go_on: Callable[[], None]) -> None:
        """Call `go_on` in a later turn of the loop."""

    def aside(self, call: Callable[[], Any], done: Done) -> None:
        """Call `call` off the loop, and `done` with what came of it, on the loop."""


class AtOnce:
    """An edge without turns: all work is done at once. For tools and tests. Implements Slices."""

    def __init__(self) -> None:
        self._due: deque[Callable[[], None]] = deque()
        self._is_running = False

    def first(self) -> Callable[[], bool]:
        """Never over."""
        return _never

    def next(self) -> Callable[[], bool]:
        """Never over."""
        return _never

    def wanted(self, go_on: Callable[[], None]) -> None:
        """There is no later turn: now, or right after what is being done."""
        self._due.append(go_on)
        if self._is_running:
            return
        self._is_running = True
        try:
            while self._due:
                self._due.popleft()()
        finally:
            self._is_running = False

    def aside(self, call: Callable[[], Any], done: Done) -> None:
        """Here and now."""
        done(*outcome_of(call))


def outcome_of(call: Callable[[], Any]) -> tuple[Any, Exception | None]:
    """What comes of an Aside's function, for `done`: its result, or the exception it raised."""
    try:
        return call(), None
    except Exception as error:  # noqa: BLE001  raised in the steps that wanted it
        return None, error


def made_of(make: Callable[[Any], Any], items: Iterable[Any]) -> Steps:
    """[make(each) for each in items], in steps: others may go on after each."""
    made = []
    for each in items:
        made.append(make(each))
        yield None
    return made


def awaited(outcome: Any) -> Steps:
    """An answer, or that of a promise of one once it is kept."""
    return (yield outcome) if isinstance(outcome, Promise) else outcome


def finished(steps: Steps) -> Any:
    """Do work to its end here and now, whatever it wants to have done off the loop included.

    For work that waits for no promise.
    """
    try:
        wants = next(steps)
        while True:
            assert not isinstance(wants, Promise), "nobody can wait here"
            if wants is None:
                wants = next(steps)
            else:
                result, error = outcome_of(wants.call)
                wants = steps.send(result) if error is None else steps.throw(error)
    except StopIteration as done:
        return done.value


class Working(Promise):
    """The promise of a result that is being worked for.

    Attributes:
        is_working: the work is not done. When it is, the result may still have to wait, for a
            flush for instance.
        on_worked: called once, when the work is done; for who must keep an order.
    """

    __slots__ = ("_drop", "_inner", "is_working", "on_worked")

    def __init__(self, drop: Callable[[], None]) -> None:
        super().__init__(self._abandoned)
        self._drop = drop
        self._inner: Promise | None = None
        self.is_working = True
        self.on_worked: Callable[[], None] | None = None

    def worked(self, outcome: Any) -> None:
        """The work is done; `outcome` is its result, or a Promise of it."""
        self.is_working = False
        self._drop = (
            _nothing  # which knows the job, and that knows this: an answer in a cycle stays
        )
        if isinstance(outcome, Promise):
            self._inner = outcome
            outcome.deliver_to(self.keep)
        else:
            self.keep(outcome)
        on_worked, self.on_worked = self.on_worked, None  # it may know this, too
        if on_worked is not None:
            on_worked()

    def _abandoned(self) -> None:
        if self.is_working:
            self._drop()
        elif self._inner is not None and self._inner.on_abandoned is not None:
            self._inner.on_abandoned()


class _Job:
    """Work under way.

    Attributes:
        got: what the steps get next: the result of an Aside or the answer of a Promise, or the
            exception to raise in them.
        wants: what is to be called off the loop, or to be kept, before it can go on.
    """

    __slots__ = ("got", "is_dropped", "promise", "steps", "wants")

    def __init__(self, steps: Steps, is_droppable: bool) -> None:
        self.steps = steps
        self.got: tuple[Any, BaseException | None] | None = None
        self.wants: Aside | Promise | None = None
        self.is_dropped = False
        self.promise = Working(self._drop if is_droppable else _nothing)

    def work(self, is_over: Callable[[], bool]) -> None:
        """Steps until the slice is over, or an Aside or the answer of a Promise is wanted.

        Raises: StopIteration with the result, or whatever the steps raise.
        """
        wants: Aside | Promise | None = None
        if self.got is not None:
            (result, error), self.got = self.got, None
            wants = self.steps.send(result) if error is None else self.steps.throw(error)
        else:
            wants = next(self.steps)
        while wants is None and not is_over():
            wants = next(self.steps)
        self.wants = wants

    def _drop(self) -> None:
        self.is_dropped = True  # closed when its turn comes: it may be running right now


class LongWork:
    """All long work of a broker."""

    def __init__(self, slices: Slices) -> None:
        self._slices = slices
        self._active: deque[_Job] = deque()
        self._in_line: deque[_Job] = deque()
        self._to_call: deque[_Job] = deque()  # each has an Aside to be called
        self._called: set[_Job] = set()  # each has one under way
        self._awaiting: set[_Job] = set()  # each wants the answer of a promise
        self._is_wanted = False
        self._is_finishing = False
        self._has_ended = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        jobs = (self._active, self._in_line, self._to_call, self._called, self._awaiting)
        return not any(jobs)

    def begin(self, steps: Steps, *, is_droppable: bool = False) -> Any:
        """Work at once for a first slice.

        Args:
            is_droppable: the work is not done to its end when nobody wants its result any more.
        Returns: what the steps return, or a Working promise of it if there is more to do.
        Raises: whatever the steps raise in the first slice. What they raise later is logged, and
            the promise is kept with a Failure.
        """
        # What follows from work that was just done (a request, once it is decoded) takes its place:
        # in line, behind others that wait to be decoded, it would hold more and more of them.
        return self._begin(
            steps, self._active if self._is_finishing else self._in_line, is_droppable
        )

    def begin_ahead(self, steps: Steps) -> Any:
        """The same for work of the broker itself: it goes on beside what is in progress.

        1. a hundred clients ask for seconds of work each  2. a thousand fetches become ready
        3. in line they would be answered when the hundred are done.
        """
        return self._begin(steps, self._active, is_droppable=False)

    def go_on(self) -> None:
        """One slice for the job whose turn it is; the edge calls this when it was `wanted`."""
        self._is_wanted = False
        while self._in_line and len(self._active) < JOBS_ACTIVE_MAX:
            self._active.append(self._in_line.popleft())
        if not self._active:
            return
        job = self._active.popleft()
        try:
            self._go_on_with(job, self._slices.next())
        finally:  # whatever it raised, the others' work goes on
            self._want()

    def abandon(self) -> None:
        """End all work where it stands, unanswered: the broker stops."""
        self._has_ended = True
        for jobs in (self._active, self._in_line, self._to_call, self._awaiting):
            for job in jobs:
                job.steps.close()
            jobs.clear()

    def _begin(self, steps: Steps, jobs: deque[_Job], is_droppable: bool) -> Any:
        job = _Job(steps, is_droppable)
        try:
            job.work(self._slices.first())
        except StopIteration as done:
            return done.value
        self._put(job, jobs)
        return job.promise

    def _go_on_with(self, job: _Job, is_over: Callable[[], bool]) -> None:
        if job.is_dropped:
            job.steps.close()
            return
        try:
            job.work(is_over)
        except StopIteration as done:
            outer, self._is_finishing = self._is_finishing, True
            try:
                job.promise.worked(done.value)
            finally:
                self._is_finishing = outer
        except ENDS_THE_BROKER:
            raise  # and leave it unanswered: after a failed flush no answer is true
        except Exception as error:
            logger.exception("long work failed")
            job.promise.worked(Failure(error))
        else:
            self._put(job, self._active)

    def _put(self, job: _Job, jobs: deque[_Job]) -> None:
        """A job has more to do: off the loop first, once a promise is kept, or with the others."""
        if isinstance(job.wants, Promise):
            promise, job.wants = job.wants, None
            self._awaiting.add(job)
            promise.deliver_to(partial(self._kept, job))
        elif job.wants is not None:
            self._to_call.append(job)
            self._call()
        else:
            jobs.append(job)
            self._want()

    def _kept(self, job: _Job, answer: Any) -> None:
        """The promise is kept that a job waits for: it goes on here and now, for a slice."""
        self._awaiting.discard(job)
        if self._has_ended:
            job.steps.close()
            return
        job.got = (None, answer.error) if isinstance(answer, Failure) else (answer, None)
        # Not in a later turn, as whoever is told by `then`: what the answer says may be over then.
        # And in the slice that all share who begin in this turn: many may wait for one event.
        try:
            self._go_on_with(job, self._slices.first())
        finally:
            self._want()

    def _call(self) -> None:
        while self._to_call and len(self._called) < ASIDES_MAX:
            job = self._to_call.popleft()
            aside, job.wants = job.wants, None
            assert isinstance(aside, Aside)
            self._called.add(job)
            self._slices.aside(aside.call, partial(self._called_back, job))

    def _called_back(self, job: _Job, result: Any, error: BaseException | None) -> None:
        self._called.discard(job)
        if self._has_ended:
            job.steps.close()
            return
        job.got = (result, error)
        self._active.append(job)
        self._call()
        self._want()

    def _want(self) -> None:
        if not self._is_wanted and (self._active or self._in_line):
            self._is_wanted = True
            self._slices.wanted(self.go_on)


def _never() -> bool:
    return False


def _nothing() -> None:
    pass
