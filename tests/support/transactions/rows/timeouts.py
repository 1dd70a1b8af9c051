"""A transaction is open for longer than its timeout; the broker looks often (SETTINGS)."""

from __future__ import annotations

from tests.support.transactions.producer import Producer
from tests.support.transactions.stage import Stage

SHORT_MS = 1000
SETTINGS = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": "200"}


async def _late(stage: Stage, where: str = "A-0", *, tv: int) -> Producer:
    """A producer whose transaction has been aborted, with one batch in a partition."""
    a = await stage.ready(tv=tv, timeout_ms=SHORT_MS)
    if tv == 1:
        await stage.given(a.add, where)
    await stage.given(a.produce, 0, to=where)
    return a


async def _timed_out(stage: Stage, a: Producer) -> None:
    over = "CompleteAbort p 1"
    await stage.becomes("timed out", over, a.state)


async def old_clients(stage: Stage) -> None:
    """What a TV1 producer is told next."""
    row = stage.row
    await stage.topic(4)
    a = await _late(stage, tv=1)
    await _timed_out(stage, a)
    await row("readers", stage.readers.fetch(), "hw=2 lso=2 [a@0] 0:a0 1:ABORT.a1")
    for v in (9, 11):
        await row(f"Produce v{v}, the next", a.produce(1, v=v), "47")
        await row("a retry", a.produce(0, v=v), "47")
        await row("elsewhere", a.produce(0, v=v, to=1), "47")
    for v in range(5):
        fenced = "47" if v < 2 else "90"
        await row(f"EndTxn v{v}, commit", a.commit(v=v), fenced)
        await row("abort", a.abort(v=v), fenced)
        await row(f"AddOffsets v{v}", a.add_offsets("g", v=v), fenced)
        if v < 4:
            await row(f"AddPartitions v{v}", a.add(1, v=v), fenced)
        committed = stage.groups.commit(a, "g", (0, 1), v=v)
        await row(f"TxnOffsetCommit v{v}", committed, "47")
    await row("InitProducerId with the epoch from before", a.init("p", 0), "0 p 1")
    await row("again", a.init("p", 0), "0 p 1")
    await row("v3", a.init("p", 0, v=3), "0 p 1")
    await row("state", a.state(), "Empty p 1")
    await row("a new session", a.init(), "0 p 2")
    b = await _late(stage, "A-2", tv=1)
    await _timed_out(stage, b)
    await row("going on at once", b.init("p", 0), "0 p 1")
    await row("AddPartitions", b.add(2, epoch=1), "0")
    await row("Produce", b.produce(0, epoch=1, to=2), "0 @2")


async def new_clients(stage: Stage) -> None:
    """What a TV2 producer is told next: to abort what is aborted succeeds."""
    row = stage.row
    await stage.topic(4)
    a = await _late(stage, tv=2)
    await _timed_out(stage, a)
    await row("readers", stage.readers.fetch(), "hw=2 lso=2 [a@0] 0:a0 1:ABORT.a1")
    for v in (12, 13):
        await row(f"Produce v{v}, the next", a.produce(1, v=v), "47")
        await row("a retry", a.produce(0, v=v), "47")
        await row("elsewhere", a.produce(0, v=v, to=1), "47")
    await row("TxnOffsetCommit v5", stage.groups.commit(a, "g", (0, 1)), "47")
    await row("EndTxn v4", a.commit(v=4), "90")
    await row("EndTxn v5, commit", a.commit(), "48")
    await row("abort", a.abort(), "0 p 1")
    await row("state", a.state(), "CompleteAbort p 1")
    await row("Produce, the epoch of that answer", a.produce(0, epoch=1), "0 @2")
    await row("commit", a.commit(1), "0 p 2")
    b = await _late(stage, "A-1", tv=2)
    await _timed_out(stage, b)
    await row("going on", b.init("p", 0), "0 p 1")
    await row("again", b.init("p", 0), "0 p 1")
    await row("state", b.state(), "Empty p 1")
    await row("Produce", b.produce(0, epoch=1, to=1), "0 @2")
    c = await _late(stage, "A-2", tv=2)
    await _timed_out(stage, c)
    await row("a new session", c.init(), "0 p 2")
    await row("state", c.state(), "Empty p 2")


async def without_data(stage: Stage) -> None:
    """A partition that was only added gets its marker, and pending offsets are dropped."""
    row = stage.row
    await stage.topic()
    a = await stage.ready(timeout_ms=SHORT_MS)
    await stage.given(a.add, 0)
    await _timed_out(stage, a)
    await row("log", stage.readers.log(), "0:ABORT.a1")
    b = await stage.ready(tv=2, timeout_ms=SHORT_MS)
    await stage.given(stage.groups.commit, b, "g", (0, 5))
    await row("pending", stage.groups.fetch("g", 0), "88 -1")
    await _timed_out(stage, b)
    await row("dropped", stage.groups.fetch("g", 0), "0 -1")


SCENARIOS = (old_clients, new_clients, without_data)
