"""Rules to be, and filters of rules, as requests name them: checked, and told as Kafka tells it.

Nothing is changed here.
Source: AclApis.scala, AclControlManager.validateNewAcl; kafka's own answers where those differ.
Tests: tests/unit/broker/cluster/test_acl_changes.py
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from ...protocol.acls import (
    CLUSTER_NAME,
    AclOperation,
    AclPermission,
    AclResourceType,
    PatternType,
)
from ...protocol.errors import ErrorCode, Refused
from ..limits import ACLS_MAX
from .acls import Acl, Acls

# In the order in which they are looked at; what only filters may say is an error without words.
ENUMS: Final[tuple[tuple[str, type[IntEnum], str], ...]] = (
    ("resource_type", AclResourceType, "resourceType"),
    ("pattern_type", PatternType, "patternType"),
    ("operation", AclOperation, "operation"),
    ("permission", AclPermission, "permissionType"),
)
ONLY_IN_FILTERS: Final = frozenset(("ANY", "MATCH"))


def plan_acl(asked: Acl, acls: Acls) -> Acl | Refused:
    """The rule, or the reason why it cannot be one."""
    refused = _refusal(asked)
    if refused is None and len(acls) >= ACLS_MAX and asked not in acls:
        why = f"there are {ACLS_MAX} rules; remove some first"
        return Refused(ErrorCode.POLICY_VIOLATION, why)
    return asked if refused is None else refused


def _refusal(asked: Acl) -> Refused | None:
    is_cluster = asked.resource_type == AclResourceType.CLUSTER
    if is_cluster and asked.name != CLUSTER_NAME:
        return _invalid(f"The only valid name for the CLUSTER resource is {CLUSTER_NAME}")
    if not asked.name:
        return _invalid("Invalid empty resource name")
    for field, enum, name in ENUMS:
        value = getattr(asked, field)
        if not value or value not in enum.__members__.values():
            return _invalid(f"Invalid {name} UNKNOWN")
        if enum(value).name in ONLY_IN_FILTERS:
            return Refused(ErrorCode.UNKNOWN_SERVER_ERROR, "")
    if ":" not in asked.principal:
        return _invalid(
            f"Could not parse principal from `{asked.principal}` (no colon is present separating "
            "the principal type from the principal name)"
        )
    return None


def _invalid(why: str) -> Refused:
    return Refused(ErrorCode.INVALID_REQUEST, why)
