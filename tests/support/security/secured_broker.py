"""EDGE: a broker of ours in the test's loop, with all listeners and users."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from minibroker.broker.config.broker import STANDARD_AUTHORIZER
from minibroker.broker.runtime import Runtime

from tests.support.in_loop.runtime import running_broker
from tests.support.security.listeners import PROTOCOLS, Authority, scram_users, settings
from tests.support.security.talk import Place

AUTHORIZED = {
    "authorizer.class.name": STANDARD_AUTHORIZER,
    "super.users": "User:admin;User:ANONYMOUS",
}


@asynccontextmanager
async def secured_broker(
    authority: Authority, more: dict[str, str] | None = None, data_dir: Path | None = None
) -> AsyncIterator[tuple[Runtime, Place]]:
    """A broker with all listeners, and its users."""
    listeners = ",".join(f"{name}://127.0.0.1:0" for name in PROTOCOLS)
    texts = {**settings(authority), "listeners": listeners, **(more or {})}
    async with running_broker(data_dir, texts) as runtime:
        ports = {each.listener.name: each.port for each in runtime.bound}
        place = Place(ports, authority.client_context(), authority.client_context("client"))
        admin = await place.open("PLAINTEXT")
        for request in scram_users():
            assert (await admin.ask(request, 0)).endswith(" 0")
        try:
            yield runtime, place
        finally:
            await place.hang_up()
