"""An id that nobody has used for transactional.id.expiration.ms, which is short (SETTINGS)."""

from __future__ import annotations

from tests.support.transactions.stage import Stage

SETTINGS = {
    "transactional.id.expiration.ms": "2500",
    "transaction.remove.expired.transaction.cleanup.interval.ms": "200",
}


async def forgotten(stage: Stage) -> None:
    """It is gone, unless a transaction is open."""
    row = stage.row
    await stage.topic(4)
    empty, done, busy = [await stage.ready(tv=2) for _ in range(3)]
    await stage.given(done.produce, 0)
    await stage.given(done.commit)
    await stage.given(busy.produce, 0, to=1)
    await stage.becomes("one that nobody used", "105", empty.state)
    await stage.becomes("one whose transaction is complete", "105", done.state)
    await row("one whose transaction is open", busy.state(), "Ongoing p 0 A-1")
    for v in (11, 12):
        await row(f"Produce v{v}", done.produce(0, epoch=1, v=v), "49")
        await row("an old epoch", done.produce(1, v=v), "47")
    await row("AddPartitions", done.add(2, epoch=1), "49")
    await row("AddOffsets", done.add_offsets("g", epoch=1), "49")
    for v in (4, 5):
        committed = stage.groups.commit(done, "g", (0, 1), epoch=1, v=v)
        await row(f"TxnOffsetCommit v{v}", committed, "49")
        await row(f"EndTxn v{v}", done.commit(1, v=v), "49")
    await row("the retry of its last EndTxn", done.commit(), "49")
    await row("InitProducerId with id and epoch", done.init("p", 1), "0 q 0")
    await row("without", empty.init(), "0 q 0")
    await row("the open one", busy.commit(), "0 p 1")


SCENARIOS = (forgotten,)
