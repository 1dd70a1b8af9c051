"""EDGE: one request for a page: who asks, what they may, and the answer, whatever happens.

    async def show(visit: Visit) -> Response:
        return visit.page("topics.html", topics=await visit.kafka.all_topics())

    ROUTES = (page("/topics", show), action("/topics/{topic}/produce", produce, Right.CHANGES))

A page is a GET; an action a POST whose form bears this browser's token, and needs a right. What a
broker refuses, or does not say in time, becomes a page in words.
Tests: tests/system/console/test_guard.py
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import jinja2
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ...client.errors import ClientError, ConnectionFailed
from ...protocol.errors import ErrorCode
from ..guard.forms import form_of
from ..guard.logins import Login, Logins, is_identity
from ..guard.streams import Streams, TooMany
from ..reading.kafka import Kafka
from ..settings import Right, Settings
from .places import PLACES

logger = logging.getLogger("minibroker.console")
PAGE_S = 10.0
PARTITION_MAX = 2**31 - 1
STREAM_S = 600.0  # then the browser connects anew
COOKIE_S = 7 * 24 * 3600
NOT_THERE = (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.TRANSACTIONAL_ID_NOT_FOUND)
Handler = Callable[["Visit"], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Console:
    """What all requests share."""

    settings: Settings
    templates: jinja2.Environment
    logins: Logins
    streams: Streams


@dataclass(slots=True)
class Visit:
    """One request.

    Attributes:
        identity: the value of the browser's cookie.
        form: of an action.
    """

    request: Request
    console: Console
    login: Login
    identity: str
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def kafka(self) -> Kafka:
        """The cluster, as whoever asks may see it."""
        return self.login.kafka

    def may(self, right: Right) -> bool:
        """Whether this console does so at all; the cluster may refuse it all the same."""
        return right in self.console.settings.rights

    @property
    def is_fragment(self) -> bool:
        """Whether a part of a page is asked for, to be put into it."""
        return "hx-request" in self.request.headers

    def asked(self, name: str, default: str = "") -> str:
        """A parameter of the address."""
        return self.request.query_params.get(name, default)

    def number(self, name: str, default: int, low: int = 0, high: int = 2**63 - 1) -> int:
        """A whole number in the address, brought inside its bounds; what is none is the default."""
        text = self.asked(name).strip().replace("\u202f", "").replace(",", "")
        if not text.lstrip("-").isdecimal() or len(text) > 20:
            return default
        return min(max(int(text), low), high)

    def part(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def page(self, template: str, status: int = 200, /, **facts: Any) -> HTMLResponse:
        """A page, or a fragment of one."""
        return HTMLResponse(self._rendered(template, facts), status)

    def rendered(self, template: str, /, **facts: Any) -> str:
        """The text of a template, with what all of them may need."""
        return self._rendered(template, facts)

    def _rendered(self, template: str, facts: dict[str, Any]) -> str:
        own = {
            "visit": self,
            "places": PLACES,
            "settings": self.console.settings,
            "path": self.request.url.path,
            "csrf": self.console.logins.token(self.identity),
            "to": to,
        }
        return self.console.templates.get_template(template).render(own | facts)

    def linked(self, **changes: object) -> str:
        """This address with other parameters; None takes one out."""
        given = {**self.request.query_params, **changes}
        kept = {name: value for name, value in given.items() if value not in (None, "")}
        path = quote(self.request.url.path)
        return f"{path}?{urlencode(kept)}" if kept else path

    def see(self, path: str) -> RedirectResponse:
        """Go there, after an action."""
        return RedirectResponse(path, 303)

    def stream(self, events: Callable[[], AsyncIterator[str]]) -> Response:
        """Server-sent events for as long as the browser listens, STREAM_S at most.

        Args:
            events: yields what event() makes.
        """
        held = self.console.streams.one(self.identity)
        try:
            held.__enter__()
        except TooMany as error:
            raise HTTPException(429, str(error)) from None

        async def bounded() -> AsyncIterator[str]:
            try:
                yield "retry: 2000\n\n"
                async with asyncio.timeout(STREAM_S):
                    async for each in events():
                        yield each
            except TimeoutError:
                pass  # the browser connects anew
            except ClientError as error:
                yield event("trouble", self.rendered("part/trouble.html", text=str(error)))

        return _Stream(bounded(), lambda: held.__exit__(None, None, None))


class _Stream(StreamingResponse):
    """A stream that gives its place back, whether or not anything of it was ever sent.

    1. a place is taken  2. the browser goes away before the first byte  3. nobody ever runs the
    generator, and no `finally` of its own would be reached: the place would be lost.
    """

    def __init__(self, events: AsyncIterator[str], release: Callable[[], object]) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._release()


def event(name: str, text: str) -> str:
    """One server-sent event."""
    lines = "".join(f"data: {line}\n" for line in text.splitlines() or [""])
    return f"event: {name}\n{lines}\n"


def to(*parts: object, **parameters: object) -> str:
    """An address within the console: parts of the path and parameters, quoted; None is left out."""
    path = "/" + "/".join(quote(str(each), safe="") for each in parts)
    given = {name: value for name, value in parameters.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


def page(path: str, handler: Handler, *, needs_cluster: bool = True) -> Route:
    """A page at a path; without its cluster there is nothing to show, unless told otherwise."""
    return Route(path, _endpoint(handler, needs_cluster), methods=["GET"])


def action(
    path: str, handler: Handler, right: Right | None, *, needs_cluster: bool = True
) -> Route:
    """Something that is done: a form's token is looked at, and the right."""

    async def act(visit: Visit) -> Response:
        visit.form = await form_of(visit.request)
        token = visit.form.get("csrf", "")
        if not visit.console.logins.is_token(visit.identity, token):
            raise HTTPException(403, "this form is not of this browser: load the page anew")
        if right is not None and not visit.may(right):
            raise HTTPException(403, f"this console only reads: start it with --allow {right}")
        return await handler(visit)

    return Route(path, _endpoint(act, needs_cluster), methods=["POST"])


