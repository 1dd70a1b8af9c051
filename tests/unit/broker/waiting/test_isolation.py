"""One item never harms another: each loop over many, with one item that raises."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import pytest
from minibroker.broker.groups.members import Joined, Synced
from minibroker.broker.limits import REST_AFTER_FAILURE_MS
from minibroker.broker.partitions.partition import Partition
from minibroker.broker.partitions.sequences import SequenceTable
from minibroker.broker.storage.port import FlushFailed
from minibroker.broker.waiting.deadlines import Deadlines
from minibroker.broker.waiting.group_commit import GroupCommit
from minibroker.broker.waiting.isolation import each_alone
from minibroker.broker.waiting.long_work import AtOnce, LongWork
from minibroker.broker.waiting.parked_fetches import ParkedFetch, ParkedFetches
from minibroker.broker.waiting.promise import Failure, Promise
from minibroker.broker.waiting.timers import Timers
from minibroker.protocol.errors import TEXT_LENGTH_MAX, ApiError, ErrorCode, Refused

from tests.support.groups.bare_groups import GROUP, Groups, hear, speaker
from tests.support.worlds.timed_broker import Machine
from tests.unit.broker.waiting.test_group_commit import Log
from tests.unit.broker.waiting.test_parked_fetches import Place

GOOD = ["a", "c"]
CHECK_MS = 300_000


@pytest.fixture(autouse=True)
def all_errors_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "minibroker")  # others may have turned it off


class Broken(Exception):
    """What an item raises."""


def fail(*_: Any) -> Any:
    raise Broken


def tracebacks(caplog: pytest.LogCaptureFixture) -> int:
    return sum(record.exc_info is not None for record in caplog.records)


def test_the_others_are_served_and_the_failure_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    served: list[int] = []
    each_alone(range(4), lambda each: served.append(each) if each != 1 else fail(), "counting")
    assert served == [0, 2, 3]
    assert "counting failed" in caplog.text
    assert tracebacks(caplog) == 1


@pytest.mark.parametrize("error", [FlushFailed("log", "is broken"), AssertionError("broken")])
def test_what_ends_the_broker_is_raised_when_the_others_are_done(error: Exception) -> None:
    served: list[int] = []

    def work(item: int) -> None:
        if item == 1:
            raise error
        served.append(item)

    with pytest.raises(type(error)):
        each_alone(range(4), work, "counting")
    assert served == [0, 2, 3]


class Waiters:
    """Three who wait for a round, of whom the second cannot be told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.rounds_wanted = 0
        self.commit = GroupCommit(self._wanted)

    def _wanted(self) -> None:
        self.rounds_wanted += 1

    def wait(self) -> None:
        for name in "abc":
            promise = self.commit.when_durable(name, partial("no {}".format, name))
            promise.deliver_to(fail if name == "b" else self.told.append)


def test_a_round_is_acknowledged_to_all_but_the_one_who_cannot_hear() -> None:
    waiters = Waiters()
    waiters.wait()
    round_ = waiters.commit.begin()
    waiters.wait()
    waiters.commit.finish(round_)
    assert waiters.told == GOOD
    assert waiters.rounds_wanted == 2, "who came meanwhile gets a round"


def test_a_failed_round_is_refused_to_all_but_the_one_who_cannot_hear() -> None:
    waiters = Waiters()
    waiters.wait()
    round_ = waiters.commit.begin()
    waiters.wait()
    waiters.commit.fail(round_)
    assert sorted(waiters.told) == ["no a", "no a", "no c", "no c"]


def test_a_refusal_that_cannot_be_made_is_a_failure_for_its_own_request() -> None:
    told: list[Any] = []
    commit = GroupCommit(lambda: None)
    commit.when_durable("a", fail).deliver_to(told.append)
    commit.when_durable("b", lambda: "no b").deliver_to(told.append)
    commit.refuse_all()
    assert isinstance(told[0], Failure)
    assert told[1:] == ["no b"]


def test_a_log_that_cannot_move_its_durable_point_keeps_nobody_from_the_answer() -> None:
    waiters, broken, good = Waiters(), Log(), Log()
    broken.made_durable = fail  # type: ignore[method-assign,assignment]
    waiters.commit.written(broken)
    waiters.commit.written(good)
    waiters.wait()
    waiters.commit.finish(waiters.commit.begin())
    assert waiters.told == GOOD
    assert good.durable == [(0, 0)]


