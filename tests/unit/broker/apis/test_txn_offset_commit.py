"""TxnOffsetCommit, version by version, as measured on Kafka 4.3.1; and what waits for what."""

from __future__ import annotations

from typing import Any

import pytest
from minibroker.broker.apis.txn_offset_commit import PARTITIONS_A_STEP
from minibroker.broker.groups.roster import Roster
from minibroker.broker.limits import POSTPONED_MS_MAX
from minibroker.broker.transactions.transaction import TopicPartition
from minibroker.protocol.errors import ErrorCode

from tests.support.groups.bare_groups import GROUP
from tests.support.groups.transactional_groups import ID, WHERE, TransactionalGroups

NONE = ErrorCode.NONE
OLD, NEW = (0, 1, 2, 3, 4), (5,)
T0, T1 = ("t", 0), ("t", 1)
EPOCH, MAPPING = ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.INVALID_PRODUCER_ID_MAPPING
BUSY = ErrorCode.CONCURRENT_TRANSACTIONS


def opened(stage: TransactionalGroups, version: int) -> int:
    """A producer whose transaction has the group's offsets, if its client says so itself."""
    pid = stage.producer()
    if version in OLD:
        assert stage.add_offsets(pid)[0].code is NONE
        stage.groups.flush()
    return pid


def codes(stage: TransactionalGroups, *asked: Any, **said: Any) -> dict[Any, int]:
    """The answer of a commit once all is flushed."""
    answers = stage.commit(*asked, **said)
    stage.groups.flush()
    (answer,) = answers
    return answer


@pytest.fixture
def stage() -> TransactionalGroups:
    return TransactionalGroups()


@pytest.mark.parametrize(
    ("version", "code"),
    [*((each, 48) for each in (0, 1, 2, 3)), (4, 120), (5, 0)],
)
def test_offsets_come_into_the_transaction_before_or_with_them(
    stage: TransactionalGroups, version: int, code: int
) -> None:
    pid = stage.producer()
    assert codes(stage, version, pid, {T0: 10}) == {T0: code}
    assert stage.told() == (None, code == 0)
    added = stage.transactions.state.transactions[ID].partitions
    assert added == ((WHERE,) if version in NEW else ())


@pytest.mark.parametrize("version", [*OLD, *NEW])
def test_each_partition_has_its_own_answer(stage: TransactionalGroups, version: int) -> None:
    pid = opened(stage, version)
    asked = {T0: 10, ("t", 1000): 1, ("t", -1): 1, ("nope", 0): 1, ("u", 2): -1}
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    expected = {
        each: unknown if each[1] in (1000, -1) or each[0] == "nope" else 0 for each in asked
    }
    assert codes(stage, version, pid, asked) == expected
    long = codes(stage, version, pid, {T1: 1}, metadata="m" * 4097)
    assert long == {T1: ErrorCode.OFFSET_METADATA_TOO_LARGE}
    assert codes(stage, version, pid, {T1: 1}, metadata="m" * 4096) == {T1: 0}
    assert codes(stage, version, pid, {T1: 1, ("nope", 0): 2}, group_id="") == {
        T1: ErrorCode.INVALID_GROUP_ID,
        ("nope", 0): unknown,
    }
    stage.end(pid)
    stage.groups.flush()
    assert stage.told() == (10, False)
    negative = stage.groups.coordinator.offsets.of_group(GROUP)["u"][2]
    assert negative.offset == -1


