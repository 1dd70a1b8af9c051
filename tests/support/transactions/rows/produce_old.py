"""Produce v3 to v11: the client has added the partition, and the broker asks whether it has."""

from __future__ import annotations

from functools import partial

from tests.support.transactions.differences import ABORTED_DUPLICATE, POISON, Ours
from tests.support.transactions.stage import Stage, maybe_busy

NOBODY = "a transactional id that nobody has"
NOT_ADDED = "48 <Partition was not added to the transaction>"


async def not_added(stage: Stage) -> None:
    """Nothing added, or another partition."""
    await stage.topic(2)
    for v in range(3, 12):
        a = await stage.ready()
        code = "120" if v == 11 else NOT_ADDED if v >= 8 else "48"
        await stage.row(f"v{v}: nothing added", a.produce(0, v=v), code)
        await stage.given(a.add, 1)
        await stage.row("another partition added", a.produce(0, v=v), code)
    await stage.row("log", stage.readers.log(), "")
    await stage.row("producers", stage.readers.producers(), "")


async def sequences(stage: Stage) -> None:
    """Within a transaction, and from one to the next: they run on."""
    row = stage.row
    for v in (9, 11):
        for is_commit in (True, False):
            where = (await stage.topic()) + "-0"
            a = await stage.ready()
            send = partial(a.produce, to=where, v=v)
            await stage.given(a.add, where)
            await row(f"v{v}: the first", send(0, 2), "0 @0")
            await row("again", send(0, 2), "0 @0")
            await row("the next", send(2), "0 @2")
            await row("a gap", send(9), "45")
            await row("an overlap", send(1, 2), "45")
            plain = a.produce(3, to=where, v=v, is_transactional=False)
            await row("not transactional", plain, "48")
            plain = a.produce(3, to=where, v=v, is_transactional=False, name=None)
            await row("the same without a transactional id", plain, "48")
            told = stage.readers.producers(where)
            await row("producers", told, f"{a.letter} e0 s2 c-1 @0")
            await row("end", a.end(is_commit), "0")
            await row("state", a.over(), f"Complete{'Commit' if is_commit else 'Abort'} p 0")
            told = stage.readers.producers(where)
            await row("producers", told, f"{a.letter} e0 s2 c0")
            plain = a.produce(3, to=where, v=v, is_transactional=False)
            await row("not transactional, the next", plain, "0 @4")
            await stage.given(a.add, where)
            await row("transactional, the next", send(4), "0 @5")
            early = Ours("120" if v == 11 else NOT_ADDED, ABORTED_DUPLICATE)
            retry = send(0, 2)
            await row(
                "a late retry from the transaction before",
                retry,
                "0 @0",
                None if is_commit else early,
            )
            await row("the next", send(5), "0 @6")
            await row("commit", a.commit(), "0")
            await row("state", a.over(), "CompleteCommit p 0")
            log = await stage.readers.log(where)
            end = "COMMIT" if is_commit else "ABORT"
            who = a.letter
            written = f"0-1:{who}0 2:{who}0 3:{end}.{who}0 4: 5:{who}0 6:{who}0 7:COMMIT.{who}0"
            await row("log", log, written)


async def sequence_zero(stage: Stage) -> None:
    """A transaction that begins at 0 again is refused."""
    for is_commit in (True, False):
        where = (await stage.topic()) + "-0"
        a = await stage.ready()
        await stage.given(a.add, where)
        await stage.given(a.produce, 0, to=where)
        await stage.given(a.end, is_commit)
        await stage.given(a.add, where)
        # only as a batch of two: one alone is the retry of what is stored
        await stage.row("0 again", a.produce(0, 2, to=where), "45")


async def new_epoch(stage: Stage) -> None:
    """After InitProducerId a partition begins at 0."""
    row, a = stage.row, await stage.ready()
    await stage.topic(2)
    await stage.given(a.add, 0)
    await stage.given(a.produce, 0)
    await stage.given(a.commit)
    await row("a new session", stage.settled(a.init), maybe_busy("0 p 1"))
    await stage.given(a.add, 0, epoch=1)
    await row("another than 0", a.produce(7, epoch=1), "45")
    await row("0", a.produce(0, epoch=1), "0 @2")
    await row("an old epoch", a.produce(1), "47")
    await row("state", a.state(), "Ongoing p 1 A-0")
    await row("commit", a.commit(1), "0")
    b = await stage.ready()
    await stage.given(b.add, 1)
    await row("a new id that begins at 7", b.produce(7, to=1), "0 @0")


async def wrong_names(stage: Stage) -> None:
    """Whose producer id it is, is asked at the first batch of a partition."""
    row = stage.row
    await stage.topic(3)
    for v, where in ((11, 0), (12, 1)):
        a = await stage.ready()
        if v == 11:
            await stage.given(a.add, 0, 2)
        wrong = a.produce(0, to=where, v=v, pid=a.ids["p"] + 777)
        await row(f"v{v}: a wrong id", wrong, "49")
        await row("no transactional id", a.produce(0, to=where, v=v, name=None), "53")
        await row("another's", a.produce(0, to=where, v=v, name=NOBODY), "49")
        await row("an empty one", a.produce(0, to=where, v=v, name=""), "42")
        await row("its own", a.produce(0, to=where, v=v), "0 @0")
        await row("another's, later", a.produce(1, to=where, v=v, name=NOBODY), "0 @1")
        await row("an empty one, later", a.produce(2, to=where, v=v, name=""), "0 @2")
        await row("no transactional id", a.produce(3, to=where, v=v, name=None), "53")


