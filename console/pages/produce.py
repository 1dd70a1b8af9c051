"""EDGE: one record produced from a form, as our producer does it: idempotent, acks=all.

Tests: tests/system/console/test_messages.py
"""

from __future__ import annotations

from starlette.responses import Response

from ...client.errors import ClientError
from ...client.producer import Producer
from ..settings import Right
from .visit import Visit, action, page, to

DELIVERY_MS = 8_000
HEADERS_MAX = 50


async def show(visit: Visit) -> Response:
    """The form, and where the record before lies."""
    topic = await visit.kafka.topic(visit.part("topic"))
    stored = None
    if visit.asked("offset"):
        stored = {"partition": visit.number("partition", 0), "offset": visit.number("offset", 0)}
    return visit.page(
        "topic/produce.html", topic=topic, tab="produce", stored=stored, trouble="", form={}
    )


async def produce(visit: Visit) -> Response:
    """Produce it; what cannot be says why, beside what was typed."""
    name = visit.part("topic")
    topic = await visit.kafka.topic(name)
    form = visit.form
    try:
        receipt = await _send(visit, name)
    except (ClientError, ValueError) as error:
        return visit.page(
            "topic/produce.html",
            422,
            topic=topic,
            tab="produce",
            stored=None,
            trouble=str(error),
            form=form,
        )
    visit.kafka.cached.forget()
    partition, offset = receipt
    return visit.see(to("topics", name, "produce", partition=partition, offset=offset))


async def _send(visit: Visit, name: str) -> tuple[int, int]:
    form = visit.form
    chosen = form.get("partition", "")
    key = form.get("key", "")
    value = None if form.get("tombstone") else form.get("value", "").replace("\r\n", "\n").encode()
    async with Producer(
        bootstrap_servers=visit.kafka.servers,
        client_id="minibroker-console",
        delivery_timeout_ms=DELIVERY_MS,
        request_timeout_ms=DELIVERY_MS // 2,
        allow_auto_create_topics=False,
        **visit.kafka.arguments,
    ) as producer:
        receipt = await producer.send_and_wait(
            name,
            value,
            key=key.encode() if key else None,
            partition=int(chosen) if chosen.isdecimal() else None,
            headers=_headers(form.get("headers", "")),
        )
    return receipt.partition, receipt.offset


def _headers(text: str) -> list[tuple[str, bytes]]:
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > HEADERS_MAX:
        raise ValueError(f"{HEADERS_MAX} headers at most")
    pairs = [line.partition(":") for line in lines]
    return [(name.strip(), value.strip().encode()) for name, _, value in pairs]


ROUTES = (
    page("/topics/{topic}/produce", show),
    action("/topics/{topic}/produce", produce, Right.CHANGES),
)
