"""Which rules of access the words of `minibroker acls` mean.

Source: AclCommand.java.
Tests: tests/unit/cli/asking/test_acl_words.py
"""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterable, Iterator
from itertools import product

from ...client.administer.acl_bindings import AclBinding, AclBindingFilter
from ...protocol.acls import (
    CLUSTER_NAME,
    WILDCARD,
    AclOperation,
    AclPermission,
    AclResourceType,
    PatternType,
)
from ..terminal.running import WrongUsage

RESOURCES = {
    "topic": AclResourceType.TOPIC,
    "group": AclResourceType.GROUP,
    "transactional-id": AclResourceType.TRANSACTIONAL_ID,
    "user-principal": AclResourceType.USER,
}
PATTERNS = {"literal": PatternType.LITERAL, "prefixed": PatternType.PREFIXED}
PATTERNS_TO_FIND = {**PATTERNS, "any": PatternType.ANY, "match": PatternType.MATCH}
OPERATIONS = {each.name.replace("_", ""): each for each in AclOperation if each > AclOperation.ANY}
OP = AclOperation
TOPIC, GROUP = AclResourceType.TOPIC, AclResourceType.GROUP
# What each of the two needs. A producer makes topics, as Kafka's does where it may.
PRODUCER = {
    TOPIC: (OP.WRITE, OP.DESCRIBE, OP.CREATE),
    AclResourceType.TRANSACTIONAL_ID: (OP.WRITE, OP.DESCRIBE),
}
CONSUMER = {TOPIC: (OP.READ, OP.DESCRIBE), GROUP: (OP.READ,)}
Resource = tuple[AclResourceType, str]


def parse_principal(text: str) -> str:
    """User:NAME. Raises ArgumentTypeError."""
    kind, colon, name = text.partition(":")
    if not colon or not kind or not name:
        raise ArgumentTypeError(f"{text!r}: expected TYPE:NAME, as in User:{name or kind or '*'}")
    return text


def parse_operation(text: str) -> AclOperation:
    """An operation, as DescribeConfigs or DESCRIBE_CONFIGS. Raises ArgumentTypeError."""
    found = OPERATIONS.get(text.replace("_", "").upper())
    if found is None:
        known = ", ".join(each.name.title().replace("_", "") for each in OPERATIONS.values())
        raise ArgumentTypeError(f"{text!r} is no operation; choose from {known}")
    return found


def rules_of(args: Namespace) -> list[AclBinding]:
    """The rules that `acls add` is to make. Raises WrongUsage."""
    resources = _resources(args)
    if not resources:
        raise WrongUsage("say on what: --topic, --group, --cluster, --transactional-id, ...")
    wanted = [*_operations(args, resources)]
    pattern = PATTERNS[args.resource_pattern_type]
    rules: dict[AclBinding, None] = {}
    for permission, principals, hosts in (
        (AclPermission.ALLOW, args.allow_principal, args.allow_host),
        (AclPermission.DENY, args.deny_principal, args.deny_host),
    ):
        if hosts and not principals:
            raise WrongUsage(f"say who: --{permission.name.lower()}-principal User:NAME")
        for (resource, operation), principal, host in product(
            wanted, principals, hosts or (WILDCARD,)
        ):
            is_cluster = resource[0] is AclResourceType.CLUSTER
            how = PatternType.LITERAL if is_cluster else pattern
            rules[AclBinding(*resource, principal, operation, permission, host, how)] = None
    if not rules:
        raise WrongUsage("say who: --allow-principal or --deny-principal User:NAME")
    return [*rules]


def _operations(
    args: Namespace, resources: Iterable[Resource]
) -> Iterator[tuple[Resource, AclOperation]]:
    """What is done to what. Raises WrongUsage."""
    kinds = {kind for kind, _ in resources}
    roles = []
    if args.producer:
        roles.append(("--producer", PRODUCER, {TOPIC}))
    if args.consumer:
        roles.append(("--consumer", CONSUMER, {TOPIC, GROUP}))
    if not roles:
        yield from product(resources, args.operation or (AclOperation.ALL,))
        return
    if args.operation:
        raise WrongUsage(f"{roles[0][0]} says which operations; leave out --operation")
    if args.deny_principal:
        raise WrongUsage(f"{roles[0][0]} is for --allow-principal alone")
    for option, _, needed in roles:
        missing = [f"--{each.name.lower()}" for each in sorted(needed - kinds)]
        if missing:
            raise WrongUsage(f"{option} needs {' and '.join(missing)} too")
    known = {kind for _, role, _ in roles for kind in role}
    if others := kinds - known:
        names = " and ".join(sorted(each.name.lower() for each in others))
        raise WrongUsage(f"{' and '.join(each[0] for each in roles)} says nothing about a {names}")
    for resource in resources:
        for _, role, _ in roles:
            yield from product((resource,), role.get(resource[0], ()))


def filters_of(args: Namespace) -> list[AclBindingFilter]:
    """The rules that `acls list` or `acls remove` mean. Raises WrongUsage."""
    resources: list[tuple[AclResourceType, str | None]] = [*_resources(args)]
    if args.verb == "remove" and not (resources or args.principal):
        raise WrongUsage("say of what, or of whom: --topic, --principal, ...")
    # With no name nothing could match, and each rule is of one of the two kinds.
    pattern = PATTERNS_TO_FIND[args.resource_pattern_type] if resources else PatternType.ANY
    return [
        AclBindingFilter(kind, name, principal, operation, pattern_type=pattern)
        for (kind, name), principal, operation in product(
            resources or ((AclResourceType.ANY, None),),
            args.principal or (None,),
            args.operation or (AclOperation.ANY,),
        )
    ]


def _resources(args: Namespace) -> list[Resource]:
    found = [
        (kind, name)
        for option, kind in RESOURCES.items()
        for name in getattr(args, option.replace("-", "_"))
    ]
    if args.cluster:
        found.append((AclResourceType.CLUSTER, CLUSTER_NAME))
    return found
