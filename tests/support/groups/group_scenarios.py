"""What members of a group do, step by step; what each is answered is in group_transcripts/*.txt.

The transcripts are Apache Kafka 4.3.1's own words (`python -m tests.support.groups.group_scenarios`
asks it and writes them). tests/system/answers/test_group_transcripts.py plays the same against
ours, tests/interop/groups/test_group_transcripts.py against a Kafka again.
More scenarios, of requests that are refused, stand in group_refusals.py.
Where Kafka draws lots (which member leads after the leader has left), a scenario leaves one choice.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

from tests.support.groups.group_refusals import every_request, nobodys_offsets, wrong_joins
from tests.support.groups.group_stage import SETTINGS, Actor, Stage, prepare, subscription
from tests.support.processes.kafka import RealKafka

TRANSCRIPTS = Path(__file__).parent / "group_transcripts"
SHORT_MS = 700
Scenario = Callable[[Stage], Awaitable[None]]


async def alone(stage: Stage) -> None:
    """One member comes, consumes, leaves."""
    a = await stage.actor("a")
    await stage.describe()
    await stage.join(a)
    await stage.until_state("Empty")
    await stage.describe()
    await stage.join(a)
    await stage.heartbeat(a)
    await stage.describe()
    await stage.sync(a, {a: b"all"})
    await stage.describe()
    await stage.heartbeat(a)
    await stage.commit(a, 7, metadata="seven")
    await stage.commit(a, 8, partition=1, metadata=None)
    await stage.offsets(a, {"t": [0, 1, 2], "unknown": [0]})
    await stage.offsets(a, None)
    await stage.leave(a)
    await stage.describe()
    await stage.offsets(a, None)
    await stage.join(a)


async def old_client(stage: Stage) -> None:
    """Version 0 of everything: no member id first, no rebalance timeout."""
    a = await stage.actor("a")
    await stage.join(a, 0)
    await stage.sync(a, {a: b"all"})
    await stage.join(a, 3)
    await stage.sync(a, {a: b"again"})
    await stage.commit(a, 3, version=2)
    await stage.offsets(a, {"t": [0]}, version=1)
    await stage.offsets(a, None, version=2)
    await stage.offsets(a, {"t": [0]}, version=7)
    await stage.leave_alone(a)
    await stage.leave_alone(a)


async def stable_pair(stage: Stage) -> tuple[Actor, Actor]:
    """Two members that have come to rest: `a` leads."""
    a = await stage.actor("a")
    await stage.joined(a, await stage.entering(a))
    await stage.sync(a, {a: b"a's"})
    b = await stage.actor("b")
    waiting = await stage.entering(b)
    await stage.heartbeat(a)
    await stage.join(a)
    await stage.joined(b, waiting)
    waiting = stage.syncing(b)
    await stage.sync(a, {a: b"a's half", b: b"b's half"})
    await stage.synced(b, waiting)
    return a, b


async def pair(stage: Stage) -> None:
    """Two members, one after the other; a follower's and a leader's second join."""
    a, b = await stable_pair(stage)
    await stage.describe()
    await stage.join(b)
    await stage.sync(b)
    b.protocols = [("range", subscription("t", user_data=b"more"))]
    waiting = stage.joining(b)
    await stage.until_state("PreparingRebalance")
    await stage.heartbeat(b)
    await stage.heartbeat(a)
    await stage.sync(a)
    await stage.commit(a, 5)
    await stage.join(a)
    await stage.joined(b, waiting)
    await stage.join(b)
    await stage.join(a)
    await stage.commit(b, 6)
    await stage.heartbeat(b)
    await stage.sync(a, {a: b"only a's"})
    await stage.sync(b)
    waiting = stage.joining(a)
    await stage.until_state("PreparingRebalance")
    await stage.join(b)
    await stage.joined(a, waiting)
    await stage.leave(b)
    await stage.heartbeat(a)
    await stage.join(a)
    await stage.sync(a, {a: b"all"})
    await stage.leave(a, ("bogus", None), (a.member_id, None))
    await stage.describe()


async def ten_members(stage: Stage) -> None:
    """Ten join one after the other, all meet in each generation, an eleventh is too many."""
    members: list[Actor] = []
    for number in range(10):
        new = await stage.actor(chr(ord("a") + number))
        waiting = {new: await stage.entering(new)}
        for each in members:
            await stage.heartbeat(each)
            waiting[each] = stage.joining(each)
        members.append(new)
        for each in members:
            await stage.joined(each, waiting[each])
        waiting = {each: stage.syncing(each) for each in members[1:]}
        await stage.sync(members[0], {each: each.name.encode() for each in members})
        for each in members[1:]:
            await stage.synced(each, waiting[each])
    await stage.describe()
    await stage.join(await stage.actor("x"))
    leader, last = members[0], members[-1]
    while len(members) > 1:
        leaving = members.pop()
        await stage.leave(leaving)
        waiting = {each: stage.joining(each) for each in members}
        for each in members:
            await stage.joined(each, waiting[each])
        await stage.sync(leader, {leader: b"rest"})
    await stage.heartbeat(last)
    await stage.leave(leader)
    await stage.describe()


async def static_members(stage: Stage) -> None:
    """A static member comes back without its member id: it has its place, and no rebalance is."""
    a = await stage.actor("a", instance_id="one")
    await stage.join(a)
    await stage.sync(a, {a: b"all"})
    b = await stage.actor("b", instance_id="two")
    waiting = stage.joining(b)
    await stage.until_state("PreparingRebalance")
    await stage.join(a)
    await stage.joined(b, waiting)
    waiting = stage.syncing(b)
    await stage.sync(a, {a: b"first", b: b"second"})
    await stage.synced(b, waiting)
    again = await stage.actor("c", instance_id="two")
    await stage.join(again)
    await stage.sync(again)
    await stage.describe()
    await stage.heartbeat(b)
    await stage.join(b)
    await stage.sync(b)
    await stage.commit(b, 1)
    await stage.leave(b)
    await stage.heartbeat(again)
    leader = await stage.actor("d", instance_id="one")
    await stage.join(leader, 9)
    await stage.sync(leader)
    older = await stage.actor("e", instance_id="one")
    await stage.join(older, 8)
    await stage.sync(older)
    b.instance_id = "three"
    await stage.heartbeat(b)
    await stage.leave(a, ("", "two"), ("", "nobody"), ("", None), (older.member_id, "one"))
    await stage.describe()


async def static_changes(stage: Stage) -> None:
    """A static member comes back and offers something else, or in the middle of a rebalance."""
    both = [("range", subscription("t")), ("sticky", subscription("t"))]
    a = await stage.actor("a", instance_id="one", protocols=both)
    await stage.join(a)
    again = await stage.actor("b", instance_id="one", protocols=both)
    await stage.join(again)
    await stage.sync(a)
    await stage.sync(again, {again: b"all"})
    other = await stage.actor("c", instance_id="one", protocols=both[1:])
    await stage.join(other)
    await stage.sync(other, {other: b"all again"})
    new = await stage.actor("d", protocols=both)
    await stage.joined(new, await _joining_beside(stage, new, other))
    await stage.describe()


async def _joining_beside(stage: Stage, new: Actor, old: Actor) -> asyncio.Task[object]:
    """A new member waits while the old static one comes back under a new id."""
    waiting = await stage.entering(new)
    back = await stage.actor("e", instance_id=old.instance_id, protocols=old.protocols)
    await stage.join(back)
    await stage.heartbeat(old)
    return waiting


async def dead_member(stage: Stage) -> None:
    """A member stops heartbeating: it is removed, and the other is told to join again."""
    a = await stage.actor("a")
    await stage.joined(a, await stage.entering(a))
    await stage.sync(a, {a: b"all"})
    b = await stage.actor("b", session_ms=SHORT_MS)
    waiting = await stage.entering(b)
    await stage.join(a)
    await stage.joined(b, waiting)
    await stage.sync(a, {a: b"half", b: b"half"})
    await stage.sync(b)
    await stage.until_state("PreparingRebalance")
    await stage.heartbeat(b)
    await stage.heartbeat(a)
    await stage.join(a)
    await stage.sync(a, {a: b"all"})
    await stage.commit(b, 1)
    await stage.describe()


async def dead_pending(stage: Stage) -> None:
    """A member id is given out and never used; the group waits for it until it expires."""
    a = await stage.actor("a")
    await stage.joined(a, await stage.entering(a))
    await stage.sync(a, {a: b"all"})
    b = await stage.actor("b", session_ms=SHORT_MS)
    await stage.join(b)
    await stage.join(a)
    await stage.sync(a, {a: b"all"})
    await stage.join(b)
    await stage.describe()
    c = await stage.actor("c")
    await stage.join(c)
    await stage.leave(c)
    await stage.join(a)


async def slow_joiner(stage: Stage) -> None:
    """A member does not join again before the rebalance timeout: it is left behind."""
    a = await stage.actor("a", rebalance_ms=SHORT_MS)
    await stage.joined(a, await stage.entering(a))
    await stage.sync(a, {a: b"all"})
    b = await stage.actor("b", rebalance_ms=SHORT_MS)
    await stage.joined(b, await stage.entering(b))
    await stage.heartbeat(a)
    await stage.join(a)
    await stage.sync(b, {b: b"all"})
    await stage.describe()


async def slow_syncers(stage: Stage) -> None:
    """A leader that assigns too late, then a follower that never asks."""
    a = await stage.actor("a", rebalance_ms=SHORT_MS)
    await stage.joined(a, await stage.entering(a))
    await stage.until_state("Empty")
    await stage.sync(a, {a: b"too late"})
    await stage.heartbeat(a)
    a.member_id = ""
    await stage.joined(a, await stage.entering(a))
    await stage.sync(a, {a: b"all"})
    b = await stage.actor("b", rebalance_ms=SHORT_MS)
    waiting = await stage.entering(b)
    await stage.join(a)
    await stage.joined(b, waiting)
    await stage.sync(a, {a: b"half", b: b"half"})
    await stage.until_state("PreparingRebalance")
    await stage.heartbeat(b)
    await stage.join(a)
    await stage.describe()


async def cooperative(stage: Stage) -> None:
    """Cooperative: what members own passes through; a second rebalance follows the first."""
    own = [("cooperative-sticky", subscription("t"))]
    a = await stage.actor("a", protocols=own)
    await stage.joined(a, await stage.entering(a))
    await stage.sync(a, {a: b"0 1 2"})
    b = await stage.actor("b", protocols=own)
    waiting = await stage.entering(b)
    a.protocols = [("cooperative-sticky", subscription("t", user_data=b"owns 0 1 2"))]
    await stage.commit(a, 10)
    await stage.join(a)
    await stage.joined(b, waiting)
    waiting = stage.syncing(b)
    await stage.sync(a, {a: b"0 1", b: b""})
    await stage.synced(b, waiting)
    a.protocols = [("cooperative-sticky", subscription("t", user_data=b"owns 0 1"))]
    waiting = stage.joining(a)
    await stage.until_state("PreparingRebalance")
    await stage.heartbeat(b)
    await stage.join(b)
    await stage.joined(a, waiting)
    waiting = stage.syncing(b)
    await stage.sync(a, {a: b"0 1", b: b"2"})
    await stage.synced(b, waiting)
    await stage.describe()


async def protocols(stage: Stage) -> None:
    """The protocol that all offer and most like; a type or list that does not fit."""
    x, y = ("range", subscription("t")), ("roundrobin", subscription("t", user_data=b"rr"))
    a = await stage.actor("a", protocols=[x, y])
    await stage.joined(a, await stage.entering(a))
    b = await stage.actor("b", protocols=[("other", b"")])
    await stage.join(b)
    b.protocols, b.protocol_type = [x], "connect"
    await stage.join(b)
    b.protocols, b.protocol_type = [], "consumer"
    await stage.join(b)
    b.protocols = [y]
    waiting = await stage.entering(b)
    await stage.join(a)
    await stage.joined(b, waiting)
    await stage.sync(a, {}, protocol_type="consumer", protocol_name="range")
    await stage.sync(a, {}, protocol_type="connect", protocol_name="roundrobin")
    await stage.sync(a, {}, protocol_type=None)
    await stage.sync(a, {}, protocol_type="consumer", protocol_name="roundrobin")
    await stage.describe()
    a.protocols = [x]
    await stage.join(a)


SCENARIOS: dict[str, Scenario] = {
    each.__name__: each
    for each in (
        alone,
        old_client,
        pair,
        ten_members,
        static_members,
        static_changes,
        dead_member,
        dead_pending,
        slow_joiner,
        slow_syncers,
        cooperative,
        protocols,
        wrong_joins,
        every_request,
        nobodys_offsets,
    )
}


async def play(name: str, host: str, port: int) -> str:
    """The transcript of a scenario against a broker that `prepare` was called for."""
    stage = Stage(host, port, f"{name}-{uuid4()}")
    try:
        await SCENARIOS[name](stage)
    except Exception as error:
        raise AssertionError("\n".join([f"{name} broke off after", *stage.lines])) from error
    finally:
        await stage.close()
    return "\n".join([f"# {SCENARIOS[name].__doc__}", *stage.lines]) + "\n"


def written(name: str) -> str:
    """What Kafka said."""
    return (TRANSCRIPTS / f"{name}.txt").read_text(encoding="utf-8")


async def write_all(host: str, port: int, names: list[str]) -> None:
    """Ask a Kafka and write the transcripts."""
    await prepare(host, port)
    for name in names or SCENARIOS:
        text = await play(name, host, port)
        (TRANSCRIPTS / f"{name}.txt").write_text(text, encoding="utf-8")
        print(name, flush=True)


if __name__ == "__main__":
    with RealKafka(settings=SETTINGS) as kafka:
        kafka_host, kafka_port = kafka.bootstrap_servers.split(":")
        asyncio.run(write_all(kafka_host, int(kafka_port), sys.argv[1:]))
