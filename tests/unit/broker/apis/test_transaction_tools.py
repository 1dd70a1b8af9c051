"""What tools ask about transactions, and the markers they send, as Apache Kafka 4.3.1 has it."""

from __future__ import annotations

from typing import Any

import pytest
from minibroker.broker.storage.port import NoSpace
from minibroker.broker.transactions.offsets_partition import offsets_place
from minibroker.protocol.messages.api_versions import ApiVersionsRequest
from minibroker.protocol.messages.describe_transactions import DescribeTransactionsRequest
from minibroker.protocol.messages.list_transactions import ListTransactionsRequest
from minibroker.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)

from tests.support.transaction_worlds.transactional_requests import ID, TOPIC, A, Batch, Requests
from tests.support.worlds.timed_broker import Machine

OTHERS_EPOCH = 1000


@pytest.fixture
def requests() -> Requests:
    return Requests()


@pytest.fixture
def pid(requests: Requests) -> int:
    """Of an id at epoch 0."""
    return requests.init()[1]


# DescribeTransactions


def described(requests: Requests, *names: str) -> list[Any]:
    told = requests.ask(DescribeTransactionsRequest(transactional_ids=list(names)))
    assert [each.transactional_id for each in told.transaction_states] == list(names)
    return list(told.transaction_states)


def facts(told: Any) -> tuple[Any, ...]:
    return (
        told.error_code,
        told.transaction_state,
        told.transaction_timeout_ms,
        told.transaction_start_time_ms,
        told.producer_id,
        told.producer_epoch,
        {each.topic: each.partitions for each in told.topics},
    )


def test_an_id_is_described_in_every_state(requests: Requests, pid: int) -> None:
    assert facts(*described(requests, ID)) == (0, "Empty", 60_000, -1, pid, 0, {})
    requests.produce(Batch(pid), Batch(pid, index=1))
    requests.add_offsets(pid, 0)
    began_ms = requests.machine.clock.now_ms()
    places = {TOPIC: [0, 1], "__consumer_offsets": [offsets_place("g").partition]}
    assert facts(*described(requests, ID)) == (0, "Ongoing", 60_000, began_ms, pid, 0, places)
    requests.end(pid, 0, commit=True, version=5)
    requests.machine.flush()
    told = facts(*described(requests, ID))
    assert told == (0, "CompleteCommit", 60_000, began_ms, pid, 1, {})
    requests.init(timeout_ms=5)
    assert facts(*described(requests, ID)) == (0, "Empty", 5, -1, pid, 2, {})


def test_ids_that_cannot_be_described_disturb_no_other(requests: Requests, pid: int) -> None:
    told = described(requests, "nobody", "", ID, ID)
    assert [facts(each) for each in told[:2]] == [
        (105, "", 0, 0, 0, 0, {}),
        (42, "", 0, 0, 0, 0, {}),
    ]
    assert [each.error_code for each in told[2:]] == [0, 0]
    assert described(requests) == []


# ListTransactions


def listed(requests: Requests, version: int = 2, **filters: Any) -> str:
    told = requests.ask(
        ListTransactionsRequest(
            state_filters=filters.get("states", []),
            producer_id_filters=filters.get("ids", []),
            duration_filter=filters.get("open_ms", -1),
            transactional_id_pattern=filters.get("pattern"),
        ),
        version,
    )
    assert told.error_code == 0
    unknown = [f"{each}?" for each in told.unknown_state_filters]
    return " ".join([*unknown, *sorted(each.transactional_id for each in told.transaction_states)])


def code_of(requests: Requests, pattern: str) -> int:
    message = ListTransactionsRequest(
        state_filters=[], producer_id_filters=[], transactional_id_pattern=pattern
    )
    told = requests.ask(message, 2)
    assert (told.unknown_state_filters, told.transaction_states) == ([], [])
    code: int = told.error_code
    return code


