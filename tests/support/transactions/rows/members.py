"""TxnOffsetCommit by members of a classic group: generation, member and instance are compared."""

from __future__ import annotations

import asyncio
from functools import partial

from tests.support.transactions.members import Member, member_of, state_of
from tests.support.transactions.producer import Producer
from tests.support.transactions.stage import Stage

INSTANCE = "inst-1"


async def static_member(stage: Stage) -> None:
    """A Stable group of one static member; v3 to v5 alike."""
    row = stage.row
    await stage.topic()
    for v, group in ((3, "g"), (4, "h"), (5, "i")):
        a = await stage.ready()
        member = await member_of(stage, group, INSTANCE)
        await member.join()
        await member.sync()
        if v < 5:
            await stage.given(a.add_offsets, group)
        now, whose = member.generation, member.id
        commit = partial(stage.groups.commit, a, group, (0, 5), v=v)
        right = partial(commit, generation=now, member=whose)
        await row(f"v{v}: right in all", right(instance=INSTANCE), "0")
        await row("without the instance", right(), "0")
        late = commit(generation=now + 1, member=whose, instance=INSTANCE)
        await row("the next generation", late, "22")
        await row("no generation", commit(member=whose, instance=INSTANCE), "22")
        await row("no member, no instance", commit(generation=now), "25")
        await row("no member", commit(generation=now, instance=INSTANCE), "82")
        await row("an unknown member", commit(generation=now, member="x"), "25")
        await row("an unknown instance", right(instance="inst-2"), "25")
        other = commit(generation=now, member="x", instance=INSTANCE)
        await row("a known instance, another member", other, "82")
        await row("nothing of all this", commit(), "0")
        await row("an unknown group", _unknown_group(stage, a, v), "22")


async def _unknown_group(stage: Stage, a: Producer, v: int) -> str:
    """A group that nobody has made; its partition is in the transaction."""
    group = f"unknown-{v}"
    if v < 5:
        await stage.given(a.add_offsets, group)
    return await stage.groups.commit(a, group, (0, 5), v=v, generation=3, member="x")


async def rebalance(stage: Stage) -> None:
    """While the group rebalances; beside it what a plain OffsetCommit is told."""
    await stage.topic()
    a = await stage.ready()
    await stage.given(a.add_offsets, "g")
    first, second = await member_of(stage, "g"), await member_of(stage, "g")
    await first.join()
    await _told(stage, a, first, "CompletingRebalance", first.generation, "0 0 27")
    await first.sync()
    await _told(stage, a, first, "Stable", first.generation, "0 0 0")
    async with asyncio.TaskGroup() as running:
        running.create_task(second.join())
        preparing = "PreparingRebalance"
        await stage.becomes("another comes", preparing, state_of, stage, "g")
        before = first.generation
        await _told(stage, a, first, preparing, before, "0 0 0")
        await _told(stage, a, first, preparing, before + 1, "22 22 22")
        running.create_task(first.join())
    await _told(stage, a, first, "CompletingRebalance", before, "22 22 22")
    await _told(stage, a, first, "CompletingRebalance", first.generation, "0 0 27")


async def _told(
    stage: Stage, a: Producer, member: Member, state: str, generation: int, written: str
) -> None:
    """TxnOffsetCommit v4, v5 and OffsetCommit."""
    each = [
        await stage.groups.commit(a, "g", (0, 5), v=4, generation=generation, member=member.id),
        await stage.groups.commit(a, "g", (0, 5), v=5, generation=generation, member=member.id),
        await stage.groups.commit_plainly("g", 0, 5, generation=generation, member=member.id),
    ]
    await stage.row("state", state_of(stage, "g"), state)
    await stage.row(f"{state}, generation {generation}", " ".join(each), written)


SCENARIOS = (static_member, rebalance)
