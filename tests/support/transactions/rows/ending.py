"""EndTxn: v0 to v4 leave the epoch, v5 bumps it; the request decides, not what came before."""

from __future__ import annotations

from functools import partial

from tests.support.transactions.differences import MADE_AGAIN, Ours
from tests.support.transactions.stage import Stage, maybe_busy

NOBODY = "a transactional id that nobody has"


async def by_old_clients(stage: Stage) -> None:
    """v0 to v4; nothing is written to the partition."""
    row = stage.row
    await stage.topic()
    for v in range(5):
        fenced = "47" if v < 2 else "90"
        a = await stage.ready()
        end = partial(a.end, v=v)
        for is_commit in (True, False):
            name = "commit" if is_commit else "abort"
            await row(f"v{v}: {name}, nothing open", end(is_commit), "48")
            await row("a wrong id", end(is_commit, pid=a.ids["p"] + 777), "49")
            await row("a future epoch", end(is_commit, 9), fenced)
            await row("a transactional id that nobody has", end(is_commit, name=NOBODY), "49")
            await row("an empty one", end(is_commit, name=""), "42")
        await row("state", a.state(), "Empty p 0")
        await stage.given(a.add, 0)
        await row("a future epoch, Ongoing", end(True, 9), fenced)
        await row("commit", end(True), "0")
        await row("at once again", end(True), ("0", "51"))
        await row("state", a.over(), "CompleteCommit p 0")
        await row("again", end(True), "0")
        await row("abort after it", end(False), "48")
        await row("state", a.state(), "CompleteCommit p 0")
        await stage.given(a.add, 0)
        await row("abort", end(False), "0")
        await row("at once again", end(False), ("0", "51"))
        await row("state", a.over(), "CompleteAbort p 0")
        await row("again", end(False), "0")
        await row("commit after it", end(True), "48")
        await row("a new session", a.init(), "0 p 1")
        await row("an old epoch", end(True), fenced)
        await row("to abort", end(False), fenced)
        await stage.given(a.add, 0, epoch=1)
        await row("an old epoch, Ongoing", end(True), fenced)
        await row("to abort", end(False), fenced)
        await row("state", a.state(), "Ongoing p 1 A-0")
        three = stage.in_a_row(end(True, 1), end(True, 1), end(False, 1))
        await row("commit, commit, abort pipelined", three, _pipelined("0", "0"))
        await row("state", a.over(), "CompleteCommit p 1")
    each = [
        f"{3 * i}:COMMIT.{who}0 {3 * i + 1}:ABORT.{who}0 {3 * i + 2}:COMMIT.{who}1"
        for i, who in enumerate("abcde")
    ]
    await row("log", stage.readers.log(), " ".join(each))


def _pipelined(first: str, again: str) -> tuple[str, ...]:
    """The end is over at some time in between."""
    return tuple(f"{first} | {then} | {last}" for then in ("51", again) for last in ("51", "48"))


LOG = "0:a2 1:COMMIT.a3 2:a5 3:COMMIT.a6"