async def retries_across(stage: Stage) -> None:
    """A retry from the transaction before is the first batch of the next one."""
    row = stage.row
    for is_commit in (True, False):
        for v in (9, 11):
            where = (await stage.topic()) + "-0"
            a = await stage.ready()
            await stage.given(a.add, where)
            await row(f"v{v}: the first", a.produce(0, to=where, v=v), "0 @0")
            await row("end", a.end(is_commit), "0")
            await row("state", a.over(), f"Complete{'Commit' if is_commit else 'Abort'} p 0")
            retry = a.produce(0, to=where, v=v)
            unasked = "120" if v == 11 else NOT_ADDED
            await row("a retry, nothing added", retry, unasked)
            await row("again", a.produce(0, to=where, v=v), unasked)
            await stage.given(a.add, where)
            retry = a.produce(0, to=where, v=v)
            aborted = Ours("120" if v == 11 else "48", ABORTED_DUPLICATE)
            await row("a retry, added", retry, "0 @0", None if is_commit else aborted)
            await row("commit", a.commit(), "0")
            await row("state", a.over(), "CompleteCommit p 0")
            end, who = ("COMMIT" if is_commit else "ABORT"), a.letter
            log = f"0:{who}0 1:{end}.{who}0 2:COMMIT.{who}0"
            await row("nothing was stored", stage.readers.log(where), log)


async def late_duplicate_between(stage: Stage) -> None:
    """Poison: a late duplicate between two transactions."""
    row = stage.row
    for v in (9, 11):
        where = (await stage.topic()) + "-0"
        a = await stage.ready()
        await stage.given(a.add, where)
        await stage.given(a.produce, 0, 2, to=where)
        await stage.given(a.produce, 2, to=where)
        await stage.given(a.commit)
        await a.over()
        unasked = "120" if v == 11 else NOT_ADDED
        await row(f"v{v}: a late duplicate", a.produce(0, 2, to=where, v=v), unasked)
        await stage.given(a.add, where)
        right = a.produce(3, to=where, v=v)
        await row("the right next one", right, "45", Ours("0 @4", POISON))
        right = a.produce(3, to=where, v=v)
        await row("again", right, "45", Ours("0 @4", POISON))
        await row("abort", a.abort(), "0")
        await row("state", a.over(), "CompleteAbort p 0")
        await stage.given(a.add, where)
        cured, next_one = a.produce(3, to=where, v=v), a.produce(4, to=where, v=v)
        if stage.peer.is_kafka:
            next_one.close()
            await row("after its end", cured, "0 @5")
        else:
            cured.close()
            await row("after its end", next_one, "", Ours("0 @6", POISON))


async def wrong_first(stage: Stage) -> None:
    """Poison: a wrong low sequence as the first batch of a transaction."""
    for v in (9, 11):
        where = (await stage.topic()) + "-0"
        a = await stage.ready()
        await stage.given(a.add, where)
        await stage.given(a.produce, 0, 2, to=where)
        await stage.given(a.produce, 2, to=where)
        await stage.given(a.commit)
        await a.over()
        await stage.given(a.add, where)
        await stage.row(f"v{v}: a wrong low one", a.produce(1, to=where, v=v), "45")
        right = a.produce(3, to=where, v=v)
        await stage.row("the right one", right, "45", Ours("0 @4", POISON))
        await stage.row("commit", a.commit(), "0")


async def accepted_retry_first(stage: Stage) -> None:
    """Poison: the retry of a committed transaction's last batch, accepted as a duplicate."""
    where = (await stage.topic()) + "-0"
    a = await stage.ready()
    await stage.given(a.add, where)
    await stage.given(a.produce, 0, 2, to=where)
    await stage.given(a.produce, 2, to=where)
    await stage.given(a.commit)
    await a.over()
    await stage.given(a.add, where)
    await stage.row("the retry", a.produce(2, to=where), "0 @2")
    await stage.row("the right next one", a.produce(3, to=where), "45", Ours("0 @4", POISON))


async def future_epoch_inside(stage: Stage) -> None:
    """Poison: a batch with an epoch that nobody was granted, within a transaction."""
    row = stage.row
    for v in (11, 12):
        where = (await stage.topic()) + "-0"
        a = await stage.ready()
        await stage.given(a.add, where)
        await row(f"v{v}: the first", a.produce(0, to=where, v=v), "0 @0")
        await row("a future epoch", a.produce(0, epoch=1, to=where, v=v), "47")
        right = a.produce(1, to=where, v=v)
        await row("the right next one", right, "45", Ours("0 @1", POISON))
        await row("a retry", a.produce(0, to=where, v=v), "0 @0")
        await row("commit", a.commit(v=4), "0")
        await row("state", a.over(), "CompleteCommit p 0")
        await stage.given(a.add, where)
        sequence = 1 if stage.peer.is_kafka else 2
        again = a.produce(sequence, to=where, v=v)
        await row("in the next transaction", again, "0 @2", Ours("0 @3", POISON))


SCENARIOS = (
    not_added,
    sequences,
    sequence_zero,
    new_epoch,
    wrong_names,
    retries_across,
    late_duplicate_between,
    wrong_first,
    accepted_retry_first,
    future_epoch_inside,
)
