"""Offsets in transactions, as producers, markers, readers and administrators meet them."""

from __future__ import annotations

from typing import Any

import pytest
from minibroker.broker.groups import committed, transactional
from minibroker.broker.groups.members import Joined
from minibroker.broker.groups.records import OffsetCommitValue
from minibroker.broker.groups.requests import Speaker
from minibroker.broker.groups.roster import OFFSETS_A_STEP
from minibroker.broker.groups.sizes import pending_bytes
from minibroker.broker.groups.states import DEAD, EMPTY
from minibroker.broker.limits import GROUPS_MAX
from minibroker.broker.storage.port import NoSpace
from minibroker.broker.waiting.isolation import call
from minibroker.broker.waiting.long_work import finished
from minibroker.protocol.batch.control import Marker
from minibroker.protocol.errors import ErrorCode

from tests.support.groups.bare_groups import GROUP, Groups, hear, speaker

NONE, UNKNOWN = ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID
GENERATION = ErrorCode.ILLEGAL_GENERATION
PID, OTHER = 7, 8
MINUTE_MS = 60_000


def value_of(groups: Groups, offset: int, topic_id: bytes = b"t" * 16) -> OffsetCommitValue:
    now_ms = groups.ledger.clock.now_ms()
    return OffsetCommitValue(offset=offset, metadata="", commit_timestamp=now_ms, topic_id=topic_id)


def pend(
    groups: Groups, offset: int, *, pid: int = PID, epoch: int = 0, where: Any = (GROUP, "t", 0)
) -> None:
    """Commit an offset within a transaction."""
    group_id, topic, partition = where
    values = [(topic, partition, value_of(groups, offset))]
    groups.coordinator.offsets_in_transactions.commit(group_id, pid, epoch, values)


def end(groups: Groups, pid: int = PID, *, commit: bool = True, epoch: int = 0) -> bool:
    """The marker."""
    marker = Marker(pid, epoch, commit, 0)
    return groups.coordinator.offsets_in_transactions.append_marker(marker, 0)


def is_unstable(groups: Groups, partition: int = 0) -> bool:
    return ("t", partition) in groups.coordinator.offsets.unstable_in(GROUP)


def test_what_is_pending_survives_a_kill_and_its_marker_decides() -> None:
    groups = Groups()
    pend(groups, 10)
    pend(groups, 20, where=("other", "t", 1))
    groups.restart()
    assert groups.coordinator.roster.state_of("other") is EMPTY
    assert (groups.offset(), is_unstable(groups)) == (None, True)
    opened = groups.coordinator.offsets_in_transactions.opened()
    assert [(pid, epoch, {*ids}) for pid, epoch, ids in opened] == [(PID, 0, {GROUP, "other"})]
    assert end(groups)
    groups.restart()
    assert (groups.offset(), groups.offset(1, "other")) == (10, 20)
    assert not is_unstable(groups)


def test_the_first_marker_ends_all_and_the_next_is_not_written() -> None:
    groups = Groups()
    pend(groups, 10)
    pend(groups, 20, where=("other", "t", 0))
    assert end(groups)
    end_offset = groups.ledger.next_offset
    assert not end(groups)
    assert not end(groups, pid=OTHER)
    assert groups.ledger.next_offset == end_offset


@pytest.fixture(scope="module")
def static_group() -> tuple[Groups, Joined]:
    groups = Groups()
    return groups, groups.stable(group_instance_id="inst-1")


RIGHT = {"generation_id": 1, "member_id": "mine", "group_instance_id": "inst-1"}


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({}, NONE),
        ({"group_instance_id": None}, NONE),
        ({"generation_id": 2}, GENERATION),
        ({"generation_id": -1}, GENERATION),
        ({"member_id": "", "group_instance_id": None}, UNKNOWN),
        ({"member_id": "x", "group_instance_id": None}, UNKNOWN),
        ({"group_instance_id": "inst-9"}, UNKNOWN),
        ({"member_id": "x"}, ErrorCode.FENCED_INSTANCE_ID),
        ({"generation_id": -1, "member_id": "", "group_instance_id": None}, NONE),
        ({"group_id": "unknown", "generation_id": 3, "member_id": "x"}, GENERATION),
        ({"group_id": "unknown", "generation_id": -1, "member_id": "x"}, NONE),
    ],
)
def test_who_may_commit_is_as_in_kafka(
    static_group: tuple[Groups, Joined], said: dict[str, Any], code: ErrorCode
) -> None:
    groups, member = static_group
    who = {"group_id": GROUP, **RIGHT, **said}
    if who["member_id"] == "mine":
        who["member_id"] = member.member_id
    assert groups.coordinator.offsets_in_transactions.check_commit(Speaker(**who)) is code


