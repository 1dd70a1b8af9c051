"""InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn, as Apache Kafka 4.3.1 has them.

What the coordinator decides is tested in tests/unit/broker/transactions; here is what each version
is told of it, what the handlers look at themselves, and when an answer leaves.
"""

from __future__ import annotations

import pytest
from minibroker.broker.limits import POSTPONED_MS_MAX
from minibroker.broker.storage.port import NoSpace
from minibroker.broker.transactions.offsets_partition import offsets_place
from minibroker.protocol.messages.add_partitions_to_txn import AddPartitionsToTxnTransaction
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest

from tests.support.transaction_worlds.transactional_requests import (
    ID,
    TIMEOUT_MS,
    TOPIC,
    A,
    B,
    Batch,
    Place,
    Requests,
    added,
    adding,
    adding_many,
    ending,
    named,
    producing,
)

FENCED_BEFORE, FENCED = 47, 90
REFUSED = (-1, -1)


@pytest.fixture
def requests() -> Requests:
    return Requests()


@pytest.fixture
def pid(requests: Requests) -> int:
    """Of an id at epoch 0."""
    return requests.init()[1]


def partitions_of(requests: Requests, name: str = ID) -> list[Place]:
    return list(requests.machine.broker.transactions.state.transactions[name].partitions)


def state_of(requests: Requests, name: str = ID) -> str:
    return requests.machine.broker.transactions.state.state_of(name).kafka_name


# InitProducerId


@pytest.mark.parametrize("version", range(6))
def test_each_start_of_a_producer_has_the_next_epoch(requests: Requests, version: int) -> None:
    _, pid, _ = first = requests.init(version=version)
    assert first == (0, pid, 0)
    assert requests.init(version=version) == (0, pid, 1)
    other = requests.init(name="other", version=version)
    assert other[0] == 0
    assert other[1] != pid


@pytest.mark.parametrize(("version", "code"), [(3, FENCED_BEFORE), (4, FENCED), (5, FENCED)])
def test_a_producer_goes_on_with_its_epoch_and_a_zombie_does_not(
    requests: Requests, version: int, code: int
) -> None:
    _, pid, _ = requests.init()
    assert requests.init(pid, 0, version=version) == (0, pid, 1)
    assert requests.init(pid, 0, version=version) == (0, pid, 1)
    assert requests.init(pid, 7, version=version) == (code, *REFUSED)
    assert requests.init(pid + 777, 1, version=version) == (code, *REFUSED)


@pytest.mark.parametrize("version", [0, 5])
def test_what_no_producer_may_ask(requests: Requests, version: int) -> None:
    assert requests.init(name="", version=version) == (42, *REFUSED)
    for timeout_ms in (0, -1, 900_001, 2**31 - 1):
        assert requests.init(timeout_ms=timeout_ms, version=version) == (50, *REFUSED)
    assert state_of(requests) == "Dead"
    for timeout_ms in (1, 900_000):
        assert requests.init(timeout_ms=timeout_ms, version=version)[0] == 0
    assert requests.init(name="x" * 300, version=version)[0] == 0
    assert requests.init(name="ä ö", version=version)[0] == 0


def test_half_a_producer_is_none(requests: Requests) -> None:
    for name in (ID, None):
        for producer_id, epoch in ((-1, 3), (5, -1)):
            assert requests.init(producer_id, epoch, name=name) == (42, *REFUSED)
    assert state_of(requests) == "Dead"


def test_without_an_id_nothing_else_is_looked_at(requests: Requests) -> None:
    told = [
        requests.init(name=None),
        requests.init(5, 3, name=None),
        requests.init(name=None, timeout_ms=0),
        requests.init(name=None, timeout_ms=-1),
    ]
    assert [(code, epoch) for code, _, epoch in told] == [(0, 0)] * 4
    assert len({producer_id for _, producer_id, _ in told}) == 4


