"""What readers see while transactions begin and end, one partition."""

from __future__ import annotations

import asyncio

from minibroker.client.errors import ClientError

from tests.support.transactions.differences import NUMBERS, SESSIONS, Ours
from tests.support.transactions.producer import FIRST_AT_MS
from tests.support.transactions.readers import UNCOMMITTED, FetchSession
from tests.support.transactions.stage import Stage, maybe_busy


async def one_transaction(stage: Stage) -> None:
    """Plain batches around one that is committed and one that is aborted."""
    row, see, plain = stage.row, stage.readers.fetch, stage.readers.plain
    await stage.topic()
    a = await stage.ready(tv=2)
    await row("nothing", see(), "hw=0 lso=0 []")
    await row("plain", plain(2), "0 @0")
    await row("readers", see(), "hw=2 lso=2 [] 0-1:")
    await row("in the transaction", a.produce(0, 2), "0 @2")
    await row("readers", see(), "hw=4 lso=2 [] 0-1:")
    await row("read uncommitted", see(isolation=UNCOMMITTED), "hw=4 lso=2 null 0-1: 2-3:a0")
    await row("plain", plain(), "0 @4")
    await row("readers", see(), "hw=5 lso=2 [] 0-1:")
    await row("ends", stage.readers.ends(), "@5 @2")
    await row("commit", a.commit(), "0 p 1")
    await a.over()
    await row("readers", see(), "hw=6 lso=6 [] 0-1: 2-3:a0 4: 5:COMMIT.a1")
    await row("ends", stage.readers.ends(), "@6 @6")
    await row("in the next", a.produce(0, epoch=1), "0 @6")
    await row("abort", a.abort(1), "0 p 2")
    await a.over()
    all_of_it = "0-1: 2-3:a0 4: 5:COMMIT.a1 6:a1 7:ABORT.a2"
    await row("readers", see(), f"hw=8 lso=8 [a@6] {all_of_it}")
    await row("read uncommitted", see(isolation=UNCOMMITTED), f"hw=8 lso=8 null {all_of_it}")


WRITTEN = (
    "0-1:a0 2-3:b0 4: 5:c0 6:a0 7:COMMIT.b1 8-9:c0 10:ABORT.a1 11:b1 12: 13:ABORT.c1 14:ABORT.b2"
    " 15:a1 16:c1 17:ABORT.c2 18:COMMIT.a2"
)
FOUR = "[a@0 c@5 b@11 c@16]"


def _up_to(last: int) -> str:
    """The batches of WRITTEN up to an offset."""
    kept = [each for each in WRITTEN.split(" ") if _last_offset(each) <= last]
    return "".join(f" {each}" for each in kept)


def _from(first: int) -> str:
    kept = [each for each in WRITTEN.split(" ") if _last_offset(each) >= first]
    return "".join(f" {each}" for each in kept)


def _last_offset(batch: str) -> int:
    return int(batch.split(":", maxsplit=1)[0].rpartition("-")[2])


