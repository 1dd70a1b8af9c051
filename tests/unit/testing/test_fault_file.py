"""Fault rules from files and mappings, and what is said of those that cannot be understood."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from minibroker.broker.faults.forms import form_of, rule_of
from minibroker.broker.faults.rules import (
    AnswerError,
    Crash,
    Delay,
    DiskFull,
    Instant,
    LoseReply,
    Rule,
    ShortenWrite,
)
from minibroker.protocol.errors import ErrorCode
from minibroker.testing.fault_file import FaultFileError, parse_rules, read_fault_file

RULES = """\
# every kind of field
- lose_reply: {api: Produce, topic: orders, nth: 2, then: silence}
- error:
    api: Produce
    code: NOT_LEADER_OR_FOLLOWER
    times: 2
- crash: {at: rename, path: "*.producers", side: after}
- shorten_write: {bytes_written: 20, then: crash, probability: 1, seed: 7}
- delay: {at: appended, topic: t, partition: 0, delay_ms: 5}
- disk_full:
"""
MEANT = [
    Rule(action=LoseReply("silence"), api="Produce", topic="orders", nth=2),
    Rule(action=AnswerError(ErrorCode.NOT_LEADER_OR_FOLLOWER), api="Produce", times=2),
    Rule(action=Crash("after"), at=Instant.RENAME, path="*.producers", times=1),
    Rule(action=ShortenWrite(20, "crash"), probability=1, seed=7),
    Rule(action=Delay(5), at=Instant.APPENDED, topic="t", partition=0),
    Rule(action=DiskFull()),
]


def test_a_file_is_a_list_of_rules(tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text(RULES)
    assert read_fault_file(str(file)) == MEANT
    assert parse_rules("", "x") == []


@pytest.mark.parametrize("rule", [*MEANT, Rule(action=LoseReply(), api="Produce", key=b"\xff\0")])
def test_a_rule_survives_the_way_over_a_socket(rule: Rule) -> None:
    assert rule_of(json.loads(json.dumps(form_of(rule)))) == rule


def test_a_rule_that_asks_a_function_stays_here() -> None:
    with pytest.raises(ValueError, match="where="):
        form_of(Rule(action=LoseReply(), where=bool))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- lose_reply: {api: Produce}\n- lose_replies: {}", "f:2: no action is called"),
        ("- lose_reply:\n    api: Produce\n    nth: two", "f:3: nth is 'two'"),
        ("- lose_reply:\n    api: Prodcue", "f:1: no API is called 'Prodcue'"),
        ("- lose_reply:\n    nt: 2", "f:2: lose_reply has no 'nt'"),
        ("- lose_reply:\n    then: never", "f:2: then is 'never'; it takes close or silence"),
        ("- lose_reply: {times: true}", "times is True"),
        ("- crash: {}", "f:1: say at which instant"),
        ("\n- crash:\n    at: noon", "f:3: at is 'noon'; the instants are accept, request"),
        ("- error: {code: OOPS}", "no error called 'OOPS'"),
        ("- error: {}", "f:1: error needs code"),
        ("- delay: 5", "delay takes fields"),
        ("lose_reply: {}", "f:1: a list of rules"),
        ("- [", "f:1: "),
        ("- 3", "f:1: a rule is"),
        ("- {crash: {at: write}, hold: {at: reply}}", "one action a rule"),
    ],
)
def test_what_cannot_be_understood_is_named_with_its_line(text: str, said: str) -> None:
    with pytest.raises(FaultFileError) as caught:
        parse_rules(text, "f")
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(FaultFileError, match=r"nowhere\.yaml"):
        read_fault_file("nowhere.yaml")
