"""Partitions and offsets taken into a transaction: the answers of Apache Kafka 4.3.1."""

from __future__ import annotations

import pytest
from minibroker.broker.transactions.offsets_partition import OFFSETS_TOPIC, offsets_partition
from minibroker.broker.transactions.outcomes import told
from minibroker.broker.transactions.transaction import TopicPartition
from minibroker.protocol.errors import ErrorCode

from tests.support.worlds.bare_transactions import ID, A, B, Transactions

P = 100
OFFSETS = TopicPartition(OFFSETS_TOPIC, 19)
FENCED, NOT_ADDED = ErrorCode.PRODUCER_FENCED, ErrorCode.TRANSACTION_ABORTABLE
BUSY = ErrorCode.CONCURRENT_TRANSACTIONS


@pytest.fixture
def stage() -> Transactions:
    """One id, initialised three times: its epoch is 2."""
    made = Transactions()
    for _ in range(3):
        made.init()
    return made


def test_a_partition_may_be_added_again(stage: Transactions) -> None:
    assert [stage.add(P, 2, A), stage.add(P, 2, A), stage.add(P, 2, A, B)] == [0, 0, 0]
    assert stage.state.transactions[ID].partitions == (A, B)
    assert len(stage.written) == 5  # the second one wrote nothing


def test_what_is_named_twice_is_one_entry(stage: Transactions) -> None:
    assert stage.add(P, 2, A, A) == 0
    assert stage.state.transactions[ID].partitions == (A,)


def test_nothing_begins_without_a_partition(stage: Transactions) -> None:
    assert stage.add(P, 2) == 0
    assert stage.standing() == "Empty"


@pytest.mark.parametrize(
    ("name", "pid", "epoch", "code"),
    [
        *((ID, P + 1, 2, 49), ("nobody", P, 2, 49), ("", P, 2, 42)),
        *((ID, P, 3, 90), (ID, P, -1, 90), (ID, P, 1, 90)),
    ],
)
@pytest.mark.parametrize("client_version", [0, 2])
def test_who_is_not_the_producer_adds_nothing(
    stage: Transactions, name: str, pid: int, epoch: int, code: int, client_version: int
) -> None:
    assert stage.add(pid, epoch, A, name=name, client_version=client_version) == code
    assert stage.verify(pid, epoch, name=name) == code
    assert stage.standing() == "Empty"


def test_only_what_was_added_is_verified(stage: Transactions) -> None:
    assert stage.verify(P, 2, A) == 120
    assert stage.add(P, 2, A) == 0
    assert [stage.verify(P, 2, A), stage.verify(P, 2, B)] == [0, 120]
    assert stage.add(P, 2, OFFSETS) == 0
    assert stage.verify(P, 2, OFFSETS) == 0
    stage.end(P, 2, commit=True)
    assert [stage.verify(P, 2, A), stage.verify(P, 2, OFFSETS)] == [120, 120]


def test_old_and_new_clients_add_to_the_same_transaction(stage: Transactions) -> None:
    assert stage.add(P, 2, A, client_version=2) == 0
    assert stage.state.transactions[ID].client_version == 2
    assert [stage.verify(P, 2, A), stage.verify(P, 2, B)] == [0, 120]


def test_the_next_transaction_begins_at_once_after_an_ending(stage: Transactions) -> None:
    """Kafka answers 51 for some time."""
    stage.add(P, 2, A)
    stage.end(P, 2, commit=True)
    assert stage.add(P, 2, B) == 0
    assert stage.state.transactions[ID].partitions == (B,)


def test_at_level_0_a_new_client_is_told_so_and_the_id_is_not_stuck() -> None:
    """In Kafka every further request on the id is answered 51."""
    stage = Transactions(level=0)
    stage.init()
    assert stage.add(P, 0, A, client_version=2) == 35
    assert stage.add(P, 0, A) == 0
    assert stage.add(P, 0, A, client_version=2) == 0  # added already: nothing to write
    assert stage.end(P, 0, commit=True) == 0


@pytest.mark.parametrize(
    ("api", "version", "code", "seen"),
    [
        *(("AddPartitionsToTxn", 1, FENCED, 47), ("AddPartitionsToTxn", 2, FENCED, 90)),
        *(("AddOffsetsToTxn", 1, FENCED, 47), ("AddOffsetsToTxn", 4, FENCED, 90)),
        *(("EndTxn", 1, FENCED, 47), ("EndTxn", 2, FENCED, 90), ("EndTxn", 5, FENCED, 90)),
        *(("TxnOffsetCommit", 0, FENCED, 47), ("TxnOffsetCommit", 5, FENCED, 47)),
        *(("TxnOffsetCommit", 3, NOT_ADDED, 48), ("TxnOffsetCommit", 4, NOT_ADDED, 120)),
        *(("TxnOffsetCommit", 3, BUSY, 51), ("TxnOffsetCommit", 5, BUSY, 51)),
        *(("Produce", 10, NOT_ADDED, 48), ("Produce", 11, NOT_ADDED, 120)),
        *(("Produce", 11, FENCED, 47), ("Produce", 13, FENCED, 47)),
        *(("Produce", 11, BUSY, 19), ("Produce", 12, BUSY, 51)),
        ("Produce", 12, ErrorCode.INVALID_PRODUCER_ID_MAPPING, 49),
        ("AddPartitionsToTxn", 0, BUSY, 51),
    ],
)
def test_clients_are_told_the_codes_they_know(
    api: str, version: int, code: ErrorCode, seen: int
) -> None:
    assert told(api, version, code) == seen


@pytest.mark.parametrize(
    ("group_id", "partition"),
    [
        *(("eg", 34), ("fg", 15), ("g5", 46), ("rg-killK", 37), ("vgl1", 18)),  # a broker's own
        *(("", 0), ("ä", 28), ("console-consumer-49243", 43)),  # Java's String.hashCode
        ("polygenelubricants", 0),  # -2147483648, which has no absolute value
    ],
)
def test_a_group_has_the_partition_that_kafka_puts_it_in(group_id: str, partition: int) -> None:
    assert offsets_partition(group_id, 50) == partition


def test_a_name_beyond_the_basic_plane_is_hashed_by_its_surrogates() -> None:
    assert offsets_partition("\U0001d11e", 2**31) == 0xD834 * 31 + 0xDD1E
