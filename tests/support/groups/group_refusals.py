"""Scenarios of requests that groups refuse: wrong ones, and right ones in every state.

Transcripts as those of group_scenarios.py, which plays these too.
"""

from __future__ import annotations

from tests.support.groups.group_stage import Actor, Stage


async def wrong_joins(stage: Stage) -> None:
    """Joins that no group takes; one of them leaves an empty group behind."""
    a = await stage.actor("a", session_ms=99)
    await stage.join(a)
    a.session_ms = 100_001
    await stage.join(a)
    a.session_ms, a.member_id = 1000, "bogus"
    await stage.join(a)
    a.generation_id = 5
    await stage.commit(a, 1, version=9)
    await stage.commit(a, 1, version=8)
    a.member_id, a.generation_id, a.protocol_type = "", -1, ""
    await stage.describe()
    await stage.join(a)
    await stage.until_state("Empty")
    await stage.describe()
    await stage.listed(a, [], [])
    group_id, stage.group_id = stage.group_id, ""
    await stage.join(a)
    await stage.sync(a)
    await stage.heartbeat(a)
    await stage.leave(a)
    await stage.delete_offset(a)
    stage.group_id = group_id


async def every_request(stage: Stage) -> None:
    """Every request in every state of a group, right ones and wrong ones."""
    x, a = await stage.actor("x"), await stage.actor("a")
    await _ask_everything(stage, "unknown", x, a)
    await stage.joined(a, await stage.entering(a))
    await _ask_everything(stage, "CompletingRebalance", x, a)
    await stage.sync(a, {a: b"all"})
    await _ask_everything(stage, "Stable", x, a)
    b = await stage.actor("b")
    waiting = await stage.entering(b)
    await _ask_everything(stage, "PreparingRebalance", x, a)
    await stage.leave(a)
    await stage.joined(b, waiting)
    await stage.leave(b)
    await stage.until_state("Empty")
    await _ask_everything(stage, "Empty", x, a)
    await stage.listed(x, ["empty"], ["Classic"])
    await stage.listed(x, ["Stable"], [])
    await stage.listed(x, ["Empty", "bogus"], ["consumer"])
    await stage.delete(x)
    await stage.describe()
    await stage.offsets(x, None)
    await stage.delete(x)


async def _ask_everything(stage: Stage, state: str, x: Actor, member: Actor) -> None:
    stage.say(f"-- {state}")
    await stage.describe()
    x.member_id, x.generation_id, x.instance_id = "bogus", member.generation_id, None
    await stage.join(x)
    await stage.sync(x)
    await stage.heartbeat(x)
    await stage.leave(x)
    await stage.commit(x, 1)
    await stage.commit(x, 1, version=8)
    await stage.commit(x, 2, alone=True)
    x.instance_id = "nobody"
    await stage.heartbeat(x)
    x.instance_id = None
    generation_id = member.generation_id
    for x.generation_id in (generation_id - 1, generation_id + 1):
        x.member_id = member.member_id
        await stage.heartbeat(x)
        await stage.sync(x)
        await stage.commit(x, 3)
    await stage.heartbeat(member)
    await stage.commit(member, 4)
    await stage.commit(member, 4, topic="unknown")
    await stage.commit(member, 4, partition=99)
    await stage.commit(member, 4, metadata="m" * 101)
    if state != "CompletingRebalance":
        await stage.sync(member)
    await stage.offsets(x, {"t": [0, 99], "unknown": [0]})
    await stage.delete_offset(x)
    await stage.delete_offset(x, "unknown")
    await stage.delete_offset(x, "t", 99)
    if state != "Empty":
        await stage.delete(x)


async def nobodys_offsets(stage: Stage) -> None:
    """Commits without a group, then a group that finds them."""
    x = await stage.actor("x")
    await stage.commit(x, 5, alone=True, metadata="five", version=9)
    await stage.commit(x, 6, alone=True, partition=1, version=6)
    await stage.describe()
    await stage.listed(x, [], [])
    await stage.offsets(x, None, version=3)
    await stage.joined(x, await stage.entering(x))
    await stage.commit(x, 7, alone=True)
    await stage.sync(x, {x: b"all"})
    await stage.commit(x, 7, alone=True)
    await stage.offsets(x, {"t": [0, 1]})
    await stage.delete_offset(x)
    await stage.leave(x)
    await stage.delete_offset(x)
    await stage.offsets(x, None)
    await stage.commit(x, 8, alone=True)
    await stage.offsets(x, None)
    await stage.describe()
