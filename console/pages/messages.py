"""EDGE: the records of a topic: looked for, one of them, its value as it is, and as they come.

Tests: tests/system/console/test_messages.py
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import Response

from ...client.consumer import Consumer
from ...client.partitions import TopicPartition
from ...client.produce.partitioner import partition_for_key
from ..reading.batches import RecordView
from ..reading.looking import LIMIT_MAX, Found, Look, Start, look
from ..showing.times import time_ms
from ..showing.values import Form, best_form, cut_at, shown
from .visit import Visit, event, page

TAIL_ROWS = 50  # shown of what comes between two looks
TAIL_LOOK_MS = 300
TAIL_RECORDS = 500
TAIL_BEHIND_MAX = 1_000
TAIL_PAUSE_S = 0.25
TAIL_BYTES = 1_000_000
HELLO_LOOKS = 40  # without news, then a word: a browser that has gone is noticed by it


async def show(visit: Visit) -> Response:
    """What was looked for."""
    name = visit.part("topic")
    topic = await visit.kafka.topic(name)
    wanted = look_of(visit, len(topic.partitions))
    found = await look(visit.kafka, name, wanted)
    return visit.page(
        "topic/messages.html",
        topic=topic,
        tab="messages",
        wanted=wanted,
        found=found,
        view=visit.asked("view", "records"),
        asked=dict(visit.request.query_params),
        newer=_newer(wanted, found),
        older=_older(wanted, found),
    )


def look_of(visit: Visit, partitions: int) -> Look:
    """What the form asks for. Raises ValueError where it cannot be understood."""
    key = visit.asked("key")
    text = visit.asked("text")
    chosen = visit.asked("partition")
    partition: int | None = visit.number("partition", 0) if chosen not in ("", "all") else None
    if key and partition is None and visit.asked("by_key", "1") == "1":
        partition = partition_for_key(key.encode(), partitions)
    asked = visit.asked("start", "newest")
    start = Start(asked) if asked in list(Start) else Start.NEWEST
    before = visit.number("before", -1)
    return Look(
        partition=partition,
        start=start,
        at=time_ms(visit.asked("at")) if start is Start.TIME else visit.number("at", 0),
        before=None if before < 0 else before,
        limit=visit.number("limit", 50, 1, LIMIT_MAX),
        key=key.encode() if key else None,
        text=text.encode() if text else None,
        committed=visit.asked("committed") == "1",
    )


def _older(wanted: Look, found: Found) -> int | None:
    """Before which offset those before go on, of one partition; None if there are none."""
    if wanted.partition is None:
        return None
    (extent,) = found.extents.values()
    return found.lowest if found.lowest > extent.start else None


def _newer(wanted: Look, found: Found) -> int | None:
    """From which offset on those behind go on."""
    if wanted.partition is None:
        return None
    (extent,) = found.extents.values()
    return found.highest if found.highest < extent.end else None


async def record(visit: Visit) -> Response:
    """One record, with all of it that a page bears."""
    name = visit.part("topic")
    found = await _one(visit, name)
    forms = {
        what: _form(visit.asked(what), data)
        for what, data in (("key", found.record.key), ("value", found.record.value))
    }
    bodies = {
        what: None if data is None else shown(data, forms[what])
        for what, data in (("key", found.record.key), ("value", found.record.value))
    }
    template = "part/record.html" if visit.is_fragment else "topic/record.html"
    return visit.page(
        template,
        topic=await visit.kafka.topic(name),
        tab="messages",
        each=found,
        forms=forms,
        bodies=bodies,
        all_forms=list(Form),
        cut_at=cut_at,
    )


def _form(asked: str, data: bytes | None) -> Form:
    return Form(asked) if asked in list(Form) else best_form(data)


async def _one(visit: Visit, name: str) -> RecordView:
    partition, offset = int(visit.part("partition")), int(visit.part("offset"))
    wanted = Look(partition=partition, start=Start.OFFSET, at=offset, limit=1)
    found = await look(visit.kafka, name, wanted)
    for each in found.records:
        if each.record.offset == offset:
            return each
    raise ValueError(f"{name}-{partition} has no record at offset {offset}: it may be gone by now")


async def value(visit: Visit) -> Response:
    """A value as it is, to be kept as a file: no browser shows it as a page."""
    name = visit.part("topic")
    found = await _one(visit, name)
    file = f"{name}-{found.partition}-{found.record.offset}.bin"
    return Response(
        found.record.value or b"",
        media_type="application/octet-stream",
        headers={"content-disposition": f'attachment; filename="{file}"'},
    )


async def live(visit: Visit) -> Response:
    """The page on which records appear as they come."""
    topic = await visit.kafka.topic(visit.part("topic"))
    return visit.page(
        "topic/live.html", topic=topic, tab="live", partition=visit.asked("partition")
    )


async def tail(visit: Visit) -> Response:
    """Records as they come."""
    name = visit.part("topic")
    topic = await visit.kafka.topic(name)
    places = [TopicPartition(name, each.partition) for each in topic.partitions]
    if visit.asked("partition") not in ("", "all"):
        places = [places[visit.number("partition", 0, 0, len(places) - 1)]]

    async def events() -> AsyncIterator[str]:
        async with Consumer(
            bootstrap_servers=visit.kafka.servers,
            client_id="minibroker-console-tail",
            max_partition_fetch_bytes=TAIL_BYTES,
            fetch_max_bytes=TAIL_BYTES,
            allow_auto_create_topics=False,
            **visit.kafka.arguments,
        ) as consumer:
            consumer.assign(places)
            # To offsets, not "to the end": that would be wherever it is when the first fetch goes.
            for place, offset in (await consumer.end_offsets(places)).items():
                consumer.seek(place, offset)
            yield event("state", "live")
            quiet = 0
            while True:
                taken = await consumer.getmany(timeout_ms=TAIL_LOOK_MS, max_records=TAIL_RECORDS)
                records = [each for part in taken.values() for each in part]
                quiet = 0 if records else quiet + 1
                if records:
                    skipped = max(0, len(records) - TAIL_ROWS)
                    skipped += await _catch_up(consumer)
                    rows = visit.rendered(
                        "part/tail_rows.html",
                        topic=topic,
                        records=records[-TAIL_ROWS:][::-1],
                        skipped=skipped,
                    )
                    yield event("rows", rows)
                    await asyncio.sleep(TAIL_PAUSE_S)
                elif quiet % HELLO_LOOKS == 0:
                    yield ": still here\n\n"

    return visit.stream(events)


async def _catch_up(consumer: Consumer[bytes | None, bytes | None]) -> int:
    """Skip what a page cannot show anyway: nobody reads thousands of lines a second."""
    skipped = 0
    for place, behind in (await consumer.lag()).items():
        if behind > TAIL_BEHIND_MAX:
            await consumer.seek_to_end(place)
            skipped += behind
    return skipped


ROUTES = (
    page("/topics/{topic}/messages", show),
    page("/topics/{topic}/live", live),
    page("/topics/{topic}/tail", tail),
    page("/topics/{topic}/records/{partition:int}/{offset:int}", record),
    page("/topics/{topic}/records/{partition:int}/{offset:int}/value", value),
)
