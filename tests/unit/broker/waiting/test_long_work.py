"""Long work: a first slice at once, then one job after the other, and none harms another."""

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from minibroker.broker.limits import ASIDES_MAX, JOBS_ACTIVE_MAX
from minibroker.broker.waiting.long_work import (
    Aside,
    AtOnce,
    Done,
    LongWork,
    Steps,
    Working,
    awaited,
    outcome_of,
)
from minibroker.broker.waiting.promise import Failure, Promise


class Turns:
    """An edge whose slices are of so many steps, and whose turns come when the test says so."""

    def __init__(self, steps: int = 1) -> None:
        self.steps = steps
        self.due: deque[Callable[[], None]] = deque()
        self.called: deque[tuple[Callable[[], Any], Done]] = deque()

    def first(self) -> Callable[[], bool]:
        left = iter(range(self.steps - 1))
        return lambda: next(left, None) is None

    next = first

    def wanted(self, go_on: Callable[[], None]) -> None:
        self.due.append(go_on)

    def aside(self, call: Callable[[], Any], done: Done) -> None:
        self.called.append((call, done))

    def turn(self) -> None:
        due, self.due = self.due, deque()
        assert len(due) <= 1, "one slice a turn"
        for go_on in due:
            go_on()

    def run(self) -> int:
        """Turns until nothing is due; how many."""
        turns = 0
        while self.due:
            self.turn()
            turns += 1
        return turns

    def call(self) -> None:
        """Do what is to be done off the loop, the oldest of it."""
        call, done = self.called.popleft()
        done(*outcome_of(call))


def counting(count: int, seen: list[str] | None = None, name: str = "") -> Steps:
    for _ in range(count):
        if seen is not None:
            seen.append(name)
        yield None
    return name or count


def test_short_work_is_done_at_once() -> None:
    turns = Turns(steps=3)
    work = LongWork(turns)
    assert work.begin(counting(2)) == 2
    assert not turns.due
    assert work.is_idle


def test_long_work_goes_on_a_slice_a_turn() -> None:
    turns = Turns(steps=10)
    work = LongWork(turns)
    promise = work.begin(counting(95))
    assert isinstance(promise, Working)
    assert promise.is_working
    assert not promise.is_kept
    assert turns.run() == 9
    assert promise.message == 95
    assert not promise.is_working
    assert work.is_idle


def test_jobs_take_turns() -> None:
    turns, seen = Turns(), list[str]()
    work = LongWork(turns)
    for name in "ab":
        work.begin(counting(3, seen, name))
    turns.run()
    assert seen == ["a", "b", "a", "b", "a", "b"]


def test_what_comes_later_is_served_at_once_beside_long_work() -> None:
    turns = Turns()
    work = LongWork(turns)
    work.begin(counting(1000))
    turns.turn()
    assert work.begin(counting(0)) == 0


def test_only_so_many_jobs_are_in_progress() -> None:
    turns, seen = Turns(), list[str]()
    work = LongWork(turns)
    names = [str(number) for number in range(3 * JOBS_ACTIVE_MAX)]
    for name in names:
        work.begin(counting(100, seen, name))
    seen.clear()
    for _ in range(50):
        turns.turn()
    assert set(seen) == {*names[:JOBS_ACTIVE_MAX]}
    turns.run()
    assert all(seen.count(name) == 99 for name in names)


def test_work_of_the_broker_itself_does_not_wait_in_line() -> None:
    turns = Turns()
    work = LongWork(turns)
    requests = [work.begin(counting(100)) for _ in range(3 * JOBS_ACTIVE_MAX)]
    own = work.begin_ahead(counting(10))
    for _ in range(20 + 10 * JOBS_ACTIVE_MAX):
        turns.turn()
    assert own.is_kept
    assert not any(each.is_kept for each in requests)


def test_a_job_that_fails_leaves_the_others_going() -> None:
    turns = Turns()
    work = LongWork(turns)

    def failing() -> Steps:
        yield None
        raise ValueError("one of them")

    failed = work.begin(failing())
    promise = work.begin(counting(3))
    turns.run()
    assert isinstance(failed.message, Failure)
    assert not failed.is_working
    assert promise.message == 3
    assert work.is_idle


def test_a_broken_invariant_is_raised_to_the_edge_and_the_others_go_on() -> None:
    turns = Turns()
    work = LongWork(turns)

    def failing() -> Steps:
        yield None
        raise AssertionError("broken")

    failed = work.begin(failing())
    promise = work.begin(counting(3))
    with pytest.raises(AssertionError, match="broken"):
        turns.turn()
    turns.run()
    assert not failed.is_kept
    assert promise.message == 3


def test_what_fails_in_the_first_slice_is_raised_to_who_began_it() -> None:
    def failing() -> Steps:
        raise ValueError("at once")
        yield None

    work = LongWork(Turns())
    with pytest.raises(ValueError, match="at once"):
        work.begin(failing())
    assert work.is_idle