def test_every_filter_must_hold(requests: Requests) -> None:
    ids = {name: requests.init(name=name)[1] for name in ("E2-open", "E2-new", "other")}
    requests.produce(Batch(ids["E2-open"]), name="E2-open")
    assert listed(requests, 0) == "E2-new E2-open other"
    assert listed(requests, states=["Ongoing"]) == "E2-open"
    assert listed(requests, states=["ongoing"]) == "ongoing?"
    assert listed(requests, states=["Nonsense", "Empty"]) == "Nonsense? E2-new other"
    assert listed(requests, states=["Dead", "PrepareEpochFence"]) == ""
    assert listed(requests, ids=[ids["other"]]) == "other"
    assert listed(requests, ids=[ids["other"]], states=["Ongoing"]) == ""
    requests.machine.clock.passed_ms += 5_000
    assert listed(requests, 1, open_ms=1_000) == "E2-new E2-open other"
    assert listed(requests, 1, open_ms=60_000) == "E2-new other"


def test_a_pattern_matches_whole_ids_as_re2_has_it(requests: Requests) -> None:
    for name in ("E2-open", "E2", "ä ö"):
        requests.init(name=name)
    assert listed(requests, pattern="E2.*") == "E2 E2-open"
    assert listed(requests, pattern="E2") == "E2"
    assert listed(requests, pattern="2") == ""
    assert listed(requests, pattern="ä.*") == "ä ö"
    assert listed(requests, pattern="") == listed(requests, pattern=None) == "E2 E2-open ä ö"
    for pattern in ("[", "(?=E)E2", r"(E)\1"):
        assert code_of(requests, pattern) == 128


def test_many_ids_are_listed_in_steps_while_some_go(requests: Requests) -> None:
    from minibroker.broker.transactions.listing import IDS_A_STEP, listed

    state = requests.machine.broker.transactions.state
    names = [f"{number:04}" for number in range(2 * IDS_A_STEP)]
    for name in names:
        requests.init(name=name)
    walk = listed(
        state, state_names=[], producer_ids=[], open_ms=0, matches=lambda name: False, now_ms=0
    )
    assert next(walk) is None, "others may go on although nothing was found"
    for name in names[IDS_A_STEP:]:
        del state.transactions[name]
    requests.init(name="new")
    assert list(walk) == [None]


# WriteTxnMarkers


def write(
    requests: Requests,
    producer_id: int,
    epoch: int = 0,
    *,
    commit: bool = True,
    coordinator_epoch: int = 0,
    level: int | None = None,
    topic: str = TOPIC,
    index: int = 0,
) -> int:
    marker = WritableTxnMarker(
        producer_id=producer_id,
        producer_epoch=epoch,
        transaction_result=commit,
        topics=[WritableTxnMarkerTopic(name=topic, partition_indexes=[index])],
        coordinator_epoch=coordinator_epoch,
        transaction_version=level or 0,
    )
    told = requests.ask(WriteTxnMarkersRequest(markers=[marker]), 1 if level is None else 2)
    (result,) = told.markers
    (partition,) = result.topics[0].partitions
    assert (result.producer_id, result.topics[0].name) == (producer_id, topic)
    assert partition.partition_index == index
    code: int = partition.error_code
    return code


def log_end(requests: Requests) -> int:
    return requests.machine.partition(TOPIC).log.log_end_offset


def test_a_marker_ends_a_transaction_in_its_partition_alone(requests: Requests, pid: int) -> None:
    requests.produce(Batch(pid))
    partition = requests.machine.partition(TOPIC)
    assert partition.last_stable_offset == 0
    assert write(requests, pid) == 0
    assert partition.last_stable_offset == 2
    assert requests.machine.broker.transactions.state.state_of(ID).kafka_name == "Ongoing"
    assert (write(requests, pid), write(requests, pid, commit=False)) == (0, 0)
    assert write(requests, 9_999) == 0
    assert log_end(requests) == 5, "each time a marker is appended"
    assert requests.end(pid, 0, commit=True) == (0, -1, -1)
    assert log_end(requests) == 6


