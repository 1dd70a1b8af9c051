"""Parked fetches: answered when enough has come, at the deadline, or never twice."""

import gc
import weakref
from collections.abc import Generator
from typing import Any

import pytest
from minibroker.broker.waiting import parked_fetches as parked
from minibroker.broker.waiting.long_work import AtOnce, LongWork
from minibroker.broker.waiting.parked_fetches import DONE_KEPT, ParkedFetch, ParkedFetches
from minibroker.broker.waiting.promise import Promise


class Place:
    """A partition, as far as waiting goes."""

    def __init__(self) -> None:
        self.readable_bytes = 0
        self.told_bytes = 0
        self.waiting: dict[ParkedFetch, None] | None = None


class Bench:
    """Parked fetches with everything they tell their surroundings."""

    def __init__(self) -> None:
        self.ready_calls = 0
        self.earlier_calls = 0
        self.answers: list[str] = []
        self.parked = ParkedFetches(self._ready, self._earlier, LongWork(AtOnce()).begin)

    def _ready(self) -> None:
        self.ready_calls += 1

    def _earlier(self) -> None:
        self.earlier_calls += 1

    def park(
        self, places: list[Place], name: str, missing_bytes: int = 1, deadline_ms: int = 100
    ) -> Promise:
        fetch = ParkedFetch(
            list(places), lambda: name, missing_bytes=missing_bytes, deadline_ms=deadline_ms
        )
        promise = self.parked.park(fetch)
        promise.deliver_to(self.answers.append)
        return promise

    def readable(self, place: Place, count: int) -> None:
        place.readable_bytes += count
        self.parked.readable(place)


def test_bytes_answer_a_fetch_in_the_same_turn() -> None:
    bench, place = Bench(), Place()
    bench.park([place], "fetch")
    bench.readable(place, 10)
    assert bench.ready_calls == 1
    bench.parked.take_ready()
    assert bench.answers == ["fetch"]
    assert place.waiting is None


def test_a_fetch_waits_until_its_minimum_is_there_over_all_its_partitions() -> None:
    bench, first, second = Bench(), Place(), Place()
    bench.park([first, second], "fetch", missing_bytes=100)
    bench.readable(first, 60)
    bench.readable(second, 39)
    bench.parked.take_ready()
    assert bench.answers == []
    bench.readable(second, 1)
    bench.parked.take_ready()
    assert bench.answers == ["fetch"]


def test_a_deadline_answers_with_what_there_is() -> None:
    bench, place = Bench(), Place()
    bench.park([place], "late", deadline_ms=200)
    bench.park([place], "soon", deadline_ms=100)
    assert bench.parked.next_deadline_ms() == 100
    bench.parked.on_deadline(99)
    assert bench.answers == []
    bench.parked.on_deadline(100)
    assert bench.answers == ["soon"]
    assert bench.parked.next_deadline_ms() == 200


def test_an_answered_fetch_is_not_answered_again_at_its_deadline() -> None:
    bench, place = Bench(), Place()
    bench.park([place], "fetch")
    bench.readable(place, 1)
    bench.parked.take_ready()
    bench.parked.on_deadline(1000)
    assert bench.answers == ["fetch"]
    assert bench.parked.next_deadline_ms() is None


def test_only_an_earlier_deadline_moves_the_timer() -> None:
    bench, place = Bench(), Place()
    bench.park([place], "a", deadline_ms=100)
    bench.park([place], "b", deadline_ms=200)
    assert bench.earlier_calls == 1
    bench.park([place], "c", deadline_ms=50)
    assert bench.earlier_calls == 2


def test_an_abandoned_fetch_leaves_nothing_behind() -> None:
    bench, place = Bench(), Place()
    promise = bench.park([place], "gone")
    assert promise.on_abandoned is not None
    promise.on_abandoned()
    bench.readable(place, 10)
    bench.parked.on_deadline(1000)
    assert bench.answers == []
    assert place.waiting is None


