"""May this principal do that? What the rules, the super users and the settings come to. Pure.

Every answer is remembered until a rule changes, since a producer asks the same again with each
batch. At ANSWERS_REMEMBERED_MAX all are forgotten, so that names from strangers cost no memory.
Source: StandardAuthorizer, Authorizer.authorizeByResourceType (Java).
Tests: tests/unit/broker/security/rights/test_authorizer.py
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ....protocol.acls import WILDCARD, AclOperation, AclPermission, AclResourceType, PatternType
from ...cluster.acls import Acl, Acls
from ...limits import ANSWERS_REMEMBERED_MAX, NAME_LETTERS_REMEMBERED_MAX

Asked = tuple[int, int, str | None]
"""(operation, resource type, name, or None for whether there could be one).

Plain numbers, as those of an enumeration are slow to hash.
"""


class Who(NamedTuple):
    """Who asks: a principal ("User:alice") at a host ("127.0.0.1")."""

    principal: str
    host: str


class Authorizer:
    """Decides by the rules there are.

    Args:
        acls: the rules, which may change at any time.
        super_users: principals who may do everything.
        allows_without_acl: what about a resource that no rule speaks of
            (allow.everyone.if.no.acl.found).
    """

    def __init__(
        self, acls: Acls, super_users: Iterable[str] = (), *, allows_without_acl: bool = False
    ) -> None:
        self.acls = acls
        self._super_users = frozenset(super_users)
        self._allows_without_acl = allows_without_acl
        self._allowed: dict[Who, set[Asked]] = {}
        self._denied: dict[Who, set[Asked]] = {}
        self._count = 0
        self._generation = acls.generation

    @property
    def remembered_count(self) -> int:
        """How many answers are remembered."""
        return self._count

    def allowed(self, who: Who) -> set[Asked]:
        """What is known to be allowed to somebody; what is not in it has to be asked for."""
        if self._generation != self.acls.generation:
            self._forget()
        found = self._allowed.get(who)
        if found is None:
            if len(self._allowed) >= ANSWERS_REMEMBERED_MAX:
                self._forget()
                self._allowed.clear()
            found = self._allowed[who] = set()
        return found

    def allows(
        self, who: Who, operation: AclOperation, resource_type: AclResourceType, name: str
    ) -> bool:
        """Whether somebody may do something to one resource."""
        asked = (int(operation), int(resource_type), name)
        answer = self._known(who, asked)
        if answer is None:
            answer = self._decide(who, operation, resource_type, name)
            self._remember(who, asked, answer=answer)
        return answer

    def allows_on_any(
        self, who: Who, operation: AclOperation, resource_type: AclResourceType
    ) -> bool:
        """Whether there could be a resource of this type to which somebody may do something."""
        asked = (int(operation), int(resource_type), None)
        answer = self._known(who, asked)
        if answer is None:
            answer = self._decide_on_any(who, operation, resource_type)
            self._remember(who, asked, answer=answer)
        return answer

    def operations(
        self,
        who: Who,
        resource_type: AclResourceType,
        name: str,
        candidates: Iterable[AclOperation],
    ) -> int:
        """What of some operations somebody may do, as bits: `authorized_operations`."""
        allowed = (each for each in candidates if self.allows(who, each, resource_type, name))
        return sum(1 << each for each in allowed)

    def _known(self, who: Who, asked: Asked) -> bool | None:
        if asked in self.allowed(who):
            return True
        return False if asked in self._denied.get(who, ()) else None

    def _forget(self) -> None:
        self._generation = self.acls.generation
        self._count = 0
        self._denied.clear()
        # Emptied, not dropped: 1. a connection keeps the set it was given  2. another takes its
        # place  3. what is found out from then on is never known to that connection.
        for each in self._allowed.values():
            each.clear()

    def _remember(self, who: Who, asked: Asked, *, answer: bool) -> None:
        if len(asked[2] or "") > NAME_LETTERS_REMEMBERED_MAX:
            return
        if self._count >= ANSWERS_REMEMBERED_MAX:
            self._forget()
        self._count += 1
        known = self.allowed(who) if answer else self._denied.setdefault(who, set())
        known.add(asked)

    def _decide(
        self, who: Who, operation: AclOperation, resource_type: AclResourceType, name: str
    ) -> bool:
        if who.principal in self._super_users:
            return True
        is_allowed = is_known = False
        for acl in self.acls.about(resource_type, name):
            is_known = True
            if acl.is_about(*who) and acl.covers(operation):
                if acl.permission == AclPermission.DENY:
                    return False
                is_allowed = True
        return is_allowed or (not is_known and self._allows_without_acl)

    def _decide_on_any(
        self, who: Who, operation: AclOperation, resource_type: AclResourceType
    ) -> bool:
        # Kafka asks for a name of its own first: super users, and where nobody has made rules.
        if self._decide(who, operation, resource_type, "hardcode"):
            return True
        rules = [
            acl
            for acl in self.acls.of_type(resource_type)
            if acl.is_about(*who) and acl.operation in (AclOperation.ALL, operation)
        ]
        denied = [acl for acl in rules if acl.permission == AclPermission.DENY]
        allowed = [acl for acl in rules if acl.permission == AclPermission.ALLOW]
        names = {acl.name for acl in denied if acl.pattern_type == PatternType.LITERAL}
        if WILDCARD in names:
            return False
        prefixes = {acl.name for acl in denied if acl.pattern_type == PatternType.PREFIXED}
        return any(not _is_overruled(acl, names, prefixes) for acl in allowed)


def _is_overruled(acl: Acl, names: set[str], prefixes: set[str]) -> bool:
    """Whether a denial takes back all that a rule allows."""
    is_literal = acl.pattern_type == PatternType.LITERAL
    if is_literal and acl.name == WILDCARD:
        return False
    if is_literal and acl.name in names:
        return True
    return any(acl.name[:end] in prefixes for end in range(1, len(acl.name) + 1))