def test_a_round_that_cannot_begin_loses_nobody_who_waits() -> None:
    waiters, broken = Waiters(), Log()
    broken.dirty_files = fail  # type: ignore[method-assign]
    waiters.commit.written(broken)
    waiters.wait()
    with pytest.raises(Broken):
        waiters.commit.begin()
    waiters.commit.refuse_all()
    assert waiters.told == ["no a", "no c"]


def parked_three() -> tuple[ParkedFetches, Place, dict[str, Any]]:
    """Fetches a, b and c at one place, of which b's answer cannot be made."""
    begin = LongWork(AtOnce()).begin
    parked, place = ParkedFetches(lambda: None, lambda: None, begin), Place()
    told: dict[str, Any] = {}
    for name in "abc":
        fetch = ParkedFetch(
            [place],
            fail if name == "b" else partial(str, name),
            missing_bytes=1,
            deadline_ms=100,
        )
        parked.park(fetch).deliver_to(partial(told.__setitem__, name))
    return parked, place, told


@pytest.mark.parametrize("how", ["bytes", "deadline", "stop", "deleted"])
def test_fetches_that_become_ready_together_are_answered_alone(how: str) -> None:
    parked, place, told = parked_three()
    if how == "bytes":
        place.readable_bytes += 1
        parked.readable(place)
        parked.take_ready()
    elif how == "deadline":
        parked.on_deadline(100)
    elif how == "deleted":
        parked.gone(place)
        parked.take_ready()
    else:
        parked.release_all()
    assert (told["a"], told["c"]) == ("a", "c")
    assert isinstance(told["b"], Failure)
    assert place.waiting is None
    assert parked.next_deadline_ms() is None


def test_a_fetch_that_cannot_be_looked_at_does_not_reach_the_producer() -> None:
    parked, place, told = parked_three()
    assert place.waiting is not None
    [*place.waiting][1].missing_bytes = "no number"  # type: ignore[assignment]
    place.readable_bytes += 1
    parked.readable(place)
    parked.take_ready()
    assert told == {"a": "a", "c": "c"}


def test_a_promise_whose_answer_breaks_an_invariant_is_kept_before_that_is_raised() -> None:
    told: list[Any] = []
    promise = Promise()
    promise.deliver_to(told.append)

    def make() -> None:
        raise AssertionError("broken")

    with pytest.raises(AssertionError):
        promise.keep_with(make)
    assert isinstance(told[0], Failure)


def test_a_timer_of_the_groups_that_raises_lets_the_others_act() -> None:
    timers, acted = Timers(), list[str]()
    for name in "abc":
        action = fail if name == "b" else partial(acted.append, name)
        timers.set(("session", name, ""), 100, action)
    timers.on_deadline(100)
    assert acted == GOOD
    assert timers.next_deadline_ms() is None


