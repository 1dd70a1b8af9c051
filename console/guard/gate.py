"""EDGE: what every request passes first: its Host, its Origin, and the headers of every answer.

Tests: tests/system/console/test_guard.py
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .headers import HEADERS, NOT_KEPT
from .hosts import is_from_here, is_ours

CACHE = b"cache-control"


class Gate:
    """The outermost part of the console.

    Args:
        names: that a Host header may carry, besides localhost and addresses.
    """

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [*message.get("headers", ()), *HEADERS]
                if not any(name == CACHE for name, _ in own):
                    own.append(NOT_KEPT)
                message = {**message, "headers": own}
            await send(message)

        if not is_ours(host, self._names):
            text = "This name is not one of this console's: start it with --host-name NAME.\n"
            await PlainTextResponse(text, 421)(scope, receive, send_guarded)
            return
        changes = scope["method"] not in ("GET", "HEAD")
        site = headers.get("sec-fetch-site")
        if changes and not is_from_here(host, headers.get("origin"), site):
            text = "This request comes from a page of somebody else.\n"
            await PlainTextResponse(text, 403)(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)
