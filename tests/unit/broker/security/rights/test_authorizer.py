"""Who may do what: deny before allow, what one right implies, super users, no rule at all.

The rows are those that Apache Kafka 4.3.1 answered.
"""

from __future__ import annotations

import pytest
from minibroker.broker.cluster.acls import Acl, Acls
from minibroker.broker.limits import ANSWERS_REMEMBERED_MAX, NAME_LETTERS_REMEMBERED_MAX
from minibroker.broker.security.rights.authorizer import Authorizer, Who
from minibroker.protocol.acls import (
    CLUSTER_NAME,
    EVERYBODY,
    WILDCARD,
    AclOperation,
    AclPermission,
    AclResourceType,
    PatternType,
)

TOPIC = AclResourceType.TOPIC
READ, WRITE, DESCRIBE = AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE
ALLOW, DENY = AclPermission.ALLOW, AclPermission.DENY
BOB = Who("User:bob", "127.0.0.1")


def rule(
    name: str,
    operation: AclOperation,
    permission: AclPermission = ALLOW,
    *,
    pattern_type: PatternType = PatternType.LITERAL,
    principal: str = "User:bob",
    host: str = WILDCARD,
) -> Acl:
    return Acl(TOPIC, name, pattern_type, principal, host, operation, permission)


def authorizer(*rules: Acl, allows_without_acl: bool = False) -> Authorizer:
    acls = Acls()
    for each in rules:
        acls.add(each)
    return Authorizer(acls, ["User:admin"], allows_without_acl=allows_without_acl)


def may(operation: AclOperation, name: str, *rules: Acl) -> bool:
    return authorizer(*rules).allows(BOB, operation, TOPIC, name)


def test_without_a_rule_nothing_is_allowed() -> None:
    assert not may(READ, "a")


def test_a_super_user_may_do_everything_whatever_is_denied() -> None:
    denied = rule("a", AclOperation.ALL, DENY, principal=EVERYBODY)
    admin = Who("User:admin", "127.0.0.1")
    assert authorizer(denied).allows(admin, READ, TOPIC, "a")


@pytest.mark.parametrize("operation", [READ, WRITE, AclOperation.DELETE, AclOperation.ALTER])
def test_these_imply_describe(operation: AclOperation) -> None:
    assert may(DESCRIBE, "a", rule("a", operation))


def test_describe_implies_nothing_and_alter_configs_describe_configs() -> None:
    assert not may(READ, "a", rule("a", DESCRIBE))
    altering = rule("a", AclOperation.ALTER_CONFIGS)
    assert may(AclOperation.DESCRIBE_CONFIGS, "a", altering)
    assert not may(DESCRIBE, "a", altering)


def test_deny_goes_before_allow_and_implies_nothing() -> None:
    rules = rule(WILDCARD, AclOperation.ALL), rule("c", WRITE, DENY)
    assert not may(WRITE, "c", *rules)
    assert may(READ, "c", *rules)
    assert may(DESCRIBE, "c", *rules)


def test_a_denied_describe_leaves_read() -> None:
    rules = rule(WILDCARD, AclOperation.ALL), rule("c", DESCRIBE, DENY)
    assert not may(DESCRIBE, "c", *rules)
    assert may(READ, "c", *rules)


def test_hosts_and_everybody() -> None:
    assert not may(READ, "a", rule("a", READ, host="10.0.0.1"))
    assert may(READ, "a", rule("a", READ, host="127.0.0.1"))
    assert may(READ, "a", rule("a", READ, principal=EVERYBODY))
    assert not may(READ, "a", rule("a", READ, principal="User:alice"))


def test_prefixes() -> None:
    prefix = rule("pre-", READ, pattern_type=PatternType.PREFIXED)
    assert may(READ, "pre-1", prefix)
    assert not may(READ, "pr", prefix)


def test_what_no_rule_speaks_of_may_be_for_everybody() -> None:
    lenient = authorizer(rule("a", READ, principal="User:alice"), allows_without_acl=True)
    assert lenient.allows(BOB, READ, TOPIC, "b")
    assert not lenient.allows(BOB, READ, TOPIC, "a"), "a rule speaks of it"


def test_a_changed_rule_counts_at_once() -> None:
    acls = Acls()
    asked = Authorizer(acls)
    assert not asked.allows(BOB, READ, TOPIC, "a")
    acls.add(rule("a", READ))
    assert asked.allows(BOB, READ, TOPIC, "a")
    acls.remove(rule("a", READ))
    assert not asked.allows(BOB, READ, TOPIC, "a")
    acls.add(rule("a", READ))
    acls.clear()
    assert not asked.allows(BOB, READ, TOPIC, "a")


def test_names_from_strangers_are_not_remembered_without_end() -> None:
    asked = authorizer()
    for number in range(ANSWERS_REMEMBERED_MAX + 10):
        asked.allows(BOB, READ, TOPIC, f"topic-{number}")
    assert asked.remembered_count <= ANSWERS_REMEMBERED_MAX


def test_an_answer_about_a_long_name_is_right_and_not_remembered() -> None:
    long = "n" * (NAME_LETTERS_REMEMBERED_MAX + 1)
    asked = authorizer(rule(long, READ))
    assert [asked.allows(BOB, READ, TOPIC, long) for _ in range(2)] == [True, True]
    assert not asked.allows(BOB, WRITE, TOPIC, long)
    assert asked.remembered_count == 0


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], False),
        ([rule("a", WRITE)], True),
        ([rule("a", READ)], False),
        ([rule("a", AclOperation.ALL)], True),
        ([rule("a", WRITE), rule("a", WRITE, DENY)], False),
        ([rule("a", WRITE), rule(WILDCARD, WRITE, DENY)], False),
        ([rule(WILDCARD, WRITE), rule("a", WRITE, DENY)], True),
        ([rule("ab", WRITE), rule("a", WRITE, DENY, pattern_type=PatternType.PREFIXED)], False),
        ([rule("ba", WRITE), rule("a", WRITE, DENY, pattern_type=PatternType.PREFIXED)], True),
        ([rule("a", WRITE, pattern_type=PatternType.PREFIXED), rule("a", WRITE, DENY)], True),
        ([rule("a", WRITE, host="10.0.0.1")], False),
    ],
)
def test_a_right_on_any_topic(rules: list[Acl], expected: bool) -> None:
    assert authorizer(*rules).allows_on_any(BOB, WRITE, TOPIC) is expected


def test_authorized_operations_are_bits() -> None:
    topic = tuple(map(AclOperation, (3, 4, 5, 6, 7, 8, 10, 11)))
    described = authorizer(rule("a", DESCRIBE))
    assert described.operations(BOB, TOPIC, "a", topic) == 256
    written = authorizer(rule("a", DESCRIBE), rule("a", WRITE))
    assert written.operations(BOB, TOPIC, "a", topic) == 272
    assert authorizer(rule("a", AclOperation.ALL)).operations(BOB, TOPIC, "a", topic) == 3576
    acls = Acls()
    for operation in (AclOperation.IDEMPOTENT_WRITE, AclOperation.CREATE, DESCRIBE):
        acls.add(Acl(AclResourceType.CLUSTER, CLUSTER_NAME, 3, "User:bob", "*", operation, ALLOW))
    cluster = tuple(map(AclOperation, (5, 7, 8, 9, 10, 11, 12)))
    asked = Authorizer(acls)
    assert asked.operations(BOB, AclResourceType.CLUSTER, CLUSTER_NAME, cluster) == 4384
