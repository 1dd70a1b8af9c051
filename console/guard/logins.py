"""EDGE: who is there: cookies, logins and their tokens. In memory; a restart forgets them all.

Without logins everybody shares one client, and the cookie only ties a token to a browser. With
logins each has a client of their own, logged in to the cluster as that user: what the cluster does
not allow, the console cannot show.
A token stands in every form, and is HMAC of the cookie: who can make a browser send a form cannot
read either.
Tests: tests/system/console/test_login.py
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from ...client.errors import AuthenticationFailed, ClientError
from ..reading.kafka import Kafka
from ..settings import Settings
from .throttle import Throttle

LOGINS_MAX = 100
IDLE_S = 3_600.0
ID_LETTERS = range(20, 100)


class NoRoom(Exception):
    """So many are logged in that no more can be; the text says what to do."""


@dataclass(slots=True)
class Login:
    """One who is there.

    Attributes:
        user: of the cluster; None where nobody logs in.
        kafka: asks the cluster as that user.
        seen_s: when something was asked last, by the loop's clock.
    """

    user: str | None
    kafka: Kafka
    seen_s: float = field(default=0.0)


class Logins:
    """All who are there."""

    def __init__(self, settings: Settings, now_s: Callable[[], float]) -> None:
        self._settings = settings
        self._now_s = now_s
        self._secret = secrets.token_bytes(32)
        self._by_id: dict[str, Login] = {}
        self._shared: Login | None = None
        self._throttle = Throttle()
        self._knocking = asyncio.Semaphore(4)  # logins under way: each costs a handshake
        # A cookie is the host's, whatever the port: each start has a name of its own.
        self.cookie = f"minibroker-{secrets.token_hex(4)}"

    async def begin(self) -> None:
        """Be ready for the first request."""
        if not self._settings.logs_in:
            kafka = Kafka(self._settings.servers, self._settings.arguments)
            self._shared = Login(None, kafka)

    async def end(self) -> None:
        """Close all clients."""
        found = [*self._by_id.values(), *([self._shared] if self._shared else [])]
        self._by_id.clear()
        self._shared = None
        for each in found:
            await each.kafka.stop()

    def new_id(self) -> str:
        """The value of a cookie."""
        return secrets.token_urlsafe(24)

    def of(self, identity: str) -> Login | None:
        """Who has this cookie; None where they must log in first."""
        if self._shared is not None:
            return self._shared
        login = self._by_id.get(identity)
        if login is not None:
            login.seen_s = self._now_s()
        return login

    def token(self, identity: str) -> str:
        """What the forms of this browser carry."""
        return hmac.new(self._secret, identity.encode(), "sha256").hexdigest()

    def is_token(self, identity: str, token: str) -> bool:
        """Whether a form is of this browser."""
        return hmac.compare_digest(self.token(identity).encode(), token.encode())

    async def log_in(self, user: str, password: str, address: str) -> str:
        """Log in to the cluster; returns the value of a new cookie.

        Args:
            address: where the browser is.

        Raises:
            AuthenticationFailed, ClientError: the cluster refuses, or cannot be reached.
            NoRoom: too many are there.
            TooOften: too many logins from there have failed.
        """
        await self._forget_idle()
        if len(self._by_id) >= LOGINS_MAX:
            raise NoRoom(f"{LOGINS_MAX} are logged in; wait until some have left")
        turn = self._throttle.take(address, self._now_s())
        await asyncio.sleep(turn.wait_s)
        kafka = Kafka(self._settings.servers, self._settings.arguments_of(user, password))
        try:
            async with self._knocking:
                await kafka.ready()
        except BaseException as error:
            # Not of a wrong password, nor of somebody who hung up before the answer.
            if isinstance(error, ClientError) and not isinstance(error, AuthenticationFailed):
                self._throttle.give_back(turn)
            await kafka.stop()
            raise
        self._throttle.give_back(turn)
        identity = self.new_id()
        self._by_id[identity] = Login(user, kafka, self._now_s())
        return identity

    async def log_out(self, identity: str) -> None:
        """Forget one, and close their client."""
        login = self._by_id.pop(identity, None)
        if login is not None:
            await login.kafka.stop()

    async def _forget_idle(self) -> None:
        before = self._now_s() - IDLE_S
        for identity in [each for each, login in self._by_id.items() if login.seen_s < before]:
            await self.log_out(identity)


def is_identity(text: str) -> bool:
    """Whether a cookie could be one of ours."""
    return len(text) in ID_LETTERS and text.isascii() and text.replace("-", "").isprintable()
