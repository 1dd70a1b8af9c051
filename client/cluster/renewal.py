"""EDGE: the login of one connection: the first, and those that renew it before it ends (KIP-368).

A broker ends a session after session_lifetime_ms, at the next request. So a new login begins
before, and disturbs nothing: 1. what is asked from then on is held back. 2. What is in flight is
answered. 3. The login: between its messages a broker takes nothing else. 4. What was held goes.
Source: SaslClientAuthenticator.java, ReauthInfo.
Tests: tests/interop/clients/test_our_client_security.py
"""

from __future__ import annotations

import asyncio
from random import uniform
from typing import TYPE_CHECKING, Any, Final

from ..errors import ClientError, ConnectionFailed, RequestTimedOut

if TYPE_CHECKING:
    from ..security.login import Login
    from .connection import Connection

EARLIEST: Final = 0.85  # of the session's lifetime; spread, so that clients do not come together
LATEST: Final = 0.95


class Renewal:
    """Logs in on one connection, and again in time.

    Args:
        timeout_ms: bound of a login.
    """

    def __init__(self, connection: Connection, login: Login, timeout_ms: float) -> None:
        self._connection = connection
        self._login = login
        self._timeout_ms = timeout_ms
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    async def log_in(self) -> None:
        """Log in, and see to it that it is done again in time.

        Raises:
            AuthenticationFailed, ConnectionFailed: as Login.log_in.
            RequestTimedOut: it takes too long.
        """
        where = f"{self._connection.host}:{self._connection.port}"
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                lifetime_ms = await self._login.log_in(self._ask, where)
        except TimeoutError:
            raise RequestTimedOut(
                f"the login at {where} took longer than {self._timeout_ms} ms"
            ) from None
        if lifetime_ms > 0:
            loop = asyncio.get_running_loop()
            in_s = lifetime_ms * uniform(EARLIEST, LATEST) / 1000
            self._timer = loop.call_later(in_s, self._begin)

    def stop(self) -> None:
        """Renew no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    async def _ask(self, message: Any, version: int | None) -> Any:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._connection.ask_now(message, answer, version)
        return await answer

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._renew(), name="renew a login")

    async def _renew(self) -> None:
        # Whoever waits for what is in flight bounds that, and ends the connection when it is late.
        try:
            await self._connection.hold_back()
            await self.log_in()
        except Exception as error:  # noqa: BLE001  told to all who wait; the next one logs in anew
            where = f"{self._connection.host}:{self._connection.port}"
            told = error if isinstance(error, ClientError) else repr(error)
            self._connection.fail(
                ConnectionFailed(f"{where}: a login could not be renewed: {told}")
            )
            return
        self._connection.let_go()
