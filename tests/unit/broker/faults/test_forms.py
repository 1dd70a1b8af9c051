"""What a rule means where its writer said nothing, and what he is told where he said it wrongly."""

from __future__ import annotations

from typing import Any

import pytest
from minibroker.broker.faults.forms import FieldError, error_called, form_of, rule_of
from minibroker.broker.faults.rules import AnswerError, Rule
from minibroker.protocol.errors import ErrorCode
from minibroker.testing import TestBroker
from minibroker.testing.settings import setting_texts


@pytest.mark.parametrize(
    ("form", "times"),
    [
        ({"lose_reply": {"api": "Produce"}}, 1),
        ({"lose_reply": {"api": "Produce", "every": 3}}, None),
        ({"lose_reply": {"api": "Produce", "probability": 0.5}}, None),
        ({"lose_reply": {"api": "Produce", "times": 4}}, 4),
        ({"lose_reply": {"api": "Produce", "times": None}}, None),
        ({"hold": {"at": "reply"}}, 1),
        ({"crash": {"at": "flush"}}, 1),
        ({"disconnect": {}}, None),
        ({"delay": {"at": "reply", "delay_ms": 1}}, None),
    ],
)
def test_what_ends_an_exchange_acts_once_unless_more_is_asked(
    form: dict[str, Any], times: int | None
) -> None:
    rule = rule_of(form)
    assert rule.times == times
    assert rule_of(form_of(rule)) == rule


async def test_the_methods_mean_the_same_as_the_forms() -> None:
    async with TestBroker() as broker:
        lost = broker.faults.lose_reply("Produce")
        assert lost.rule == rule_of({"lose_reply": {"api": "Produce"}})
        assert broker.faults.lose_reply("Produce", times=None).rule.times is None
        assert broker.faults.error("Produce", 6).rule.action == AnswerError(
            ErrorCode.NOT_LEADER_OR_FOLLOWER
        )
        assert repr(lost) == "<lose_reply(then='close', api='Produce', times=1)>"
        with pytest.raises(TypeError, match=r"no scope is called 'topc'; did you mean topic\?"):
            broker.faults.disconnect(topc="t")  # type: ignore[call-arg]
        with pytest.raises(ValueError, match=r"no API is called 'Prodce'; did you mean Produce\?"):
            broker.faults.disconnect("Prodce")


@pytest.mark.parametrize(
    ("form", "hint"),
    [
        ({"loose_reply": {}}, "did you mean lose_reply?"),
        ({"lose_reply": {"toppic": "t"}}, "did you mean topic?"),
        ({"error": {"api": "Produce", "code": "NOT_LEADER"}}, "did you mean NOT_LEADER"),
        ({"error": {"api": "Produce", "code": 9999}}, "no error with number 9999"),
    ],
)
def test_what_is_mistyped_gets_the_nearest_name(form: dict[str, Any], hint: str) -> None:
    with pytest.raises(FieldError) as refused:
        rule_of(form)
    assert hint in str(refused.value)


def test_errors_have_names_and_numbers() -> None:
    for code in (6, "NOT_LEADER_OR_FOLLOWER", ErrorCode.NOT_LEADER_OR_FOLLOWER):
        assert error_called(code) is ErrorCode.NOT_LEADER_OR_FOLLOWER
    with pytest.raises(ValueError, match="True"):
        error_called(True)
    rule = Rule(action=AnswerError(ErrorCode.NOT_LEADER_OR_FOLLOWER), api="Produce")
    assert rule_of({"error": {"api": "Produce", "code": 6}}) == rule


def test_settings_are_taken_as_they_are_meant() -> None:
    given: dict[str, str | int | bool] = {
        "num.partitions": 3,
        "auto.create.topics.enable": False,
        "a": "b",
    }
    assert setting_texts(given) == {
        "num.partitions": "3",
        "auto.create.topics.enable": "false",
        "a": "b",
    }
    with pytest.raises(TypeError, match=r"settings: x is \[\]"):
        setting_texts({"x": []})  # type: ignore[dict-item]


async def test_a_missing_topic_is_named() -> None:
    async with TestBroker(settings={"num.partitions": 2}) as broker:
        broker.create_topic("orders")
        with pytest.raises(LookupError, match="no topic 'order'; did you mean orders"):
            broker.records("order")
        receipts = await broker.produce("fresh", b"a", b"b", key=b"k")
        assert [each.offset for each in receipts] == [0, 1]
        assert [each.value for each in await broker.consume("fresh", 2)] == [b"a", b"b"]
        with pytest.raises(TimeoutError, match="fresh: 2 of 3 records after"):
            await broker.consume("fresh", 3, timeout_s=0.01)


async def test_a_crash_may_be_followed_by_a_start() -> None:
    async with TestBroker(durability="page-cache") as broker:
        await broker.produce("t", b"a")
        crash = broker.faults.crash(at="appended", topic="t", then="restart")
        await broker.produce("t", b"b")  # its first attempt dies with the broker
        assert crash.fired == 1
        broker.assert_stored_once("t", [b"a", b"b"])
