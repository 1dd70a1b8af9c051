"""Transactions that a start finds open in the partitions: known again, ended, or held."""

from __future__ import annotations

import pytest
from minibroker.broker.transactions.claims import (
    Abandoned,
    Claim,
    Decided,
    GoesOn,
    Held,
    OpenTransaction,
    claim,
    ids_of_producers,
)
from minibroker.broker.transactions.transaction import TopicPartition
from minibroker.protocol.batch.control import Marker

from tests.support.worlds.bare_transactions import ID, A, B, Transactions

P = 100


def claimed(
    stage: Transactions, pid: int, epoch: int, partition: TopicPartition, *, is_whole: bool = True
) -> Claim:
    """What becomes of it right after a restart."""
    ids = ids_of_producers(stage.coordinator)
    opened = OpenTransaction(partition, pid, epoch)
    return claim(stage.coordinator, ids, opened, is_whole=is_whole, now=stage.now)


def test_an_ongoing_transaction_goes_on() -> None:
    stage = Transactions()
    stage.init()
    stage.add(P, 0, A)
    stage.restart()
    assert claimed(stage, P, 0, A, is_whole=False) == GoesOn()


def test_a_partition_whose_record_is_lost_is_in_the_transaction_again() -> None:
    """1. B is added and written to  2. the power goes  3. only the batch had reached the disk."""
    stage = Transactions()
    stage.init()
    stage.add(P, 0, A)
    stage.add(P, 0, A, B)
    stage.log.pop()
    stage.restart()
    found = claimed(stage, P, 0, B)
    assert isinstance(found, GoesOn)
    assert found.change is not None
    stage.write([found.change])
    assert stage.verify(P, 0, B) == 0
    assert stage.end(P, 0, commit=True) == 0
    assert [partition for partition, _ in stage.markers] == [A, B]


def test_what_is_decided_gets_its_marker_wherever_it_is_open() -> None:
    stage = Transactions()
    stage.init()
    stage.add(P, 0, A)
    stage.holds = True
    stage.end5(P, 0, commit=True)
    stage.restart()
    assert claimed(stage, P, 0, A, is_whole=False) == Decided(ID)
    assert claimed(stage, P, 0, B, is_whole=False) == Decided(ID)
    stage.holds = False
    stage.finish(ID)
    marker = Marker(P, 1, True, 0)
    assert stage.markers == [(A, marker), (B, marker)]


def test_an_ending_without_partitions_gets_those_that_are_found_open() -> None:
    stage = Transactions()
    stage.init()
    stage.holds = True
    stage.end5(P, 0, commit=False)
    stage.restart()
    assert claimed(stage, P, 0, A) == Decided(ID)
    stage.holds = False
    stage.finish(ID)
    assert stage.markers == [(A, Marker(P, 1, False, 0))]


def test_what_nobody_will_end_is_aborted_only_if_the_state_log_is_whole() -> None:
    stage = Transactions()
    stage.init()
    stage.add(P, 0, A)
    stage.end(P, 0, commit=True)
    stage.init()
    stage.restart()
    for pid, epoch in ((P, 0), (P, 1), (777, 3)):
        assert claimed(stage, pid, epoch, A) == Abandoned(Marker(pid, epoch, False, 0))
        assert claimed(stage, pid, epoch, A, is_whole=False) == Held()


def test_another_epoch_than_that_of_the_ongoing_transaction_is_none_of_it() -> None:
    stage = Transactions()
    stage.init()
    stage.init()
    stage.add(P, 1, A)
    stage.restart()
    assert claimed(stage, P, 0, B) == Abandoned(Marker(P, 0, False, 0))
    assert claimed(stage, P, 0, B, is_whole=False) == Held()


@pytest.mark.parametrize("client_version", [0, 2])
def test_a_transaction_that_has_begun_behind_the_decided_one_is_no_part_of_it(
    client_version: int,
) -> None:
    """1. Complete and Ongoing are written, a batch appended  2. only the batch reaches the disk."""
    stage = Transactions()
    stage.init()
    stage.add(P, 0, A)
    stage.holds = True
    if client_version:
        stage.end5(P, 0, commit=True)
    else:
        stage.end(P, 0, commit=True)
    stage.restart()
    later = 1  # after EndTxn v4: of a producer that was initialised anew
    assert claimed(stage, P, later, B) == Abandoned(Marker(P, later, False, 0))
    assert claimed(stage, P, later, B, is_whole=False) == Held()
    assert claimed(stage, P, 0, B) == Decided(ID)
