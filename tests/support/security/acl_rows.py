"""Rules of access as they are asked for frame by frame: rows for ours and for Apache Kafka alike.

An administrator asks. A row has the rules that are there, a request, and what the answer says.
Measured on Apache Kafka 4.3.1 with StandardAuthorizer.
"""

from __future__ import annotations

from typing import Any

from minibroker.broker.cluster.acls import Acl
from minibroker.protocol.acls import PatternType
from minibroker.protocol.messages.create_acls import AclCreation, CreateAclsRequest
from minibroker.protocol.messages.delete_acls import DeleteAclsFilter, DeleteAclsRequest
from minibroker.protocol.messages.describe_acls import DescribeAclsRequest

from tests.support.security.rights_requests import FILTER, GROUP, OP, TOPIC, allow, deny
from tests.support.security.rights_rows import Row
from tests.support.security.talk import CLOSED

LONG = "n" * 300
THERE = (
    allow(OP.READ, TOPIC, "prefixed"),
    allow(OP.READ, TOPIC, "pr", pattern_type=PatternType.PREFIXED),
    allow(OP.READ, TOPIC, "*"),
    allow(OP.READ, TOPIC, "other"),
    deny(OP.WRITE, TOPIC, "prefixed"),
    allow(OP.READ, GROUP, "prefixed"),
)
NO_COLON = (
    "Could not parse principal from `{}` (no colon is present separating the principal type from "
    "the principal name)"
)


def made(*changes: dict[str, Any], version: int = 3) -> CreateAclsRequest:
    """A rule for each, good but for what is changed."""
    good: dict[str, Any] = {
        "resource_type": 2,
        "resource_name": "x",
        "resource_pattern_type": 3,
        "principal": "User:zed",
        "host": "*",
        "operation": 3,
        "permission_type": 3,
    }
    return CreateAclsRequest(creations=[AclCreation(**good | each) for each in changes])


def created(answer: Any) -> object:
    if answer == CLOSED:
        return CLOSED
    return [(each.error_code, each.error_message) for each in answer.results]


def wanted(**changes: Any) -> DescribeAclsRequest:
    return DescribeAclsRequest(**FILTER | changes)


def told(answer: Any) -> object:
    if answer == CLOSED:
        return CLOSED
    found = sorted(
        (
            each.resource_type,
            each.resource_name,
            each.pattern_type,
            sorted(
                (acl.principal, acl.host, acl.operation, acl.permission_type) for acl in each.acls
            ),
        )
        for each in answer.resources
    )
    return answer.error_code, answer.error_message, found


def deleted(answer: Any) -> object:
    if answer == CLOSED:
        return CLOSED
    return [
        (
            each.error_code,
            each.error_message,
            sorted(
                (acl.error_code, acl.resource_name, acl.operation) for acl in each.matching_acls
            ),
        )
        for each in answer.filter_results
    ]


def create_row(
    name: str, *changes: dict[str, Any], expected: object, rules: tuple[Acl, ...] = ()
) -> Row:
    return Row(name, rules, made(*changes), 3, expected, created)


def describe_row(name: str, expected: object, **changes: Any) -> Row:
    return Row(name, THERE, wanted(**changes), 3, expected, told)


