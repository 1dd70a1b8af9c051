"""What stands in the way of a graduation, and what is only to be known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from minibroker.cli.graduating.plan import Facts, configs_to_take, findings, replication_factor

ALL = dict.fromkeys(range(40), 20)
FINE = Facts(
    cluster_ids=("one", "other"),
    versions=(ALL, ALL),
    topics={"orders": 3},
    taken={},
    replication_factor=3,
    size_bytes=1_000,
    usable_bytes=1_000_000,
    refused={},
    group_types={"g": "classic"},
    transactional_ids=0,
)


def test_nothing_stands_in_the_way() -> None:
    assert not [each for each in findings(FINE) if each.stops]


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"cluster_ids": ("one", "one")}, "clusters"),
        ({"versions": ({**ALL, 1: 3}, ALL)}, "versions"),
        ({"versions": (ALL, {1: 20})}, "versions"),
        ({"topics": {}}, "topics"),
        ({"taken": {"orders": 4}}, "names"),
        ({"refused": {"orders": "INVALID_CONFIG"}}, "topics"),
        ({"usable_bytes": 2_999}, "disk"),
        ({"topics": {"orders": 3, "x-internal": 1}}, "names"),
        ({"topics": {"__mine": 1}}, "names"),
        ({"topics": {"device-heartbeats": 1}}, "names"),
        ({"rights_missing": ["Read on orders of the old cluster"]}, "rights"),
    ],
)
def test_one_thing_stands_in_the_way(changed: dict[str, Any], what: str) -> None:
    facts = replace(FINE, **changed)
    found = [each for each in findings(facts) if each.stops]
    assert [each.what for each in found] == [what]


def test_what_is_to_be_known_is_said() -> None:
    facts = replace(
        FINE,
        taken={"orders": 3},
        usable_bytes=None,
        group_types={"g": "Classic", "s": "share"},
        transactional_ids=2,
        left_out=["heartbeats"],
        compacted=["users"],
        sees_all=False,
    )
    said = "\n".join(f"{each.what}: {each.said}" for each in findings(facts) if not each.stops)
    for text in (
        *("own: heartbeats", "compacted: users", "may not describe"),
        *("1 are there already", "disk: not known", "not moved", "2 transactional ids stay"),
    ):
        assert text in said


def test_configurations_that_are_the_topics_own_are_taken() -> None:
    configs = {
        "retention.ms": ("5", True),
        "segment.ms": ("6", False),
        "min.insync.replicas": ("1", True),
        "message.timestamp.type": ("LogAppendTime", True),
    }
    assert configs_to_take(configs) == {"retention.ms": "5"}
    assert [replication_factor(count) for count in (1, 2, 3, 9)] == [1, 2, 3, 3]
