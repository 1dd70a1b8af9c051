"""TxnOffsetCommit without members: what is refused, and what OffsetFetch says meanwhile."""

from __future__ import annotations

from tests.support.transactions.differences import DELETED_GROUP, DELETED_OFFSET, LISTED, Ours
from tests.support.transactions.stage import Stage, maybe_busy

NOBODY = "a transactional id that nobody has"
NOTHING = "0 -1"


async def by_old_clients(stage: Stage) -> None:
    """v0 to v4: the partition of offsets has been added."""
    row = stage.row
    await stage.topic(3)
    for v in range(5):
        a, group = await stage.ready(), "ghijk"[v]
        tell, commit = stage.groups.fetch, stage.groups.commit
        not_added = "120" if v == 4 else "48"
        await row(f"v{v}: nothing added", commit(a, group, (0, 10), v=v), not_added)
        await row("readers", tell(group, 0), NOTHING)
        await row("state", a.state(), "Empty p 0")
        first = commit(a, group, (0, 10), v=v, name=NOBODY)
        await row("the first with an unknown transactional id", first, "49")
        await stage.given(a.add_offsets, group)
        await row("two", commit(a, group, (0, 10), (1, 20), v=v), "0 0")
        mixed = commit(a, group, ("nope-0", 1), ("A-9", 1), ("A-0", 10), v=v)
        await row("unknown ones among them", mixed, "3 3 0")
        long = commit(a, group, (0, 11), v=v, metadata="m" * 4097)
        await row("too much metadata", long, "12")
        await row("offset -1", commit(a, group, (2, -1), v=v), "0")
        await row("a wrong id", commit(a, group, (0, 12), v=v, pid=777_777), "49")
        await row("a future epoch", commit(a, group, (0, 12), v=v, epoch=3), "47")
        await row("no group", commit(a, "", (0, 12), v=v), "24")
        unknown = commit(a, group, (0, 10), v=v, name=NOBODY)
        await row("a transactional id that nobody has, later", unknown, "0")
        await row("an empty one", commit(a, group, (0, 10), v=v, name=""), "0")
        for version in (7, 8, 9):
            told = tell(group, 0, 1, 2, v=version)
            await row(f"OffsetFetch v{version}", told, "88 -1, 88 -1, 88 -1")
        for version in range(1, 10):
            told = tell(group, 0, 1, v=version, stable=False)
            await row(f"v{version}, not stable", told, f"{NOTHING}, {NOTHING}")
        await row("end", a.end(v % 2 == 0, v=min(v, 4)), "0")
        after = "0 10, 0 20, 0 -1" if v % 2 == 0 else ", ".join([NOTHING] * 3)
        await stage.becomes("offsets", after, tell, group, 0, 1, 2)
        await row("state", a.over(), f"Complete{'Commit' if v % 2 == 0 else 'Abort'} p 0")
        await row("nothing added any more", commit(a, group, (0, 12), v=v), not_added)
        await row("a new session", stage.settled(a.init), maybe_busy("0 p 1"))
        await row("an old epoch", commit(a, group, (0, 12), v=v), "47")


async def by_new_clients(stage: Stage) -> None:
    """v5 adds the partition of offsets itself."""
    row = stage.row
    await stage.topic(3)
    a, commit, tell = await stage.ready(tv=2), stage.groups.commit, stage.groups.fetch
    first = commit(a, "g", (0, 1), name=NOBODY)
    await row("the first with an unknown transactional id", first, "49")
    await row("one", commit(a, "g", (0, 1)), "0")
    await row("state", a.state(), "Ongoing p 0 offsets(g)")
    await row("readers", tell("g", 0), "88 -1")
    await row("a wrong id", commit(a, "g", (0, 2), pid=777_777), "49")
    await row("a future epoch", commit(a, "g", (0, 2), epoch=3), "47")
    await row("a transactional id that nobody has, later", commit(a, "g", (0, 1), name=NOBODY), "0")
    await row("an empty one", commit(a, "g", (0, 1), name=""), "0")
    await row("no group", commit(a, "", (0, 1)), "24")
    await row("an unknown topic", commit(a, "g", ("nope-0", 1), (0, 1)), "3 0")
    await row("another group", commit(a, "h", (0, 1)), "0")
    await row("state", a.state(), ("Ongoing p 0 offsets(g) offsets(h)",))
    await row("abort", a.abort(), "0 p 1")
    again = stage.settled(commit, a, "g", (0, 2), epoch=1)
    await row("at once in the next", again, maybe_busy("0"))
    await row("an old epoch", commit(a, "g", (0, 2)), "47")
    await row("an old epoch, v4", commit(a, "g", (0, 2), v=4), "47")
    await row("commit", a.commit(1), "0 p 2")
    await stage.becomes("offsets", "0 2", tell, "g", 0)
    await row("state", a.over(), "CompleteCommit p 2")
    await row("an old epoch, nothing open", commit(a, "g", (0, 2), epoch=1), "47")
    await row("the same, v4", commit(a, "g", (0, 2), v=4, epoch=1), "47")
    await row("the epoch, v4, not added", commit(a, "g", (0, 2), v=4, epoch=2), "120")