GOOD, BAD = (0, ""), (-1, None)
BOTH = [("User:bob", "*", 3, 3), ("User:bob", "*", 4, 2)]
READS = [("User:bob", "*", 3, 3)]
FIELDS = {
    "resource type": "resource_type",
    "pattern": "resource_pattern_type",
    "operation": "operation",
    "permission": "permission_type",
}
CREATING = [
    create_row("a good rule", {}, expected=[GOOD]),
    create_row("the same twice", {}, {}, expected=[GOOD, GOOD]),
    create_row(
        "one that is there",
        {"resource_name": "prefixed", "principal": "User:bob"},
        expected=[GOOD],
        rules=THERE,
    ),
    *(create_row(f"{name} ANY", {field: 1}, expected=[BAD]) for name, field in FIELDS.items()),
    create_row("pattern MATCH", {"resource_pattern_type": 2}, expected=[BAD]),
    *(create_row(f"{name} UNKNOWN", {field: 0}, expected=CLOSED) for name, field in FIELDS.items()),
    create_row("operation 99", {"operation": 99}, expected=[(42, "Invalid operation UNKNOWN")]),
    create_row(
        "resource type 99", {"resource_type": 99}, expected=[(42, "Invalid resourceType UNKNOWN")]
    ),
    create_row(
        "pattern 99",
        {"resource_pattern_type": 99},
        expected=[(42, "Invalid patternType UNKNOWN")],
    ),
    create_row(
        "permission 99",
        {"permission_type": 99},
        expected=[(42, "Invalid permissionType UNKNOWN")],
    ),
    create_row(
        "a cluster of another name",
        {"resource_type": 4},
        expected=[(42, "The only valid name for the CLUSTER resource is kafka-cluster")],
    ),
    create_row("zed", {"principal": "zed"}, expected=[(42, NO_COLON.format("zed"))]),
    create_row("no principal", {"principal": ""}, expected=[(42, NO_COLON.format(""))]),
    create_row("no name", {"resource_name": ""}, expected=[(42, "Invalid empty resource name")]),
    create_row("Group:x", {"principal": "Group:x"}, expected=[GOOD]),
    create_row("no host", {"host": ""}, expected=[GOOD]),
    create_row("an operation that makes no sense", {"operation": 12}, expected=[GOOD]),
    create_row("a long name", {"resource_name": LONG}, expected=[GOOD]),
    create_row(
        "one good, one bad",
        {},
        {"principal": "zed"},
        expected=[GOOD, (42, NO_COLON.format("zed"))],
    ),
]
DESCRIBING = [
    Row("nothing is there", (), wanted(), 3, (0, "", []), told),
    describe_row(
        "everything",
        (
            0,
            "",
            [
                (2, "*", 3, READS),
                (2, "other", 3, READS),
                (2, "pr", 4, READS),
                (2, "prefixed", 3, BOTH),
                (3, "prefixed", 3, READS),
            ],
        ),
    ),
    *(
        describe_row(
            f"a name, pattern {pattern}",
            (0, "", [(2, "prefixed", 3, BOTH)]),
            resource_type_filter=2,
            resource_name_filter="prefixed",
            pattern_type_filter=pattern,
        )
        for pattern in (3, 1)
    ),
    describe_row(
        "a name, MATCH",
        (0, "", [(2, "*", 3, READS), (2, "pr", 4, READS), (2, "prefixed", 3, BOTH)]),
        resource_type_filter=2,
        resource_name_filter="prefixed",
        pattern_type_filter=2,
    ),
    describe_row(
        "a name of any type",
        (0, "", [(2, "prefixed", 3, BOTH), (3, "prefixed", 3, READS)]),
        resource_name_filter="prefixed",
        pattern_type_filter=3,
    ),
    describe_row("prefixes alone", (0, "", [(2, "pr", 4, READS)]), pattern_type_filter=4),
    describe_row(
        "denials", (0, "", [(2, "prefixed", 3, [("User:bob", "*", 4, 2)])]), permission_type=2
    ),
    describe_row("another principal", (0, "", []), principal_filter="User:eve"),
    describe_row("another host", (0, "", []), host_filter="10.0.0.1"),
    *(
        describe_row(f"{field} UNKNOWN", CLOSED, **{field: 0})
        for field in (
            "resource_type_filter",
            "pattern_type_filter",
            "operation",
            "permission_type",
        )
    ),
]
DELETING = [
    Row(
        "two filters",
        THERE,
        DeleteAclsRequest(
            filters=[
                DeleteAclsFilter(**FILTER | {"resource_type_filter": 3}),
                DeleteAclsFilter(
                    **FILTER
                    | {
                        "resource_type_filter": 2,
                        "resource_name_filter": "prefixed",
                        "pattern_type_filter": 3,
                    }
                ),
            ]
        ),
        3,
        [(0, None, [(0, "prefixed", 3)]), (0, None, [(0, "prefixed", 3), (0, "prefixed", 4)])],
        deleted,
    ),
    Row(
        "nothing matches",
        THERE,
        DeleteAclsRequest(filters=[DeleteAclsFilter(**FILTER | {"principal_filter": "User:eve"})]),
        3,
        [(0, None, [])],
        deleted,
    ),
    Row(
        "UNKNOWN",
        THERE,
        DeleteAclsRequest(filters=[DeleteAclsFilter(**FILTER | {"operation": 0})]),
        3,
        CLOSED,
        deleted,
    ),
]
ACL_ROWS = [*CREATING, *DESCRIBING, *DELETING]
