"""What a user of a test broker may do, in words; put into a broker of this process.

    "WRITE topic orders"   "READ group audit-*"   "DESCRIBE cluster"   "ALL topic *"

Tests: tests/system/testing/test_user_rights.py
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ...broker.cluster.acl_changes import plan_acl
from ...broker.cluster.acls import Acl
from ...broker.cluster.records import AclRecord, AclRemovedRecord
from ...protocol.acls import (
    CLUSTER_NAME,
    WILDCARD,
    AclOperation,
    AclPermission,
    AclResourceType,
    PatternType,
)
from ...protocol.errors import Refused

if TYPE_CHECKING:
    from ...broker.broker import Broker

KINDS: Final = {
    "topic": AclResourceType.TOPIC,
    "group": AclResourceType.GROUP,
    "transactional-id": AclResourceType.TRANSACTIONAL_ID,
    "cluster": AclResourceType.CLUSTER,
}


def rules_of(user: str, allow: Iterable[str], deny: Iterable[str]) -> list[Acl]:
    """The rules that these words mean.

    Raises:
        ValueError: they mean none.
    """
    return [_rule(user, words, AclPermission.ALLOW) for words in _each("allow", allow)] + [
        _rule(user, words, AclPermission.DENY) for words in _each("deny", deny)
    ]


def set_rights(broker: Broker, user: str, rules: Iterable[Acl]) -> None:
    """Let a user have these rules and no others, at once, on open connections too.

    Raises:
        ValueError: the broker would refuse one.
    """
    wanted = dict.fromkeys(rules)
    for each in wanted:
        planned = plan_acl(each, broker.state.acls)
        if isinstance(planned, Refused):
            raise ValueError(f"user {user!r}: {planned.why}")
    had = {each for each in broker.state.acls if each.principal == f"User:{user}"}
    changes: list[AclRecord | AclRemovedRecord] = [
        *(AclRemovedRecord(each) for each in had if each not in wanted),
        *(AclRecord(each) for each in wanted if each not in had),
    ]
    if changes:
        broker.change_security(changes)


def _each(name: str, given: Iterable[str]) -> Iterable[str]:
    if isinstance(given, str):
        raise ValueError(f"{name} is a list of rights, as in {name}=[{given!r}]")
    return given


def _rule(user: str, words: str, permission: AclPermission) -> Acl:
    operation, _, rest = words.partition(" ")
    kind, _, name = rest.strip().partition(" ")
    known = {each.name for each in AclOperation if each > AclOperation.ANY}
    if operation.upper() not in known or kind.lower() not in KINDS:
        raise ValueError(
            f"{words!r}: expected an operation ({', '.join(sorted(known))}), what it is on "
            f"({', '.join(KINDS)}) and its name, as in 'WRITE topic orders' or 'READ group audit-*'"
        )
    resource = KINDS[kind.lower()]
    name = name.strip() or (CLUSTER_NAME if resource is AclResourceType.CLUSTER else "")
    is_prefix = name.endswith(WILDCARD) and name != WILDCARD
    return Acl(
        resource,
        name.removesuffix(WILDCARD) if is_prefix else name,
        PatternType.PREFIXED if is_prefix else PatternType.LITERAL,
        f"User:{user}",
        WILDCARD,
        AclOperation[operation.upper()],
        permission,
    )