def test_a_new_start_aborts_what_is_open_and_is_answered_when_it_has_ended(
    requests: Requests, pid: int
) -> None:
    """Kafka answers 51 until then."""
    requests.produce(Batch(pid))
    assert requests.init() == (0, pid, 2)
    assert state_of(requests) == "Empty"
    partition = requests.machine.partition(TOPIC)
    assert partition.log.log_end_offset == 2
    assert partition.last_stable_offset == 2
    assert requests.produce(Batch(pid, sequence=1)) == {0: (FENCED_BEFORE, -1)}
    assert requests.end(pid, 0, commit=True) == (FENCED, *REFUSED)
    assert requests.add(pid, 0, A) == {A: FENCED}


def test_a_zombie_does_not_abort_what_the_living_producer_writes(requests: Requests) -> None:
    """Kafka answers 51, aborts, and fences the living one."""
    requests.init()
    requests.init()
    _, pid, epoch = requests.init()
    requests.produce(Batch(pid, epoch))
    for zombie in (0, 1, 7):
        assert requests.init(pid, zombie) == (FENCED, *REFUSED)
    assert requests.produce(Batch(pid, epoch, 1)) == {0: (0, 1)}
    assert requests.end(pid, epoch, commit=True, version=5) == (0, pid, epoch + 1)


def test_a_producer_id_is_given_out_when_that_is_durable(requests: Requests) -> None:
    message = InitProducerIdRequest(transactional_id=ID, transaction_timeout_ms=TIMEOUT_MS)
    sent = requests.send(message)
    assert not sent.answers
    requests.machine.flush()
    assert sent.answer.error_code == 0


# AddPartitionsToTxn


@pytest.mark.parametrize("version", range(4))
def test_partitions_are_added_once(requests: Requests, pid: int, version: int) -> None:
    assert requests.add(pid, 0, A, version=version) == {A: 0}
    assert requests.add(pid, 0, A, version=version) == {A: 0}
    assert requests.add(pid, 0, A, B, B, version=version) == {A: 0, B: 0}
    assert partitions_of(requests) == [A, B]


@pytest.mark.parametrize("version", range(4))
def test_all_partitions_are_added_or_none(requests: Requests, pid: int, version: int) -> None:
    requests.add(pid, 0, A)
    nowhere, too_far, below = ("nope", 0), (TOPIC, 9), (TOPIC, -1)
    told = requests.add(pid, 0, nowhere, too_far, below, B, A, version=version)
    assert told == {nowhere: 3, too_far: 3, below: 3, B: 55, A: 55}
    assert partitions_of(requests) == [A]
    internal = [("__consumer_offsets", 0), ("__transaction_state", 0)]
    told = requests.add(pid, 0, *internal, B, version=version)
    assert told == {internal[0]: 29, internal[1]: 29, B: 55}
    assert partitions_of(requests) == [A]


def test_nothing_begins_where_nothing_is_added(requests: Requests, pid: int) -> None:
    assert requests.add(pid, 0, ("nope", 0)) == {("nope", 0): 3}
    assert requests.add(pid, 0) == {}
    message = adding(pid, 0, A)
    message.v3_and_below_topics[0].partitions = []
    assert added(requests.ask(message, 3).results_by_topic_v3_and_below) == {}
    assert state_of(requests) == "Empty"


@pytest.mark.parametrize(("version", "fenced"), [(0, 47), (1, 47), (2, 90), (3, 90)])
def test_who_may_not_add_is_told_why(
    requests: Requests, pid: int, version: int, fenced: int
) -> None:
    def add(producer_id: int, epoch: int, name: str = ID) -> dict[Place, int]:
        return requests.add(producer_id, epoch, A, B, name=name, version=version)

    assert add(pid + 777, 0) == {A: 49, B: 49}
    assert add(pid, 0, "nobody") == {A: 49, B: 49}
    for epoch in (5, -1):
        assert add(pid, epoch) == {A: fenced, B: fenced}
    assert add(pid, 0, "") == {A: 42, B: 42}