def test_a_commit_in_a_transaction_is_no_heartbeat() -> None:
    groups = Groups()
    member = groups.stable()
    for _ in range(3):
        groups.pass_ms(4000)
        groups.coordinator.offsets_in_transactions.check_commit(speaker(member))
    assert groups.coordinator.heartbeat(speaker(member)) is UNKNOWN


def test_a_group_that_there_is_no_room_for_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    assert GROUPS_MAX > 0
    monkeypatch.setattr("minibroker.broker.groups.roster.GROUPS_MAX", 0)
    groups = Groups()
    nobody = Speaker(GROUP, -1, "", None)
    code = groups.coordinator.offsets_in_transactions.check_commit(nobody)
    assert code is ErrorCode.NOT_COORDINATOR


def test_a_group_is_not_deleted_while_offsets_are_pending_in_it() -> None:
    groups = Groups()
    groups.commit(5)
    pend(groups, 10)
    assert finished(groups.coordinator.roster.delete(GROUP)) is ErrorCode.NON_EMPTY_GROUP
    assert groups.offset() == 5
    end(groups)
    assert groups.offset() == 10
    assert finished(groups.coordinator.roster.delete(GROUP)) is NONE
    assert groups.offset() is None


def test_a_commit_that_comes_while_a_large_group_is_deleted_keeps_it() -> None:
    groups = Groups()
    for partition in range(OFFSETS_A_STEP + 1):
        groups.commit(1, partition=partition)
    steps = groups.coordinator.roster.delete(GROUP)
    next(steps)
    pend(groups, 10)
    assert finished(steps) is ErrorCode.NON_EMPTY_GROUP
    end(groups)
    assert groups.offset() == 10


def test_deleting_offsets_leaves_what_is_pending() -> None:
    groups = Groups()
    groups.commit(5)
    pend(groups, 10)
    assert groups.coordinator.offsets.delete(GROUP, [("t", 0)]) == [NONE]
    assert (groups.offset(), is_unstable(groups)) == (None, True)
    groups.restart()
    end(groups)
    assert groups.offset() == 10


@pytest.mark.parametrize("restarts", [False, True])
def test_with_its_topic_goes_what_is_pending_for_it(restarts: bool) -> None:
    groups = Groups()
    pend(groups, 10)
    pend(groups, 11, pid=OTHER)
    pend(groups, 20, where=(GROUP, "kept", 0))
    finished(groups.coordinator.offsets.forget_topics(["t"], call))
    if restarts:
        groups.restart()
    assert not is_unstable(groups)
    assert not end(groups, pid=OTHER)
    assert end(groups)
    assert {*groups.coordinator.offsets.of_group(GROUP)} == {"kept"}


def test_a_topic_made_again_does_not_get_what_was_pending_for_the_one_before() -> None:
    groups = Groups()
    pend(groups, 10)
    finished(groups.coordinator.offsets.forget_topics(["t"], call))
    groups.commit(1)
    assert not is_unstable(groups)
    end(groups)
    assert groups.offset() == 1


def test_what_is_pending_for_a_topic_that_went_in_a_crash_goes_at_the_start() -> None:
    groups = Groups()
    pend(groups, 10)
    kept = [("u", 0, value_of(groups, 5, b"u" * 16))]
    groups.coordinator.offsets_in_transactions.commit(GROUP, PID, 0, kept)
    groups.coordinator.offsets.forget_topics_but({b"u" * 16})
    groups.restart()
    end(groups)
    assert {*groups.coordinator.offsets.of_group(GROUP)} == {"u"}


def test_time_leaves_alone_what_is_pending() -> None:
    groups = Groups(offsets_retention_minutes=10, offsets_retention_check_interval_ms=MINUTE_MS)
    groups.commit(5)
    groups.commit(6, partition=1)
    pend(groups, 10)
    pend(groups, 11, where=("only", "t", 0), pid=OTHER)
    groups.pass_ms(15 * MINUTE_MS)
    assert (groups.offset(), groups.offset(1)) == (5, None)
    assert groups.coordinator.roster.state_of("only") is EMPTY
    end(groups, commit=False)
    end(groups, pid=OTHER, commit=False)
    groups.pass_ms(2 * MINUTE_MS)
    assert groups.coordinator.roster.state_of(GROUP) is DEAD
    assert groups.coordinator.roster.state_of("only") is DEAD