async def interleaved(stage: Stage) -> None:
    """Three producers; the list is in the order of the ABORT markers."""
    row, see, plain = stage.row, stage.readers.fetch, stage.readers.plain
    await stage.topic()
    a, b, c = [await stage.ready(tv=2) for _ in range(3)]

    async def seen(hw: int, lso: int, aborted: str, last: int) -> None:
        expected = f"hw={hw} lso={lso} {aborted}{_up_to(last)}"
        await stage.becomes(f"readers at {hw}", expected, see)
        await row("ends", stage.readers.ends(), f"@{hw} @{lso}")

    await row("a writes", a.produce(0, 2), "0 @0")
    await seen(2, 0, "[]", -1)
    await row("b writes", b.produce(0, 2), "0 @2")
    await row("plain", plain(), "0 @4")
    await row("c writes", c.produce(0), "0 @5")
    await row("a writes", a.produce(2), "0 @6")
    await seen(7, 0, "[]", -1)
    await row("b commits", b.commit(), "0 p 1")
    await seen(8, 0, "[]", -1)
    await row("c writes", c.produce(1, 2), "0 @8")
    await seen(10, 0, "[]", -1)
    await row("a aborts", a.abort(), "0 p 1")
    await seen(11, 5, "[a@0]", 4)
    await row("b writes", stage.settled(b.produce, 0, epoch=1), maybe_busy("0 @11"))
    await row("plain", plain(), "0 @12")
    await seen(13, 5, "[a@0]", 4)
    await row("c aborts", c.abort(), "0 p 1")
    await seen(14, 11, "[a@0 c@5]", 10)
    await row("b aborts", b.abort(1), "0 p 2")
    await seen(15, 15, "[a@0 c@5 b@11]", 14)
    await row("a writes", a.produce(0, epoch=1), "0 @15")
    await row("c writes", c.produce(0, epoch=1), "0 @16")
    await row("c aborts", c.abort(1), "0 p 2")
    await seen(18, 15, FOUR, 14)
    await row("a commits", a.commit(1), "0 p 2")
    await seen(19, 19, FOUR, 18)
    await _from_everywhere(stage)
    for v in (4, 5, 7, 10, 11, 12):
        told = see(v=v)
        await row(f"v{v}", told, f"hw=19 lso=19 {FOUR} {WRITTEN}")
    await row("delete up to 5", stage.readers.delete_before(5), "0 @5")
    await row("from 5", see(5), f"hw=19 lso=19 {FOUR}{_from(5)}")
    await row("from 0", see(), "1 hw=-1 lso=-1 null")


async def _from_everywhere(stage: Stage) -> None:
    """The list has what ends at or behind the offset asked for."""
    lists = {0: FOUR, 11: "[c@5 b@11 c@16]", 14: "[b@11 c@16]", 15: "[c@16]", 18: "[]"}
    for offset in range(20):
        listed = lists[max(each for each in lists if each <= offset)]
        expected = f"hw=19 lso=19 {listed}{_from(offset)}"
        await stage.row(f"from {offset}", stage.readers.fetch(offset), expected)
    first = stage.readers.fetch(max_bytes=1)
    await stage.row("one batch", first, f"hw=19 lso=19 {FOUR} 0-1:a0")
    two = stage.readers.fetch(2, max_bytes=310)
    await stage.row("some batches", two, f"hw=19 lso=19 {FOUR} 2-3:b0 4: 5:c0 6:a0")


async def the_later_ends_first(stage: Stage) -> None:
    """Starts a, b, c; aborts c, a, b."""
    row, see = stage.row, stage.readers.fetch
    await stage.topic()
    a, b, c = [await stage.ready(tv=2) for _ in range(3)]
    for offset, each in enumerate((a, b, c)):
        await row("writes", each.produce(0), f"0 @{offset}")
    for each, expected in (
        (c, "hw=4 lso=0 []"),
        (a, "hw=5 lso=1 [c@2 a@0] 0:a0"),
        (b, "hw=6 lso=6 [c@2 a@0 b@1] 0:a0 1:b0 2:c0 3:ABORT.c1 4:ABORT.a1 5:ABORT.b1"),
    ):
        await row(f"{each.letter} aborts", each.abort(), "0 p 1")
        await stage.becomes("readers", expected, see)


async def added_and_not_written(stage: Stage) -> None:
    """A partition that was only added holds nobody back, and gets a marker."""
    row, a = stage.row, await stage.ready()
    await stage.topic()
    await row("added", a.add(0), "0")
    await row("plain", stage.readers.plain(), "0 @0")
    await row("readers", stage.readers.fetch(), "hw=1 lso=1 [] 0:")
    await row("commit", a.commit(), "0")
    await a.over()
    await row("readers", stage.readers.fetch(), "hw=2 lso=2 [] 0: 1:COMMIT.a0")


