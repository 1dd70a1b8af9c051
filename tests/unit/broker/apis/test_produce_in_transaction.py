"""Produce with transactional batches, as Apache Kafka 4.3.1 answers it; what differs says so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from minibroker.broker.limits import POSTPONED_MS_MAX
from minibroker.broker.session import CloseConnection
from minibroker.broker.transactions import outcomes
from minibroker.broker.waiting.long_work import Working, finished
from minibroker.protocol.batch.header import TRANSACTIONAL_BIT
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)

from tests.support.transaction_worlds.transactional_requests import (
    ID,
    TOPIC,
    A,
    B,
    Batch,
    Requests,
    ending,
    produced,
    producing,
)

OLD, ABORTABLE, ADDS, BY_ID = 10, 11, 12, 13
NO_COORDINATOR = (
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_COORDINATOR,
)
FENCED, WRONG_STATE, WRONG_ID, BUSY, AGAIN, NOT_ADDED = 47, 48, 49, 51, 19, 120


@pytest.fixture
def requests() -> Requests:
    return Requests()


@pytest.fixture
def pid(requests: Requests) -> int:
    """Of an id at epoch 0."""
    code, producer_id, epoch = requests.init()
    assert (code, epoch) == (0, 0)
    return producer_id


def state_of(requests: Requests, name: str = ID) -> str:
    return requests.machine.broker.transactions.state.state_of(name).kafka_name


def partitions_of(requests: Requests, name: str = ID) -> list[tuple[str, int]]:
    return list(requests.machine.broker.transactions.state.transactions[name].partitions)


def log_end(requests: Requests, index: int = 0) -> int:
    return requests.machine.partition(TOPIC, index).log.log_end_offset


# v3 to v11: the partition must have been added.


@pytest.mark.parametrize(
    ("version", "code"), [(3, WRONG_STATE), (OLD, WRONG_STATE), (11, NOT_ADDED)]
)
def test_a_partition_that_was_not_added_is_refused(
    requests: Requests, pid: int, version: int, code: int
) -> None:
    assert requests.produce(Batch(pid), version=version) == {0: (code, -1)}
    requests.add(pid, 0, B)
    assert requests.produce(Batch(pid), version=version) == {0: (code, -1)}
    assert requests.produce(Batch(pid, index=1), version=version) == {1: (0, 0)}
    assert partitions_of(requests) == [B]


def test_an_added_partition_takes_batches_in_sequence(requests: Requests, pid: int) -> None:
    requests.add(pid, 0, A)
    steps = [(0, 2), (0, 2), (2, 1), (4, 1), (1, 1)]
    told = [
        requests.produce(Batch(pid, sequence=first, count=count), version=11)[0]
        for first, count in steps
    ]
    assert told == [(0, 0), (0, 0), (0, 2), (45, -1), (45, -1)]


def test_a_retry_is_verified_before_it_is_known(requests: Requests, pid: int) -> None:
    requests.add(pid, 0, A)
    requests.produce(Batch(pid), version=11)
    requests.end(pid, 0, commit=True)
    assert requests.produce(Batch(pid), version=OLD) == {0: (WRONG_STATE, -1)}
    assert requests.produce(Batch(pid), version=11) == {0: (NOT_ADDED, -1)}
    requests.add(pid, 0, A)
    assert requests.produce(Batch(pid), version=11) == {0: (0, 0)}
    assert requests.produce(Batch(pid, sequence=1), version=11) == {0: (0, 2)}


@pytest.mark.parametrize(("version", "code"), [(OLD, WRONG_STATE), (11, NOT_ADDED)])
def test_a_retry_of_what_was_aborted_is_not_acknowledged(
    requests: Requests, pid: int, version: int, code: int
) -> None:
    """Kafka answers 0 and the offset of a record that no reader will see."""
    requests.add(pid, 0, A)
    requests.produce(Batch(pid), version=version)
    requests.end(pid, 0, commit=False)
    requests.add(pid, 0, A)
    assert requests.produce(Batch(pid), version=version) == {0: (code, -1)}
    assert requests.produce(Batch(pid, sequence=1), version=version) == {0: (0, 2)}


def test_a_refused_batch_poisons_no_later_one(requests: Requests, pid: int) -> None:
    """In Kafka the lowest sequence that was refused makes all higher ones 45."""
    requests.add(pid, 0, A)
    requests.produce(Batch(pid, count=5), version=11)
    requests.end(pid, 0, commit=True)
    late, right = Batch(pid, sequence=3), Batch(pid, sequence=5)
    assert requests.produce(late, version=11) == {0: (NOT_ADDED, -1)}
    requests.add(pid, 0, A)
    assert requests.produce(late, version=11) == {0: (45, -1)}
    assert requests.produce(replace(right, producer_epoch=3), version=11) == {0: (FENCED, -1)}
    assert requests.produce(right, version=11) == {0: (0, 6)}


def test_without_verification_older_clients_are_not_asked_for(requests: Requests, pid: int) -> None:
    name = "transaction.partition.verification.enable"
    config = AlterableConfig(name=name, config_operation=0, value="false")
    broker = AlterConfigsResource(resource_type=4, resource_name="1", configs=[config])
    told = requests.ask(IncrementalAlterConfigsRequest(resources=[broker], validate_only=False))
    assert told.responses[0].error_code == 0
    assert requests.produce(Batch(pid), version=11) == {0: (0, 0)}
    assert state_of(requests) == "Empty"
    assert requests.produce(Batch(pid, index=1), version=ADDS) == {1: (0, 0)}
    assert partitions_of(requests) == [B]


# v12 and v13: what is written to is added.


def test_what_is_written_to_is_added(requests: Requests, pid: int) -> None:
    assert requests.produce(Batch(pid)) == {0: (0, 0)}
    assert (state_of(requests), partitions_of(requests)) == ("Ongoing", [A])
    assert requests.produce(Batch(pid, sequence=1)) == {0: (0, 1)}
    assert requests.produce(Batch(pid, index=1)) == {1: (0, 0)}
    assert partitions_of(requests) == [A, B]


def test_topics_may_be_named_by_id(requests: Requests, pid: int) -> None:
    topic_id = requests.machine.broker.state.topics[TOPIC].topic_id
    message = producing(Batch(pid), Batch(pid, index=1))
    message.topic_data[0].name, message.topic_data[0].topic_id = "", topic_id
    told = requests.ask(message, BY_ID)
    assert produced(told) == {0: (0, 0), 1: (0, 0)}
    assert [each.topic_id for each in told.responses] == [topic_id]
    message.topic_data[0].topic_id = b"\1" * 16
    assert produced(requests.ask(message, BY_ID)) == {0: (100, -1), 1: (100, -1)}


def test_the_first_sequence_of_an_unknown_producer_is_zero(requests: Requests, pid: int) -> None:
    assert requests.produce(Batch(pid, sequence=5)) == {0: (45, -1)}
    assert (state_of(requests), partitions_of(requests)) == ("Ongoing", [A])
    assert requests.produce(Batch(pid)) == {0: (0, 0)}


def test_an_older_client_may_begin_anywhere(requests: Requests, pid: int) -> None:
    requests.add(pid, 0, A)
    assert requests.produce(Batch(pid, sequence=7), version=11) == {0: (0, 0)}


def test_the_next_transaction_has_the_next_epoch(requests: Requests, pid: int) -> None:
    requests.produce(Batch(pid, count=3))
    assert requests.end(pid, 0, commit=True, version=5) == (0, pid, 1)
    old = [Batch(pid, sequence=3), Batch(pid, sequence=0), Batch(pid, index=1)]
    assert [[*requests.produce(each).values()] for each in old] == [[(FENCED, -1)]] * 3
    assert requests.produce(Batch(pid, 1, 1)) == {0: (45, -1)}
    assert requests.produce(Batch(pid, 1, 0)) == {0: (0, 4)}


def test_a_partition_of_one_client_is_open_for_the_other(requests: Requests, pid: int) -> None:
    requests.produce(Batch(pid))
    assert requests.produce(Batch(pid, sequence=1), version=11) == {0: (0, 1)}
    assert requests.produce(Batch(pid, index=1), version=11) == {1: (NOT_ADDED, -1)}


# Both.


@pytest.mark.parametrize("version", [11, ADDS])
def test_who_is_not_the_producer_of_the_id_is_refused(
    requests: Requests, pid: int, version: int
) -> None:
    requests.add(pid, 0, A)
    for name, batch, code in (
        (ID, Batch(pid + 777), WRONG_ID),
        ("nobody", Batch(pid), WRONG_ID),
        ("", Batch(pid), 42),
        (None, Batch(pid), 53),
        (ID, Batch(pid, 3), FENCED),
    ):
        assert requests.produce(batch, name=name, version=version) == {0: (code, -1)}
    assert log_end(requests) == 0


@pytest.mark.parametrize("version", [11, ADDS])
def test_of_an_older_epoch_than_the_partition_knows_nobody_is_asked(
    requests: Requests, pid: int, version: int
) -> None:
    beside = Batch(pid, producer_epoch=5, attributes=0)
    assert requests.produce(beside, name=None) == {0: (0, 0)}
    for name in (ID, "nobody", ""):
        assert requests.produce(Batch(pid), name=name, version=version) == {0: (FENCED, -1)}
    assert state_of(requests) == "Empty"
    assert requests.produce(Batch(pid, index=1)) == {1: (0, 0)}


@pytest.mark.parametrize("version", [11, ADDS])
def test_the_id_is_not_looked_at_again_where_the_transaction_is_open(
    requests: Requests, pid: int, version: int
) -> None:
    requests.add(pid, 0, A)
    requests.produce(Batch(pid), version=version)
    for at, name in enumerate(("nobody", ""), 1):
        assert requests.produce(Batch(pid, 0, at), name=name, version=version) == {0: (0, at)}


@pytest.mark.parametrize("version", [11, ADDS])
def test_two_producers_in_one_request_are_refused_both(
    requests: Requests, pid: int, version: int
) -> None:
    requests.add(pid, 0, A, B)
    for other in (Batch(pid + 1, index=1), Batch(pid, 1, index=1)):
        told = requests.produce(Batch(pid), other, version=version)
        assert told == {0: (WRONG_ID, -1), 1: (WRONG_ID, -1)}
    assert log_end(requests) == 0


@pytest.mark.parametrize("version", [11, ADDS])
def test_an_epoch_that_is_over_is_refused_whoever_has_the_id_now(
    requests: Requests, pid: int, version: int
) -> None:
    """As after the expiry of an id, or when its epochs have run out."""
    requests.produce(Batch(pid))
    requests.end(pid, 0, commit=True, version=5)
    requests.machine.flush()
    del requests.machine.broker.transactions.state.transactions[ID]
    assert requests.produce(Batch(pid, 1), version=version) == {0: (WRONG_ID, -1)}
    assert requests.produce(Batch(pid, 0, 1), version=version) == {0: (FENCED, -1)}
    assert requests.produce(Batch(pid, 0, 0), version=version) == {0: (FENCED, -1)}


def test_an_epoch_that_is_over_waits_for_no_ending(requests: Requests, pid: int) -> None:
    requests.produce(Batch(pid))
    requests.end(pid, 0, commit=True, version=5)
    requests.produce(Batch(pid, 1))
    requests.send(ending(pid, 1, commit=True), 5)
    late = requests.send(producing(Batch(pid, 0, 1)), ADDS)
    assert produced(late.answer) == {0: (FENCED, -1)}


def test_batches_outside_the_transaction_are_stored_beside_it(requests: Requests, pid: int) -> None:
    plain = Batch(-1, index=1, attributes=0)
    assert requests.produce(Batch(pid), plain) == {0: (0, 0), 1: (0, 0)}
    assert partitions_of(requests) == [A]
    assert requests.produce(Batch(-1, index=1)) == {1: (0, 1)}, "transactional, of no producer"
    assert not requests.machine.partition(TOPIC, 1).has_open_transaction(-1)
    told = requests.produce(Batch(pid, sequence=1, attributes=0), name=None)
    assert told == {0: (WRONG_STATE, -1)}


def test_an_id_makes_no_transaction_of_plain_batches(requests: Requests, pid: int) -> None:
    assert requests.produce(Batch(pid, attributes=0)) == {0: (0, 0)}
    assert state_of(requests) == "Empty"
    assert requests.produce(Batch(pid, sequence=1)) == {0: (0, 1)}


def test_what_is_not_there_disturbs_nobody(requests: Requests, pid: int) -> None:
    told = requests.ask(
        producing(Batch(pid), Batch(pid, index=99), Batch(pid, topic="nowhere", index=7)), ADDS
    )
    assert produced(told) == {0: (0, 0), 99: (3, -1), 7: (3, -1)}
    assert partitions_of(requests) == [A]


def test_bad_batches_are_told_what_is_wrong_with_them(requests: Requests, pid: int) -> None:
    message = producing(Batch(pid), Batch(pid, index=1, attributes=TRANSACTIONAL_BIT | 0x20))
    data = message.topic_data[0].partition_data[0]
    data.records = bytes(data.records or b"")[:-1] + b"\xff"
    assert produced(requests.ask(message, ADDS)) == {0: (2, -1), 1: (87, -1)}
    cut = producing(Batch(pid))
    cut.topic_data[0].partition_data[0].records = bytes(data.records or b"")[:61]
    assert produced(requests.ask(cut, ADDS)) == {0: (87, -1)}


def test_acks_zero_gets_no_answer_but_the_end_of_the_connection(
    requests: Requests, pid: int
) -> None:
    sent = requests.send(producing(Batch(pid), acks=0), ADDS)
    assert sent.answers == [None]
    assert log_end(requests) == 1
    refused = requests.send(producing(Batch(pid, 3), acks=0), ADDS)
    assert isinstance(refused.answer, CloseConnection)
    assert requests.produce(Batch(pid, sequence=1), acks=1) == {0: (0, 1)}


def test_compressed_batches_are_opened_first(requests: Requests, pid: int) -> None:
    requests.machine.partition("packed", compression_type="gzip")
    assert requests.produce(Batch(pid, topic="packed")) == {0: (0, 0)}
    assert requests.produce(Batch(pid, sequence=1, topic="packed")) == {0: (0, 1)}
    assert partitions_of(requests) == [("packed", 0)]


# Durability, and the order on a connection.


def test_a_batch_is_acknowledged_when_its_partition_is_durably_in_the_transaction(
    requests: Requests, pid: int
) -> None:
    broker = requests.machine.broker
    sent = requests.send(producing(Batch(pid)), ADDS)
    assert not broker.transactions.ledger.is_durable
    partition = requests.machine.partition(TOPIC)
    round_ = broker.begin_round()
    state_log = broker.transactions.ledger.log
    assert {state_log, partition} <= {log for log, _ in round_.marks}
    assert not sent.answers
    broker.finish_round(round_)
    assert produced(sent.answer) == {0: (0, 0)}


def test_a_batch_in_an_open_transaction_waits_for_what_another_has_added(
    requests: Requests, pid: int
) -> None:
    """1. a partition is added, and not durable  2. a retry of the batch needs no word."""
    requests.send(producing(Batch(pid)), ADDS)
    partition = requests.machine.partition(TOPIC)
    partition.made_durable(partition.mark())
    retry = requests.send(producing(Batch(pid)), ADDS)
    assert not retry.answers
    assert produced(requests.come(retry)) == {0: (0, 0)}


def test_a_refusal_waits_for_nothing(requests: Requests, pid: int) -> None:
    requests.send(producing(Batch(pid)), ADDS)
    assert not requests.machine.broker.transactions.ledger.is_durable
    refused = requests.send(producing(Batch(pid, 9, index=1)), ADDS)
    assert produced(refused.answer) == {1: (FENCED, -1)}


def test_while_an_ending_is_waited_for_the_connection_begins_nothing(
    requests: Requests, pid: int
) -> None:
    requests.produce(Batch(pid))
    end = requests.send(ending(pid, 0, commit=True), 5)
    first = requests.send(producing(Batch(pid, 1)), ADDS)
    assert (end.answers, first.answers, first.is_working) == ([], [], True)
    worked: list[int] = []
    assert isinstance(first.outcome, Working)
    first.outcome.on_worked = lambda: worked.append(log_end(requests))
    assert produced(requests.come(first)) == {0: (0, 2)}
    assert worked == [3], "it was stored before the next request of the connection was begun"
    assert end.answer.error_code == 0


def test_those_who_wait_are_stored_in_the_order_in_which_they_came(
    requests: Requests, pid: int
) -> None:
    requests.produce(Batch(pid))
    requests.send(ending(pid, 0, commit=True), 5)
    sent = [requests.send(producing(Batch(pid, 1, at)), ADDS) for at in range(3)]
    told = [produced(requests.come(each))[0] for each in sent]
    assert told == [(0, 2), (0, 3), (0, 4)]


def test_a_topic_made_again_meanwhile_is_another_one(requests: Requests, pid: int) -> None:
    """v13 names a topic by its id; who waits for the coordinator finds one of the same name."""
    requests.produce(Batch(pid))
    requests.send(ending(pid, 0, commit=True), 5)
    message = producing(Batch(pid, 1, index=1))
    topic_id = requests.machine.broker.state.topics[TOPIC].topic_id
    message.topic_data[0].name, message.topic_data[0].topic_id = "", topic_id
    sent = requests.send(message, BY_ID)
    finished(requests.machine.broker.delete_topics([TOPIC]))
    requests.machine.partition(TOPIC)
    assert produced(requests.come(sent)) == {1: (100, -1)}
    assert log_end(requests, 1) == 0


@pytest.mark.parametrize(("version", "code"), [(OLD, AGAIN), (11, AGAIN), (ADDS, BUSY)])
def test_who_waits_too_long_is_told_to_come_again(
    requests: Requests, pid: int, version: int, code: int
) -> None:
    requests.add(pid, 0, A, B)
    requests.produce(Batch(pid), version=version)
    requests.send(ending(pid, 0, commit=True), 4)
    zombie = requests.send(producing(Batch(pid, 9, index=1)), version)
    late = requests.send(producing(Batch(pid, index=1)), version)
    requests.machine.clock.passed_ms += POSTPONED_MS_MAX
    requests.machine.broker.on_deadline(requests.machine.clock.passed_ms)
    assert produced(late.answer) == {1: (code, -1)}
    assert not late.is_working
    expected = BUSY if version >= ADDS else FENCED
    assert produced(zombie.answer) == {1: (expected, -1)}


def test_nothing_comes_late_into_a_transaction_that_is_being_ended(
    requests: Requests, pid: int
) -> None:
    """Kafka appends it to the transaction that was decided without it."""
    requests.add(pid, 0, A)
    requests.produce(Batch(pid), version=11)
    requests.send(ending(pid, 0, commit=True), 4)
    late = requests.send(producing(Batch(pid, sequence=1)), 11)
    assert produced(requests.come(late)) == {0: (NOT_ADDED, -1)}
    assert log_end(requests) == 2, "the batch and its marker"


@pytest.mark.parametrize("version", [3, 11, ADDS, BY_ID])
@pytest.mark.parametrize("code", NO_COORDINATOR)
def test_a_coordinator_that_is_not_there_is_worded_for_producers(
    version: int, code: ErrorCode
) -> None:
    """They would look for another leader, or give up."""
    assert outcomes.told("Produce", version, code) == AGAIN


# Many partitions.


def wide(partitions: int = 40) -> tuple[Requests, int]:
    requests = Requests(partitions=partitions)
    _, producer_id, _ = requests.init()
    return requests, producer_id


def test_many_partitions_are_added_with_one_record() -> None:
    requests, pid = wide()
    broker = requests.machine.broker
    before = broker.transactions.ledger.log.log.log_end_offset
    told = requests.produce(*(Batch(pid, index=index) for index in range(40)))
    assert told == dict.fromkeys(range(40), (0, 0))
    assert broker.transactions.ledger.log.log.log_end_offset == before + 1
    assert len(partitions_of(requests)) == 40


@pytest.mark.parametrize(("version", "code"), [(11, NOT_ADDED), (ADDS, FENCED)])
def test_many_partitions_are_refused_together(version: int, code: int) -> None:
    requests, pid = wide()
    epoch = 3 if version == ADDS else 0
    told = requests.produce(
        *(Batch(pid, epoch, index=index) for index in range(40)), version=version
    )
    assert told == dict.fromkeys(range(40), (code, -1))


def test_many_partitions_wait_for_one_ending_and_no_longer_than_one_request() -> None:
    requests, pid = wide()
    requests.produce(Batch(pid))
    requests.send(ending(pid, 0, commit=True), 5)
    batches = [Batch(pid, 1, index=index) for index in range(40)]
    sent = requests.send(producing(*batches), ADDS)
    requests.machine.clock.passed_ms += POSTPONED_MS_MAX
    requests.machine.broker.on_deadline(requests.machine.clock.passed_ms)
    assert produced(sent.answer) == dict.fromkeys(range(40), (BUSY, -1))