def _endpoint(handler: Handler, needs_cluster: bool) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        console: Console = request.app.state.console
        logins = console.logins
        given = request.cookies.get(logins.cookie, "")
        identity = given if is_identity(given) else logins.new_id()
        login = logins.of(identity)
        if login is None:
            return _log_in_first(request)
        visit = Visit(request, console, login, identity)
        response = await _answered(handler, visit, needs_cluster)
        if identity != given:
            set_cookie(response, logins.cookie, identity)
        return response

    return endpoint


async def _answered(handler: Handler, visit: Visit, needs_cluster: bool) -> Response:
    try:
        async with asyncio.timeout(PAGE_S):
            if needs_cluster:
                await visit.kafka.ready()
            return await handler(visit)
    except HTTPException as error:
        return visit.page("trouble.html", error.status_code, title="Refused", text=error.detail)
    except TimeoutError:
        text = f"the brokers took longer than {PAGE_S:.0f} s"
        return visit.page("trouble.html", 504, title="No answer", text=text)
    except ConnectionFailed as error:
        return visit.page("trouble.html", 502, title="No broker", text=str(error))
    except ClientError as error:
        status = 404 if error.code in NOT_THERE else 502
        title = "Not there" if status == 404 else "The cluster says no"
        return visit.page("trouble.html", status, title=title, text=str(error))
    except ValueError as error:
        return visit.page("trouble.html", 400, title="That cannot be", text=str(error))
    except Exception:  # the answer bears the guard's headers all the same
        logger.exception("a page failed: %s", visit.request.url.path)
        text = "the console has a bug here; what happened stands in its log"
        return visit.page("trouble.html", 500, title="That went wrong", text=text)


def _log_in_first(request: Request) -> Response:
    where = request.url.path if request.method == "GET" else "/"
    response = RedirectResponse(to("login", next=where), 303)
    if "hx-request" in request.headers:  # a fragment must not become a page within a page
        response.headers["hx-redirect"] = to("login")
    return response


def set_cookie(response: Response, name: str, identity: str) -> None:
    """Tie a browser to its identity."""
    response.set_cookie(
        name, identity, max_age=COOKIE_S, path="/", httponly=True, samesite="strict"
    )