async def large_batches(stage: Stage) -> None:
    """Where the offset index has entries, the list ends at one."""
    row, see = stage.row, stage.readers.fetch
    await stage.topic()
    for index in range(6):
        a = await stage.ready(tv=2)
        await row(f"writes {index}", a.produce(0, size=5000), f"0 @{2 * index}")
        await row("aborts", a.abort(), "0 p 1")
        await a.over()
    end = "hw=12 lso=12"
    await row("one batch", see(max_bytes=1), f"{end} [a@0 b@2] 0:a0")
    await row("from 2", see(2, max_bytes=1), f"{end} [b@2] 2:b0")
    await row("from 8", see(8, max_bytes=1), f"{end} [e@8] 8:e0")
    await row("from 10", see(10, max_bytes=1), f"{end} [f@10] 10:f0")
    await row("from 11", see(11, max_bytes=1), f"{end} [f@10] 11:ABORT.f1")
    two = "0:a0 1:ABORT.a1 2:b0 3:ABORT.b1"
    await row("four batches", see(max_bytes=11_000), f"{end} [a@0 b@2 c@4] {two}")
    two = "2:b0 3:ABORT.b1 4:c0 5:ABORT.c1"
    await row("from 2", see(2, max_bytes=11_000), f"{end} [b@2 c@4 d@6] {two}")
    two = "4:c0 5:ABORT.c1 6:d0 7:ABORT.d1"
    await row("from 4", see(4, max_bytes=11_000), f"{end} [c@4 d@6 e@8] {two}")


async def beyond_what_is_stable(stage: Stage) -> None:
    """At the last stable offset, above it, above the high watermark; an unknown level."""
    row, see = stage.row, stage.readers.fetch
    await stage.topic()
    a = await stage.ready(tv=2)
    await stage.given(stage.readers.plain, 2)
    await stage.given(a.produce, 0, 2)
    await stage.given(stage.readers.plain, 2)
    await row("from 0", see(), "hw=6 lso=2 [] 0-1:")
    for offset in range(2, 7):
        await row(f"from {offset}", see(offset), "hw=6 lso=2 []")
    for offset, batches in ((0, " 0-1:"), (2, "")):
        named = see(offset, last_fetched_epoch=0)
        await row(f"from {offset}, with an epoch", named, f"hw=6 lso=2 []{batches}")
    below = see(3, isolation=UNCOMMITTED)
    await row("read uncommitted from 3", below, "hw=6 lso=2 null 2-3:a0 4-5:")
    await row("from 6", see(6, isolation=UNCOMMITTED), "hw=6 lso=2 null")
    for isolation in (0, 1):
        above = see(7, isolation=isolation)
        await row(f"from 7, isolation {isolation}", above, "1 hw=-1 lso=-1 null")
    refused = Ours("42 hw=-1 lso=-1 null", NUMBERS)
    await row("isolation 2", see(isolation=2), "-1 hw=-1 lso=-1 []", refused)


async def long_poll(stage: Stage) -> None:
    """Who waits at the last stable offset is woken when it moves."""
    row = stage.row
    await stage.topic()
    a, waiting = await stage.ready(tv=2), await stage.connect()
    await stage.given(a.produce, 0, 2)
    await row("for a while", stage.readers.fetch(wait_ms=200), "hw=2 lso=0 []")
    request = stage.readers.request(0, wait_ms=15_000)
    told = waiting.start_request(request, version=12)
    await row("a plain append", stage.readers.plain(), "0 @2")
    await row(
        "is readable", stage.readers.fetch(isolation=UNCOMMITTED), "hw=3 lso=0 null 0-1:a0 2:"
    )
    await row("and wakes nobody", str(told.done()), "False")
    await row("commit", a.commit(), "0 p 1")
    try:
        async with asyncio.timeout(5):
            answer = stage.readers.shown((await told).responses[0].partitions[0])
    except (TimeoutError, ClientError) as error:
        answer = repr(error)
    await row("woken", answer, "hw=4 lso=4 [] 0-1:a0 2: 3:COMMIT.a1")