async def order_of_offsets(stage: Stage) -> None:
    """What is later in the log wins, not who commits later."""
    row = stage.row
    await stage.topic(2)
    a, b = await stage.ready(tv=2), await stage.ready(tv=2)
    commit, tell = stage.groups.commit, stage.groups.fetch
    await row("pending", commit(a, "g", (0, 10)), "0")
    await row("another's", commit(b, "g", (0, 20)), "0")
    await row("readers, and of a partition without", tell("g", 0, 1), "88 -1, 0 -1")
    pending = Ours("A-0 88 -1", LISTED)
    await row("all partitions: nothing is committed", tell("g", v=7), "", pending)
    await row("the later one commits", b.commit(), "0 p 1")
    await row("state", b.over(), "CompleteCommit p 1")
    await row("readers", tell("g", 0), "88 -1")
    await row("not stable", tell("g", 0, stable=False), "0 20")
    await row("the earlier one commits", a.commit(), "0 p 1")
    await stage.becomes("readers", "0 20", tell, "g", 0)
    again = stage.settled(commit, a, "g", (0, 30), epoch=1)
    await row("two of one transaction", again, maybe_busy("0"))
    await row("the second", commit(a, "g", (0, 31), epoch=1), "0")
    for v in (7, 8, 9):
        await row(f"v{v}: all partitions", tell("g", v=v), "A-0 88 -1")
        await row("not stable", tell("g", v=v, stable=False), "A-0 0 20")
    await row("commit", a.commit(1), "0 p 2")
    await stage.becomes("readers", "0 31", tell, "g", 0)
    await row("another partition", stage.groups.commit_plainly("g", 1, 3), "0")
    await row(
        "its second, pending",
        stage.settled(commit, a, "g", (1, 5), epoch=2),
        maybe_busy("0"),
    )
    await row("a plain one", stage.groups.commit_plainly("g", 1, 77), "0")
    await row("readers", tell("g", 1), "88 -1")
    await row("not stable", tell("g", 1, stable=False), "0 77")
    await row("commit", a.commit(2), "0 p 3")
    await stage.becomes("readers", "0 77", tell, "g", 1)


async def aborted_offsets(stage: Stage) -> None:
    """After an abort the offset from before stands."""
    row = stage.row
    await stage.topic()
    a, tell = await stage.ready(tv=2), stage.groups.fetch
    await row("a plain one", stage.groups.commit_plainly("g", 0, 3), "0")
    await row("pending", stage.groups.commit(a, "g", (0, 9)), "0")
    await row("not stable", tell("g", 0, stable=False), "0 3")
    await row("abort", a.abort(), "0 p 1")
    await stage.becomes("readers", "0 3", tell, "g", 0)


async def deleted_group(stage: Stage) -> None:
    """DeleteGroups while offsets are pending."""
    row = stage.row
    await stage.topic()
    a, tell = await stage.ready(tv=2), stage.groups.fetch
    await row("pending", stage.groups.commit(a, "g", (0, 9)), "0")
    await row("delete", stage.groups.delete("g"), "0", Ours("68", DELETED_GROUP))
    await row("readers", tell("g", 0), NOTHING, Ours("88 -1", DELETED_GROUP))
    await row("commit", a.commit(), "0 p 1")
    await row("state", a.over(), "CompleteCommit p 1")
    await row("readers", tell("g", 0), NOTHING, Ours("0 9", DELETED_GROUP))


async def deleted_offset(stage: Stage) -> None:
    """OffsetDelete while offsets are pending."""
    row = stage.row
    await stage.topic()
    a, tell = await stage.ready(tv=2), stage.groups.fetch
    await row("a plain one", stage.groups.commit_plainly("g", 0, 3), "0")
    await row("pending", stage.groups.commit(a, "g", (0, 9)), "0")
    await row("delete", stage.groups.delete_offset("g", 0), "0")
    await row("readers", tell("g", 0), NOTHING, Ours("88 -1", DELETED_OFFSET))
    await row("not stable", tell("g", 0, stable=False), NOTHING)
    await row("commit", a.commit(), "0 p 1")
    await row("state", a.over(), "CompleteCommit p 1")
    await row("readers", tell("g", 0), NOTHING, Ours("0 9", DELETED_OFFSET))


SCENARIOS = (
    by_old_clients,
    by_new_clients,
    order_of_offsets,
    aborted_offsets,
    deleted_group,
    deleted_offset,
)
