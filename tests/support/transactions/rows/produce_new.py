"""Produce v12 (by name) and v13 (by topic id): a partition is added by writing to it."""

from __future__ import annotations

from functools import partial

from minibroker.client.errors import ClientError
from minibroker.protocol.batch.header import CONTROL_BIT, TRANSACTIONAL_BIT
from minibroker.protocol.batch.writing import build_batch

from tests.support.transactions.producer import FIRST_AT_MS
from tests.support.transactions.readers import UNCOMMITTED
from tests.support.transactions.stage import Stage, maybe_busy

NOBODY = "a transactional id that nobody has"
TWO_IDS = "49 <Transactional records contained more than one producer ID>"
UNVERIFIED = (
    "19 <Unable to verify the partition has been added to the transaction."
    " Underlying error: NETWORK_EXCEPTION>"
)


async def a_life(stage: Stage) -> None:
    """Three transactions of one producer, with strangers in between."""
    row, readers = stage.row, stage.readers
    for v in (12, 13):
        where = (await stage.topic(6)) + "-0"
        other = where[:-1] + "5"
        a = await stage.ready(tv=2)
        letter, send = a.letter, a.produce
        await row(f"v{v}: a new id begins at 5", send(5, to=where, v=v), "45")
        await row("state: it has begun", a.state(), f"Ongoing p 0 {where}")
        await row("at 0", send(0, 2, to=where, v=v), "0 @0")
        await row("again", send(0, 2, to=where, v=v), "0 @0")
        await row("the next", send(2, to=where, v=v), "0 @2")
        await row("a gap", send(9, to=where, v=v), "45")
        await row("not transactional", send(3, to=where, v=v, is_transactional=False), "48")
        plain = send(3, to=where, v=v, is_transactional=False, name=None)
        await row("not transactional, no transactional id", plain, "48")
        await row("a wrong transactional id, open", send(3, to=where, v=v, name=NOBODY), "0 @3")
        await row("elsewhere", send(0, to=other, v=v, name=NOBODY), "49")
        await row("a wrong id", send(0, to=other, v=v, pid=777_777), "49")
        await row("an empty transactional id", send(0, to=other, v=v, name=""), "42")
        await row("a future epoch", send(0, to=where, epoch=4, v=v), "47")
        await row("elsewhere", send(0, to=other, epoch=4, v=v), "47")
        await row("producers", readers.producers(where), f"{letter} e0 s3 c-1 @0")
        await row("commit", a.commit(), "0 p 1")
        ask = partial(send, 0, epoch=1, to=where, v=v)
        # Kafka waits inside; 51 was seen, and 48
        at_once = stage.until("0 @5", ask) if stage.peer.is_kafka else ask()
        await row("at once in the next", at_once, "0 @5")
        await row("an old epoch", send(3, to=where, v=v), "47")
        await row("a retry of what is committed", send(2, to=where, v=v), "47")
        await row("an old epoch elsewhere", send(3, to=other, v=v), "47")
        await row("state", a.state(), f"Ongoing p 1 {where}")
        await row("abort", a.abort(1), "0 p 2")
        await row("state", a.over(), "CompleteAbort p 2")
        await row("begins at 1", send(1, epoch=2, to=where, v=v), "45")
        await row("state: it has begun", a.state(), f"Ongoing p 2 {where}")
        await row("at 0", send(0, epoch=2, to=where, v=v), "0 @7")
        await row("commit", a.commit(2), "0 p 3")
        await row("state", a.over(), "CompleteCommit p 3")
        plain = send(0, epoch=3, to=where, v=v, is_transactional=False)
        await row("not transactional, nothing open", plain, "0 @9")
        await row("then transactional", send(1, epoch=3, to=where, v=v), "0 @10")
        await row("commit", a.commit(3), "0 p 4")
        await row("state", a.over(), "CompleteCommit p 4")
        log = "0-1:a0 2:a0 3:a0 4:COMMIT.a1 5:a1 6:ABORT.a2 7:a2 8:COMMIT.a3 9: 10:a3 11:COMMIT.a4"
        await row("log", readers.log(where), log.replace("a", letter))


