"""InitProducerId: nothing open, bad input, a transaction open, and who comes with what epoch."""

from __future__ import annotations

from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest

from tests.support.transactions.differences import FENCE_WAITS, ZOMBIE, Ours
from tests.support.transactions.producer import Producer
from tests.support.transactions.stage import Stage

FENCED_HIMSELF = Ours("90", ZOMBIE)


async def nothing_open(stage: Stage) -> None:
    """Empty: a new session bumps the epoch; one that goes on (KIP-360) may repeat its request."""
    row, a = stage.row, stage.producer()
    await row("new id", a.init(), "0 p 0")
    await row("again", a.init(), "0 p 1")
    await row("and again", a.init(), "0 p 2")
    await row("with the current epoch", a.init("p", 2), "0 p 3")
    await row("the same again: a retry", a.init("p", 2), "0 p 3")
    await row("and again", a.init("p", 2), "0 p 3")
    for v in (4, 5):
        await row(f"v{v}: the epoch before", a.init("p", 1, v=v), "90")
        await row(f"v{v}: the first epoch", a.init("p", 0, v=v), "90")
        await row(f"v{v}: a future epoch", a.init("p", 9, v=v), "90")
        await row(f"v{v}: a wrong id", a.init(a.ids["p"] + 777, 3, v=v), "90")
    await row("v3: an old epoch", a.init("p", 1, v=3), "47")
    await row("v3: a wrong id", a.init(a.ids["p"] + 777, 3, v=3), "47")
    await row("state", a.state(), "Empty p 3")
    await row("without id", a.init(), "0 p 4")
    await row("the epoch before is forgotten", a.init("p", 3), "90")
    await row("the current one", a.init("p", 4), "0 p 5")
    for v in range(6):
        await row(f"v{v}", a.init(v=v), f"0 p {6 + v}")


async def nobody_known(stage: Stage) -> None:
    """A transactional id that the broker does not know, with a producer id."""
    row, a = stage.row, stage.producer()
    await row("with an id of another life", a.init(5555, 3), "0 p 0")
    await row("with the same again", a.init(5555, 3), "90")
    await row("without", a.init(), "0 p 1")
    b = stage.producer(timeout_ms=12_345)
    await row("a timeout", b.init(), "0 p 0")
    await row("is told", _timeout(b), "12345")
    await row("another timeout", b.init(timeout_ms=54_321), "0 p 1")
    await row("counts", _timeout(b), "54321")


async def _timeout(producer: Producer) -> str:
    return str((await producer.described()).transaction_timeout_ms)


async def at_once(stage: Stage) -> None:
    """Five at once on as many connections: who meets a pending write may get 51."""
    connections = [await stage.connect() for _ in range(5)]
    a = stage.producer()
    answers = await stage.at_once(*(a.init(on=each) for each in connections))
    each = answers.split(" | ")
    epochs = sorted(int(one.split(" ")[2]) for one in each if one != "51")
    busy = each.count("51")
    are_right = epochs == list(range(5 - busy)) and busy < 5
    await stage.row(f"new id: {answers}", str(are_right), "True")


async def at_once_while_open(stage: Stage) -> None:
    """Five new sessions at once while a transaction is open."""
    await stage.topic()
    for tv in (1, 2):
        a = await _begun(stage, tv=tv)
        asks = [a.init(on=await stage.connect()) for _ in range(5)]
        each = Ours(" | ".join(f"0 p {epoch}" for epoch in range(2, 7)), FENCE_WAITS)
        await stage.row(
            f"TV{tv}: a new session", stage.at_once(*asks), " | ".join(["51"] * 5), each
        )
        await stage.row("state", a.over(), "CompleteAbort p 1", Ours("Empty p 6", FENCE_WAITS))


async def bad_input(stage: Stage) -> None:
    """What is refused, and leaves no entry."""
    row, a = stage.row, stage.producer()
    nameless = stage.producer()
    nameless.name = ""
    await row("empty id", nameless.init(), "42")
    await row("empty id, v0", nameless.init(v=0), "42")
    for timeout_ms in (0, -1, 900_001, 2**31 - 1):
        await row(f"timeout {timeout_ms}", a.init(timeout_ms=timeout_ms), "50")
    await row("an epoch without an id", a.init(-1, 3), "42")
    await row("an id without an epoch", a.init(5, -1), "42")
    await row("no entry was made", a.state(), "105")
    await row("timeout 1", a.init(timeout_ms=1), "0 p 0")
    await row("timeout 900000", a.init(timeout_ms=900_000), "0 p 1")
    long, odd = stage.producer(), stage.producer()
    long.name, odd.name = f"{stage.unique:-<300}", f"ä ö {stage.unique}"
    await row("id of 300 characters", long.init(), "0 p 0")
    await row("id with a blank", odd.init(), "0 p 0")


async def null_id(stage: Stage) -> None:
    """The idempotent producer, which has no transactional id."""
    row = stage.row
    await row("an id and an epoch", _nobody(stage, 5, 3), "0 new 0")
    await row("timeout 0", _nobody(stage, timeout_ms=0), "0 new 0")
    await row("timeout -1", _nobody(stage, timeout_ms=-1), "0 new 0")
    await row("an epoch without an id", _nobody(stage, -1, 3), "42")
    await row("an id without an epoch", _nobody(stage, 5, -1), "42")


