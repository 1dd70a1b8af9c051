"""Rules of access as Admin takes and returns them, and what is asked for: frozen values.

Read next: access.py.
Tests: tests/system/rights/test_client_access.py
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from ...protocol.acls import (
    CLUSTER_NAME,
    WILDCARD,
    AclOperation,
    AclPermission,
    AclResourceType,
    PatternType,
)
from ..door import door

E = TypeVar("E", bound=IntEnum)
ONLY_ASKED_FOR = frozenset(("ANY", "MATCH"))


@dataclass(frozen=True, slots=True)
class AclBinding:
    """One rule: this principal may, or may not, do this to what is so named. KIP-11, KIP-290.

    Args:
        resource_type: TOPIC, GROUP, TRANSACTIONAL_ID, CLUSTER, USER or DELEGATION_TOKEN.
        resource_name: "*" stands for every name; of CLUSTER it is "kafka-cluster".
        principal: "User:alice"; "User:*" is everybody.
        operation: ALL covers every other; READ, WRITE, DELETE and ALTER cover DESCRIBE.
        permission: DENY counts before ALLOW.
        host: the address it comes from, "*" for any.
        pattern_type: LITERAL, or PREFIXED: every name that begins so.

    Raises:
        TypeError, ValueError: none of this can be a rule.
    """

    resource_type: AclResourceType
    resource_name: str
    principal: str
    operation: AclOperation
    permission: AclPermission = AclPermission.ALLOW
    host: str = WILDCARD
    pattern_type: PatternType = PatternType.LITERAL

    def __post_init__(self) -> None:
        for name in ("resource_name", "principal", "host"):
            door.text(name, getattr(self, name))
        for name, kind in ENUMS.items():
            value = door.instance(name, getattr(self, name), kind)
            if value.name in ONLY_ASKED_FOR:
                raise ValueError(f"{name}={value.name}: that is for filters alone")

    @classmethod
    def cluster(
        cls,
        principal: str,
        operation: AclOperation,
        permission: AclPermission = AclPermission.ALLOW,
        host: str = WILDCARD,
    ) -> AclBinding:
        """A rule about the cluster, which has one name."""
        kind = AclResourceType.CLUSTER
        return cls(kind, CLUSTER_NAME, principal, operation, permission, host)

    def __str__(self) -> str:
        where = "" if self.host == WILDCARD else f" from {self.host}"
        what = self.resource_type.name.lower().replace("_", " ")
        name = f"{self.resource_name}*" if self.is_prefixed else self.resource_name
        who = f"{self.permission.name} {self.principal}{where}"
        return f"{who} {self.operation.name} on {what} {name}"

    @property
    def is_prefixed(self) -> bool:
        """Whether it is about every name that begins so."""
        return self.pattern_type is PatternType.PREFIXED


@dataclass(frozen=True, slots=True)
class AclBindingFilter:
    """Which rules are meant: all that agree with everything that is named here.

    Args:
        resource_name: None is any.
        pattern_type: ANY takes the name as it is written in the rule; MATCH finds every rule that
            speaks of the name: itself, its prefixes and "*".
        principal, host: as written in the rule, None is any.
    """

    resource_type: AclResourceType = AclResourceType.ANY
    resource_name: str | None = None
    principal: str | None = None
    operation: AclOperation = AclOperation.ANY
    permission: AclPermission = AclPermission.ANY
    host: str | None = None
    pattern_type: PatternType = PatternType.ANY

    def __post_init__(self) -> None:
        for name in ("resource_name", "principal", "host"):
            door.optional_text(name, getattr(self, name))
        for name, kind in ENUMS.items():
            if not door.instance(name, getattr(self, name), kind):
                raise ValueError(f"{name}=UNKNOWN: it cannot be asked for")

    @classmethod
    def of(cls, acl: AclBinding) -> AclBindingFilter:
        """That one rule."""
        return cls(
            acl.resource_type,
            acl.resource_name,
            acl.principal,
            acl.operation,
            acl.permission,
            acl.host,
            acl.pattern_type,
        )


ENUMS: dict[str, type[IntEnum]] = {
    "resource_type": AclResourceType,
    "operation": AclOperation,
    "permission": AclPermission,
    "pattern_type": PatternType,
}


def known(kind: type[E], number: int) -> E:
    """The member of that number; UNKNOWN if a broker knows more of them."""
    return kind(number if number in kind.__members__.values() else 0)
