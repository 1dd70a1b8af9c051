"""WriteTxnMarkers from a client, and DescribeProducers, which tells what came of it."""

from __future__ import annotations

from crc32c import crc32c
from minibroker.protocol.messages.write_txn_markers import WriteTxnMarkersRequest

from tests.support.transactions.differences import WILD_MARKER, Ours
from tests.support.transactions.producer import FIRST_AT_MS
from tests.support.transactions.stage import Stage

NO_TOPIC = "This server does not host this topic-partition."


async def producers(stage: Stage) -> None:
    """DescribeProducers over the life of a transaction."""
    row, told = stage.row, stage.readers.producers
    await stage.topic(2)
    a, b = await stage.ready(), await stage.ready(tv=2)
    await stage.given(a.add, 0)
    await row("one open", a.produce(0, 2), "0 @0")
    await row("producers", told(), "a e0 s1 c-1 @0")
    await row("one more", b.produce(0), "0 @2")
    await row("producers", told(), "a e0 s1 c-1 @0, b e0 s0 c-1 @2")
    await row("TV1 commits", a.commit(), "0")
    await a.over()
    await row("producers", told(), "a e0 s1 c0, b e0 s0 c-1 @2")
    await row("TV2 commits", b.commit(), "0 p 1")
    await b.over()
    await row("producers", told(), "a e0 s1 c0, b e1 s-1 c0")
    found = await stage.readers.described()
    last_ms = max(each.last_timestamp for each in found.active_producers)
    await row("the time is the marker's", str(last_ms > FIRST_AT_MS), "True")
    await row("an unknown partition", told(9), "3")
    await row("an unknown topic", told("nope-0"), f"3 <{NO_TOPIC}>")


async def markers(stage: Stage) -> None:
    """Each that is accepted is appended, whether anything was open or not."""
    row, write = stage.row, stage.markers.write
    await stage.topic(2)
    a = await stage.ready(tv=2)
    await row("open", a.produce(0), "0 @0")
    await row("COMMIT", write(a, 0), "0")
    await row("the coordinator knows nothing of it", a.state(), "Ongoing p 0 A-0")
    await row("readers", stage.readers.fetch(), "hw=2 lso=2 [] 0:a0 1:COMMIT.a0")
    await row("again", write(a, 0), "0")
    await row("ABORT", write(a, 0, is_commit=False), "0")
    await row("coordinator epoch -1", write(a, 0, coordinator_epoch=-1), "52")
    await row("coordinator epoch 5", write(a, 0, coordinator_epoch=5), "0")
    await row("then 4", write(a, 0, coordinator_epoch=4), "52")
    await row("epoch 3", write(a, 0, epoch=3, coordinator_epoch=5), "0")
    await row("then 2", write(a, 0, epoch=2, coordinator_epoch=5), "47")
    await row("an unknown id", write(777_777, 0), "0")
    await row("an unknown partition", write(a, 0, 9, epoch=3, coordinator_epoch=5), "0 3")
    await row("an unknown topic", write(a, "nope-0"), "3")
    for version, epoch, expected in (
        (0, 3, "0"),
        (1, 3, "0"),
        (2, 3, "0"),
        (2, 4, "0"),
        (2, 3, "47"),
    ):
        told = write(a, 0, epoch=epoch, coordinator_epoch=5, transaction_version=version, v=2)
        await row(f"v2: version {version}, epoch {epoch}, nothing open", told, expected)
    nothing = await stage.ask(WriteTxnMarkersRequest(markers=[]), 1)
    await row("no markers", str(len(nothing.markers)), "0")
    await row("producers", stage.readers.producers(), "? e0 s-1 c0, a e4 s-1 c5")
    log = (
        "0:a0 1:COMMIT.a0 2:COMMIT.a0 3:ABORT.a0 4:COMMIT.a0 5:COMMIT.a3 6:COMMIT.?0 7:COMMIT.a3"
        " 8:COMMIT.a3 9:COMMIT.a3 10:COMMIT.a3 11:COMMIT.a4"
    )
    await row("log", stage.readers.log(), log)


async def the_producers_own_end(stage: Stage) -> None:
    """EndTxn after a stranger's marker."""
    row, write = stage.row, stage.markers.write
    await stage.topic(3)
    a = await stage.ready(tv=2)
    await row("open", a.produce(0), "0 @0")
    bumping = write(a, 0, transaction_version=2, v=2)
    await row("version 2 with its epoch", bumping, "47")
    bumping = write(a, 0, epoch=1, transaction_version=2, v=2)
    await row("with the next", bumping, "0")
    await row("EndTxn", a.commit(), "0 p 1")
    await row("state", a.over(), "CompleteCommit p 1")
    await row("log", stage.readers.log(), "0:a0 1:COMMIT.a1 2:COMMIT.a1")
    b = await stage.ready(tv=2)
    await row("open", b.produce(0, to=1), "0 @0")
    await row("a wild coordinator epoch", write(b, 1, coordinator_epoch=5), "0")
    await row("EndTxn", b.commit(), "0 p 1")
    hangs, ends = "PrepareCommit p 1 A-1", "CompleteCommit p 1"
    expected = hangs if stage.peer.is_kafka else ends
    state = stage.until(expected, b.state)
    await row("state", state, hangs, Ours(ends, WILD_MARKER))
    log = stage.readers.log(1)
    await row("log", log, "0:b0 1:COMMIT.b0", Ours("0:b0 1:COMMIT.b0 2:COMMIT.b1", WILD_MARKER))


async def bytes_of_markers(stage: Stage) -> None:
    """78 bytes each; on a topic with LogAppendTime with that bit."""
    row = stage.row
    await stage.topic()
    await stage.topic(1, message_timestamp_type="LogAppendTime")
    await stage.topic(1, compression_type="gzip")
    a, b = await stage.ready(), await stage.ready(tv=2)
    await stage.given(a.add, "A-0", "B-0", "C-0")
    await stage.given(a.commit)
    await a.over()
    await stage.given(b.produce, 0)
    await stage.given(b.abort)
    await b.over()
    for letter, attributes in (("A", 0x30), ("B", 0x38), ("C", 0x30)):
        found = await stage.readers.records(0, of=f"{letter}-0")
        expected = _marker(found, 0, attributes, a.id("p"), 0, is_commit=True)
        await row(f"COMMIT in {letter}", found[:78].hex(), expected.hex())
    found = await stage.readers.records(2)
    expected = _marker(found, 2, 0x30, b.id("p"), 1, is_commit=False)
    await row("ABORT", found.hex(), expected.hex())


def _marker(
    found: bytes, offset: int, attributes: int, pid: int, epoch: int, *, is_commit: bool
) -> bytes:
    """The bytes of a marker, but for its clock and leader epoch, which are taken from `found`.

    With LogAppendTime Kafka asks its clock again when it appends the marker.
    """
    made_at, appended_at = found[27:35], found[35:43] if attributes & 8 else found[27:35]
    body = b"".join(
        (
            attributes.to_bytes(2, "big"),
            bytes(4),
            made_at,
            appended_at,
            pid.to_bytes(8, "big"),
            epoch.to_bytes(2, "big"),
            b"\xff\xff\xff\xff",
            b"\0\0\0\1",
            bytes((0x20, 0, 0, 0, 0x08, 0, 0, 0, int(is_commit), 0x0C)) + bytes(6) + b"\0",
        )
    )
    crc = crc32c(body).to_bytes(4, "big")
    return offset.to_bytes(8, "big") + b"\0\0\0\x42" + found[12:16] + b"\2" + crc + body


SCENARIOS = (producers, markers, the_producers_own_end, bytes_of_markers)
