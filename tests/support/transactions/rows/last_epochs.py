"""Epochs near their end: 32766 is the last one that a producer gets, 32767 is only in markers."""

from __future__ import annotations

import asyncio

from tests.support.transactions.high_epochs import producer_at
from tests.support.transactions.producer import Producer
from tests.support.transactions.stage import Stage

LAST = 32766


async def near_the_end(stage: Stage) -> None:
    """All ids are brought there together, then each meets its end."""
    await stage.topic(4)
    async with asyncio.TaskGroup() as running:
        rising = [
            running.create_task(producer_at(stage, epoch, tv=tv))
            for epoch, tv in (
                *((LAST - 1, 1), (LAST - 1, 1), (LAST - 1, 1), (LAST, 1)),
                *((LAST, 1), (LAST - 1, 2)),
            )
        ]
    a, b, c, d, e, f = [each.result() for each in rising]
    await _new_sessions(stage, a)
    await _going_on(stage, b)
    await _fenced(stage, c, 0, LAST - 1, 0)
    await _fenced(stage, d, 1, LAST, 1)
    await _ended_by_old_clients(stage, e)
    await _ended_by_new_clients(stage, f)


async def _new_sessions(stage: Stage, a: Producer) -> None:
    """InitProducerId without an id."""
    row = stage.row
    await row("the last", a.init(), f"0 p {LAST}")
    await row("the next", a.init(), "0 q 0")
    for epoch in range(LAST - 2, LAST + 2):
        await row(f"the old id with {epoch}", a.init("p", epoch), "90")
    await row("state", a.state(), "Empty q 0")


async def _going_on(stage: Stage, a: Producer) -> None:
    """InitProducerId with the id and epoch."""
    row = stage.row
    await row("the last", a.init("p", LAST - 1), f"0 p {LAST}")
    await row("the next", a.init("p", LAST), "0 q 0")
    await row("its retry", a.init("p", LAST), "0 q 0")
    await row("an older one", a.init("p", LAST - 1), "90")
    await row("state", a.state(), "Empty q 0")


async def _fenced(stage: Stage, a: Producer, where: int, epoch: int, granted: int) -> None:
    """A new session while a transaction is open: its marker takes one more epoch."""
    row, name = stage.row, a.letter
    await stage.given(a.add, where, epoch=epoch)
    await row(f"open at {epoch}", a.produce(0, to=where, epoch=epoch), "0 @0")
    await row("a new session", stage.settled(a.init), f"51.. 0 q {granted}")
    await row("state", a.state(), f"Empty q {granted}")
    log = f"0:{name}{epoch} 1:ABORT.{name}{epoch + 1}"
    await row("log", stage.readers.log(where), log)
    await row("the old one: EndTxn v4", a.commit(epoch), "49")
    await row("the old one: Produce v11", a.produce(1, to=where, epoch=epoch), "47")


async def _ended_by_old_clients(stage: Stage, a: Producer) -> None:
    """EndTxn v4 takes no epoch."""
    row = stage.row
    await stage.given(a.add, 2, epoch=LAST)
    await stage.given(a.produce, 0, to=2, epoch=LAST)
    await row("commit", a.commit(LAST), "0")
    await row("state", a.over(), f"CompleteCommit p {LAST}")
    await row("log", stage.readers.log(2), f"0:{a.letter}{LAST} 1:COMMIT.{a.letter}{LAST}")
    await row("the next session", stage.settled(a.init), "0 q 0")
    await row("the old id", a.init("p", LAST), "90")


async def _ended_by_new_clients(stage: Stage, a: Producer) -> None:
    """EndTxn v5 takes an epoch each time, and at the last one another producer id."""
    row, name = stage.row, a.letter
    await row("Produce", a.produce(0, to=3, epoch=LAST - 1), "0 @0")
    await row("commit", a.commit(LAST - 1), f"0 p {LAST}")
    await row("state", a.over(), f"CompleteCommit p {LAST}")
    await row("its retry", a.commit(LAST - 1), f"0 p {LAST}")
    await row("Produce at the last epoch", a.produce(0, to=3, epoch=LAST), "0 @2")
    await row("abort", a.abort(LAST), "0 q 0")
    await row("state", a.over(), "CompleteAbort q 0")
    await row("its retry", a.abort(LAST), "0 q 0")
    log = f"0:{name}{LAST - 1} 1:COMMIT.{name}{LAST} 2:{name}{LAST} 3:ABORT.{name}{LAST + 1}"
    await row("log", stage.readers.log(3), log)
    await row("the old id, epoch 32767", a.produce(0, to=3, epoch=LAST + 1), "49")
    await row("the old id, its epoch", a.produce(1, to=3, epoch=LAST), "47")
    await row("going on with the old id", a.init("p", LAST), "0 q 0")
    await row("going on with the new one", a.init("q", 0), "0 q 1")


SCENARIOS = (near_the_end,)
