"""EDGE: Admin's calls about quotas of clients (KIP-546).

Source: KafkaAdminClient.java, ClientQuotaEntity.java, ClientQuotaFilter.java.
Tests: tests/system/rights/test_client_access.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ...protocol.acls import AclOperation
from ..door import door
from .asking import Asking, check
from .quota_entities import KINDS, Asked, ClientQuotaEntity, Named, QuotaName, named_parts

if TYPE_CHECKING:
    from ...protocol.messages.alter_client_quotas import AlterClientQuotasResponse, OpData
    from ...protocol.messages.describe_client_quotas import (
        DescribeClientQuotasResponse,
        EntityData,
    )

EXACT, DEFAULT, ANY = range(3)
MATCHES = {QuotaName.DEFAULT: DEFAULT, QuotaName.ANY: ANY}
VALUE_MAX = 1e300  # a broker says what is too much


class Quotas:
    """Quotas of users, client ids and addresses."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def alter(
        self,
        entity: ClientQuotaEntity,
        changes: Mapping[str, float | None],
        *,
        validate_only: bool,
    ) -> None:
        """Set quotas of an entity, or take them away where the value is None; all or none."""
        from ...protocol.messages.alter_client_quotas import (
            AlterClientQuotasRequest,
            EntityData,
            EntryData,
        )

        door.instance("entity", entity, ClientQuotaEntity)
        parts = [
            EntityData(entity_type=kind, entity_name=None if isinstance(name, QuotaName) else name)
            for kind, name in entity.parts()
        ]
        entry = EntryData(entity=parts, ops=[*_ops(changes)])
        request = AlterClientQuotasRequest(
            entries=[entry], validate_only=door.flag("validate_only", validate_only)
        )

        async def ask() -> None:
            answer: AlterClientQuotasResponse = await self._asking.request(
                await self._asking.controller(), request
            )
            (result,) = answer.entries
            check(result.error_code, str(entity), result.error_message, AclOperation.ALTER_CONFIGS)

        await self._asking.persist(f"alter the quotas of {entity}", ask)

    async def describe(
        self, user: Asked, client_id: Asked, ip: Asked, *, strict: bool
    ) -> dict[ClientQuotaEntity, dict[str, float]]:
        """The quotas of all entities that have what is named."""
        from ...protocol.messages.describe_client_quotas import (
            ComponentData,
            DescribeClientQuotasRequest,
        )

        components = [
            ComponentData(entity_type=kind, match_type=MATCHES[name], match=None)
            if isinstance(name, QuotaName)
            else ComponentData(entity_type=kind, match_type=EXACT, match=name)
            for kind, name in named_parts(user, client_id, ip)
        ]
        request = DescribeClientQuotasRequest(
            components=components, strict=door.flag("strict", strict)
        )

        async def ask() -> dict[ClientQuotaEntity, dict[str, float]]:
            answer: DescribeClientQuotasResponse = await self._asking.request(
                await self._asking.anywhere(), request
            )
            check(answer.error_code, "quotas", answer.error_message, AclOperation.DESCRIBE_CONFIGS)
            found = {
                _entity(each.entity): {value.key: value.value for value in each.values}
                for each in answer.entries or ()
            }
            return {each: found[each] for each in sorted(found, key=str)}

        return await self._asking.persist("describe quotas", ask)


def _ops(changes: Mapping[str, float | None]) -> Iterator[OpData]:
    from ...protocol.messages.alter_client_quotas import OpData

    for name, given in door.mapping("changes", changes).items():
        key = door.text("a name in changes", name)
        if given is None:
            yield OpData(key=key, value=0.0, remove=True)
        else:
            value = door.number(f"changes[{key!a}]", given, -VALUE_MAX, VALUE_MAX)
            yield OpData(key=key, value=float(value), remove=False)


def _entity(told: list[EntityData]) -> ClientQuotaEntity:
    names: dict[str, Named] = {
        KINDS[each.entity_type]: QuotaName.DEFAULT if each.entity_name is None else each.entity_name
        for each in told
    }
    return ClientQuotaEntity(**names)
