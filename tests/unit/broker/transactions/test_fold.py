"""The state as a fold: replayed it is what it was, and it is made of the records Kafka writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minibroker.broker.log.state_log import REWRITE_FACTOR, REWRITE_SLACK, StateLog
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.broker.transactions.fold import SNAPSHOT_STEP, Change, TransactionsState
from minibroker.broker.transactions.offsets_partition import OFFSETS_TOPIC
from minibroker.broker.transactions.records import TransactionRecord, UnknownRecord, encode
from minibroker.broker.transactions.transaction import TopicPartition, to_value

from tests.support.sizes import size
from tests.support.worlds.bare_transactions import ID, A, B, Transactions

GOLDEN = Path(__file__).parents[3] / "golden" / "transactions" / "transaction_state.txt"
D0, D1 = TopicPartition("data", 0), TopicPartition("data", 1)
UNLIKE = {"producerId", "previousProducerId", "nextProducerId"}  # counted from elsewhere
TIMES = {"transactionLastUpdateTimestampMs", "transactionStartTimestampMs"}
OTHERS = st.integers(-2, 1)
IDS = st.sampled_from(["a", "b"])
FIRST_EPOCHS = st.sampled_from([0, 32764, 32765, 32766])  # the last ones are soon used up


def kafkas() -> Iterator[tuple[bytes, bytes | None, dict[str, Any]]]:
    for line in GOLDEN.read_text(encoding="utf-8").splitlines()[1:]:
        key, value, shown = line.split(" ", 2)
        fields = {} if shown == "<DELETE>" else json.loads(shown)["data"]
        yield bytes.fromhex(key), None if value == "-" else bytes.fromhex(value), fields


def kafkas_of(name: str) -> list[dict[str, Any]]:
    """What the records of an id say, as of transaction.version 2."""
    key = b"\0\0" + len(name).to_bytes(2, "big") + name.encode()
    return [
        comparable(fields)
        for found, _, fields in kafkas()
        if found == key and "previousProducerId" in fields
    ]


def comparable(fields: dict[str, Any]) -> dict[str, Any]:
    """Without ids and instants, of which only that there is one; partitions have no order."""
    found = {name: value for name, value in fields.items() if name not in UNLIKE | TIMES}
    found["has begun"] = fields["transactionStartTimestampMs"] >= 0
    found["has next"] = fields.get("nextProducerId", -1) >= 0
    found["is another"] = fields["previousProducerId"] != fields["producerId"]
    partitions = fields["transactionPartitions"]
    found["transactionPartitions"] = partitions and {
        (each["topic"], partition) for each in partitions for partition in each["partitionIds"]
    }
    return found


def ours_of(stage: Transactions, name: str) -> list[dict[str, Any]]:
    return [comparable(as_kafka_shows(change)) for change in stage.written if change[0] == name]


def as_kafka_shows(change: Change) -> dict[str, Any]:
    assert change.transaction is not None
    value = to_value(change.transaction)
    partitions = value.transaction_partitions
    shown: dict[str, Any] = {
        "producerId": value.producer_id,
        "previousProducerId": value.previous_producer_id,
        "producerEpoch": value.producer_epoch,
        "transactionTimeoutMs": value.transaction_timeout_ms,
        "transactionStatus": value.transaction_status,
        "transactionPartitions": None
        if partitions is None
        else [{"topic": each.topic, "partitionIds": each.partition_ids} for each in partitions],
        "transactionLastUpdateTimestampMs": value.transaction_last_update_timestamp_ms,
        "transactionStartTimestampMs": value.transaction_start_timestamp_ms,
    }
    tagged = {
        "nextProducerId": (value.next_producer_id, -1),
        "clientTransactionVersion": (value.client_transaction_version, 0),
    }
    return shown | {name: told for name, (told, default) in tagged.items() if told != default}


def test_an_old_client_leaves_the_records_that_kafka_writes() -> None:
    stage = Transactions()
    pid = stage.init(name="tv1")[1]
    stage.add(pid, 0, D0, D1, name="tv1")
    stage.add(pid, 0, TopicPartition(OFFSETS_TOPIC, 0), name="tv1")
    stage.end(pid, 0, commit=True, name="tv1")
    stage.add(pid, 0, D0, name="tv1")
    stage.end(pid, 0, commit=False, name="tv1")
    assert ours_of(stage, "tv1") == kafkas_of("tv1")


def test_a_new_client_leaves_the_records_that_kafka_writes() -> None:
    stage = Transactions()
    pid = stage.init(name="tv2")[1]
    stage.add(pid, 0, D0, D1, name="tv2")
    stage.end5(pid, 0, commit=False, name="tv2")
    stage.add(pid, 1, D1, name="tv2")
    stage.end5(pid, 1, commit=True, name="tv2")
    assert stage.init(pid, 2, name="tv2") == (0, pid, 3)
    stage.add(pid, 3, D0, name="tv2")
    assert stage.init(name="tv2") == (0, pid, 5)
    stage.end5(pid, 5, commit=False, name="tv2")
    assert ours_of(stage, "tv2") == kafkas_of("tv2")


def test_epochs_that_run_out_leave_the_records_that_kafka_writes() -> None:
    stage = Transactions()
    pid = stage.at_epoch(32765, name="end", timeout_ms=1234)
    stage.add(pid, 32765, D0, name="end")
    stage.end5(pid, 32765, commit=True, name="end")
    stage.add(pid, 32766, D1, name="end")
    stage.end5(pid, 32766, commit=True, name="end")
    assert stage.init(name="end") == (0, pid + 1, 1)
    assert ours_of(stage, "end")[2:] == kafkas_of("end")[-7:]


def test_a_timeout_leaves_the_records_that_kafka_writes() -> None:
    stage = Transactions()
    pid = stage.init(name="late", timeout_ms=1000)[1]
    stage.add(pid, 0, D1, name="late")
    stage.pass_ms(1001)
    stage.time_out()
    assert stage.init(pid, 0, name="late") == (0, pid, 1)
    assert ours_of(stage, "late") == kafkas_of("late")


def test_every_step_of_kafka_is_one_that_the_states_know() -> None:
    state, seen = TransactionsState(2), 0
    skipped = (0, 32764)  # the golden file leaves re-initialisations out
    for key, value, fields in kafkas():
        change = state.decode(key, value)
        assert state.allows(change), fields
        state.apply(change)
        seen += fields.get("producerEpoch") not in skipped
    assert seen > 30


@pytest.mark.parametrize("status", [6, 7, 8, -1])
def test_a_state_that_is_never_written_is_not_guessed(status: int) -> None:
    stage = Transactions()
    stage.init()
    value = to_value(stage.state.transactions[ID])
    value.transaction_status = status
    with pytest.raises(UnknownRecord, match="state"):
        TransactionsState(2).decode(*encode(TransactionRecord(ID, value), 1))


@settings(max_examples=size(fast=40, whole=100), deadline=None)
@given(st.integers(0, 2), st.data())
def test_replaying_the_records_gives_the_state_that_made_them(
    level: int, data: st.DataObject
) -> None:
    stage = Transactions(level)
    stage.at_epoch(data.draw(FIRST_EPOCHS), name="a")
    for _ in range(data.draw(st.integers(1, 25))):
        draw_request(stage, data)
        assert_replays(stage)
    stage.holds = False
    for name in list(stage.coordinator.endings):
        stage.finish(name)
    before = facts(stage.state)
    stage.restart()
    assert facts(stage.state) == before
    assert stage.coordinator.endings == {}


def draw_request(stage: Transactions, data: st.DataObject) -> None:
    """Any request: mostly by the present producer, else by a zombie or a stranger."""
    name = data.draw(IDS)
    found = stage.state.transactions.get(name)
    pid, epoch = (found.producer_id, found.producer_epoch) if found else (100, 0)
    if data.draw(st.integers(0, 3)) == 0:
        pid, epoch = data.draw(st.sampled_from([pid, 100, 101])), epoch + data.draw(OTHERS)
    commit = data.draw(st.booleans())
    match data.draw(st.integers(0, 9)):
        case 0:
            stage.init(name=name)
        case 1:
            stage.init(pid, epoch, name=name)
        case 2 | 3 | 4:
            partitions = data.draw(st.lists(st.sampled_from([A, B, D0, D1]), max_size=3))
            version = data.draw(st.sampled_from([0, 2]))
            stage.add(pid, epoch, *partitions, name=name, client_version=version)
        case 5:
            stage.end(pid, epoch, commit=commit, name=name)
        case 6:
            stage.end5(pid, epoch, commit=commit, name=name)
        case 7:
            stage.pass_ms(data.draw(st.sampled_from([1, 61_000])))
            stage.time_out()
        case 8:
            stage.write(stage.coordinator.expire([*stage.state.transactions], 100_000, stage.now))
        case 9:
            stage.holds = not stage.holds
            for each in list(stage.coordinator.endings):
                stage.finish(each)


def assert_replays(stage: Transactions) -> None:
    replayed = stage.replayed()
    assert facts(replayed) == facts(stage.state)
    if stage.level > 0:  # below, neither producer ids of before nor of after are written
        assert replayed.transactions == stage.state.transactions


def facts(state: TransactionsState) -> dict[str, Any]:
    """All that the records of a level can say."""
    return {name: state.encode(Change(name, each)) for name, each in state.transactions.items()}


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_log_is_rewritten_and_says_the_same(level: int) -> None:
    storage, state = MemoryStorage(), TransactionsState(level)
    log = StateLog(storage, "__transaction_state-0", state, 0)
    stage = Transactions(level)
    names = [f"id-{number}" for number in range(SNAPSHOT_STEP + 1)]
    for name in names:
        stage.init(name=name)
    while stage.written and len(stage.written) < REWRITE_SLACK + (REWRITE_FACTOR + 1) * len(names):
        stage.init(name=names[len(stage.written) % len(names)])
    for change in stage.written:
        log.commit([change], 0)
        log.rewrite_a_little(0)
        log.flush()
    again = TransactionsState(level)
    StateLog(storage, "__transaction_state-0", again, 0)
    assert facts(again) == facts(stage.state)
    assert log.log.log_start_offset > 0


def test_a_level_that_was_lowered_drops_nothing_that_a_client_was_told() -> None:
    """1. an epoch runs out: EndTxn told the next producer id  2. the level goes to 0."""
    stage = Transactions(2)
    pid = stage.at_epoch(32766)
    stage.add(pid, 32766, A)
    stage.holds = True
    assert stage.end5(pid, 32766, commit=True) == (0, pid + 1, 0)
    lowered = TransactionsState(0)
    lowered.transactions = stage.state.transactions
    again = TransactionsState(0)
    again.apply(again.decode(*lowered.encode(Change(ID, lowered.transactions[ID]))))
    assert again.transactions[ID].successor == (pid + 1, 0)