async def session(stage: Stage) -> None:
    """An incremental fetch session: told is what has changed; ours declines them."""
    row = stage.row
    await stage.topic()
    a = await stage.ready(tv=2)
    of_a_session = FetchSession(stage)

    async def told(step: str, kafka: str, ours: str, offset: int = 0) -> None:
        await row(step, of_a_session.ask(offset), kafka, Ours(ours, SESSIONS))

    nothing = "hw=0 lso=0 []"
    await told("the first", f"opened {nothing}", f"declined {nothing}")
    await told("nothing new", "", f"declined {nothing}")
    await stage.given(stage.readers.plain)
    one = "hw=1 lso=1 [] 0:"
    await told("a plain append", one, f"declined {one}")
    await stage.given(a.produce, 0)
    stopped = "hw=2 lso=1 []"
    await told("behind it, an open transaction", stopped, f"declined {stopped}", 1)
    await told("nothing new", "", f"declined {stopped}", 1)
    await stage.given(stage.readers.plain)
    stopped = "hw=3 lso=1 []"
    await told("a plain append behind that", stopped, f"declined {stopped}", 1)
    await told("nothing new", "", f"declined {stopped}", 1)
    await stage.given(a.abort)
    await a.over()
    all_of_it = "hw=4 lso=4 [a@1] 1:a0 2: 3:ABORT.a1"
    await told("aborted", all_of_it, f"declined {all_of_it}", 1)
    await told("at the end", "", "declined hw=4 lso=4 []", 4)


async def by_time(stage: Stage) -> None:
    """ListOffsets by timestamp and the special ones, with a transaction at the beginning."""
    row, at = stage.row, stage.readers.position
    await stage.topic()
    a = await stage.ready(tv=2)
    await stage.given(a.produce, 0)
    await stage.given(stage.readers.plain, timestamp_ms=FIRST_AT_MS + 3000)
    newest = f"@1 at {FIRST_AT_MS + 3000}"
    uncommitted = {
        -1: "@2",
        -2: "@0",
        -3: newest,
        -4: "@0",
        0: f"@0 at {FIRST_AT_MS}",
        FIRST_AT_MS + 1: newest,
        FIRST_AT_MS + 4000: "@-1",
    }
    committed = {-1: "@0", -2: "@0", -4: "@0"}
    for timestamp, expected in uncommitted.items():
        await row(f"{timestamp}, all", at(timestamp, isolation=UNCOMMITTED), expected)
        await row(f"{timestamp}, stable", at(timestamp), committed.get(timestamp, "@-1"))
    for v in range(2, 10):
        await row(f"v{v}: the end", at(-1, v=v), "@0")
    await row("abort", a.abort(), "0 p 1")
    await a.over()
    for isolation in (0, 1):
        await row("the end", at(-1, isolation=isolation), "@3")
        await row("the first", at(0, isolation=isolation), f"@0 at {FIRST_AT_MS}")
        newest_now = (await at(-3, isolation=isolation)).split(" ")[0]
        await row("the newest is the marker", newest_now, "@2")


async def deleted_past_an_open_one(stage: Stage) -> None:
    """DeleteRecords does not ask whether a transaction is open."""
    row, a = stage.row, await stage.ready(tv=2)
    await stage.topic()
    await row("plain", stage.readers.plain(), "0 @0")
    await row("in a transaction", a.produce(0), "0 @1")
    await row("delete all", stage.readers.delete_before(-1), "0 @2")
    await row("readers", stage.readers.fetch(2), "hw=2 lso=2 []")
    await row("producers", stage.readers.producers(), "a e0 s0 c-1 @1")
    await row("commit", a.commit(), "0 p 1")
    await a.over()
    await row("readers", stage.readers.fetch(2), "hw=3 lso=3 [] 2:COMMIT.a1")


SCENARIOS = (
    one_transaction,
    interleaved,
    the_later_ends_first,
    added_and_not_written,
    large_batches,
    beyond_what_is_stable,
    long_poll,
    session,
    by_time,
    deleted_past_an_open_one,
)