@pytest.mark.parametrize("version", [*OLD, *NEW])
def test_a_stranger_is_told_what_is_wrong(stage: TransactionalGroups, version: int) -> None:
    pid = opened(stage, version)
    assert codes(stage, version, pid + 777, {T0: 1}) == {T0: MAPPING}
    assert codes(stage, version, pid, {T0: 1}, transactional_id="never") == {T0: MAPPING}
    assert codes(stage, version, pid, {T0: 1}, producer_epoch=3) == {T0: EPOCH}
    assert codes(stage, version, pid, {T0: 1}) == {T0: 0}
    assert codes(stage, version, pid, {T0: 1}, producer_epoch=3) == {T0: EPOCH}
    # From now on producer id and epoch count, whatever the transactional id.
    assert codes(stage, version, pid, {T0: 2}, transactional_id="never") == {T0: 0}
    assert codes(stage, version, pid, {T0: 3}, transactional_id="") == {T0: 0}
    stage.end(pid)
    stage.groups.flush()
    stage.producer()  # the next epoch
    assert codes(stage, version, pid, {T0: 4}) == {T0: EPOCH}
    assert stage.told() == (3, False)


@pytest.mark.parametrize("version", NEW)
def test_where_no_partition_is_there_no_transaction_begins(
    stage: TransactionalGroups, version: int
) -> None:
    pid = stage.producer()
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert codes(stage, version, pid, {("nope", 0): 1}) == {("nope", 0): unknown}
    assert codes(stage, version, pid, {}) == {}
    assert codes(stage, version, pid, {T0: 1}, group_id="") == {T0: ErrorCode.INVALID_GROUP_ID}
    assert stage.transactions.state.state_of(ID).kafka_name == "Empty"


@pytest.mark.parametrize("version", [3, 4, 5])
def test_the_group_is_asked_after_the_transaction(stage: TransactionalGroups, version: int) -> None:
    pid = opened(stage, version)
    wrong = {"generation_id": 3, "member_id": "x"}
    assert codes(stage, version, pid + 1, {T0: 1}, **wrong) == {T0: MAPPING}
    assert codes(stage, version, pid, {T0: 1}, **wrong) == {T0: ErrorCode.ILLEGAL_GENERATION}
    assert stage.told() == (None, False)
    member = stage.groups.join()[0:1]
    stage.groups.let_join()
    assert member == []
    group = stage.groups.coordinator.roster.find(GROUP)
    assert group is not None
    right = {"generation_id": group.generation_id, "member_id": group.leader}
    assert group.state.value == "CompletingRebalance"
    assert codes(stage, version, pid, {T0: 1}, **right) == {T0: 0}


def test_a_commit_is_answered_when_both_logs_are_durable(stage: TransactionalGroups) -> None:
    pid = stage.producer()
    first = stage.commit(5, pid, {T0: 1})
    second = stage.commit(5, pid, {T0: 2})  # asks nobody
    stage.groups.ledger.log.flush()
    assert (first, second) == ([], [])
    stage.groups.flush()
    assert (first, second) == ([{T0: 0}], [{T0: 0}])
    assert stage.transactions.ledger.is_durable
    third = stage.commit(5, pid, {T0: 3})
    assert third == []
    stage.groups.flush()
    assert third == [{T0: 0}]


def test_a_flush_that_fails_is_told(stage: TransactionalGroups) -> None:
    pid = stage.producer()
    answers = stage.commit(5, pid, {T0: 1})
    stage.groups.group_commit.fail(stage.groups.group_commit.begin())
    assert answers == [{T0: ErrorCode.NOT_COORDINATOR}]


@pytest.mark.parametrize("bumps", [False, True])
def test_what_comes_while_the_transaction_ends_goes_into_the_next(
    stage: TransactionalGroups, bumps: bool
) -> None:
    pid = stage.producer()
    codes(stage, 5, pid, {T0: 1})
    assert stage.end(pid, bumps=bumps) == []
    late = stage.commit(5, pid, {T1: 7}, producer_epoch=int(bumps))
    assert late == []
    stage.groups.flush()  # Prepare is durable, the marker is written
    assert (late, stage.told(0), stage.told(1)) == ([], (1, False), (None, False))
    stage.groups.flush()  # the marker is durable
    assert late == []
    for _ in range(2):  # that of the next transaction's record, if its epoch does not tell it
        stage.groups.flush()
    assert late == [{T1: 0}]
    assert (stage.told(0), stage.told(1)) == ((1, False), (None, True))


