"""InitProducerId with a transactional id, as Apache Kafka 4.3.1 answered it on the wire."""

from __future__ import annotations

import pytest
from minibroker.broker.transactions.outcomes import told
from minibroker.protocol.errors import ErrorCode

from tests.support.worlds.bare_transactions import ID, A, B, Transactions

P, NEW = 100, 101  # the first producer id, and the one after it
FENCED = (90, -1, -1)


def test_each_start_gets_the_next_epoch() -> None:
    stage = Transactions()
    assert [stage.init() for _ in range(3)] == [(0, P, 0), (0, P, 1), (0, P, 2)]
    assert stage.init(P, 2) == (0, P, 3)  # KIP-360: with the present epoch
    assert [stage.init(P, 2), stage.init(P, 2)] == [(0, P, 3)] * 2  # the answer was lost
    others = [(P, 1), (P, 0), (P, 9), (P + 777, 3)]
    assert [stage.init(*each) for each in others] == [FENCED] * 4
    assert told("InitProducerId", 3, ErrorCode.PRODUCER_FENCED) == 47
    assert told("InitProducerId", 4, ErrorCode.PRODUCER_FENCED) == 90
    assert stage.init() == (0, P, 4)
    assert stage.init(P, 3) == FENCED  # the start without an epoch has forgotten the one before
    assert stage.init(P, 4) == (0, P, 5)


def test_an_unknown_id_starts_anew_whatever_it_says_it_had() -> None:
    stage = Transactions()
    assert stage.init(5555, 3) == (0, P, 0)
    assert stage.init(5555, 3) == FENCED


def test_the_newest_timeout_counts() -> None:
    stage = Transactions()
    for timeout_ms in (60_000, 12_345):
        stage.init(timeout_ms=timeout_ms)
        assert stage.state.transactions[ID].timeout_ms == timeout_ms


@pytest.mark.parametrize(
    ("name", "timeout_ms", "pid", "epoch", "code"),
    [
        ("", 60_000, -1, -1, 42),
        *[(ID, timeout_ms, -1, -1, 50) for timeout_ms in (0, -1, 900_001, 2**31 - 1)],
        (ID, 60_000, -1, 3, 42),
        (ID, 60_000, 5, -1, 42),
        (ID, 1, -1, -1, 0),
        (ID, 900_000, -1, -1, 0),
        ("x" * 300, 60_000, -1, -1, 0),
        ("ä ö", 60_000, -1, -1, 0),
    ],
)
def test_bad_input_makes_no_entry(
    name: str, timeout_ms: int, pid: int, epoch: int, code: int
) -> None:
    stage = Transactions()
    assert stage.init(pid, epoch, name=name, timeout_ms=timeout_ms)[0] == code
    assert (name in stage.state.transactions) == (code == 0)


@pytest.mark.parametrize("client_version", [0, 2])
def test_a_new_start_aborts_what_the_old_one_had_begun(client_version: int) -> None:
    stage = Transactions()
    stage.init()
    stage.add(P, 0, A, client_version=client_version)
    assert stage.init() == (0, P, 2)
    assert stage.last_marker() == ("ABORT", P, 1)
    states = [each.transaction.state.kafka_name for each in stage.written if each.transaction]
    assert states == ["Empty", "Ongoing", "PrepareAbort", "CompleteAbort", "Empty"]
    assert [stage.end(P, 0, commit=True), stage.add(P, 0, A), stage.verify(P, 0)] == [90] * 3
    assert told("Produce", 11, ErrorCode.PRODUCER_FENCED) == 47


def test_the_same_producer_goes_on_with_the_epoch_that_fenced_it() -> None:
    stage = Transactions()
    stage.init()
    stage.add(P, 0, A)
    assert [stage.init(P, 0), stage.init(P, 0)] == [(0, P, 1)] * 2
    assert stage.last_marker() == ("ABORT", P, 1)
    assert stage.init(P, 1) == (0, P, 2)


@pytest.mark.parametrize("level", [0, 1])
def test_below_level_2_it_is_fenced_by_itself(level: int) -> None:
    stage = Transactions(level)
    stage.init()
    stage.add(P, 0, A)
    assert stage.init(P, 0) == FENCED
    assert stage.last_marker() == ("ABORT", P, 1)


def test_a_wrong_producer_id_harms_no_transaction() -> None:
    stage = Transactions()
    stage.init()
    stage.add(P, 0, A)
    assert stage.init(P + 777, 0) == FENCED
    assert stage.end(P, 0, commit=True) == 0


@pytest.mark.parametrize("epoch", [0, 1, 7])
def test_a_zombie_is_fenced_and_the_living_producer_is_not(epoch: int) -> None:
    """Kafka answers 51, aborts the transaction and fences the producer of epoch 2."""
    stage = Transactions()
    for _ in range(3):
        stage.init()
    stage.add(P, 2, A)
    assert stage.init(P, epoch) == FENCED
    assert stage.markers == []
    assert stage.end(P, 2, commit=True) == 0


def test_a_zombie_of_the_epoch_before_is_fenced_while_the_retry_of_none_is_due() -> None:
    """Its InitProducerId was answered: with what comes next, the answer has been received."""
    stage = Transactions()
    stage.init()
    assert stage.init(P, 0) == (0, P, 1)
    stage.add(P, 1, A)
    assert stage.init(P, 0) == FENCED
    assert stage.standing() == "Ongoing"


