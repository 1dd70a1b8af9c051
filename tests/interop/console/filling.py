"""EDGE: a cluster full of what a console shows: many topics, records, groups, odd ones too."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from minibroker.client.admin import Admin
from minibroker.client.consumer import Consumer
from minibroker.client.partitions import TopicPartition
from minibroker.client.producer import Producer

AT_ONCE = 20
TIMEOUT_MS = 3_600_000  # of what is open, and of a member, while a browser looks at every page
MARKUP = b"<script>alert(1)</script><img src=x onerror=alert(2)>"
ODD_VALUES: tuple[bytes | None, ...] = (
    MARKUP,
    b'{"</pre>": "' + MARKUP + b'", "n": [1, 2.5e3, true, null]}',
    b"\x1b[31mred\x1b[0m \x07 \x00" + "\u202eevil".encode(),
    bytes(range(256)) * 20,
    b"x" * 1_000_000,
    ("é" * 1_000 + "漢字 🙂").encode(),
    b"[" * 300 + b"]" * 300,
    b"",
    None,
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it; the issue of a full cluster is how long lists behave."""

    topics: int
    records: int
    groups: int


SMALL = Size(topics=60, records=2_000, groups=12)
FULL = Size(topics=1_000, records=1_000_000, groups=200)


async def _some_at_once(all_of_them: Sequence[Coroutine[Any, Any, Any]]) -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(work: Coroutine[Any, Any, Any]) -> None:
        async with room:
            await work

    await asyncio.gather(*map(one, all_of_them))


async def fill(servers: str, size: Size) -> None:
    """Put all of it there."""
    named = {"orders": 6, "payments": 3, "odd": 1, "million": 4}
    plain = {f"load-{n:04}": 1 for n in range(size.topics - len(named))}
    async with Admin(servers) as admin:
        topics = [*named.items(), *plain.items()]
        await _some_at_once(
            [admin.create_topic(n, num_partitions=p, replication_factor=1) for n, p in topics]
        )
    async with Producer(servers, compression_type="gzip") as producer:
        for number in range(400):
            value = {"order": number, "customer": f"c-{number % 37}", "paid": number % 3 == 0}
            key = f"c-{number % 37}".encode()
            headers = [("trace", b"4bf92f3577b34da6"), (MARKUP.decode(), MARKUP)]
            await producer.send("orders", json.dumps(value).encode(), key=key, headers=headers)
            if number % 40 == 39:
                await producer.flush()
    async with Producer(servers) as producer:
        await producer.send_many("payments", [b"payment %d" % n for n in range(300)])
        for odd in ODD_VALUES:
            await producer.send("odd", odd, key=MARKUP)
        for begin in range(0, size.records, 1_000):
            await producer.send_many(
                "million", [b"record %090d" % (begin + n) for n in range(1_000)]
            )
    async with Admin(servers) as admin:
        await _some_at_once([_commit(admin, number) for number in range(size.groups)])


async def _commit(admin: Admin, number: int) -> None:
    name = f"group-{number:03}" if number else MARKUP.decode()
    places = (("orders", number % 6), ("payments", number % 3), ("million", number % 4))
    await admin.alter_group_offsets(name, {TopicPartition(*each): number % 20 for each in places})


@asynccontextmanager
async def lively(servers: str) -> AsyncIterator[None]:
    """Meanwhile a group has a member, one transaction is open, and another was committed."""
    async with AsyncExitStack() as stack:
        member = Consumer(
            "orders",
            bootstrap_servers=servers,
            group_id="readers",
            max_poll_interval_ms=TIMEOUT_MS,
        )
        await stack.enter_async_context(member)
        await member.getmany(timeout_ms=10_000)
        for name in ("done", "open"):
            producer = Producer(
                servers, transactional_id=f"billing-{name}", transaction_timeout_ms=TIMEOUT_MS
            )
            await stack.enter_async_context(producer)
            async with producer.transaction():
                await producer.send("payments", b"committed")
            if name == "open":
                waiting = producer.transaction()
                await waiting.__aenter__()
                await (await producer.send("orders", b"open", partition=0))
                stack.push_async_callback(waiting.__aexit__, None, None, None)
        yield