def test_what_comes_late_of_a_client_that_adds_is_told_that_nothing_was_added(
    stage: TransactionalGroups,
) -> None:
    pid = opened(stage, 4)
    codes(stage, 4, pid, {T0: 1})
    stage.end(pid)
    late = stage.commit(4, pid, {T0: 2})
    stage.groups.flush()
    stage.groups.flush()
    assert late == [{T0: ErrorCode.TRANSACTION_ABORTABLE}]
    assert stage.told() == (1, False)


def test_nobody_waits_for_ever_for_an_ending(stage: TransactionalGroups) -> None:
    pid = stage.producer()
    codes(stage, 5, pid, {T0: 1})
    stage.end(pid)
    late = stage.commit(5, pid, {T0: 2})
    stage.groups.clock.passed_ms += POSTPONED_MS_MAX
    stage.transactions.timers.on_deadline(stage.groups.clock.passed_ms)
    assert late == [{T0: BUSY}]
    stage.groups.flush()
    stage.groups.flush()
    assert stage.told() == (1, False)


def test_a_topic_that_goes_while_the_commit_waits_gets_no_offset(
    stage: TransactionalGroups,
) -> None:
    pid = stage.producer()
    codes(stage, 5, pid, {T0: 1})
    stage.end(pid)
    late = stage.commit(5, pid, {T0: 2, ("u", 0): 3})
    del stage.state.topics["t"]
    for _ in range(4):
        stage.groups.flush()
    assert late == [{T0: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ("u", 0): 0}]


def test_unverified_clients_are_taken_at_their_word() -> None:
    stage = TransactionalGroups(transaction_partition_verification_enable=False)
    pid = stage.producer()
    assert codes(stage, 4, pid, {T0: 1}) == {T0: 0}
    assert codes(stage, 5, pid + 1, {T0: 1}) == {T0: MAPPING}


class OneStep:
    """Slices of one step; the test says when the next may follow. Implements Slices."""

    def __init__(self) -> None:
        self.due: list[Any] = []

    def first(self) -> Any:
        return lambda: True

    next = first

    def wanted(self, go_on: Any) -> None:
        self.due.append(go_on)

    def aside(self, call: Any, done: Any) -> None:
        raise AssertionError

    def go_on(self, count: int) -> None:
        for _ in range(count):
            if self.due:
                self.due.pop(0)()


def test_a_long_commit_that_the_ending_overtakes_is_not_written_into_the_next_transaction() -> None:
    slices = OneStep()
    stage = TransactionalGroups(slices)
    pid = stage.producer()
    asked = {("t", n): n for n in range(3 * PARTITIONS_A_STEP)}
    answers = stage.commit(5, pid, asked)
    assert stage.groups.ledger.state.pending.count == PARTITIONS_A_STEP
    assert stage.end(pid) == []
    for _ in range(5):
        stage.groups.flush()
        slices.go_on(2000)
    stage.groups.flush()
    (told,) = answers
    assert [*told.values()] == [0] * PARTITIONS_A_STEP + [BUSY] * (2 * PARTITIONS_A_STEP)
    assert stage.groups.ledger.state.pending.count == 0
    assert stage.told(PARTITIONS_A_STEP - 1) == (PARTITIONS_A_STEP - 1, False)
    assert stage.told(PARTITIONS_A_STEP) == (None, False)


def test_there_is_no_group_more_than_there_is_room_for(
    stage: TransactionalGroups, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = stage.producer()
    monkeypatch.setattr(Roster, "has_room", lambda self, group_id: False)
    assert codes(stage, 5, pid, {T0: 1}) == {T0: ErrorCode.NOT_COORDINATOR}


def test_the_partition_of_a_group_is_kafkas() -> None:
    assert TopicPartition("__consumer_offsets", 3) == WHERE  # "g" is 103
