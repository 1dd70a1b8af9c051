"""EDGE: faults of a minibroker that was started with them: armed, seen to fire, released.

Tests: tests/system/console/test_faults.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from starlette.responses import Response

from ...client.errors import ClientError
from ..reading.ours import Fault, arm, faults, release
from ..settings import Right
from .visit import Visit, action, page


class Kind(NamedTuple):
    """A fault that can be armed from here.

    Attributes:
        fields: what it needs besides its scope: (name, title, default).
        instants: where it may act; "" is its usual instant.
    """

    action: str
    title: str
    fields: tuple[tuple[str, str, str], ...] = ()
    instants: tuple[str, ...] = ("",)


PATH = ("request", "append", "appended", "flushed", "reply")
KINDS = (
    Kind("lose_reply", "lose the answer, close the connection"),
    Kind("delay", "go on later", (("delay_ms", "ms", "1000"),), PATH),
    Kind("error", "answer with an error", (("code", "error", "NOT_LEADER_OR_FOLLOWER"),)),
    Kind("disconnect", "close the connection instead of going on"),
    Kind("hold", "wait until released", (), PATH),
    Kind("handle_twice", "handle the request twice"),
    Kind("disk_full", "the disk is full"),
    Kind("crash", "end the broker: kill -9", (), PATH),
)
BY_ACTION = {each.action: each for each in KINDS}
APIS = ("Produce", "Fetch", "EndTxn", "InitProducerId", "OffsetCommit", "Metadata", "")
SCOPE_NUMBERS = ("nth", "every", "times", "partition")
WITHOUT_REQUEST = ("disk_full",)


async def show(visit: Visit) -> Response:
    """The page."""
    return await _page(visit, 200, "", {})


async def _page(visit: Visit, status: int, trouble: str, form: Mapping[str, str]) -> Response:
    found = await faults(visit.kafka)
    armed = found if isinstance(found, list) else []
    facts = {"armed": armed, "found": found, "kinds": KINDS, "apis": APIS, "instants": PATH}
    if visit.is_fragment:
        return visit.page("part/fault_rows.html", armed=armed, described=described)
    return visit.page(
        "faults.html", status, described=described, trouble=trouble, form=form, **facts
    )


async def arm_one(visit: Visit) -> Response:
    """Arm what the form says."""
    form = visit.form
    try:
        await arm(visit.kafka, form.get("action", ""), fields_of(form))
    except (ClientError, ValueError) as error:
        return await _page(visit, 422, str(error), form)
    return visit.see("/faults")


def fields_of(form: Mapping[str, str]) -> dict[str, object]:
    """The fields of a rule. Raises ValueError."""
    kind = BY_ACTION.get(form.get("action", ""))
    if kind is None:
        raise ValueError("no such fault")
    given: dict[str, object] = {}
    for name, _, default in kind.fields:
        text = form.get(name, "").strip() or default
        given[name] = int(text) if text.isdecimal() else text
    if len(kind.instants) > 1:
        given["at"] = form.get("at") or kind.instants[0]
    if kind.action not in WITHOUT_REQUEST:
        for name in ("api", "topic", "client_id"):
            if text := form.get(name, "").strip():
                given[name] = text
    for name in SCOPE_NUMBERS:
        if text := form.get(name, "").strip():
            if not text.isdecimal():
                raise ValueError(f"{name} is {text!r}, and no number")
            given[name] = int(text)
    return given


async def release_one(visit: Visit) -> Response:
    """Release a rule, or all."""
    text = visit.form.get("id", "")
    await release(visit.kafka, int(text) if text.isdecimal() else -1)
    return visit.see("/faults")


def described(fault: Fault) -> str:
    """A rule's fields in words."""
    shown = [f"{name}={value}" for name, value in fault.fields.items() if name != "then"]
    return ", ".join(shown) or "whatever comes"


ROUTES = (
    page("/faults", show),
    action("/faults/arm", arm_one, Right.FAULTS),
    action("/faults/release", release_one, Right.FAULTS),
)
