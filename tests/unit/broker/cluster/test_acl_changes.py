"""What may become a rule; the rows are those that Apache Kafka 4.3.1 answered."""

from __future__ import annotations

from typing import Any

import pytest
from minibroker.broker.cluster import acl_changes
from minibroker.broker.cluster.acl_changes import plan_acl
from minibroker.broker.cluster.acls import Acl, Acls
from minibroker.protocol.acls import CLUSTER_NAME, AclResourceType
from minibroker.protocol.errors import ErrorCode, Refused

GOOD: dict[str, Any] = {
    "resource_type": 2,
    "name": "x",
    "pattern_type": 3,
    "principal": "User:zed",
    "host": "*",
    "operation": 3,
    "permission": 3,
}
NO_COLON = "(no colon is present separating the principal type from the principal name)"


def planned(**changed: Any) -> Acl | Refused:
    return plan_acl(Acl(**GOOD | changed), Acls())


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"principal": "Group:x"},
        {"host": ""},
        {"operation": 9},
        {"resource_type": 3, "operation": 6},
        {"resource_type": 5},
        {"resource_type": AclResourceType.CLUSTER, "name": CLUSTER_NAME, "operation": 2},
        {"resource_type": 7, "operation": 13},
        {"name": "n" * 300},
    ],
)
def test_these_are_rules(changed: dict[str, Any]) -> None:
    asked = GOOD | changed
    assert planned(**changed) == Acl(*asked.values())


@pytest.mark.parametrize(
    "changed",
    [
        {"operation": 1},
        {"permission": 1},
        {"pattern_type": 1},
        {"pattern_type": 2},
        {"resource_type": 1},
    ],
)
def test_what_only_a_filter_may_say_is_an_error_without_words(changed: dict[str, Any]) -> None:
    assert planned(**changed) == Refused(ErrorCode.UNKNOWN_SERVER_ERROR, "")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"operation": 99}, "Invalid operation UNKNOWN"),
        (
            {"resource_type": 4},
            "The only valid name for the CLUSTER resource is kafka-cluster",
        ),
        ({"principal": "zed"}, f"Could not parse principal from `zed` {NO_COLON}"),
        ({"principal": ""}, f"Could not parse principal from `` {NO_COLON}"),
        ({"name": ""}, "Invalid empty resource name"),
    ],
)
def test_these_are_refused_in_words(changed: dict[str, Any], why: str) -> None:
    assert planned(**changed) == Refused(ErrorCode.INVALID_REQUEST, why)


def test_rules_are_bounded_and_one_that_is_there_is_none_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acl_changes, "ACLS_MAX", 1)
    acls = Acls()
    there = plan_acl(Acl(**GOOD), acls)
    assert isinstance(there, Acl)
    acls.add(there)
    assert plan_acl(Acl(**GOOD), acls) == there
    refused = plan_acl(Acl(**GOOD | {"name": "y"}), acls)
    assert isinstance(refused, Refused)
    assert refused.code is ErrorCode.POLICY_VIOLATION
