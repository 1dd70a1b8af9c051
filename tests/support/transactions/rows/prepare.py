"""While the markers are being written: Prepare*, held there on purpose.

`e` is the epoch of the transaction; after EndTxn v5 the current epoch is e+1 already. Ours keeps
who is refused with 51 waiting for a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.transactions.differences import LATE_BATCH, Ours
from tests.support.transactions.producer import Producer
from tests.support.transactions.stage import Row, Stage

BUSY = (
    "19 <Unable to verify the partition has been added to the transaction."
    " Underlying error: CONCURRENT_TRANSACTIONS>"
)


async def commit_by_old_clients(stage: Stage) -> None:
    """EndTxn v4."""
    await _held(stage, tv=1, is_commit=True)


async def commit_by_new_clients(stage: Stage) -> None:
    """EndTxn v5."""
    await _held(stage, tv=2, is_commit=True)


async def abort_by_old_clients(stage: Stage) -> None:
    """EndTxn v4."""
    await _held(stage, tv=1, is_commit=False)


async def abort_by_new_clients(stage: Stage) -> None:
    """EndTxn v5."""
    await _held(stage, tv=2, is_commit=False)


async def _held(stage: Stage, *, tv: int, is_commit: bool) -> None:
    await stage.topic(6)
    a = await stage.ready(tv=tv)
    state = f"Prepare{'Commit' if is_commit else 'Abort'} p {tv - 1} A-0"
    async with asyncio.TaskGroup() as running, _no_markers(stage, a) as at:
        if tv == 1:
            await stage.given(a.add, 0)
        await stage.row("Produce", a.produce(0), f"0 @{at}")
        ended = running.create_task(stage.apart(a.end(is_commit)))
        await stage.becomes("state", state, a.state)
        rows = [
            *_endings(a, tv),
            *_additions(a),
            *_batches(a, tv, at + 1),
            *_offsets(stage, a, tv),
            *_sessions(a),
        ]
        await stage.rows(*rows)
        await stage.row("state", a.state(), state)
        if stage.peer.is_kafka:
            await ended
            await stage.row("readers", stage.readers.fetch(), "hw=3 lso=1 [] 0:ABORT.a0")
    await stage.row("EndTxn", await ended, "0" if tv == 1 else "0 p 1")
    if not stage.peer.is_kafka:
        marker = f"1:{'COMMIT' if is_commit else 'ABORT'}.a{tv - 1}"
        await stage.becomes("released", f"0:a0 {marker}", stage.readers.log)


@asynccontextmanager
async def _no_markers(stage: Stage, a: Producer) -> AsyncIterator[int]:
    """No marker of the coordinator comes; how many offsets this takes in the partition.

    In Kafka a marker with a higher coordinator epoch keeps out those that follow, for good.
    """
    if stage.peer.is_kafka:
        refused = await stage.markers.write(a, 0, coordinator_epoch=1000, is_commit=False)
        assert refused == "0", refused
        yield 1
    else:
        assert stage.peer.hold_markers is not None
        async with stage.peer.hold_markers():
            yield 0


def _endings(a: Producer, tv: int) -> list[Row]:
    wrong = a.ids["p"] + 777
    later, nobodys = ("90", "49") if tv == 1 else ("51", "51")
    return [
        Row("EndTxn again", a.commit(), "51"),
        Row("the opposite", a.abort(), "51"),
        Row("EndTxn, e+1", a.commit(1), later),
        Row("the opposite", a.abort(1), later),
        Row("a wrong epoch", a.commit(5), later),
        Row("a wrong id", a.commit(pid=wrong), nobodys),
    ]


def _additions(a: Producer) -> list[Row]:
    rows = []
    for epoch in (0, 1):
        rows += [
            Row(f"AddPartitions, e+{epoch}", a.add(5, epoch=epoch), "51"),
            Row("one that is in it", a.add(0, epoch=epoch), "51"),
            Row("AddOffsets", a.add_offsets("g", epoch=epoch), "51"),
        ]
    return rows


def _batches(a: Producer, tv: int, next_offset: int) -> list[Row]:
    late, stored = Ours(("19", "47", "51"), LATE_BATCH), f"0 @{next_offset}"
    current, other = (0, 1) if tv == 1 else (1, 0)
    there = BUSY if tv == 2 else "47"
    rows = [
        Row("Produce v11, e, where it has written", a.produce(1, v=11), stored, late),
        Row("v12", a.produce(1, v=12), stored, late),
        Row("v11, current, elsewhere", a.produce(0, v=11, epoch=current, to=3), BUSY),
        Row("v11, the other one, elsewhere", a.produce(0, v=11, epoch=other, to=3), "47"),
        Row("v11, e+1, where it has written", a.produce(0, v=11, epoch=1), there),
        Row("v12, e+1, where it has written", a.produce(0, v=12, epoch=1), "51"),
    ]
    for epoch in (0, 1):
        elsewhere = a.produce(0, v=12, epoch=epoch, to=3)
        rows.append(Row(f"v12, e+{epoch}, elsewhere", elsewhere, "51"))
    return rows


def _offsets(stage: Stage, a: Producer, tv: int) -> list[Row]:
    commit, rows = stage.groups.commit, []
    codes = ("51", "47") if tv == 1 else ("47", "51")
    for epoch in (0, 1):
        old = commit(a, "g", (0, 1), epoch=epoch, v=4)
        rows.append(Row(f"TxnOffsetCommit v4, e+{epoch}", old, codes[epoch]))
        new = commit(a, "g", (0, 1), epoch=epoch, v=5)
        rows.append(Row(f"v5, e+{epoch}", new, "51"))
    return rows


def _sessions(a: Producer) -> list[Row]:
    return [
        Row("InitProducerId", a.init(), "51"),
        Row("v0", a.init(v=0), "51"),
        Row("with e", a.init("p", 0), "51"),
        Row("with e+1", a.init("p", 1), "51"),
        Row("with a wrong id", a.init(a.ids["p"] + 777, 0), "51"),
    ]


SCENARIOS = (
    commit_by_old_clients,
    commit_by_new_clients,
    abort_by_old_clients,
    abort_by_new_clients,
)
