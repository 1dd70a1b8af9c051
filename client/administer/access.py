"""EDGE: the part of Admin about who logs in, who may do what, and how much.

Passwords are in users.py, rules of access in acls.py, quotas in quotas.py.
Read next: ../admin.py.
Tests: tests/system/rights/test_client_access.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..door import door
from .acl_bindings import AclBinding, AclBindingFilter
from .acls import Acls
from .quota_entities import Asked, ClientQuotaEntity
from .quotas import Quotas
from .results import ScramCredentialInfo, ScramMechanism
from .users import Users, examine_credential

EVERY_RULE = AclBindingFilter()


class Access:
    """Users, their rights and quotas."""

    _users: Users
    _acls: Acls
    _quotas: Quotas

    async def describe_user_scram_credentials(
        self, users: Iterable[str] | None = None
    ) -> dict[str, tuple[ScramCredentialInfo, ...]]:
        """The users that can log in by SCRAM, by name, and the mechanisms of each.

        Args:
            users: only these; by default all.

        Raises:
            Fatal: one of them has no password, or this client has no right to look.
        """
        return await self._users.describe(users)

    async def upsert_user_scram_credential(
        self, user: str, mechanism: ScramMechanism, password: str, *, iterations: int = 4_096
    ) -> None:
        """Give a user a password for one mechanism, or another one in its place.

        Args:
            password: salted and iterated here; only what comes of it is sent.
            iterations: 4096 to 16384: how often; what guessing costs, and each login.

        Raises:
            Fatal: the broker refuses.
        """
        password = door.secret("password", password)
        examine_credential(user, mechanism)
        door.whole("iterations", iterations, 1)
        await self._users.upsert(user, mechanism, password, iterations)

    async def delete_user_scram_credential(self, user: str, mechanism: ScramMechanism) -> None:
        """Take a user's password for one mechanism away; sessions that are open go on.

        Raises:
            Fatal: there is none.
        """
        examine_credential(user, mechanism)
        await self._users.delete(user, mechanism)

    async def create_acls(self, acls: Iterable[AclBinding]) -> None:
        """Add rules of access; one that is there already changes nothing. KIP-140.

        Raises:
            Fatal: the broker refuses one of them, or has no authorizer; the others are added.
        """
        await self._acls.create(acls)

    async def describe_acls(self, wanted: AclBindingFilter = EVERY_RULE) -> list[AclBinding]:
        """The rules of access that a filter means, in order; by default all.

        Raises:
            Fatal: this client has no right to look, or the broker has no authorizer.
        """
        return await self._acls.describe(wanted)

    async def delete_acls(self, filters: Iterable[AclBindingFilter]) -> list[AclBinding]:
        """Delete the rules of access that these filters mean.

        Returns: those that were there, in order; after a lost answer only those that were still.

        Raises:
            Fatal: the broker refuses, or has no authorizer.
        """
        return await self._acls.delete(filters)

    async def alter_client_quotas(
        self,
        entity: ClientQuotaEntity,
        changes: Mapping[str, float | None],
        *,
        validate_only: bool = False,
    ) -> None:
        """Set quotas of a user, client id or address, or take them away where the value is None.

        Args:
            changes: by Kafka's names, all or none: producer_byte_rate, consumer_byte_rate (bytes a
                second), request_percentage, controller_mutation_rate (partitions a second), and
                of an ip connection_creation_rate.
            validate_only: only ask whether the broker would take it.

        Raises:
            Fatal: the broker refuses a name or a value.
        """
        await self._quotas.alter(entity, changes, validate_only=validate_only)

    async def describe_client_quotas(
        self,
        *,
        user: Asked = None,
        client_id: Asked = None,
        ip: Asked = None,
        strict: bool = False,
    ) -> dict[ClientQuotaEntity, dict[str, float]]:
        """The quotas that are set, by entity and name; by default all.

        Args:
            user, client_id, ip: only entities with these parts, of this name, QuotaName.DEFAULT or
                QuotaName.ANY.
            strict: only entities that have no other part.

        Raises:
            Fatal: this client has no right to look.
        """
        return await self._quotas.describe(user, client_id, ip, strict=strict)