@pytest.mark.parametrize("version", [4, 5])
def test_many_transactions_in_one_request(requests: Requests, pid: int, version: int) -> None:
    def transaction(
        name: str, *places: Place, looks: bool = False
    ) -> AddPartitionsToTxnTransaction:
        return AddPartitionsToTxnTransaction(
            transactional_id=name,
            producer_id=pid,
            producer_epoch=0,
            verify_only=looks,
            topics=named(places),
        )

    def ask(*transactions: AddPartitionsToTxnTransaction) -> list[tuple[str, dict[Place, int]]]:
        told = requests.ask(adding_many(*transactions), version)
        assert told.error_code == 0
        return [
            (each.transactional_id, added(each.topic_results))
            for each in told.results_by_transaction
        ]

    assert ask(transaction(ID, A, looks=True)) == [(ID, {A: 120})]
    assert ask(transaction(ID, A, ("nope", 0)), transaction("nobody", A, B)) == [
        (ID, {A: 55, ("nope", 0): 3}),
        ("nobody", {A: 49, B: 49}),
    ]
    assert ask(transaction(ID, A)) == [(ID, {A: 0})]
    assert ask(transaction(ID, A, B, looks=True)) == [(ID, {A: 0, B: 120})]
    assert ask() == [], "Kafka never answers this"
    offsets = ("__consumer_offsets", 49)
    assert ask(transaction(ID, offsets)) == [(ID, {offsets: 0})], "as a broker asks for a group"
    assert partitions_of(requests) == [offsets, A]


def test_partitions_are_added_when_that_is_durable(requests: Requests, pid: int) -> None:
    sent = requests.send(adding(pid, 0, A), 3)
    again = requests.send(adding(pid, 0, A), 3)
    refused = requests.send(adding(pid, 5, A), 3)
    assert (sent.answers, again.answers) == ([], [])
    assert added(refused.answer.results_by_topic_v3_and_below) == {A: FENCED}
    requests.machine.flush()
    assert added(sent.answer.results_by_topic_v3_and_below) == {A: 0}
    assert added(again.answer.results_by_topic_v3_and_below) == {A: 0}


def test_those_who_wait_in_one_request_wait_together(requests: Requests) -> None:
    producers = {name: requests.init(name=name)[1] for name in ("a", "b")}
    transactions = [
        AddPartitionsToTxnTransaction(
            transactional_id=name, producer_id=pid, producer_epoch=0, topics=named([A])
        )
        for name, pid in producers.items()
    ]
    requests.ask(adding_many(*transactions), 4)
    for name, pid in producers.items():
        requests.send(ending(pid, 0, commit=True, name=name), 4)
    sent = requests.send(adding_many(*transactions), 4)
    requests.machine.clock.passed_ms += POSTPONED_MS_MAX
    requests.machine.broker.on_deadline(requests.machine.clock.passed_ms)
    told = sent.answer.results_by_transaction
    assert [added(each.topic_results) for each in told] == [{A: 51}, {A: 51}]


def test_after_an_ending_partitions_are_added_without_another_word(
    requests: Requests, pid: int
) -> None:
    """Kafka answers 51 some times first."""
    requests.add(pid, 0, A)
    end = requests.send(ending(pid, 0, commit=True), 4)
    sent = requests.send(adding(pid, 0, A), 3)
    assert not sent.answers
    assert added(requests.come(sent).results_by_topic_v3_and_below) == {A: 0}
    assert end.answer.error_code == 0


# AddOffsetsToTxn


@pytest.mark.parametrize(("version", "fenced"), [(0, 47), (1, 47), (2, 90), (3, 90), (4, 90)])
def test_the_offsets_of_a_group_are_added(
    requests: Requests, pid: int, version: int, fenced: int
) -> None:
    assert requests.add_offsets(pid, 0, version=version) == 0
    assert requests.add_offsets(pid, 0, version=version) == 0
    assert partitions_of(requests) == [offsets_place("g")]
    assert requests.add_offsets(pid, 0, "", version=version) == 0
    assert partitions_of(requests) == sorted([offsets_place("g"), ("__consumer_offsets", 0)])
    assert requests.add_offsets(pid + 777, 0, version=version) == 49
    assert requests.add_offsets(pid, 0, name="nobody", version=version) == 49
    assert requests.add_offsets(pid, 0, name="", version=version) == 42
    for epoch in (5, -1):
        assert requests.add_offsets(pid, epoch, version=version) == fenced


# EndTxn