async def old_and_new_mixed(stage: Stage) -> None:
    """v11 to a partition that v12 added, and to another."""
    row, a = stage.row, await stage.ready(tv=2)
    await stage.topic(2)
    await row("v12", a.produce(0), "0 @0")
    await row("v11 there", a.produce(1, v=11), "0 @1")
    await row("v11 elsewhere", a.produce(0, v=11, to=1), "120")
    await row("commit", a.commit(), "0 p 1")
    await row("state", a.over(), "CompleteCommit p 1")
    await row("v11 in the next", a.produce(0, epoch=1, v=11), "120")
    await row("v12 elsewhere", a.produce(0, epoch=1, to=1), "0 @0")


async def several_in_one(stage: Stage) -> None:
    """One request, several partitions and producer ids."""
    row, a, b = stage.row, await stage.ready(tv=2), await stage.ready(tv=2)
    await stage.topic(5)
    both = a.send((0, a.batch(0)), (1, a.batch(0)))
    await row("two partitions", both, "0 @0 0 @0")
    await row("state", a.state(), "Ongoing p 0 A-0 A-1")
    for index, v in enumerate((11, 12)):
        at = 1 + 2 * index
        two = a.send((0, a.batch(at)), (1, b.batch(0)), v=v)
        await row(f"v{v}: two producer ids", two, f"{TWO_IDS} {TWO_IDS}")
        plain = a.batch(index, is_transactional=False)
        mixed = a.send((0, a.batch(at)), (2, plain), v=v)
        await row("the same id without a transaction elsewhere", mixed, f"0 @{at} 0 @{2 * index}")
        nobodys = build_batch([(None, b"v", (), FIRST_AT_MS)])
        mixed = a.send((0, a.batch(at + 1)), (2, nobodys), v=v)
        await row("a batch without an id", mixed, f"0 @{at + 1} 0 @{2 * index + 1}")
    await row(
        "v11, one added and one not", a.send((0, a.batch(5)), (3, a.batch(0)), v=11), "0 @5 120"
    )
    await row("v12, one that is not there", a.send((0, a.batch(6)), (99, a.batch(0))), "0 @6 3")
    await row("state", a.state(), "Ongoing p 0 A-0 A-1")
    await row("acks 1, v12", a.produce(7, acks=1), "0 @7")
    await row("acks 1, v11", a.produce(8, acks=1, v=11), "0 @8")
    await row("commit", a.commit(), "0 p 1")


async def odd_batches(stage: Stage) -> None:
    """A bad CRC, a control batch, a transactional batch without an id."""
    row, a = stage.row, await stage.ready(tv=2)
    await stage.topic(2)
    spoilt = a.batch(0)[:-1] + b"\xff"
    await row("a bad CRC", a.send((0, spoilt)), "2")
    record = [(b"\0\0\0\1", b"\0\0\0\0\0\0", (), FIRST_AT_MS)]
    control = build_batch(
        record,
        attributes=TRANSACTIONAL_BIT | CONTROL_BIT,
        producer_id=a.id("p"),
        producer_epoch=0,
    )
    refused = (await a.send((0, control))).split(" ")[0]
    await row("a control batch", refused, "87")
    nobodys = build_batch([(None, b"v", (), FIRST_AT_MS)], attributes=TRANSACTIONAL_BIT)
    for v, at in ((12, 0), (11, 1)):
        await row(f"v{v}: transactional without an id", a.send((1, nobodys), v=v), f"0 @{at}")
    await row("it opens nothing", stage.readers.fetch(of=1), "hw=2 lso=2 [] 0:-1 1:-1")
    await row("producers", stage.readers.producers(1), "")


async def unacknowledged(stage: Stage) -> None:
    """acks 0: no answer, and appended all the same."""
    a = await stage.ready(tv=2)
    await stage.topic()
    connection = await stage.connect()
    silent = a.request((0, a.batch(0)), name=a.name, v=12, acks=0)
    try:
        await connection.request(silent, version=12, timeout_ms=300)
    except ClientError:
        answer = "none"
    else:
        answer = "an answer"
    await stage.row("answer", answer, "none")
    await stage.becomes("state", "Ongoing p 0 A-0", a.state)
    # who waits for records has them flushed
    seen = stage.readers.fetch(isolation=UNCOMMITTED, wait_ms=5000)
    await stage.row("readers", seen, "hw=1 lso=0 null 0:a0")