def test_work_off_the_loop_comes_back_with_its_result_or_exception() -> None:
    turns = Turns()
    work = LongWork(turns)

    def steps() -> Steps:
        first = yield Aside(lambda: None)
        second = yield Aside(lambda: 7)
        try:
            yield Aside(lambda: 1 // 0)
        except ZeroDivisionError:
            return [first, second, "caught"]

    promise = work.begin(steps())
    for _ in range(3):
        assert not promise.is_kept
        turns.call()
        turns.run()
    assert promise.message == [None, 7, "caught"]


def test_only_so_many_functions_are_called_off_the_loop_at_once() -> None:
    turns = Turns()
    work = LongWork(turns)

    def steps(number: int) -> Steps:
        return (yield Aside(lambda: number))

    promises = [work.begin(steps(number)) for number in range(ASIDES_MAX + 3)]
    most = 0
    while turns.called:
        most = max(most, len(turns.called))
        turns.call()
        turns.run()
    assert most == ASIDES_MAX
    assert [each.message for each in promises] == [*range(ASIDES_MAX + 3)]


def test_slices_go_on_beside_what_is_off_the_loop() -> None:
    turns = Turns()
    work = LongWork(turns)

    def steps() -> Steps:
        return (yield Aside(lambda: 1))

    slow = work.begin(steps())
    promise = work.begin(counting(5))
    turns.run()
    assert promise.is_kept
    assert not slow.is_kept
    assert not work.is_idle


def test_dropped_work_ends_where_it_stands() -> None:
    turns, seen, closed = Turns(), list[str](), list[bool]()

    def steps() -> Steps:
        try:
            yield from counting(100, seen, "a")
        finally:
            closed.append(True)

    work = LongWork(turns)
    promise = work.begin(steps(), is_droppable=True)
    turns.turn()
    promise.on_abandoned()
    turns.run()
    assert len(seen) == 2
    assert closed == [True]
    assert work.is_idle


def test_work_that_changes_something_is_done_though_nobody_waits_any_more() -> None:
    turns, seen = Turns(), list[str]()
    work = LongWork(turns)
    promise = work.begin(counting(10, seen, "a"))
    promise.on_abandoned()
    turns.run()
    assert len(seen) == 10


def test_a_result_may_be_a_promise_and_the_order_is_free_before_it_is_kept() -> None:
    turns, events, durable = Turns(), list[Any](), Promise(lambda: events.append("abandoned"))

    def steps() -> Steps:
        yield None
        return durable

    work = LongWork(turns)
    promise = work.begin(steps())
    promise.on_worked = lambda: events.append("worked")
    promise.deliver_to(events.append)
    turns.run()
    assert events == ["worked"]
    promise.on_abandoned()
    assert events == ["worked", "abandoned"]
    durable.keep("answer")
    assert events[-1] == "answer"


def test_a_stop_ends_all_work_and_nothing_comes_back() -> None:
    turns, closed = Turns(), list[str]()

    def steps(name: str) -> Steps:
        try:
            yield Aside(lambda: 1) if name == "aside" else None
            yield from counting(10)
        finally:
            closed.append(name)

    work = LongWork(turns)
    for name in ("slices", "aside"):
        work.begin(steps(name))
    work.abandon()
    turns.call()
    turns.run()
    assert sorted(closed) == ["aside", "slices"]
    assert work.is_idle


def test_without_turns_everything_is_done_at_once() -> None:
    def steps() -> Steps:
        total = 0
        for number in range(5000):
            total += yield Aside(lambda number=number: number)  # type: ignore[misc]
        return total

    work = LongWork(AtOnce())
    assert work.begin(counting(10_000)) == 10_000
    assert work.begin(steps()).message == sum(range(5000))


def test_work_may_wait_for_a_promise_and_goes_on_when_it_is_kept_not_a_turn_later() -> None:
    turns, answer, seen = Turns(), Promise(), list[Any]()

    def steps() -> Steps:
        seen.append((yield from awaited(answer)))
        yield None
        return "done"

    work = LongWork(turns)
    promise = work.begin(steps())
    turns.run()
    assert isinstance(promise, Working)
    assert (promise.is_working, work.is_idle, seen) == (True, False, [])
    answer.keep("yes")
    assert seen == ["yes"]
    assert not promise.is_kept, "the slice was of one step"
    turns.run()
    assert promise.message == "done"
    assert work.is_idle


def test_what_is_known_already_is_not_waited_for() -> None:
    kept = Promise()
    kept.keep(2)

    def steps() -> Steps:
        return (yield from awaited(1)) + (yield from awaited(kept))

    begun = LongWork(Turns(steps=5)).begin(steps())
    assert begun.message == 3


def test_an_answer_that_could_not_be_made_is_raised_in_the_work() -> None:
    answer, seen = Promise(), list[str]()

    def steps() -> Steps:
        try:
            yield from awaited(answer)
        except ValueError as error:
            seen.append(str(error))
        return None

    LongWork(Turns()).begin(steps())
    answer.keep(Failure(ValueError("no")))
    assert seen == ["no"]


def test_those_who_waited_for_one_event_share_a_slice() -> None:
    turns, answers, seen = Turns(steps=1), [Promise() for _ in range(3)], list[str]()

    def steps(answer: Promise) -> Steps:
        yield from awaited(answer)
        yield from counting(5, seen, "a")

    work = LongWork(turns)
    for answer in answers:
        work.begin(steps(answer))
    for answer in answers:
        answer.keep(None)
    assert len(seen) == len(answers), "one step of each"
    turns.run()
    assert len(seen) == 5 * len(answers)


def test_a_stop_ends_work_that_waits_for_a_promise() -> None:
    turns, answer, closed = Turns(), Promise(), list[bool]()

    def steps() -> Steps:
        try:
            yield from awaited(answer)
        finally:
            closed.append(True)

    work = LongWork(turns)
    promise = work.begin(steps())
    work.abandon()
    assert (closed, work.is_idle) == ([True], True)
    answer.keep("too late")
    assert not promise.is_kept
