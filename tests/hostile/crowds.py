"""EDGE: attacks by many connections, or for some seconds: floods, and those who do not read."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

from tests.hostile.attacks import config_of
from tests.hostile.peer import (
    API_VERSIONS,
    DESCRIBE_CONFIGS,
    INIT_PRODUCER_ID,
    METADATA,
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

FLOOD_S = 4.0
UNREAD_S = 4.0
ANNOUNCED_BYTES = 100_000_000
HANGUPS = 2_048


def metadata_flood(port: int, size: float) -> None:
    """Metadata of all topics, 20 bytes each, back to back from one connection."""
    with Peer(port) as rude:
        rude.ask(create_topics(array(*(new_topic(b"m%d" % number, 2) for number in range(100)))))
        rude.flood(frame(METADATA, 1, struct.pack(">i", -1)), FLOOD_S * size)


def configs_flood(port: int, size: float) -> None:
    """DescribeConfigs back to back from one connection."""
    with Peer(port) as rude:
        rude.ask(create_topics(array(new_topic(b"c"))))
        rude.flood(frame(DESCRIBE_CONFIGS, 1, array(config_of(b"c")) + b"\0"), FLOOD_S * size)


def unanswered_flood(port: int, size: float) -> None:
    """Produces with acks=0 back to back from one connection."""
    with Peer(port) as rude:
        rude.ask(create_topics(array(new_topic(b"z"))))
        rude.flood(produce(b"z", batch(), acks=0), FLOOD_S * size)


def flood_of_many(port: int, size: float) -> None:
    """Eight connections at once, each with a flood of its own kind."""
    with Peer(port) as rude:
        rude.ask(create_topics(array(new_topic(b"z"), new_topic(b"c", 50))))
    kinds = [
        frame(API_VERSIONS, 0, b""),
        frame(INIT_PRODUCER_ID, 1, struct.pack(">hi", -1, 60_000)),
        produce(b"z", batch()),
        frame(METADATA, 1, array(text(b"c"))),
        frame(DESCRIBE_CONFIGS, 1, array(config_of(b"c")) + b"\1"),
        fetch(array(text(b"c") + array(*map(fetch_part, range(50))))),
        produce(b"no!such", batch()),
        frame(99, 0, b""),
    ]

    def flood(request: bytes) -> None:
        with Peer(port) as rude:
            rude.flood(request, FLOOD_S * size)

    _at_once([lambda request=each: flood(request) for each in kinds])  # type: ignore[misc]


def stuck_readers(port: int, size: float) -> None:
    """Fetches of 50 MB, whose answers nobody reads."""
    with Peer(port) as rude, ExitStack() as stack:
        rude.ask(create_topics(array(new_topic(b"big"))))
        large = produce(b"big", batch(size=900_000))
        for _ in range(max(2, int(60 * size))):
            rude.ask(large)
        wanted = fetch(array(text(b"big") + array(fetch_part(0, bytes_max=50 << 20))))
        for _ in range(14):
            stack.enter_context(Peer(port)).send(wanted * 3)
        _wait(UNREAD_S * size)


def announced(port: int, size: float) -> None:
    """Twenty connections announce 100 MB each, send a part, and go on by a few bytes a second."""
    with ExitStack() as stack:
        rude = [stack.enter_context(Peer(port)) for _ in range(20)]
        head = struct.pack(">i", ANNOUNCED_BYTES)
        for each in rude:
            each.socket.settimeout(0.2)
            each.send(head + bytes(int(20_000_000 * size)))
        until = time.monotonic() + UNREAD_S * size
        while time.monotonic() < until:
            for each in rude:
                each.send(b"....")
            _wait(0.1)


def parked_hangups(port: int, size: float) -> None:
    """Very many waiting Fetches of 200 partitions, whose clients all hang up at once."""
    count = int(HANGUPS * size)
    with Peer(port) as rude, ExitStack() as stack:
        rude.ask(create_topics(array(new_topic(b"quiet", 200))))
        wanted = fetch(array(text(b"quiet") + array(*map(fetch_part, range(200)))), wait_ms=60_000)
        for _ in range(max(1, count // 128)):
            stack.enter_context(Peer(port)).send(wanted * 128)
        _wait(0.5 * size)
        rude.ask(frame(API_VERSIONS, 0, b""))
    _wait(0.5 * size)


def parked_bytes(port: int, size: float) -> None:
    """Waiting Fetches that name a partition so often that each takes megabytes."""
    with Peer(port) as rude, ExitStack() as stack:
        rude.ask(create_topics(array(new_topic(b"quiet", 200))))
        parts = repeated(fetch_part(0), int(60_000 * size))
        wanted = fetch(array(text(b"quiet") + parts), wait_ms=60_000)
        for _ in range(40):
            stack.enter_context(Peer(port)).send(wanted)
        _wait(UNREAD_S * size)


def many_connections(port: int, size: float) -> None:
    """Connections that come, ask one thing and go without reading, as fast as they can."""
    until = time.monotonic() + FLOOD_S * size
    while time.monotonic() < until:
        with Peer(port) as rude:
            rude.send(frame(API_VERSIONS, 0, b""))


def _at_once(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=each) for each in works]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)
