"""EDGE: plays rows of quotas: they are set, an administrator asks, they are taken away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from time import monotonic
from typing import Any

from tests.support.security.quota_rows import (
    Parts,
    QuotaRow,
    altering,
    describing,
    entry,
)
from tests.support.security.talk import Place, Talk

TOLD_S = 10.0


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
    goal = {(key_of(entity), key): value for entity, key, value in wanted}
    until = monotonic() + max(within_s, TOLD_S)
    while (there := await _told(admin)) != goal:
        # Anew each time: what somebody has set just before may not have been told yet.
        gone = {asked: None for asked in there if asked not in goal}
        await _alter(admin, {**gone, **{k: v for k, v in goal.items() if there.get(k) != v}})
        assert monotonic() < until, "the broker does not tell what was set"


def key_of(entity: Parts) -> tuple[tuple[str, str | None], ...]:
    """An entity, whatever the order of its parts."""
    return tuple(sorted(entity.items()))


async def _told(admin: Talk) -> dict[tuple[object, str], float | None]:
    entries = (await admin.answer(describing(), 1)).entries
    return {
        (key_of({each.entity_type: each.entity_name for each in one.entity}), each.key): each.value
        for one in entries
        for each in one.values
    }


async def _alter(admin: Talk, changes: Mapping[Any, float | None]) -> None:
    by_entity: dict[Any, list[tuple[str, float | None]]] = {}
    for (entity, key), value in changes.items():
        by_entity.setdefault(entity, []).append((key, value))
    entries = [entry(dict(entity), *ops) for entity, ops in by_entity.items()]
    answer = await admin.answer(altering(*entries), 1)
    assert not any(each.error_code for each in answer.entries), answer
