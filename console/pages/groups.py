"""EDGE: consumer groups: the list, one of them, and a reset with its preview.

Tests: tests/system/console/test_groups.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.responses import Response

from ...client.administer.resetting import Goal
from ...client.partitions import TopicPartition
from ..reading.groups import Move, Place, carry_out, places_of, previewed, rows_of
from ..reading.paging import COSTLY_ROWS, paged
from ..settings import Right
from ..showing.times import time_ms
from .visit import Visit, action, page, to

MOVES_MAX = 1_000  # partitions of one reset


async def show(visit: Visit) -> Response:
    """The list; members and lag come behind it, as each group is asked for them."""
    wanted, state = visit.asked("q").lower(), visit.asked("state")
    groups = await visit.kafka.all_groups()
    states = sorted({each.state for each in groups if each.state})
    kept = [
        each for each in groups if wanted in each.group_id.lower() and state in ("", each.state)
    ]
    found = paged(kept, visit.number("page", 1, 1), COSTLY_ROWS)
    rows = await rows_of(visit.kafka, found.items)
    template = "part/group_rows.html" if visit.is_fragment else "groups.html"
    return visit.page(
        template, found=found, rows=rows, q=visit.asked("q"), state=state, states=states
    )


async def one(visit: Visit) -> Response:
    """One group: members, and every partition with its lag."""
    described = await visit.kafka.describe_group(visit.part("group"))
    places = await places_of(visit.kafka, described)
    found = paged(places, visit.number("page", 1, 1))
    return visit.page(
        "group.html",
        group=described,
        found=found,
        topics=sorted({each.place.topic for each in places}),
        lag=sum(each.lag for each in places if each.lag > 0),
        done=visit.asked("done"),
    )


async def preview(visit: Visit) -> Response:
    """What a reset would do. Nothing is changed."""
    described = await visit.kafka.describe_group(visit.part("group"))
    asked = visit.asked("goal", Goal.EARLIEST)
    goal = Goal(asked) if asked in list(Goal) else Goal.EARLIEST
    places = await _chosen(visit, await places_of(visit.kafka, described))
    moves = await previewed(visit.kafka, places, goal, _at(visit, goal))
    return visit.page(
        "group_reset.html", group=described, moves=moves, goal=goal, topic=visit.asked("topic")
    )


async def _chosen(visit: Visit, places: Sequence[Place]) -> list[Place]:
    topic = visit.asked("topic")
    chosen = [each for each in places if topic in ("", each.place.topic)]
    if not chosen:
        raise ValueError(f"the group has committed nothing of {topic or 'any topic'}")
    if len(chosen) > MOVES_MAX:
        raise ValueError(f"{len(chosen)} partitions at once: choose a topic")
    return chosen


def _at(visit: Visit, goal: Goal) -> int:
    if goal is Goal.TIME:
        return time_ms(visit.asked("at"))
    return visit.number("at", 0, -(2**62), 2**62)


async def reset(visit: Visit) -> Response:
    """Do what was previewed, and nothing else."""
    group_id = visit.part("group")
    await carry_out(visit.kafka, group_id, moves_in(visit.form))
    return visit.see(to("groups", group_id, done="1"))


def moves_in(form: Mapping[str, str]) -> list[Move]:
    """The moves that a form carries: move-N is "PARTITION BEFORE AFTER TOPIC".

    Raises: ValueError: it carries none, or something else.
    """
    moves = []
    for name, text in form.items():
        if name.startswith("move-"):
            partition, before, after, topic = text.split(" ", 3)
            moves.append(Move(TopicPartition(topic, int(partition)), int(before), int(after)))
    if not 0 < len(moves) <= MOVES_MAX:
        raise ValueError("this form says nothing that could be done")
    return moves


ROUTES = (
    page("/groups", show),
    page("/groups/{group:path}/reset", preview),
    action("/groups/{group:path}/reset", reset, Right.CHANGES),
    page("/groups/{group:path}", one),
)
