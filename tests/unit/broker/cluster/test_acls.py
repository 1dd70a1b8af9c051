"""Rules: which are about a name, and which a filter finds; against a walk over all of them.

The rows are those that Apache Kafka 4.3.1 answered.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from minibroker.broker.cluster.acls import Acl, AclFilter, Acls
from minibroker.protocol.acls import (
    EVERYBODY,
    WILDCARD,
    AclOperation,
    AclPermission,
    AclResourceType,
    PatternType,
)

TOPIC, GROUP = AclResourceType.TOPIC, AclResourceType.GROUP


def rule(name: str, pattern_type: int = PatternType.LITERAL, resource_type: int = TOPIC) -> Acl:
    operation, permission = AclOperation.READ, AclPermission.ALLOW
    return Acl(resource_type, name, pattern_type, "User:zed", WILDCARD, operation, permission)


LITERAL = rule("prefixed")
PREFIX = rule("pr", PatternType.PREFIXED)
STAR = rule(WILDCARD)


def found_by(pattern_type: PatternType) -> set[Acl]:
    acls = Acls()
    for each in (LITERAL, PREFIX, STAR, rule("other"), rule("prefixed", resource_type=GROUP)):
        acls.add(each)
    wanted = AclFilter(TOPIC, "prefixed", pattern_type)
    return {each for each in acls if wanted.matches(each)}


def test_a_name_as_literal_or_any_finds_the_literal_rule() -> None:
    assert found_by(PatternType.LITERAL) == {LITERAL}
    assert found_by(PatternType.ANY) == {LITERAL}


def test_a_name_as_match_finds_the_literal_rule_its_prefixes_and_the_wildcard() -> None:
    assert found_by(PatternType.MATCH) == {LITERAL, PREFIX, STAR}


NAMES = st.text("ab*", max_size=4)
RULES = st.builds(
    Acl,
    st.sampled_from([TOPIC, GROUP]),
    NAMES,
    st.sampled_from([PatternType.LITERAL, PatternType.PREFIXED]),
    st.sampled_from(["User:a", EVERYBODY]),
    st.just(WILDCARD),
    st.sampled_from([AclOperation.READ, AclOperation.ALL]),
    st.sampled_from([AclPermission.ALLOW, AclPermission.DENY]),
)


def is_about(acl: Acl, resource_type: int, name: str) -> bool:
    if acl.resource_type != resource_type:
        return False
    if acl.pattern_type == PatternType.PREFIXED:
        return name.startswith(acl.name)
    return acl.name in (name, WILDCARD)


@given(
    st.lists(st.tuples(st.booleans(), RULES), max_size=12), st.sampled_from([TOPIC, GROUP]), NAMES
)
def test_rules_about_a_name_are_those_a_walk_over_all_finds(
    steps: list[tuple[bool, Acl]], resource_type: int, name: str
) -> None:
    acls, model = Acls(), set[Acl]()
    for is_added, each in steps:
        if is_added:
            acls.add(each)
            model.add(each)
        else:
            acls.remove(each)
            model.discard(each)
    about = [*acls.about(resource_type, name)]
    assert len(about) == len({*about}), "each once"
    assert {*about} == {each for each in model if is_about(each, resource_type, name)}
    assert {*acls} == model
    assert len(acls) == len(model)