async def by_new_clients(stage: Stage) -> None:
    """v5: a yes has the epoch of the next transaction."""
    row, a = stage.row, await stage.ready(tv=2)
    await stage.topic()
    commit, abort = a.commit, a.abort
    await row("commit, never a transaction", commit(), "48")
    await row("state", a.state(), "Empty p 0")
    await row("abort, never a transaction", abort(), "0 p 1")
    await row("state", a.over(), "CompleteAbort p 1")
    await row("its retry", abort(), "0 p 1")
    await row("commit instead", commit(), "48")
    await row("abort, the current epoch", abort(1), "0 p 2")
    await row("state", a.over(), "CompleteAbort p 2")
    await row("commit, the current epoch", commit(2), "48")
    for end in (commit, abort):
        await row("a wrong id", end(2, pid=a.ids["p"] + 777), "49")
        await row("a future epoch", end(9), "90")
        await row("a very old epoch", end(0), "90")
        await row("a transactional id that nobody has", end(2, name=NOBODY), "49")
        await row("an empty one", end(2, name=""), "42")
    await row("state", a.state(), "CompleteAbort p 2")
    await row("nothing in the log", stage.readers.log(), "")
    await row("Produce", a.produce(0, epoch=2), "0 @0")
    await row("commit", commit(2), "0 p 3")
    await row("at once again", commit(2), ("51", "0 p 3"))
    await row("state", a.over(), "CompleteCommit p 3")
    await row("its retry", commit(2), "0 p 3")
    await row("abort instead", abort(2), "48")
    await row("commit, the current epoch", commit(3), "48")
    await row("abort, the current epoch", abort(3), "0 p 4")
    await row("state", a.over(), "CompleteAbort p 4")
    await row("a new session", a.init(), "0 p 5")
    await row("commit, the epoch before", commit(4), "90")
    await row("abort, the epoch before", abort(4), "90")
    await row("state", a.state(), "Empty p 5")
    await row("Produce", a.produce(0, epoch=5), "0 @2")
    await row("commit, the epoch before, Ongoing", commit(4), "90")
    await row("abort", abort(4), "90")
    await row("state", a.state(), "Ongoing p 5 A-0")
    await row("commit", commit(5), "0 p 6")
    await stage.becomes("log", LOG, stage.readers.log)
    await row("Produce", stage.settled(a.produce, 0, epoch=6), maybe_busy("0 @4"))
    three = stage.in_a_row(commit(6), commit(6), abort(6))
    await row("commit, commit, abort pipelined", three, _pipelined("0 p 7", "0 p 7"))


async def old_and_new_mixed(stage: Stage) -> None:
    """The version of EndTxn decides whether the epoch is bumped."""
    row, a = stage.row, await stage.ready(tv=2)
    await stage.topic()
    await row("Produce v12", a.produce(0), "0 @0")
    await row("EndTxn v4", a.commit(v=4), "0")
    await row("state", a.over(), "CompleteCommit p 0")
    await row("AddPartitions v3", a.add(0), "0")
    await row("Produce v11: sequences run on", a.produce(1, v=11), "0 @2")
    await row("EndTxn v5", a.commit(), "0 p 1")
    await row("state", a.over(), "CompleteCommit p 1")
    await row("log", stage.readers.log(), "0:a0 1:COMMIT.a0 2:a0 3:COMMIT.a1")
    await row("its retry by v4", a.commit(v=4), "90")
    await row("its retry by v5", a.commit(), "0 p 1")
    await row("AddPartitions v3, the epoch before", a.add(0), "90")
    await row("AddPartitions v3", a.add(0, epoch=1), "0")


async def deleted_topics(stage: Stage) -> None:
    """A topic is deleted within a transaction; and made again before its end."""
    row, a = stage.row, await stage.ready(tv=2)
    await stage.topic()
    await stage.topic()
    await row("one", a.produce(0), "0 @0")
    await row("in what will be deleted", a.produce(0, to="B-0"), "0 @0")
    await stage.delete_topic("B")
    await row("commit", a.commit(), "0 p 1")
    await row("state", a.over(), "CompleteCommit p 1")
    await row("the other one", stage.readers.fetch(), "hw=2 lso=2 [] 0:a0 1:COMMIT.a1")
    await stage.make_topic("B")
    await row("in the next", a.produce(0, epoch=1, to="B-0"), "0 @0")
    await stage.delete_topic("B")
    await stage.make_topic("B")
    await row("commit", a.commit(1), "0 p 2")
    await row("state", a.over(), "CompleteCommit p 2")
    readers, none = stage.readers.fetch(of="B-0"), Ours("hw=0 lso=0 []", MADE_AGAIN)
    await row("what was made again", readers, "hw=1 lso=1 [] 0:COMMIT.a2", none)


SCENARIOS = (by_old_clients, by_new_clients, old_and_new_mixed, deleted_topics)