async def first_batches_at_once(stage: Stage) -> None:
    """First batches of four partitions on as many connections (a race in Kafka)."""
    a = await stage.ready(tv=2)
    await stage.topic(4)
    connections = [await stage.connect() for _ in range(4)]
    answers = await stage.at_once(
        *(a.produce(0, to=index, on=each) for index, each in enumerate(connections))
    )
    each = set(answers.split(" | "))
    stored = {"0 @0"}
    allowed = stored | {UNVERIFIED} if stage.peer.is_kafka else stored
    await stage.row(f"on four connections: {answers}", str(each <= allowed), "True")
    b = await stage.ready(tv=2)
    one = await stage.connect()
    pipelined = stage.at_once(*(b.produce(0, to=index, on=one) for index in range(4)))
    codes = " ".join(answer.split(" ")[0] for answer in (await pipelined).split(" | "))
    await stage.row("on one connection", codes, "0 0 0 0")


async def beside_the_coordinator(stage: Stage) -> None:
    """A batch without a transaction may have an epoch that nobody was granted."""
    row, a = stage.row, await stage.ready(tv=2)
    await stage.topic(2)
    await stage.given(a.produce, 0)
    await stage.given(a.commit)
    await row("the epoch", a.produce(0, epoch=1, to=1, is_transactional=False), "0 @0")
    wild = a.produce(0, epoch=5, to=1, is_transactional=False)
    await row("epoch 5", wild, "0 @1")
    await row("then in a transaction", a.produce(1, epoch=1, to=1), "47")
    await row("state", a.over(), "CompleteCommit p 1")
    await row("commit", a.commit(1), "48")
    log = stage.readers.fetch(of=1)
    await row("readers", log, "hw=2 lso=2 [] 0: 1:")


async def late_duplicates(stage: Stage) -> None:
    """The bump of every ending protects: no poison."""
    row, a = stage.row, await stage.ready(tv=2)
    await stage.topic()
    await stage.given(a.produce, 0)
    await stage.given(a.commit)
    await a.over()
    await row("a late duplicate", a.produce(0), "47")
    await row("the next transaction", a.produce(0, epoch=1), "0 @2")
    await row("and on", a.produce(1, epoch=1), "0 @3")
    await stage.given(a.commit, 1)
    await a.over()
    await row("the one after", a.produce(0, epoch=2), "0 @5")
    await row("a late duplicate", a.produce(1, epoch=1), "47")
    await row("and on", a.produce(1, epoch=2), "0 @6")
    await stage.given(a.commit, 2)
    await row("a new session", stage.settled(a.init), maybe_busy("0 p 4"))
    await row("begins at 1", a.produce(1, epoch=4), "45")
    await row("at 0", a.produce(0, epoch=4), "0 @8")
    await row("and on", a.produce(1, epoch=4), "0 @9")


async def at_once_sixty_times(stage: Stage) -> None:
    """The first batch of the next transaction directly after EndTxn: it waits inside."""
    a = await stage.ready(tv=2)
    await stage.topic()
    codes = []
    for epoch in range(60):
        codes.append((await a.produce(0, epoch=epoch)).split(" ")[0])
        await stage.given(a.commit, epoch)
    early = sum(codes.count(each) for each in ("51", "48")) if stage.peer.is_kafka else 0
    await stage.row(f"60 times: {early} too early", str(codes.count("0") + early), "60")
    await stage.row("too early", str(early <= 3), "True")


async def without_verification(stage: Stage) -> None:
    """transaction.partition.verification.enable=false: whoever writes is let in."""
    row, a = stage.row, await stage.ready()
    await stage.topic(2)

    async def by_another() -> str:
        b = await stage.ready()
        return await b.produce(0)

    await stage.configure("transaction.partition.verification.enable", "false")
    try:
        await stage.becomes("v11, not added", "0 @0", a.produce, 0)
        await row("state", a.state(), "Empty p 0")
        await row("EndTxn v4", a.commit(), "48")
        await row("producers", stage.readers.producers(), "a e0 s0 c-1 @0")
        await row("readers", stage.readers.fetch(), "hw=1 lso=0 []")
        await row("v12 elsewhere", a.produce(0, v=12, to=1), "0 @0")
        await row("state", a.state(), "Ongoing p 0 A-1")
        await row("readers", stage.readers.fetch(), "hw=1 lso=0 []")
    finally:
        await stage.configure("transaction.partition.verification.enable", "true")
    await stage.becomes("on again", "120", by_another)


SCENARIOS = (
    a_life,
    old_and_new_mixed,
    several_in_one,
    odd_batches,
    unacknowledged,
    first_batches_at_once,
    beside_the_coordinator,
    late_duplicates,
    at_once_sixty_times,
    without_verification,
)
