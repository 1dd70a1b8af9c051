"""GroupCommit: who waits for which flush, and when they hear."""

import random

from minibroker.broker.storage.flushable import Mark
from minibroker.broker.storage.memory import MemoryFile
from minibroker.broker.storage.port import File
from minibroker.broker.waiting.group_commit import ROUNDS_ALONE, GroupCommit


class Log:
    """A log of one file whose end is set by the test."""

    def __init__(self) -> None:
        self.file = MemoryFile("log")
        self.end_offset = 0
        self.durable: list[Mark] = []

    def mark(self) -> Mark:
        return self.end_offset, 10 * self.end_offset

    def dirty_files(self) -> list[File]:
        return [self.file]

    @property
    def key(self) -> str:
        return "a log"

    def made_durable(self, mark: Mark) -> None:
        self.durable.append(mark)


class Waiter:
    """Keeps the answers a promise delivers, and how often a round was asked for."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.rounds_wanted = 0
        self.commit = GroupCommit(self._wanted)

    def _wanted(self) -> None:
        self.rounds_wanted += 1

    def wait(self, answer: str) -> None:
        promise = self.commit.when_durable(answer, lambda: f"refused {answer}")
        promise.deliver_to(self.answers.append)


def play_round(waiter: Waiter) -> None:
    waiter.commit.finish(waiter.commit.begin())


def test_a_round_awaits_as_many_as_waited_for_the_last() -> None:
    waiter, log = Waiter(), Log()
    waiter.commit.written(log)
    waiter.wait("a")
    assert not waiter.commit.awaits_company, "nobody is known to come again"
    round_ = waiter.commit.begin()
    waiter.wait("b")
    waiter.commit.finish(round_)
    assert waiter.commit.awaits_company, "b is there, and a was just answered"
    waiter.wait("a")
    assert not waiter.commit.awaits_company


def test_who_has_waited_in_vain_does_not_wait_again_soon() -> None:
    waiter, log = Waiter(), Log()
    waiter.commit.written(log)
    for name in "ab":
        waiter.wait(name)
    play_round(waiter)
    waiter.wait("b")
    assert waiter.commit.awaits_company
    play_round(waiter)  # a did not come in time
    for number in range(ROUNDS_ALONE + 1):
        assert not waiter.commit.awaits_company, number
        for name in "ab"[number % 2 :]:
            waiter.wait(name)
        play_round(waiter)
    waiter.wait("b")
    assert waiter.commit.awaits_company


def test_a_wait_to_which_somebody_came_was_not_in_vain() -> None:
    waiter, log = Waiter(), Log()
    waiter.commit.written(log)
    for name in "abc":
        waiter.wait(name)
    play_round(waiter)
    for name in "ab":
        waiter.wait(name)
    assert waiter.commit.awaits_company
    play_round(waiter)  # b came, c did not
    waiter.wait("a")
    assert waiter.commit.awaits_company, "b will come again"
    waiter.wait("b")
    assert not waiter.commit.awaits_company, "c is not expected any more"


def test_nothing_is_flushed_while_nobody_waits() -> None:
    waiter = Waiter()
    waiter.commit.written(Log())
    assert waiter.rounds_wanted == 0
    assert waiter.commit.is_idle


def test_everyone_who_waits_when_a_round_begins_is_answered_when_it_ends() -> None:
    waiter, log = Waiter(), Log()
    waiter.commit.written(log)
    log.end_offset = 3
    waiter.wait("first")
    waiter.wait("second")
    assert waiter.rounds_wanted == 1
    round_ = waiter.commit.begin()
    assert round_.files == (log.file,)
    assert waiter.answers == []
    waiter.commit.finish(round_)
    assert waiter.answers == ["first", "second"]
    assert log.durable == [(3, 30)]
    assert waiter.commit.is_idle


def test_what_is_appended_while_a_round_runs_waits_for_the_next() -> None:
    waiter, log = Waiter(), Log()
    waiter.commit.written(log)
    log.end_offset = 1
    waiter.wait("early")
    round_ = waiter.commit.begin()
    log.end_offset = 2
    waiter.commit.written(log)
    waiter.wait("late")
    assert waiter.rounds_wanted == 1, "one round at a time"
    waiter.commit.finish(round_)
    assert waiter.answers == ["early"]
    assert log.durable == [(1, 10)], "a round makes durable what was there when it began"
    assert waiter.rounds_wanted == 2
    waiter.commit.finish(waiter.commit.begin())
    assert waiter.answers == ["early", "late"]
    assert log.durable[-1] == (2, 20)


def test_a_duplicate_of_a_batch_being_flushed_is_answered_after_it() -> None:
    waiter, log = Waiter(), Log()
    waiter.commit.written(log)
    waiter.wait("original")
    round_ = waiter.commit.begin()
    waiter.wait("duplicate")  # nothing new was written
    assert waiter.answers == []
    waiter.commit.finish(round_)
    assert waiter.answers == ["original"]
    second = waiter.commit.begin()
    assert second.files == ()
    waiter.commit.finish(second)
    assert waiter.answers == ["original", "duplicate"]


def test_a_failed_flush_refuses_all_who_wait_and_all_who_come_later() -> None:
    waiter, log = Waiter(), Log()
    waiter.commit.written(log)
    waiter.wait("a")
    round_ = waiter.commit.begin()
    waiter.wait("b")
    waiter.commit.fail(round_)
    waiter.wait("c")
    assert waiter.answers == ["refused a", "refused b", "refused c"]
    assert log.durable == []
    assert waiter.rounds_wanted == 1, "a failed flush is never retried"


def test_a_waiting_reader_has_what_was_written_flushed() -> None:
    waiter, log = Waiter(), Log()
    waiter.commit.want()
    assert waiter.rounds_wanted == 0, "nothing was written"
    waiter.commit.written(log)
    waiter.commit.want()
    assert waiter.rounds_wanted == 1
    waiter.commit.finish(waiter.commit.begin())
    assert log.durable == [(0, 0)]


def test_a_forgotten_log_is_not_flushed() -> None:
    waiter, log = Waiter(), Log()
    waiter.commit.written(log)
    waiter.commit.forget(log)
    waiter.wait("answer")
    assert waiter.commit.begin().files == ()


def test_whoever_comes_whenever_waits_for_two_flushes_at_most() -> None:
    rng, now, flush_ms = random.Random(1), 0.0, 5.0
    waiter, log = Waiter(), Log()
    round_, ends_at, asked_at, longest = None, 0.0, dict[str, float](), 0.0
    for number in range(2000):
        now += rng.expovariate(1 / rng.choice((0.5, 2.0, 20.0)))
        while round_ is not None and ends_at <= now:
            began_at, finished = ends_at, round_
            waiter.commit.finish(finished)
            for answer in waiter.answers:
                longest = max(longest, ends_at - asked_at.pop(answer))
            waiter.answers.clear()
            round_ = waiter.commit.begin() if asked_at else None
            ends_at = began_at + flush_ms
        log.end_offset += 1
        waiter.commit.written(log)
        asked_at[str(number)] = now
        waiter.wait(str(number))
        if round_ is None:
            round_, ends_at = waiter.commit.begin(), now + flush_ms
    assert 1.9 * flush_ms < longest <= 2 * flush_ms
