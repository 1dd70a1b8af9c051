"""EDGE: plays rows of quotas: they are set, an administrator asks, they are taken away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import monotonic

from minibroker.protocol.messages.alter_client_quotas import EntityData, EntryData, OpData

from tests.support.security.quota_rows import (
    Parts,
    QuotaRow,
    altering,
    describing,
    entry,
)
from tests.support.security.talk import Place, Talk


async def quota_differences(
    place: Place, rows: Sequence[QuotaRow], within_s: float = 0.0
) -> dict[str, tuple[object, object]]:
    """What was seen and expected, by row, where that differs.

    Args:
        within_s: of a broker that hears of quotas a moment later: it is asked again for so long.
    """
    admin = await place.open("PLAINTEXT")
    found = {}
    for row in rows:
        await set_quotas(admin, row.there, within_s)
        until = monotonic() + within_s
        seen = row.told(await admin.answer(row.request, row.version))
        while seen != row.expected and monotonic() < until:
            seen = row.told(await admin.answer(row.request, row.version))
        if seen != row.expected:
            found[row.name] = seen, row.expected
    await set_quotas(admin, (), within_s)
    return found


async def set_quotas(
    admin: Talk, wanted: Iterable[tuple[Parts, str, float]], within_s: float = 0.0
) -> None:
    """Let there be these quotas and no others, and return when the broker tells so."""
    wanted = [*wanted]
    entries = [
        EntryData(
            entity=[
                EntityData(entity_type=each.entity_type, entity_name=each.entity_name)
                for each in one.entity
            ],
            ops=[OpData(key=each.key, value=0.0, remove=True) for each in one.values],
        )
        for one in (await admin.answer(describing(), 1)).entries
    ]
    if entries:
        await admin.answer(altering(*entries), 1)
    if wanted:
        changes = (entry(entity, (key, value)) for entity, key, value in wanted)
        answer = await admin.answer(altering(*changes), 1)
        assert not any(each.error_code for each in answer.entries), answer
    until = monotonic() + within_s
    while len((await admin.answer(describing(), 1)).entries) != len(wanted):
        assert monotonic() < until, "the broker does not tell what was set"
