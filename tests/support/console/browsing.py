"""EDGE: the console in the test's loop, and a browser that follows its manners: cookies, tokens.

async with console_on(broker.bootstrap_servers, rights={Right.CHANGES}) as browser:
    page = await browser.get("/topics")
    await browser.post("/topics/orders/produce", value="x")     # with the token of its forms
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from minibroker.client.door.security_options import SecurityArguments
from minibroker.console.app import make_app
from minibroker.console.settings import Right, Settings
from starlette.applications import Starlette

TOKEN = re.compile(r'name="csrf" value="(\w+)"')
WAIT_S = 10.0


class Browser:
    """One browser: pages, forms, streams."""

    def __init__(self, app: Starlette, base: str = "http://localhost") -> None:
        self.app = app
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url=base, timeout=WAIT_S
        )

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """A page."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.get(path, headers=named)

    async def text(self, path: str, status: int = 200) -> str:
        """The text of a page that must be there."""
        answer = await self.get(path)
        assert answer.status_code == status, answer.text[-2000:]
        return answer.text

    async def post(
        self, path: str, /, *, from_page: str = "/topics", **form: str
    ) -> httpx.Response:
        """Send a form, with the token that `from_page` shows."""
        found = TOKEN.search((await self.get(from_page)).text)
        token = found[1] if found else ""
        return await self.client.post(path, data={"csrf": token, **form})

    async def events(
        self,
        path: str,
        *,
        until: Callable[[str], bool],
        when: Callable[[str], bool] = lambda _: False,
        then: Callable[[], Awaitable[None]] | None = None,
    ) -> str:
        """What a stream says until that is enough; then the browser goes away.

        Args:
            when, then: what is done once, and when, by what has been said.
        """
        said: list[str] = []
        enough, due = asyncio.Event(), asyncio.Event()

        async def receive() -> dict[str, Any]:
            if not said:
                return {"type": "http.request", "body": b"", "more_body": False}
            await enough.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            said.append(message.get("body", b"").decode())
            if when("".join(said)):
                due.set()
            if until("".join(said)):
                enough.set()

        where, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "method": "GET",
            "path": where,
            "raw_path": where.encode(),
            "query_string": query.encode(),
            "headers": [(b"host", b"localhost")],
            "http_version": "1.1",
            "scheme": "http",
            "server": ("localhost", 80),
            "client": ("127.0.0.1", 1),
            "root_path": "",
        }
        serving = asyncio.ensure_future(self.app(scope, receive, send))  # type: ignore[arg-type]
        try:
            async with asyncio.timeout(WAIT_S):
                if then is not None:
                    await due.wait()
                    await then()
                await enough.wait()
        finally:
            if serving.done():
                serving.result()  # what it died of says more than that nothing more came
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        return "".join(said)


@asynccontextmanager
async def console_on(
    servers: str,
    *,
    rights: Iterable[Right] = (),
    arguments: SecurityArguments | None = None,
    logs_in: bool = False,
) -> AsyncIterator[Browser]:
    """A console of these brokers, and a browser at it."""
    settings = Settings(
        servers=[servers],
        arguments=arguments or SecurityArguments(),
        logs_in=logs_in,
        rights=frozenset(rights),
    )
    app = make_app(settings)
    async with app.router.lifespan_context(app):
        browser = Browser(app)
        try:
            yield browser
        finally:
            await browser.client.aclose()
