"""Pending offsets: what a group has, and what is unstable, after each record. Measured on Kafka."""

from __future__ import annotations

import pytest
from minibroker.broker.groups.offsets import GroupsState
from minibroker.broker.groups.records import OffsetCommitValue, OffsetRecord, PendingRecord
from minibroker.broker.groups.sizes import offset_bytes, pending_bytes
from minibroker.protocol.batch.control import Marker

T1, T2 = 1, 2


class Log:
    """A state, and where in its log the next record stands."""

    def __init__(self) -> None:
        self.state = GroupsState()
        self.at = 0

    def plain(self, offset: int | None) -> None:
        self.state.apply(record(offset))
        self.at += 1

    def pending(self, producer_id: int, offset: int | None) -> None:
        self.state.apply(PendingRecord(producer_id, 0, self.at, record(offset)))
        self.at += 1

    def end(self, producer_id: int, *, commit: bool = True) -> None:
        self.state.apply(Marker(producer_id, 0, commit, 0))
        self.at += 1

    def told(self) -> tuple[int | None, bool]:
        """What is committed, and whether that is unstable."""
        value = self.state.of_group("g").get("t", {}).get(0)
        is_unstable = ("t", 0) in self.state.pending.in_group("g")
        return None if value is None else value.offset, is_unstable


def record(offset: int | None) -> OffsetRecord:
    value = None
    if offset is not None:
        value = OffsetCommitValue(offset=offset, metadata="mm", commit_timestamp=1)
    return OffsetRecord("g", "t", 0, value)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.mark.parametrize("before", [None, 3])
def test_an_offset_counts_from_its_commit_marker_on(log: Log, before: int | None) -> None:
    if before is not None:
        log.plain(before)
    log.pending(T1, 10)
    assert log.told() == (before, True)
    log.end(T1)
    assert log.told() == (10, False)


@pytest.mark.parametrize("before", [None, 3])
def test_after_an_abort_it_is_as_before(log: Log, before: int | None) -> None:
    if before is not None:
        log.plain(before)
    log.pending(T1, 10)
    log.end(T1, commit=False)
    assert log.told() == (before, False)


def test_a_plain_commit_behind_a_pending_one_stays(log: Log) -> None:
    log.pending(T1, 5)
    log.plain(77)
    assert log.told() == (77, True)
    log.end(T1)
    assert log.told() == (77, False)


def test_the_record_later_in_the_log_wins_not_the_later_marker(log: Log) -> None:
    log.pending(T1, 10)
    log.pending(T2, 20)
    log.end(T2)
    assert log.told() == (20, True)
    log.end(T1)
    assert log.told() == (20, False)


def test_markers_in_the_order_of_the_records_count_one_after_the_other(log: Log) -> None:
    log.pending(T1, 10)
    log.pending(T2, 20)
    log.end(T1)
    assert log.told() == (10, True)
    log.end(T2)
    assert log.told() == (20, False)


def test_of_two_commits_of_a_transaction_the_newer_counts(log: Log) -> None:
    log.pending(T1, 30)
    log.pending(T2, 20)
    log.pending(T1, 31)
    log.end(T2)
    assert log.told() == (20, True)
    log.end(T1)
    assert log.told() == (31, False)


def test_what_is_deleted_is_not_what_is_pending(log: Log) -> None:
    log.plain(1)
    log.pending(T1, 10)
    log.plain(None)
    assert log.told() == (None, True)
    log.end(T1)
    assert log.told() == (10, False)


def test_what_was_superseded_does_not_come_back_when_what_came_after_is_deleted(log: Log) -> None:
    log.pending(T1, 10)
    log.plain(77)
    log.plain(None)
    assert log.told() == (None, False)
    log.end(T1)
    assert log.told() == (None, False)


def test_a_transaction_takes_back_what_it_had_pending(log: Log) -> None:
    log.pending(T1, 10)
    log.pending(T1, None)
    assert log.told() == (None, False)
    assert T1 not in log.state.pending
    log.end(T1)
    assert log.told() == (None, False)


def test_bytes_are_counted_as_they_come_and_go(log: Log) -> None:
    value = record(1).value
    assert value is not None
    assert pending_bytes(value) >= offset_bytes(value)  # a marker is never refused
    log.pending(T1, 10)
    log.pending(T1, 11)
    assert log.state.offsets_bytes == pending_bytes(value)
    assert log.state.live_count() == 1
    log.pending(T2, 12)
    log.end(T1)
    assert log.state.offsets_bytes == pending_bytes(value) + offset_bytes(value)
    log.end(T2, commit=False)
    assert log.state.offsets_bytes == offset_bytes(value)
    log.plain(None)
    assert (log.state.offsets_bytes, log.state.live_count()) == (0, 0)
    assert not log.state.pending.groups()
    assert not list(log.state.pending.opened())