@pytest.mark.parametrize("end", ["abandoned", "answered"])
def test_what_a_fetch_held_is_free_before_its_deadline(end: str) -> None:
    bench, place = Bench(), Place()
    bench.park([Place()], "still waits", deadline_ms=50)
    promise = bench.park([place], "done", deadline_ms=300_000)
    assert promise.on_abandoned is not None
    assert place.waiting is not None
    held = weakref.ref(place)
    if end == "abandoned":
        promise.on_abandoned()
    else:
        bench.readable(place, 1)
        bench.parked.take_ready()
    del place, promise
    gc.collect()
    assert held() is None


def test_deadlines_of_answered_fetches_do_not_pile_up() -> None:
    bench, place = Bench(), Place()
    bench.park([Place()], "still waits", deadline_ms=50)
    for _ in range(10 * DONE_KEPT):
        bench.park([place], "fetch", deadline_ms=300_000)
        bench.readable(place, 1)
        bench.parked.take_ready()
    assert len(bench.parked._deadlines) <= DONE_KEPT + 5
    assert bench.parked.next_deadline_ms() == 50


def test_a_partition_listed_often_waits_once() -> None:
    bench, place = Bench(), Place()
    bench.park([place] * 1000, "fetch", missing_bytes=10)
    assert place.waiting is not None
    assert len(place.waiting) == 1
    bench.readable(place, 10)
    bench.parked.take_ready()
    assert bench.answers == ["fetch"]


def test_a_partition_that_goes_answers_those_who_wait_for_it() -> None:
    bench, place, other = Bench(), Place(), Place()
    bench.park([place, other], "both", missing_bytes=1000)
    bench.parked.gone(place)
    bench.parked.take_ready()
    assert bench.answers == ["both"]
    assert other.waiting is None


def test_stopping_answers_everyone() -> None:
    bench, place = Bench(), Place()
    bench.park([place], "a")
    bench.park([place], "b")
    bench.parked.release_all()
    assert sorted(bench.answers) == ["a", "b"]


def test_bytes_that_came_while_a_fetch_was_parked_count_for_the_others_only() -> None:
    bench, place = Bench(), Place()
    bench.park([place], "first", missing_bytes=10)
    bench.readable(place, 6)  # and nobody has been told of it yet
    bench.park([place], "second", missing_bytes=10)
    bench.parked.take_ready()
    bench.readable(place, 5)
    bench.parked.take_ready()
    assert bench.answers == ["first"]
    bench.readable(place, 5)
    bench.parked.take_ready()
    assert bench.answers == ["first", "second"]


def test_beyond_the_bound_the_largest_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parked, "PARKED_PARTITIONS_MAX", 10)
    bench, places = Bench(), [Place() for _ in range(9)]
    bench.park([places[0]], "small")
    bench.park(places, "large")
    bench.park(places[:3], "middle")
    bench.parked.take_ready()
    assert bench.answers == ["large"]
    assert [len(each.waiting or ()) for each in places[:4]] == [2, 1, 1, 0]


def test_a_fetch_whose_client_has_gone_is_not_read_for() -> None:
    bench, place = Bench(), Place()
    promise = bench.park([place], "gone")
    bench.readable(place, 10)
    bench.parked.gone(place)
    assert promise.on_abandoned is not None
    promise.on_abandoned()
    bench.parked.take_ready()
    assert bench.answers == []


def test_thousands_who_wait_are_told_in_steps() -> None:
    steps = 0

    def begin(work: Generator[None, Any, None]) -> None:
        nonlocal steps
        for _ in work:
            steps += 1

    bench, place = Bench(), Place()
    bench.parked = ParkedFetches(bench._ready, bench._earlier, begin)
    for number in range(5000):
        bench.park([place], str(number), missing_bytes=10)
    bench.readable(place, 9)
    bench.parked.take_ready()
    assert bench.answers == []
    assert steps >= 10
    bench.readable(place, 1)
    bench.parked.take_ready()
    assert len(bench.answers) == 5000
    assert steps >= 30
