"""EDGE: the console as one ASGI application.

    app = make_app(Settings(servers=["127.0.0.1:9092"]))

Its clients are made when it starts (the lifespan of ASGI), in the loop in which it runs.
Read next: guard/gate.py, pages/visit.py.
Tests: tests/system/console/test_pages.py
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from .guard.gate import Gate
from .guard.logins import Logins
from .guard.streams import Streams
from .lesson.routes import ROUTES as LESSON
from .lesson.sandboxes import Sandboxes
from .pages.registry import routes
from .pages.visit import Console
from .settings import Settings
from .showing.environment import environment

ASSETS = Path(__file__).parent / "assets"


class Assets(StaticFiles):
    """Scripts and styles: they change with the package only."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "no-cache"  # asked for again, and told "not modified"
        return response


def make_app(settings: Settings) -> Starlette:
    """The console."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        now_s = asyncio.get_running_loop().time
        logins = Logins(settings, now_s)
        app.state.sandboxes = Sandboxes(now_s)
        app.state.console = Console(settings, environment(), logins, Streams())
        await logins.begin()
        try:
            yield
        finally:
            await app.state.sandboxes.close()
            await logins.end()

    return Starlette(
        routes=[*routes(), *LESSON, Mount("/assets", Assets(directory=ASSETS))],
        middleware=[Middleware(Gate, names=settings.names)],
        exception_handlers={404: _in_words, 405: _in_words},
        lifespan=lifespan,
    )


async def _in_words(request: Request, error: Exception) -> Response:
    """What no page answers to."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    return PlainTextResponse(f"{status}: there is no such page; / is the first one.\n", status)