async def _nobody(
    stage: Stage, producer_id: int = -1, epoch: int = -1, *, timeout_ms: int = 60_000
) -> str:
    request = InitProducerIdRequest(
        transactional_id=None,
        transaction_timeout_ms=timeout_ms,
        producer_id=producer_id,
        producer_epoch=epoch,
    )
    answer = await stage.ask(request, 5)
    if answer.error_code:
        return str(answer.error_code)
    is_new = answer.producer_id not in (producer_id, -1)
    return f"0 {'new' if is_new else answer.producer_id} {answer.producer_epoch}"


async def _begun(stage: Stage, *, tv: int, inits: int = 1) -> Producer:
    """A producer with data in an open transaction."""
    a = await stage.ready(tv=tv)
    for _ in range(inits - 1):
        await stage.given(a.init)
    epoch = inits - 1
    if tv == 1:
        await stage.given(a.add, 0, epoch=epoch)
    await stage.given(a.produce, 0, 2, epoch=epoch)
    return a


async def ongoing(stage: Stage) -> None:
    """Whoever comes new aborts what is open, and bumps twice; an old client's too."""
    row = stage.row
    await stage.topic()
    a = await _begun(stage, tv=1)
    await row("TV1: a new session", stage.settled(a.init), "51.. 0 p 2")
    await row("state", a.state(), "Empty p 2")
    await row("log", stage.readers.log(), "0-1:a0 2:ABORT.a1")
    await row("the old one: Produce", a.produce(2), "47")
    await row("the old one: EndTxn v4", a.commit(), "90")
    await row("the old one: AddPartitions", a.add(0), "90")
    b = await _begun(stage, tv=2)
    await row("TV2: a new session", stage.settled(b.init), "51.. 0 p 2")
    await row("state", b.state(), "Empty p 2")
    await row("log", stage.readers.log(), "0-1:a0 2:ABORT.a1 3-4:b0 5:ABORT.b1")


async def ongoing_goes_on(stage: Stage) -> None:
    """Whoever names the epoch of the open transaction aborts it and goes on (KIP-360)."""
    row = stage.row
    await stage.topic()
    for tv in (1, 2):
        a = await _begun(stage, tv=tv)
        going_on = stage.settled(a.init, "p", 0)
        await row(f"TV{tv}: with the epoch", going_on, "51.. 0 p 1")
        await row("state", a.state(), "Empty p 1")
        await row("a retry", a.init("p", 0), "0 p 1")
        await row("the next", a.init("p", 1), "0 p 2")
        await row("state", a.state(), "Empty p 2")
    await row("log", stage.readers.log(), "0-1:a0 2:ABORT.a1 3-4:b0 5:ABORT.b1")


async def ongoing_wrong_id(stage: Stage) -> None:
    """A wrong producer id harms nobody."""
    row = stage.row
    await stage.topic()
    for tv in (1, 2):
        a = await _begun(stage, tv=tv)
        wrong = a.ids["p"] + 777
        await row(f"TV{tv}: a wrong id, v5", a.init(wrong, 0), "90")
        await row("v4", a.init(wrong, 0, v=4), "90")
        await row("v3", a.init(wrong, 0, v=3), "47")
        await row("state", a.state(), "Ongoing p 0 A-0")
        await row("it commits", a.commit(), "0" if tv == 1 else "0 p 1")
        await row("at once a new session", stage.settled(a.init), f"51.. 0 p {tv}")


async def zombie(stage: Stage) -> None:
    """Another epoch than the present one while a transaction is open."""
    row = stage.row
    for tv in (1, 2):
        where = (await stage.topic()) + "-0"
        a = await stage.ready(tv=tv)
        await stage.given(a.init)
        await stage.given(a.init)
        if tv == 1:
            await stage.given(a.add, where, epoch=2)
        await row(f"TV{tv}: the living writes", a.produce(0, to=where, epoch=2), "0 @0")
        await row("the zombie comes", a.init("p", 0), "51", FENCED_HIMSELF)
        await row(
            "state",
            a.over(),
            "CompleteAbort p 3",
            Ours(f"Ongoing p 2 {where}", ZOMBIE),
        )
        await row("the zombie again", a.init("p", 0), "90")
        living = a.produce(1, to=where, epoch=2)
        await row("the living writes on", living, "47", Ours("0 @1", ZOMBIE))
        ended = ("90", "0") if tv == 1 else ("48", "0 p 3")
        await row("the living commits", a.commit(2), ended[0], Ours(ended[1], ZOMBIE))
        await a.over()
        shown = stage.readers.fetch(of=where)
        epoch = tv + 1
        await row(
            "readers see",
            shown,
            f"hw=2 lso=2 [{a.letter}@0] 0:{a.letter}2 1:ABORT.{a.letter}3",
            Ours(f"hw=3 lso=3 [] 0:{a.letter}2 1:{a.letter}2 2:COMMIT.{a.letter}{epoch}", ZOMBIE),
        )
        await row("the living goes on", a.init("p", 2), "0 p 3")
        await row("state", a.over(), "Empty p 3")


async def zombie_from_the_future(stage: Stage) -> None:
    """An epoch that nobody was ever granted."""
    await stage.topic()
    for tv in (1, 2):
        a = await _begun(stage, tv=tv)
        await stage.row(f"TV{tv}: epoch 7", a.init("p", 7), "51", FENCED_HIMSELF)
        alive = Ours("Ongoing p 0 A-0", ZOMBIE)
        await stage.row("state", a.over(), "CompleteAbort p 1", alive)


SCENARIOS = (
    nothing_open,
    nobody_known,
    at_once,
    bad_input,
    null_id,
    at_once_while_open,
    ongoing,
    ongoing_goes_on,
    ongoing_wrong_id,
    zombie,
    zombie_from_the_future,
)
