"""EDGE: the page of the lesson: its pictures, its buttons, and what came of the last one.

A button is a form; with htmx it gets the lesson's part of the page back, else the page. What takes
longer than a page may take is looked at again until it is done.
Read next: sandboxes.py, drawing.py.
Tests: tests/system/console/test_lesson_page.py
"""

from __future__ import annotations

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ..pages.visit import Visit, action, page
from . import drawing
from .buttons import buttons_of
from .hints import hint
from .moves import Move
from .sandboxes import Lesson, NoRoom, Sandboxes

WAIT_S = 6.0  # then the page says that it is still at work


async def show(visit: Visit) -> Response:
    """The lesson as it stands, or what it is about."""
    return await _shown(visit, _lessons(visit).of(visit.identity))


async def begin(visit: Visit) -> Response:
    """Start a sandbox."""
    try:
        lesson = await _lessons(visit).begin(visit.identity)
    except NoRoom as error:
        raise HTTPException(503, str(error)) from None
    return await _done(visit, lesson)


async def make(visit: Visit) -> Response:
    """Make a move. Raises ValueError: there is no such move."""
    move = Move(visit.form.get("move", ""))
    lesson = _lessons(visit).of(visit.identity)
    if lesson is not None:
        lesson.make(move)
    return await _done(visit, lesson)


async def end(visit: Visit) -> Response:
    """End the sandbox."""
    await _lessons(visit).end(visit.identity)
    return await _done(visit, None)


def _lessons(visit: Visit) -> Sandboxes:
    sandboxes: Sandboxes = visit.request.app.state.sandboxes
    return sandboxes


async def _done(visit: Visit, lesson: Lesson | None) -> Response:
    return await _shown(visit, lesson) if visit.is_fragment else visit.see("/lesson")


async def _shown(visit: Visit, lesson: Lesson | None) -> Response:
    if lesson is not None:
        await lesson.until_done(WAIT_S)
    shown = lesson.shown if lesson is not None and not lesson.trouble else None
    pictures = {}
    if shown is not None:
        # The drawings escape what comes from records.
        pictures = {
            each.__name__: Markup(each(shown))  # noqa: S704
            for each in (drawing.producer, drawing.wire, drawing.log, drawing.table)
        }
    return visit.page(
        "part/lesson.html" if visit.is_fragment else "lesson.html",
        lesson=lesson,
        shown=shown,
        pictures=pictures,
        buttons=buttons_of(shown.situation) if shown is not None else None,
        hint=hint(shown) if shown is not None else None,
    )


ROUTES = (
    page("/lesson", show, needs_cluster=False),
    action("/lesson/begin", begin, None, needs_cluster=False),
    action("/lesson/make", make, None, needs_cluster=False),
    action("/lesson/end", end, None, needs_cluster=False),
)