@pytest.mark.parametrize(("version", "fenced"), [(0, 47), (1, 47), (2, 90), (3, 90), (4, 90)])
def test_a_transaction_ends_as_its_producer_asks(
    requests: Requests, pid: int, version: int, fenced: int
) -> None:
    def end(producer_id: int, epoch: int, *, commit: bool, name: str = ID) -> int:
        told = requests.end(producer_id, epoch, commit=commit, name=name, version=version)
        assert told[1:] == REFUSED
        return told[0]

    assert (end(pid, 0, commit=True), end(pid, 0, commit=False)) == (48, 48)
    for is_commit in (True, False):
        requests.add(pid, 0, A)
        assert (end(pid, 5, commit=is_commit), end(pid, -1, commit=is_commit)) == (fenced, fenced)
        assert end(pid, 0, commit=is_commit) == 0
        assert (end(pid, 0, commit=is_commit), end(pid, 0, commit=not is_commit)) == (0, 48)
    assert end(pid + 777, 0, commit=True) == 49
    assert end(pid, 0, commit=True, name="nobody") == 49
    assert end(pid, 0, commit=True, name="") == 42


def test_since_v5_every_ending_begins_the_next_epoch(requests: Requests, pid: int) -> None:
    def end(epoch: int, *, commit: bool) -> tuple[int, int, int]:
        return requests.end(pid, epoch, commit=commit, version=5)

    assert end(0, commit=True) == (48, *REFUSED)
    assert end(0, commit=False) == (0, pid, 1), "an abort of nothing"
    assert end(0, commit=False) == (0, pid, 1), "its retry"
    assert end(0, commit=True) == (48, *REFUSED)
    requests.produce(Batch(pid, 1))
    assert end(0, commit=True) == (FENCED, *REFUSED)
    assert end(1, commit=True) == (0, pid, 2)
    assert end(1, commit=True) == (0, pid, 2)
    assert end(1, commit=False) == (48, *REFUSED)
    assert end(2, commit=True) == (48, *REFUSED)
    assert end(9, commit=True) == (FENCED, *REFUSED)


def test_the_version_of_the_request_decides_about_the_epoch(requests: Requests, pid: int) -> None:
    requests.produce(Batch(pid))
    assert requests.end(pid, 0, commit=True, version=4) == (0, *REFUSED)
    assert requests.produce(Batch(pid, 0, 1)) == {0: (0, 2)}
    assert requests.end(pid, 0, commit=True, version=5) == (0, pid, 1)
    assert requests.end(pid, 0, commit=True, version=4) == (FENCED, *REFUSED)


def test_an_ending_is_answered_when_every_partition_has_its_marker(
    requests: Requests, pid: int
) -> None:
    """Kafka answers before the first one is written."""
    requests.produce(Batch(pid), Batch(pid, index=1))
    ends = [requests.machine.partition(TOPIC, index).log for index in range(2)]
    sent = requests.send(ending(pid, 0, commit=True), 5)
    assert [each.log_end_offset for each in ends] == [1, 1]
    requests.machine.flush()
    assert sent.answer.error_code == 0, "one flush: that of the decision"
    assert [each.log_end_offset for each in ends] == [2, 2]


def test_an_ending_waits_for_what_was_written_without_an_acknowledgement(
    requests: Requests, pid: int
) -> None:
    requests.send(producing(Batch(pid), acks=0), 12)
    sent = requests.send(ending(pid, 0, commit=True), 5)
    partition = requests.machine.partition(TOPIC)
    assert partition.durable_end_offset == 0
    requests.machine.flush()
    assert partition.durable_end_offset == 1
    assert not sent.answers, "the decision came behind the data, and is not durable yet"
    assert requests.come(sent).error_code == 0


def test_a_state_log_that_cannot_be_written_says_so_in_words_that_clients_retry(
    requests: Requests, pid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise NoSpace("state", "no room")

    monkeypatch.setattr(requests.machine.broker.transactions.ledger, "commit", full)
    assert requests.init(name="new")[0] == 15
    assert requests.add(pid, 0, A) == {A: 15}
    assert requests.add_offsets(pid, 0) == 15
    assert requests.produce(Batch(pid)) == {0: (19, -1)}