def test_what_is_being_ended_takes_nothing_more_until_it_has_ended() -> None:
    groups = Groups()
    offsets = groups.coordinator.offsets_in_transactions
    assert not offsets.has_open(GROUP, PID, 0)
    pend(groups, 10)
    assert offsets.has_open(GROUP, PID, 0)
    assert not offsets.has_open(GROUP, PID, 1)
    assert not offsets.has_open("another", PID, 0)
    offsets.close_transaction(PID)
    assert not offsets.has_open(GROUP, PID, 0)
    assert offsets.check_open(PID, 0) is ErrorCode.CONCURRENT_TRANSACTIONS
    offsets.reopen_transaction(PID)
    assert offsets.has_open(GROUP, PID, 0)
    offsets.close_transaction(PID)
    end(groups)
    assert offsets.check_open(PID, 0) is NONE  # the next transaction
    assert not offsets.has_open(GROUP, PID, 0)


def test_a_marker_without_anything_pending_opens_the_producer_again() -> None:
    groups = Groups()
    offsets = groups.coordinator.offsets_in_transactions
    offsets.close_transaction(PID)  # its batches are all in partitions
    assert not end(groups)
    assert offsets.check_open(PID, 0) is NONE


def test_offsets_that_are_held_are_not_taken_over_by_a_later_epoch() -> None:
    groups = Groups()
    pend(groups, 10)
    code = groups.coordinator.offsets_in_transactions.check_open(PID, 1)
    assert code is ErrorCode.INVALID_PRODUCER_EPOCH


@pytest.mark.parametrize("durability", ["fsync", "page-cache", "memory"])
def test_it_is_known_what_is_not_flushed_yet(durability: str) -> None:
    where: dict[str, Any] = {} if durability == "memory" else {"log_dirs": ("data",)}
    groups = Groups(durability=durability, **where)
    offsets = groups.coordinator.offsets_in_transactions
    assert not offsets.holds_unflushed(PID)
    pend(groups, 10)
    groups.commit(1, partition=1)
    assert offsets.holds_unflushed(PID) is (durability == "fsync")
    assert not offsets.holds_unflushed(OTHER)
    groups.flush()
    assert not offsets.holds_unflushed(PID)


def test_a_marker_is_seen_when_it_is_durable_and_asks_for_a_flush() -> None:
    groups = Groups(durability="fsync", log_dirs=("data",))
    wanted: list[bool] = []
    groups.group_commit._on_wanted = lambda: wanted.append(True)
    pend(groups, 10)
    groups.flush()
    end(groups)
    assert wanted == [True]
    told: list[int | None] = []
    hear(groups.ledger.when_durable(groups.offset(), lambda: None), told.append)
    assert told == []
    groups.flush()
    assert told == [10]


def test_pending_offsets_take_room_from_all_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = Groups()
    value = value_of(groups, 1)
    monkeypatch.setattr(transactional, "OFFSETS_BYTES_MAX", 2 * pending_bytes(value))
    monkeypatch.setattr(committed, "OFFSETS_BYTES_MAX", 2 * pending_bytes(value))
    offsets = groups.coordinator.offsets_in_transactions

    def has_room(partition: int) -> bool:
        return offsets.has_room_for(GROUP, "t", partition, producer_id=PID, value=value)

    pend(groups, 1)
    assert has_room(1)
    pend(groups, 1, where=(GROUP, "t", 1))
    assert not has_room(2)
    assert has_room(1)  # again
    assert not groups.coordinator.offsets.has_room_for(GROUP, "t", 2, value)
    end(groups, commit=False)
    assert has_room(2)


def test_a_marker_that_finds_no_room_has_ended_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = Groups()
    offsets = groups.coordinator.offsets_in_transactions
    pend(groups, 10)
    offsets.close_transaction(PID)

    def full(*_: object) -> None:
        raise NoSpace("x", "the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(groups.ledger.log, "commit", full)
        with pytest.raises(NoSpace):
            end(groups)
    assert (groups.offset(), is_unstable(groups)) == (None, True)
    assert not offsets.has_open(GROUP, PID, 0)
    assert end(groups)
    assert groups.offset() == 10
