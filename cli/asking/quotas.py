"""EDGE: quotas of users, clients and addresses, for `minibroker configs`.

Kafka's own tool has them under its configs command, so that is where people look for them.
Tests: tests/system/rights/test_quotas_of_configs.py
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from math import isfinite

from ...client.admin import Admin
from ...client.administer.quota_entities import ClientQuotaEntity, QuotaName
from ..terminal.running import WrongUsage
from ..terminal.tables import table
from ..terminal.visible import visible
from .admin import refusals_of
from .entities import Entity

HEADS = ("ENTITY", "QUOTA", "VALUE")


async def describe_quotas(admin: Admin, args: Namespace, entity: Entity) -> int:
    """Print what is set."""
    names = entity.quota_names
    with refusals_of("quotas"):
        found = await admin.describe_client_quotas(
            user=names.get("user"),
            client_id=names.get("client_id"),
            ip=names.get("ip"),
            strict=True,
        )
    if args.json:
        document = [{"entity": _names(each), "quotas": found[each]} for each in found]
        print(json.dumps(document))
        return 0
    rows = [
        (str(each), key, f"{value:g}" if value % 1 else f"{value:.0f}")
        for each, values in found.items()
        for key, value in sorted(values.items())
    ]
    print(table(HEADS, rows) if rows else "no quota is set")
    return 0


async def alter_quotas(
    admin: Admin, args: Namespace, entity: Entity, changes: Mapping[str, str | None]
) -> int:
    """Set quotas, or take them away."""
    wanted = entity.quota_entity
    values = {name: _number(name, text) for name, text in changes.items()}
    with refusals_of(str(wanted)):
        await admin.alter_client_quotas(wanted, values)
    if args.json:
        print(json.dumps({"entity": _names(wanted), "changed": values}))
    else:
        print(f"changed the quotas of {visible(str(wanted))}")
    return 0


def _number(name: str, text: str | None) -> float | None:
    if text is None:
        return None
    if name.startswith("SCRAM-"):
        raise WrongUsage(f"{name} is a password: minibroker users add")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise WrongUsage(f"{name}={text}: expected a number")
    return value


def _names(entity: ClientQuotaEntity) -> dict[str, str | None]:
    """By Kafka's words; None is the default."""
    return {kind: None if isinstance(name, QuotaName) else name for kind, name in entity.parts()}
