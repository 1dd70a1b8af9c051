"""Which requests a rule chooses, and what it refuses to be."""

from __future__ import annotations

from typing import Any

import pytest
from minibroker.testing.proxy_rules import ArmedRule, LoseReply, Rule


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


@pytest.mark.parametrize(
    ("scope", "named"),
    [
        ({"api": "Prodcue"}, "Prodcue"),
        ({"topic": "t"}, "Produce"),
        ({"api": "Fetch", "topic": "t"}, "Produce"),
        ({"nth": 0}, "nth=0"),
        ({"every": 0}, "every=0"),
        ({"times": 0}, "times=0"),
        ({"nth": 1, "every": 2}, "not both"),
    ],
)
def test_a_rule_that_cannot_mean_anything_is_refused(scope: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Rule(action=LoseReply(), **scope)
