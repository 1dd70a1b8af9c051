"""Access control lists: which rules there are, and what they say of one action. Pure.

A rule says: this principal, from this host, may (or may not) do this to what is so named. Deny goes
before allow; what no rule allows is denied. Rules are found by the name: the literal one, those of
its prefixes, and "*"; never by a walk over all of them.
Source: StandardAuthorizerData, AclBinding, AclBindingFilter (Java); KIP-11, KIP-290.
Read next: security/rights/authorizer.py.
Tests: tests/unit/broker/cluster/test_acls.py
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from ...protocol.acls import (
    EVERYBODY,
    WILDCARD,
    AclOperation,
    AclPermission,
    AclResourceType,
    PatternType,
)

IMPLIED_BY: Final = {
    AclOperation.DESCRIBE: frozenset(
        (
            AclOperation.DESCRIBE,
            AclOperation.READ,
            AclOperation.WRITE,
            AclOperation.DELETE,
            AclOperation.ALTER,
        )
    ),
    AclOperation.DESCRIBE_CONFIGS: frozenset(
        (AclOperation.DESCRIBE_CONFIGS, AclOperation.ALTER_CONFIGS)
    ),
}
"""Who may do one of these may do the key, too. A denial implies nothing."""


class Acl(NamedTuple):
    """One rule.

    Args:
        principal: "User:alice"; "User:*" is everybody.
        host: an address as text, or "*".
        pattern_type: LITERAL or PREFIXED.
    """

    resource_type: int
    name: str
    pattern_type: int
    principal: str
    host: str
    operation: int
    permission: int

    @property
    def pattern(self) -> tuple[int, str, int]:
        """What it is about: (resource type, name, pattern type)."""
        return self.resource_type, self.name, self.pattern_type

    def is_about(self, principal: str, host: str) -> bool:
        """Whether it speaks of this principal at this host."""
        return self.principal in (principal, EVERYBODY) and self.host in (host, WILDCARD)

    def covers(self, operation: AclOperation) -> bool:
        """Whether it speaks of this operation."""
        if self.operation in (AclOperation.ALL, operation):
            return True
        implied = self.permission == AclPermission.ALLOW
        return implied and self.operation in IMPLIED_BY.get(operation, ())


@dataclass(frozen=True, slots=True)
class AclFilter:
    """Which rules are meant; None, and ANY, are every one.

    Args:
        pattern_type: MATCH with a name finds every rule that is about that name.
    """

    resource_type: int = AclResourceType.ANY
    name: str | None = None
    pattern_type: int = PatternType.ANY
    principal: str | None = None
    host: str | None = None
    operation: int = AclOperation.ANY
    permission: int = AclPermission.ANY

    def matches(self, acl: Acl) -> bool:
        """Whether a rule is one of them."""
        return (
            self.resource_type in (AclResourceType.ANY, acl.resource_type)
            and self._matches_pattern(acl)
            and self.principal in (None, acl.principal)
            and self.host in (None, acl.host)
            and self.operation in (AclOperation.ANY, acl.operation)
            and self.permission in (AclPermission.ANY, acl.permission)
        )

    def _matches_pattern(self, acl: Acl) -> bool:
        if self.pattern_type not in (PatternType.ANY, PatternType.MATCH, acl.pattern_type):
            return False
        if self.name is None or self.name == acl.name:
            return True
        if self.pattern_type != PatternType.MATCH:
            return False
        if acl.pattern_type == PatternType.PREFIXED:
            return self.name.startswith(acl.name)
        return acl.name == WILDCARD


class Acls:
    """All rules, by what they are about.

    Attributes:
        generation: another one after every change.
    """

    def __init__(self) -> None:
        self.generation = 0
        self._count = 0
        self._literal: dict[tuple[int, str], dict[Acl, None]] = {}
        self._prefixed: dict[tuple[int, str], dict[Acl, None]] = {}
        self._lengths: dict[int, dict[int, int]] = {}  # by type: length of a prefix -> how many

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Acl]:
        for places in (self._literal, self._prefixed):
            for some in places.values():
                yield from some

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Acls) and {*self} == {*other}

    __hash__ = None  # type: ignore[assignment]

    def __contains__(self, acl: Acl) -> bool:
        return acl in self._place_of(acl).get((acl.resource_type, acl.name), ())

    def add(self, acl: Acl) -> None:
        """Take a rule in; one that is there changes nothing."""
        self.generation += 1
        key, place = (acl.resource_type, acl.name), self._place_of(acl)
        if key not in place and place is self._prefixed:
            lengths = self._lengths.setdefault(acl.resource_type, {})
            lengths[len(acl.name)] = lengths.get(len(acl.name), 0) + 1
        rules = place.setdefault(key, {})
        self._count += acl not in rules
        rules[acl] = None

    def remove(self, acl: Acl) -> None:
        """Forget a rule; nothing if there is none."""
        self.generation += 1
        key, place = (acl.resource_type, acl.name), self._place_of(acl)
        if acl not in place.get(key, ()):
            return
        del place[key][acl]
        self._count -= 1
        if place[key]:
            return
        del place[key]
        if place is self._prefixed:
            lengths = self._lengths[acl.resource_type]
            lengths[len(acl.name)] -= 1
            if not lengths[len(acl.name)]:
                del lengths[len(acl.name)]

    def clear(self) -> None:
        """Forget all."""
        self.generation += 1
        self._count = 0
        self._literal.clear()
        self._prefixed.clear()
        self._lengths.clear()

    def about(self, resource_type: int, name: str) -> Iterator[Acl]:
        """The rules about one resource."""
        yield from self._literal.get((resource_type, name), ())
        if name != WILDCARD:
            yield from self._literal.get((resource_type, WILDCARD), ())
        for length in self._lengths.get(resource_type, ()):
            if length <= len(name):
                yield from self._prefixed.get((resource_type, name[:length]), ())

    def of_type(self, resource_type: int) -> Iterator[Acl]:
        """The rules about any resource of a type."""
        return (acl for acl in self if acl.resource_type == resource_type)

    def _place_of(self, acl: Acl) -> dict[tuple[int, str], dict[Acl, None]]:
        return self._prefixed if acl.pattern_type == PatternType.PREFIXED else self._literal