class Due:
    """Something that is always due."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls = 0

    def next_deadline_ms(self) -> int:
        return 0

    def on_deadline(self, now_ms: int) -> None:
        self.calls += 1
        if self.error is not None:
            raise self.error


def test_what_raises_when_its_time_has_come_rests_and_the_others_do_not() -> None:
    deadlines, first, broken, last = Deadlines(), Due(), Due(Broken()), Due()
    deadlines.add(broken)
    deadlines.on_deadline(5)
    assert deadlines.next_deadline_ms() == 5 + REST_AFTER_FAILURE_MS, "the timer does not spin"
    deadlines.add(first)
    deadlines.add(last)
    for now_ms in range(6, 16):
        deadlines.on_deadline(now_ms)
    assert (first.calls, broken.calls, last.calls) == (10, 1, 10)
    broken.error = None
    deadlines.on_deadline(5 + REST_AFTER_FAILURE_MS)
    assert broken.calls == 2
    assert deadlines.next_deadline_ms() == 0


@pytest.mark.parametrize("what", ["high_watermark", "removable_offset"])
def test_a_partition_that_retention_cannot_look_at_is_the_only_one(
    monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    machine = Machine()
    machine.start()
    broken = machine.partition("broken", retention_ms="1000")
    good = machine.partition("good", retention_ms="1000")
    for each in (broken, good):
        machine.append(each, 3)
    machine.flush()
    whole: Any = getattr(Partition, what)
    is_property = isinstance(whole, property)
    asked: Any = whole.__get__ if is_property else whole

    def look(self: Partition) -> Any:
        return fail() if self is broken else asked(self)

    monkeypatch.setattr(Partition, what, property(look) if is_property else look)
    machine.pass_ms(CHECK_MS)
    assert [each.size for each in good.log.segments] == [0], "its old records are gone"
    assert broken.log.segments[0].size > 0


def test_a_partition_whose_producer_ids_cannot_be_forgotten_is_the_only_one(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    machine = Machine()
    machine.start()
    partitions = [machine.partition(name, retention_ms="-1") for name in ("x", "y", "z")]
    for each in partitions:
        machine.append(each, producer_id=7)
    machine.flush()
    broken, whole = partitions[1].sequences, SequenceTable.forget_idle

    def forget(self: SequenceTable, until_ms: int, count_max: int) -> int:
        return fail() if self is broken else whole(self, until_ms, count_max)

    monkeypatch.setattr(SequenceTable, "forget_idle", forget)
    machine.pass_ms(2 * 86_400_000)
    machine.pass_ms(REST_AFTER_FAILURE_MS)
    known = [len(list(each.sequences.producers())) for each in partitions]
    assert known == [0, 1, 0]
    assert tracebacks(caplog) >= 1


def join_three(groups: Groups) -> dict[str, list[Joined]]:
    """Members a, b and c of one generation, of which b cannot be told."""
    told: dict[str, list[Joined]] = {name: [] for name in "abc"}
    for name in "abc":
        groups.join_with(fail if name == "b" else told[name].append, "", client_id=name)
    groups.pass_ms(3000)
    return told


def test_a_member_that_cannot_be_told_keeps_nobody_from_the_generation() -> None:
    groups = Groups(group_initial_rebalance_delay_ms=1000)
    told = join_three(groups)
    assert [len(told[name]) for name in "abc"] == [1, 0, 1]
    assert told["a"][0].generation_id == told["c"][0].generation_id == 1


@pytest.mark.parametrize("how", ["assigned", "stopped"])
def test_a_member_that_cannot_get_its_part_keeps_nobody_from_theirs(how: str) -> None:
    groups = Groups(group_initial_rebalance_delay_ms=1000)
    told = join_three(groups)
    synced: dict[str, list[Synced]] = {"a": [], "c": []}
    leader = told["a"][0] if told["a"][0].members else told["c"][0]
    other = told["c"][0] if leader is told["a"][0] else told["a"][0]
    members = groups.coordinator.roster.find(GROUP).members  # type: ignore[union-attr]
    middle = next(each for each in members.values() if each.client_id == "b")
    middle.wait_for_sync().deliver_to(fail)
    hear(groups.coordinator.sync(speaker(other), None, None, {}), synced["c"].append)
    if how == "assigned":
        hear(groups.coordinator.sync(speaker(leader), None, None, {}), synced["a"].append)
        assert [len(synced[name]) for name in "ac"] == [1, 1]
    else:
        groups.coordinator.release_all()
        assert synced["c"][0].code is ErrorCode.NOT_COORDINATOR


def test_a_group_that_cannot_expire_keeps_the_others_from_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    groups = Groups()
    for name in "xyz":
        groups.commit(1, group_id=name)
    offsets_of = groups.coordinator.offsets.of_group

    def look(group_id: str) -> Any:
        return fail() if group_id == "y" else offsets_of(group_id)

    monkeypatch.setattr(groups.coordinator.offsets, "of_group", look)
    groups.pass_ms(8 * 86_400_000)
    assert {each.group_id for each in groups.coordinator.roster.all()} == {"y"}
    assert tracebacks(caplog) >= 1


def test_what_quotes_a_peer_fits_into_an_answer() -> None:
    name = "n" * 32_760
    for text in (
        Refused(ErrorCode.INVALID_TOPIC_EXCEPTION, f"topic {name} is listed twice").why,
        ApiError(ErrorCode.INVALID_REQUEST, f"no {name}").text,
        str(ApiError(ErrorCode.INVALID_REQUEST, f"no {name}")),
    ):
        assert len(text) < TEXT_LENGTH_MAX + 60
        assert "n" * 400 in text
    assert Refused(ErrorCode.INVALID_REQUEST, "short").why == "short"
