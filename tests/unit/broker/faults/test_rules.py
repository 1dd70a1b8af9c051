"""Fault rules: what they choose, what they count, and what they refuse to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from minibroker.broker.faults.rules import (
    ACTS_AT,
    Action,
    AnswerError,
    ArmedRule,
    Crash,
    Delay,
    DiskError,
    DiskFull,
    Faults,
    Hold,
    Instant,
    LoseReply,
    Rule,
    TearReply,
    due,
)
from minibroker.broker.faults.scope import Part, parts_of
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)


@dataclass(frozen=True)
class Seen:
    """An Occasion."""

    api: str = "Produce"
    client_id: str = ""
    connection: int = 1
    parts: tuple[Part, ...] = ()
    path: str = ""


def strikes(count: int, rule: Rule) -> list[int]:
    armed = ArmedRule(rule)
    struck = [number for number in range(1, count + 1) if armed.strikes()]
    assert armed.matched == count
    assert armed.fired == len(struck)
    return struck


def test_without_a_choice_every_match_is_struck() -> None:
    assert strikes(3, Rule(action=LoseReply())) == [1, 2, 3]


def test_every_nth() -> None:
    assert strikes(10, Rule(action=LoseReply(), every=3)) == [3, 6, 9]


def test_the_nth_only() -> None:
    assert strikes(10, Rule(action=LoseReply(), nth=4)) == [4]


def test_the_first_k_times() -> None:
    assert strikes(10, Rule(action=LoseReply(), times=2)) == [1, 2]
    assert strikes(10, Rule(action=LoseReply(), every=3, times=2)) == [3, 6]


def test_a_probability_is_the_same_each_time() -> None:
    first = strikes(1000, Rule(action=LoseReply(), probability=0.3, seed=7))
    assert first == strikes(1000, Rule(action=LoseReply(), probability=0.3, seed=7))
    assert first != strikes(1000, Rule(action=LoseReply(), probability=0.3, seed=8))
    assert 250 < len(first) < 350


@pytest.mark.parametrize(
    ("scope", "named"),
    [
        ({"api": "Prodcue"}, "Prodcue"),
        ({"topic": "t"}, "Produce"),
        ({"api": "Heartbeat", "topic": "t"}, "Heartbeat|Produce"),
        ({"api": "Fetch", "key": b"k"}, "Produce only"),
        ({"nth": 0}, "nth=0"),
        ({"every": 0}, "every=0"),
        ({"times": 0}, "times=0"),
        ({"nth": 1, "every": 2}, "not both"),
        ({"nth": 1, "probability": 0.5}, "not both"),
        ({"probability": 1.5}, "between 0 and 1"),
        ({"path": "*.log"}, "files have no part"),
        ({"at": Instant.WRITE}, "makes no sense at 'write'"),
        ({"at": Instant.WRITE, "action": Crash(), "topic": "t"}, "no request has a part"),
        ({"at": Instant.ACCEPT, "action": Hold(), "api": "Produce"}, "no request has a part"),
        ({"at": Instant.APPENDED, "action": Hold(), "api": "Fetch"}, "only Produce"),
        ({"at": Instant.APPENDED, "action": Crash(side="after")}, "take the next one"),
        ({"action": Hold()}, "at which instant"),
        ({"action": TearReply(-1)}, "0 or more"),
        ({"action": AnswerError(ErrorCode.NONE)}, "NONE is no error"),
    ],
)
def test_a_rule_that_cannot_mean_anything_is_refused(scope: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Rule(**{"action": LoseReply(), **scope})


SAMPLES: dict[type[Action], Action] = {
    AnswerError: AnswerError(ErrorCode.REQUEST_TIMED_OUT),
    Delay: Delay(5),
}


@pytest.mark.parametrize("kind", ACTS_AT)
@pytest.mark.parametrize("at", Instant)
def test_an_action_is_taken_where_it_makes_sense_and_nowhere_else(
    kind: type[Any], at: Instant
) -> None:
    action = SAMPLES.get(kind) or (kind(3) if kind.__name__ == "ShortenWrite" else kind())
    if at in ACTS_AT[kind]:
        assert Rule(action=action, at=at).instant is at
    else:
        with pytest.raises(ValueError, match="makes no sense"):
            Rule(action=action, at=at)


def produce_parts(topic: str, partition: int, keys: list[bytes], producer_id: int) -> Any:
    batch = build_batch(
        [(key, b"v", (), 0) for key in keys],
        producer_id=producer_id,
        producer_epoch=0,
        base_sequence=0,
    )
    each = PartitionProduceData(index=partition, records=batch)
    message = ProduceRequest(
        acks=-1,
        timeout_ms=1,
        topic_data=[TopicProduceData(name=topic, partition_data=[each])],
    )
    return parts_of("Produce", message)


@pytest.mark.parametrize(
    ("scope", "is_taken"),
    [
        ({}, True),
        ({"api": "Produce", "topic": "t", "partition": 3, "producer_id": 9, "key": b"b"}, True),
        ({"api": "Produce", "topic": "u"}, False),
        ({"api": "Produce", "topic": "t", "partition": 2}, False),
        ({"api": "Produce", "producer_id": 8}, False),
        ({"api": "Produce", "key": b"c"}, False),
        ({"api": "Fetch"}, False),
        ({"client_id": "c"}, True),
        ({"client_id": "d"}, False),
        ({"connection": 4}, True),
        ({"connection": 5}, False),
        ({"where": lambda seen: seen.api == "Produce"}, True),
        ({"where": lambda seen: False}, False),
    ],
)
def test_a_scope_takes_in_what_it_says(scope: dict[str, Any], is_taken: bool) -> None:
    parts = produce_parts("t", 3, [b"a", b"b"], 9)
    rule = Rule(action=LoseReply(), **scope)
    assert rule.covers(Seen(client_id="c", connection=4, parts=parts)) is is_taken


def test_a_path_is_a_pattern() -> None:
    rule = Rule(action=DiskError(), at=Instant.READ, path="*.producers")
    assert rule.covers(Seen(path="t-0/00000000000000000009.producers"))
    assert not rule.covers(Seen(path="t-0/00000000000000000009.log"))


def test_a_batch_that_cannot_be_read_has_no_keys() -> None:
    assert Part("t", 0, b"x" * 80).record_keys == frozenset()
    assert Part("t", 0, b"x" * 80).producer_id is None


def test_a_rule_taken_out_fires_no_more() -> None:
    faults = Faults()
    gone: list[ArmedRule] = []
    faults.on_disarmed = gone.append
    first, second = (faults.arm(Rule(action=LoseReply())) for _ in range(2))
    covering = faults.rules
    faults.disarm(first)
    assert list(due(Instant.REPLY, covering)) == [second]
    faults.clear()
    assert (faults.rules, gone) == ((), [first, second])
    assert list(due(Instant.REPLY, covering)) == []


def test_who_stops_early_leaves_the_rest_uncounted() -> None:
    faults = Faults()
    first, second = (faults.arm(Rule(action=LoseReply())) for _ in range(2))
    assert next(due(Instant.REPLY, faults.rules)) is first
    assert (first.matched, second.matched) == (1, 0)


def test_rules_of_storage_are_known_apart() -> None:
    faults = Faults()
    full = faults.arm(Rule(action=DiskFull()))
    faults.arm(Rule(action=LoseReply()))
    assert faults.storage_rules == (full,)
