"""Timers: what is due when, and that what is cancelled leaves nothing behind."""

from __future__ import annotations

import tracemalloc

from minibroker.broker.waiting.timers import Key, Timers

JOIN: Key = ("join", "g", "")
SYNC: Key = ("sync", "g", "")
THREE_WEEKS_MS = 2**31 - 1


def nothing() -> None:
    pass


def test_what_is_due_is_done_in_its_order_and_once() -> None:
    timers, done = Timers(), list[str]()
    timers.set(SYNC, 20, lambda: done.append("sync"))
    timers.set(JOIN, 10, lambda: done.append("join"))
    assert timers.next_deadline_ms() == 10
    timers.on_deadline(9)
    assert done == []
    timers.on_deadline(20)
    timers.on_deadline(30)
    assert done == ["join", "sync"]
    assert timers.next_deadline_ms() is None


def test_a_deadline_may_be_moved_both_ways_and_cancelled() -> None:
    timers, done = Timers(), list[str]()
    timers.set(JOIN, 10, lambda: done.append("10"))
    timers.set(JOIN, 30, lambda: done.append("30"))
    timers.set(JOIN, 20, lambda: done.append("20"))
    timers.set(SYNC, 15, lambda: done.append("sync"))
    timers.cancel(SYNC)
    assert timers.next_deadline_ms() == 20
    timers.on_deadline(40)
    assert done == ["20"]


def test_who_arms_the_timer_hears_of_what_is_earlier_than_all_others() -> None:
    timers, told = Timers(), list[int | None]()
    timers.on_earlier = lambda: told.append(timers.next_deadline_ms())
    timers.set(JOIN, 20, told.clear)
    timers.set(SYNC, 30, told.clear)
    timers.set(SYNC, 10, told.clear)
    assert told == [20, 10]


def test_what_is_cancelled_again_and_again_takes_no_memory() -> None:
    timers = Timers()
    timers.set(JOIN, 10, nothing)
    tracemalloc.start()
    try:
        for number in range(20_000):
            timers.set(SYNC, THREE_WEEKS_MS + number, nothing)
            timers.cancel(SYNC)
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < 100_000
    assert timers.next_deadline_ms() == 10
