"""EDGE: logging in as a user of the cluster, by its own SASL; and leaving.

Tests: tests/system/console/test_login.py
"""

from __future__ import annotations

import math

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ...client.errors import AuthenticationFailed, ClientError
from ..guard.forms import form_of
from ..guard.logins import NoRoom, is_identity
from ..guard.throttle import TooOften
from .visit import Console, Visit, action, set_cookie

NAME_LETTERS_MAX = 500


async def show(request: Request) -> Response:
    """The form; whoever has no cookie yet gets one, to which the form belongs."""
    return _form(request, 200, "", request.query_params.get("next", "/"))


async def log_in(request: Request) -> Response:
    """Log in, and go where one wanted to."""
    console: Console = request.app.state.console
    form = await form_of(request)
    where = form.get("next", "/")
    identity = request.cookies.get(console.logins.cookie, "")
    if not is_identity(identity) or not console.logins.is_token(identity, form.get("csrf", "")):
        return _form(request, 403, "This form was not of this browser; try again.", where)
    user, password = form.get("user", ""), form.get("password", "")
    if not user or not password or len(user) + len(password) > NAME_LETTERS_MAX:
        return _form(request, 422, "Name a user, and the password.", where, user[:NAME_LETTERS_MAX])
    try:
        address = request.client.host if request.client is not None else ""
        made = await console.logins.log_in(user, password, address)
    except TooOften as error:
        answer = _form(request, 429, str(error), where, user)
        answer.headers["retry-after"] = str(math.ceil(error.wait_s))
        return answer
    except AuthenticationFailed as error:
        return _form(request, 401, str(error), where, user)
    except (ClientError, NoRoom) as error:
        return _form(request, 502, str(error), where, user)
    # What was open before the login has another identity: no cookie that was planted is raised.
    response = RedirectResponse(_within(where), 303)
    set_cookie(response, console.logins.cookie, made)
    return response


async def log_out(visit: Visit) -> Response:
    """Forget the login, and close its client."""
    await visit.console.logins.log_out(visit.identity)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(visit.console.logins.cookie, path="/")
    return response


def _within(where: str) -> str:
    """A path of this console; nobody is sent elsewhere after the login."""
    return where if where.startswith("/") and where[1:2] not in ("/", "\\") else "/"


def _form(request: Request, status: int, trouble: str, where: str, user: str = "") -> Response:
    console: Console = request.app.state.console
    logins = console.logins
    given = request.cookies.get(logins.cookie, "")
    identity = given if is_identity(given) else logins.new_id()
    if not console.settings.logs_in:
        return RedirectResponse("/", 303)
    text = console.templates.get_template("login.html").render(
        settings=console.settings,
        csrf=logins.token(identity),
        trouble=trouble,
        where=_within(where),
        user=user,
    )
    response = Response(text, status, media_type="text/html")
    if identity != given:
        set_cookie(response, logins.cookie, identity)
    return response


ROUTES = (
    Route("/login", show, methods=["GET"]),
    Route("/login", log_in, methods=["POST"]),
    action("/logout", log_out, None, needs_cluster=False),
)
