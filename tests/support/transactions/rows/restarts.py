"""The broker is stopped, cleanly or by a kill, while transactions are open, and starts again."""

from __future__ import annotations

from tests.support.transactions.differences import LOST_MARKERS, RESTARTED, WILD_MARKER, Ours
from tests.support.transactions.producer import Producer
from tests.support.transactions.stage import Stage


async def clean_stop(stage: Stage) -> None:
    """SIGTERM."""
    await _restarted(stage, kills=False)


async def kill(stage: Stage) -> None:
    """SIGKILL."""
    await _restarted(stage, kills=True)


async def _begun(stage: Stage, tv: int, where: int) -> Producer:
    a = await stage.ready(tv=tv)
    if tv == 1:
        await stage.given(a.add, where)
    await stage.row("two", a.produce(0, 2, to=where), "0 @0")
    await stage.row("one", a.produce(2, to=where), "0 @2")
    return a


async def _restarted(stage: Stage, *, kills: bool) -> None:
    row = stage.row
    await stage.topic(8)
    old, new, old_aborts, new_aborts, done_new, done_old, fenced = [
        await _begun(stage, tv, where) for where, tv in enumerate((1, 2, 1, 2, 2, 1, 2))
    ]
    await row("offsets", stage.groups.commit(new, "g", (0, 5)), "0")
    await row("one commits", done_new.commit(), "0 p 1")
    await row("an old one", done_old.commit(), "0")
    await done_new.over()
    await done_old.over()
    assert stage.peer.restart is not None
    await stage.peer.restart(kills)
    await stage.becomes("state", "Ongoing p 0 A-0", old.state)
    await row("state", new.state(), "Ongoing p 0 A-1 offsets(g)")
    await row("state", done_new.state(), "CompleteCommit p 1")
    await row("state", done_old.state(), "CompleteCommit p 0")
    await row("readers", stage.readers.fetch(), "hw=3 lso=0 []")
    await row("producers", stage.readers.producers(), "a e0 s2 c-1 @0")
    told = stage.readers.producers(4)
    # Kafka's coordinator has one more epoch after each start
    await row("of one that is complete", told, ("e e1 s-1 c0", "e e1 s-1 c2"))
    await stage.becomes("offsets", "88 -1", stage.groups.fetch, "g", 0)
    await _go_on(stage, old, new)
    await _abort(stage, old_aborts, new_aborts, fenced)
    await _complete(stage, done_new, done_old)


async def _go_on(stage: Stage, old: Producer, new: Producer) -> None:
    row = stage.row
    await stage.becomes("TV1: the next", "0 @3", old.produce, 3)
    await row("a retry of the newest", old.produce(2), "0 @2", Ours("0 @2", RESTARTED))
    await row("a retry of an older one", old.produce(0, 2), "45", Ours("0 @0", RESTARTED))
    await row("AddPartitions", old.add(7), "0")
    await row("commit", old.commit(), "0")
    await row("state", old.over(), "CompleteCommit p 0")
    await row("log", stage.readers.log(), "0-1:a0 2:a0 3:a0 4:COMMIT.a0")
    await row("TV2: the next", new.produce(3, to=1), "0 @3")
    await row("commit", new.commit(), "0 p 1")
    await row("state", new.over(), "CompleteCommit p 1")
    await row("log", stage.readers.log(1), "0-1:b0 2:b0 3:b0 4:COMMIT.b1")
    await stage.becomes("offsets", "0 5", stage.groups.fetch, "g", 0)


async def _abort(stage: Stage, old: Producer, new: Producer, fenced: Producer) -> None:
    row, see = stage.row, stage.readers.fetch
    await row("TV1: abort", old.abort(), "0")
    await old.over()
    await row("readers", see(of=2), "hw=4 lso=4 [c@0] 0-1:c0 2:c0 3:ABORT.c0")
    await row("TV2: abort", new.abort(), "0 p 1")
    await new.over()
    await row("readers", see(of=3), "hw=4 lso=4 [d@0] 0-1:d0 2:d0 3:ABORT.d1")
    await row("a new session", stage.settled(fenced.init), "51.. 0 p 2")
    await row("readers", see(of=6), "hw=4 lso=4 [g@0] 0-1:g0 2:g0 3:ABORT.g1")


async def _complete(stage: Stage, new: Producer, old: Producer) -> None:
    row = stage.row
    await row("TV2: the retry of its commit", new.commit(), "0 p 1")
    await row("abort instead", new.abort(), "48")
    await row("the next transaction", new.produce(0, epoch=1, to=4), "0 @4")
    await row("an old epoch", new.produce(3, to=4), "47")
    await row("TV1: the retry of its commit", old.commit(), "0")
    await row("the next transaction", old.add(5), "0")
    await row("sequences run on", old.produce(3, to=5), "0 @4")


async def many_partitions(stage: Stage) -> None:
    """Killed right behind the answer of EndTxn: what is decided is completed.

    Seen of Kafka: its coordinator is there before the partitions have leaders, takes them for
    deleted, and completes without a marker. They hang from then on.
    """
    row, count = stage.row, 50
    await stage.topic(count)
    a = await stage.ready()
    await stage.given(a.add, *range(count))
    for index in range(0, count, 10):
        await row("data in some", a.produce(0, to=index), "0 @0")
    await row("EndTxn", a.commit(), "0")
    assert stage.peer.restart is not None
    await stage.peer.restart(True)
    await row("state", a.over(), "CompleteCommit p 0")
    for index in range(count):
        written = "1:COMMIT.a0" if index % 10 == 0 else "0:COMMIT.a0"
        log = f"0:a0 {written}" if index % 10 == 0 else written
        hangs = "0:a0" if index % 10 == 0 else ""
        seen = stage.readers.log(index) if stage.peer.is_kafka else _log_of(stage, index, log)
        await row(f"partition {index}", seen, (log, hangs), Ours(log, LOST_MARKERS))


async def _log_of(stage: Stage, index: int, written: str) -> str:
    return await stage.until(written, stage.readers.log, index)


async def held_by_a_marker(stage: Stage) -> None:
    """A client's marker with a wild coordinator epoch keeps Kafka's out over every restart."""
    row, a = stage.row, await stage.ready(tv=2)
    await stage.topic()
    await row("a marker", stage.markers.write(a, 0, coordinator_epoch=1000), "0")
    await row("open", a.produce(0), "0 @1")
    await row("EndTxn", a.commit(), "0 p 1")
    assert stage.peer.restart is not None
    await stage.peer.restart(True)
    # as above
    held = ("PrepareCommit p 1 A-0", "CompleteCommit p 1")
    state = a.state() if stage.peer.is_kafka else a.over()
    await row("state", state, held, Ours("CompleteCommit p 1", WILD_MARKER))
    log = Ours("0:COMMIT.a0 1:a0 2:COMMIT.a1", WILD_MARKER)
    await row("log", stage.readers.log(), "0:COMMIT.a0 1:a0", log)


SCENARIOS = (clean_stop, kill, many_partitions, held_by_a_marker)
