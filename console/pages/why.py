"""EDGE: why each Produce was answered as it was: the broker's own sentences, as they come.

Only a minibroker notes its verdicts; of any other Kafka the page says so.
Tests: tests/system/console/test_producers.py
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.responses import Response

from ...client.errors import ClientError
from ...protocol.errors import error_code
from ...protocol.messages.explain_produce import ProduceVerdict
from ..reading.ours import explains, verdicts
from .visit import PARTITION_MAX, Visit, event, page

SHOWN = 50
LOOK_S = 0.5
HELLO_LOOKS = 30
WORDS = ("appended", "duplicate", "refused")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which verdicts are shown; "" and -1 stand for all."""

    topic: str
    partition: int
    verdict: str
    producer_id: int

    def takes(self, each: ProduceVerdict) -> bool:
        """Whether one is."""
        return self.verdict in ("", each.verdict) and self.producer_id in (-1, each.producer_id)


async def show(visit: Visit) -> Response:
    """The newest verdicts; more come by the stream."""
    if not await explains(visit.kafka):
        return visit.page("why.html", is_ours=False)
    wanted = _filter(visit)
    found = await verdicts(visit.kafka, wanted.topic or None, wanted.partition, -1, _count(wanted))
    newest = max((each.number for each in found), default=0)
    return visit.page(
        "why.html",
        is_ours=True,
        wanted=wanted,
        words=WORDS,
        rows=_shown(found, wanted),
        after=newest,
        code_name=code_name,
    )


async def live(visit: Visit) -> Response:
    """Verdicts as they come."""
    if not await explains(visit.kafka):
        raise HTTPException(404, "these brokers do not say why")
    wanted = _filter(visit)
    number = visit.number("after", 0)

    async def events() -> AsyncIterator[str]:
        after, looks = number, 0
        yield event("state", "live")
        while True:
            try:
                found = await verdicts(
                    visit.kafka, wanted.topic or None, wanted.partition, after, _count(wanted)
                )
            except ClientError as error:
                yield event("trouble", visit.rendered("part/trouble.html", text=str(error)))
                found = []
            after = max([after, *(each.number for each in found)])
            rows = _shown(found, wanted)
            if rows:
                text = visit.rendered("part/verdict_rows.html", rows=rows, code_name=code_name)
                yield event("rows", text)
            looks += 1
            if not looks % HELLO_LOOKS:
                yield ": still here\n\n"
                after = await _known_number(visit, after)
            await asyncio.sleep(LOOK_S)

    return visit.stream(events)


async def _known_number(visit: Visit, after: int) -> int:
    """Where to go on: numbers begin anew with the broker, and would be waited for in vain."""
    newest = await verdicts(visit.kafka, None, -1, -1, 1)
    return after if newest and newest[-1].number >= after else -1


def _filter(visit: Visit) -> Filter:
    word = visit.asked("verdict")
    return Filter(
        visit.asked("topic").strip(),
        visit.number("partition", -1, -1, PARTITION_MAX),
        word if word in WORDS else "",
        visit.number("id", -1, -1),
    )


def _count(wanted: Filter) -> int:
    """How many are asked for: more, where most may be left out."""
    return SHOWN if wanted.verdict == "" and wanted.producer_id < 0 else 40 * SHOWN


def _shown(found: Sequence[ProduceVerdict], wanted: Filter) -> list[ProduceVerdict]:
    """The newest of them first."""
    return [each for each in found if wanted.takes(each)][-SHOWN:][::-1]


def code_name(code: int) -> str:
    """Kafka's name of an error."""
    return error_code(code).name


ROUTES = (page("/why", show), page("/why/live", live))