def test_epochs_that_run_out_are_followed_by_a_new_producer_id() -> None:
    stage = Transactions()
    stage.at_epoch(32765)
    assert [stage.init(), stage.init()] == [(0, P, 32766), (0, NEW, 0)]
    assert [stage.init(P, each) for each in (0, 32764, 32765, 32766, 32767)] == [FENCED] * 5


def test_a_retry_of_the_last_epoch_is_known() -> None:
    stage = Transactions()
    stage.at_epoch(32766)
    assert [stage.init(P, 32766) for _ in range(3)] == [(0, NEW, 0)] * 3
    assert stage.init(P, 32765) == FENCED


@pytest.mark.parametrize(
    ("epoch", "granted", "marker_epoch"), [(32765, 0, 32766), (32766, 1, 32767)]
)
def test_fencing_at_the_end_of_the_epochs(epoch: int, granted: int, marker_epoch: int) -> None:
    stage = Transactions()
    stage.at_epoch(epoch)
    stage.add(P, epoch, A)
    assert stage.init() == (0, NEW, granted)
    assert stage.last_marker() == ("ABORT", P, marker_epoch)
    assert stage.end(P, epoch, commit=True) == 49


def test_the_epoch_behind_the_last_one_is_nobodys() -> None:
    """Else an ending would need an epoch that no record can hold."""
    stage = Transactions(level=1)
    stage.at_epoch(32766)
    stage.add(P, 32766, A)
    stage.pass_ms(60_001)
    assert stage.time_out() == [ID]
    assert stage.epoch() == 32767
    assert [stage.add(P, 32767, A), stage.end5(P, 32767, commit=False)[0]] == [90, 90]
    assert stage.init() == (0, NEW, 0)


def test_an_old_client_ends_at_its_epoch_also_the_last() -> None:
    stage = Transactions()
    stage.at_epoch(32766)
    stage.add(P, 32766, A)
    assert stage.end(P, 32766, commit=True) == 0
    assert stage.last_marker() == ("COMMIT", P, 32766)
    assert stage.init() == (0, NEW, 0)


def test_a_transaction_that_takes_too_long_is_aborted_under_the_next_epoch() -> None:
    stage = Transactions()
    stage.init(timeout_ms=1000)
    stage.add(P, 0, A)
    stage.pass_ms(1000)
    assert stage.time_out() == []
    stage.pass_ms(1)
    assert stage.time_out() == [ID]
    assert stage.last_marker() == ("ABORT", P, 1)
    assert stage.verify(P, 0) == 90
    assert stage.add(P, 0, A) == 90
    assert [stage.end(P, 0, commit=each) for each in (True, False)] == [90, 90]
    assert stage.end5(P, 0, commit=True) == (48, -1, -1)
    assert stage.end5(P, 0, commit=False) == (0, P, 1)
    assert [stage.init(P, 0), stage.init(P, 0)] == [(0, P, 1)] * 2
    assert stage.init() == (0, P, 2)


@pytest.mark.parametrize("level", [0, 1])
def test_below_level_2_there_is_no_way_back_after_a_timeout(level: int) -> None:
    stage = Transactions(level)
    stage.init(timeout_ms=1000)
    stage.add(P, 0, A)
    stage.pass_ms(1001)
    stage.time_out()
    assert stage.end5(P, 0, commit=False) == (0, P, 1)
    assert stage.end5(P, 0, commit=True) == (48, -1, -1)
    assert stage.init(P, 0) == FENCED


def test_only_the_first_partition_begins_the_time() -> None:
    stage = Transactions()
    stage.init(timeout_ms=1000)
    stage.pass_ms(900)
    stage.add(P, 0, A)
    stage.pass_ms(900)
    began_ms = stage.state.transactions[ID].start_ms
    stage.add(P, 0, B)
    assert stage.state.transactions[ID].start_ms == began_ms
    assert stage.time_out() == []
    stage.pass_ms(101)
    assert stage.time_out() == [ID]


def test_an_id_that_expired_starts_anew() -> None:
    stage = Transactions()
    stage.init()
    stage.init()
    stage.pass_ms(4000)
    stage.write(stage.coordinator.expire([ID], 4000, stage.now))
    assert ID not in stage.state.transactions
    assert stage.verify(P, 1) == 49
    assert stage.add(P, 1, A) == 49
    assert [stage.end(P, 1, commit=True), stage.end5(P, 1, commit=True)[0]] == [49, 49]
    assert stage.init(P, 1) == (0, NEW, 0)


def test_ids_are_bounded_and_those_that_are_known_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rude client draws a new id for every request; each would be kept for a week."""
    monkeypatch.setattr("minibroker.broker.transactions.fold.TRANSACTIONAL_IDS_BYTES_MAX", 2000)
    stage = Transactions()
    names = [f"{number:04}" for number in range(5)]
    told = [stage.init(name=name)[0] for name in names]
    assert told == [0, 0, 0, 15, 15]
    assert stage.init(name=names[0])[0] == 0
    stage.write(stage.coordinator.expire(names, 0, stage.now))
    assert stage.state.held_bytes == 0
    assert stage.init(name=names[4])[0] == 0
