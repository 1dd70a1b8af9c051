"""EDGE: single requests that were seen to harm others, at any size, each as a named attack.

An attack gets the broker's port and a size up to 1 (what was seen, or more), and returns when it
has done its worst. It raises Neglected where something was not answered. Crowds (floods, readers
that do not read) stand in crowds.py; what is drawn from the schemas in drawn.py.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from contextlib import ExitStack

from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.compression import Codec

from tests.hostile.peer import (
    DELETE_TOPICS,
    DESCRIBE_CONFIGS,
    DESCRIBE_GROUPS,
    DESCRIBE_PRODUCERS,
    JOIN_GROUP,
    LIST_OFFSETS,
    METADATA,
    OFFSET_FETCH,
    PRODUCE,
    Neglected,
    Peer,
    array,
    batch,
    create_topics,
    fetch,
    fetch_part,
    frame,
    new_topic,
    produce,
    repeated,
    text,
)

Attack = Callable[[int, float], None]
LONG_NAME = 32_760  # bytes: with a few words around it no longer a string that can be encoded
POLL_MS, POLL_MS_MAX = 500, 2_000
NAMES_A_REQUEST = 5_000


def long_names(port: int, size: float) -> None:
    """Names that an error text cannot quote, in one round with sixteen good producers."""
    with ExitStack() as stack:
        good = [stack.enter_context(Peer(port)) for _ in range(16)]
        rude = stack.enter_context(Peer(port))
        rude.ask(create_topics(array(new_topic(b"ok"))))
        for _ in range(max(1, int(20 * size))):
            for each in good:
                each.send(produce(b"ok", batch()))
            rude.ask(create_topics(array(new_topic(b"ok"), *[new_topic(b"n" * LONG_NAME)] * 2)))
            rude.ask(frame(METADATA, 1, array(text(b"n" * LONG_NAME))))
            for each in good:
                if each.answer("a Produce beside a name that is too long") is None:
                    raise Neglected("a good producer was hung up on")
            rude = stack.enter_context(Peer(port))


def long_client_id(port: int, size: float) -> None:
    """A member whose id is made of a client id that is too long; then polls must still end."""
    with Peer(port) as rude:
        rude.ask(join(b"long", array(protocol(b"range")), client_id=b"c" * LONG_NAME))
    with Peer(port) as good:
        good.ask(create_topics(array(new_topic(b"poll"))))
        began = time.monotonic()
        good.ask(fetch(array(text(b"poll") + array(fetch_part(0))), wait_ms=POLL_MS))
        took_ms = (time.monotonic() - began) * 1000
        if took_ms > POLL_MS_MAX:
            raise Neglected(f"a poll of {POLL_MS} ms took {took_ms:.0f} ms")


def many_protocols(port: int, size: float) -> None:
    """Two members who know thousands of protocols each."""
    protocols = [protocol(b"p%d" % number) for number in range(int(20_000 * size))]
    with Peer(port) as first, Peer(port) as second:
        first.ask(join(b"many", array(*protocols)))
        second.send(join(b"many", array(*protocols[::-1])))
        first.ask(join(b"many", array(*protocols)))


def time_lookups(port: int, size: float) -> None:
    """ListOffsets by time in one gzip batch of very many records."""
    now_ms = time.time_ns() // 1_000_000
    count = int(700_000 * size)
    packed = build_batch(
        [(None, None, (), now_ms + number // 100) for number in range(count)], codec=Codec.GZIP
    )
    with Peer(port) as rude:
        rude.ask(create_topics(array(new_topic(b"packed"))))
        rude.ask(produce(b"packed", packed))
        part = struct.pack(">iq", 0, now_ms + count // 100 - 1)
        body = struct.pack(">ib", -1, 0) + array(text(b"packed") + array(part))
        for _ in range(4):
            rude.ask(frame(LIST_OFFSETS, 2, body))


def repeated_fetch(port: int, size: float) -> None:
    """A Fetch that names one partition with data very often."""
    with Peer(port) as rude:
        rude.ask(create_topics(array(new_topic(b"one"))))
        rude.ask(produce(b"one", batch(size=900_000)))
        parts = repeated(fetch_part(0, bytes_max=0), int(20_000 * size))
        rude.ask(fetch(array(text(b"one") + parts)))


def many_topics(port: int, size: float) -> None:
    """CreateTopics of thousands of names, again and again, then their deletion."""
    names = [b"many-%d" % number for number in range(int(30_000 * size))]
    with Peer(port) as rude:
        for begin in range(0, len(names), NAMES_A_REQUEST):
            these = names[begin : begin + NAMES_A_REQUEST]
            rude.ask(create_topics(array(*map(new_topic, these))))
        gone = array(*map(text, names[:NAMES_A_REQUEST])) + struct.pack(">i", 60_000)
        rude.ask(frame(DELETE_TOPICS, 1, gone))


def many_new_partitions(port: int, size: float) -> None:
    """One Produce to ten thousand partitions that were never written to, then their deletion."""
    count = int(10_000 * size)
    records = batch(size=10)
    parts = [struct.pack(">ii", index, len(records)) + records for index in range(count)]
    with Peer(port) as rude:
        rude.ask(create_topics(array(new_topic(b"wide", count))))
        body = struct.pack(">hhi", -1, -1, 30_000) + array(text(b"wide") + array(*parts))
        rude.ask(frame(PRODUCE, 7, body))
        rude.ask(frame(DELETE_TOPICS, 1, array(text(b"wide")) + struct.pack(">i", 60_000)))


def unknown_topics(port: int, size: float) -> None:
    """Metadata that names a hundred thousand topics, which it also creates."""
    with Peer(port) as rude:
        for prefix in (b"auto", b"no!such"):
            names = (text(b"%s%d" % (prefix, number)) for number in range(int(100_000 * size)))
            rude.ask(frame(METADATA, 1, array(*names)))


def many_producers(port: int, size: float) -> None:
    """Tens of thousands of producer ids in one partition, whose segments then roll often."""
    config = text(b"segment.bytes") + text(b"1048576")
    topic = text(b"pids") + struct.pack(">ihi", 1, 1, 0) + array(config)
    with Peer(port) as rude:
        rude.ask(create_topics(array(topic)))
        for number in range(int(50_000 * size)):
            ids = {"producer_id": 10**6 + number, "producer_epoch": 0, "base_sequence": 0}
            rude.send(produce(b"pids", batch(size=10, **ids)))
            if number % 64 == 63:
                for _ in range(64):
                    rude.answer("a Produce of a new producer id")
        large = produce(b"pids", batch(size=900_000))
        with Peer(port) as rolling:
            for _ in range(20):
                rolling.ask(large)


def repeated_metadata(port: int, size: float) -> None:
    """Metadata that names a topic of ten thousand partitions a hundred times."""
    with Peer(port) as rude:
        rude.ask(create_topics(array(new_topic(b"wide", int(10_000 * size)))))
        rude.ask(frame(METADATA, 1, repeated(text(b"wide"), 300)))


def repeated_names(port: int, size: float) -> None:
    """OffsetFetch and the Describe APIs that name one large thing a thousand times."""
    count = int(1_000 * size)
    with Peer(port) as rude:
        rude.ask(create_topics(array(new_topic(b"named", 1_000))))
        rude.ask(join(b"fat", array(protocol(b"range", b"m" * 30_000))))
        index = struct.pack(">i", 0)
        topic = text(b"named") + repeated(index, int(10_000 * size))
        rude.ask(frame(OFFSET_FETCH, 1, text(b"fat") + repeated(topic, 20)))
        rude.ask(frame(DESCRIBE_GROUPS, 0, repeated(text(b"fat"), count)))
        rude.ask(frame(DESCRIBE_CONFIGS, 1, repeated(config_of(b"named"), count) + b"\1"))
        many = 64 + 1  # compact lengths: one more than there are
        partitions = bytes([many]) + index * (many - 1)
        compact = bytes([len(b"named") + 1]) + b"named" + partitions + b"\0"
        body = b"\0" + bytes([many]) + compact * (many - 1) + b"\0"
        rude.ask(frame(DESCRIBE_PRODUCERS, 0, body))


def many_partitions(port: int, size: float) -> None:
    """Topics of ten thousand partitions each until nobody could list them; then all are listed."""
    with Peer(port) as rude:
        partitions = min(10_000, int(100_000 * size))
        for begin in range(0, max(20, int(2_000 * size)), 20):
            numbers = range(begin, begin + 20)
            topics = [new_topic(b"vast-%d" % number, partitions) for number in numbers]
            if rude.ask(create_topics(array(*topics))) is None:
                raise Neglected("CreateTopics was hung up on")
        if rude.ask(frame(METADATA, 1, struct.pack(">i", -1))) is None:
            raise Neglected("Metadata of all topics was hung up on")


def fat_member(port: int, size: float) -> None:
    """The first member of a group with 90 MB of metadata."""
    with Peer(port) as rude:
        rude.ask(join(b"fat", array(protocol(b"range", bytes(int(90_000_000 * size))))))


def long_client_ids(port: int, size: float) -> None:
    """Client ids of 32 KB, each with verdicts in many partitions."""
    count = int(256 * size)
    with Peer(port) as rude:
        rude.ask(create_topics(array(new_topic(b"ids", 256))))
        records = batch(size=10)
        for turn in range(64):
            for index in range(count):
                part = struct.pack(">ii", index, len(records)) + records
                body = struct.pack(">hhi", -1, -1, 30_000) + array(text(b"ids") + array(part))
                name = b"%d-%d" % (turn, index)
                rude.ask(frame(PRODUCE, 7, body, client_id=name.ljust(32_000, b"c")))


def protocol(name: bytes, metadata: bytes = b"") -> bytes:
    """One protocol of a member."""
    return text(name) + struct.pack(">i", len(metadata)) + metadata


def join(group: bytes, protocols: bytes, *, client_id: bytes = b"x") -> bytes:
    """A JoinGroup of a new member."""
    head = text(group) + struct.pack(">ii", 6_000, 500) + text(b"") + text(b"consumer")
    return frame(JOIN_GROUP, 3, head + protocols, client_id=client_id)


def config_of(topic: bytes) -> bytes:
    """One topic of DescribeConfigs, all its configs."""
    return struct.pack(">b", 2) + text(topic) + struct.pack(">i", -1)