def test_an_old_coordinator_or_producer_is_refused(requests: Requests, pid: int) -> None:
    requests.produce(Batch(pid))
    assert write(requests, pid) == 0
    assert write(requests, pid, coordinator_epoch=-1) == 52
    assert write(requests, pid, coordinator_epoch=5) == 0
    assert write(requests, pid, coordinator_epoch=4) == 52
    assert write(requests, pid, 3, coordinator_epoch=5) == 0
    assert write(requests, pid, 2, coordinator_epoch=5) == 47


def test_a_marker_of_the_second_kind_is_above_what_it_ends(requests: Requests, pid: int) -> None:
    requests.produce(Batch(pid))
    assert write(requests, pid, 0, level=2) == 47
    assert write(requests, pid, 1, level=2) == 0
    assert write(requests, pid, 1, level=2) == 0, "nothing is open"


def test_where_no_marker_can_go(requests: Requests, pid: int) -> None:
    assert write(requests, pid, index=9) == 3
    assert write(requests, pid, topic="nope") == 3
    assert write(requests, pid, topic="__consumer_offsets", index=50) == 3
    assert requests.ask(WriteTxnMarkersRequest(markers=[])).markers == []


def test_a_wild_coordinator_epoch_keeps_no_transaction_from_ending(
    requests: Requests, pid: int
) -> None:
    """In Kafka it stays PrepareCommit for ever."""
    requests.produce(Batch(pid))
    assert write(requests, pid, coordinator_epoch=OTHERS_EPOCH) == 0
    requests.produce(Batch(pid, sequence=1))
    assert requests.end(pid, 0, commit=True, version=5) == (0, pid, 1)
    requests.machine.flush()
    assert requests.machine.broker.transactions.state.state_of(ID).kafka_name == "CompleteCommit"
    assert requests.machine.partition(TOPIC).last_stable_offset == log_end(requests)


def test_a_marker_is_acknowledged_when_it_is_durable(requests: Requests, pid: int) -> None:
    marker = WritableTxnMarker(
        producer_id=pid,
        producer_epoch=0,
        transaction_result=True,
        topics=[WritableTxnMarkerTopic(name=TOPIC, partition_indexes=[0])],
        coordinator_epoch=0,
    )
    sent = requests.send(WriteTxnMarkersRequest(markers=[marker]), 1)
    assert not sent.answers
    requests.machine.flush()
    assert sent.answer.markers[0].topics[0].partitions[0].error_code == 0


def test_a_marker_without_room_is_refused_alone(
    requests: Requests, pid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    partition = requests.machine.partition(TOPIC)

    def full(*_: object) -> bool:
        raise NoSpace("t-0", "no room")

    monkeypatch.setattr(type(partition), "append_marker", full)
    assert write(requests, pid) == 56
    assert write(requests, pid, topic="nope") == 3


# ApiVersions


def features(requests: Requests, version: int) -> tuple[dict[str, Any], dict[str, int]]:
    hello = ApiVersionsRequest(client_software_name="x", client_software_version="1")
    told = requests.ask(hello, version)
    return (
        {each.name: (each.min_version, each.max_version) for each in told.supported_features},
        {each.name: each.max_version_level for each in told.finalized_features},
    )


@pytest.mark.parametrize("level", [0, 1, 2])
def test_the_level_is_told_and_a_feature_that_may_be_at_zero_not_to_v3(level: int) -> None:
    requests = Requests(Machine(transaction_version=level))
    supported, finalized = features(requests, 4)
    assert supported["transaction.version"] == (0, 2)
    assert finalized.get("transaction.version", 0) == level
    assert ("transaction.version" in finalized) == (level > 0)
    supported, finalized_v3 = features(requests, 3)
    assert list(supported) == ["metadata.version"]
    assert finalized_v3 == finalized


def test_at_level_zero_the_new_way_is_refused() -> None:
    requests = Requests(Machine(transaction_version=0))
    pid = requests.init()[1]
    assert requests.produce(Batch(pid)) == {0: (35, -1)}
    assert requests.add(pid, 0, A) == {A: 0}, "in Kafka the id is stuck"
    assert requests.produce(Batch(pid), version=11) == {0: (0, 0)}
    assert requests.end(pid, 0, commit=True) == (0, -1, -1)
