"""EDGE: the console as a server: its socket, its bounds, its end.

Tests: tests/system/console/test_command.py
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn

from .app import make_app
from .settings import Settings

CONNECTIONS_MAX = 200
BACKLOG = 128
IDLE_S = 15
STOP_S = 2


class ListenFailed(OSError):
    """The console cannot listen where it should; the text says what to do."""


class _Server(uvicorn.Server):
    """uvicorn without its own handlers of signals: the command has some."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """A socket to serve; port 0 takes any. Raises ListenFailed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        made = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        why = error.strerror or str(error)
        raise ListenFailed(
            f"cannot listen at {host}:{port}: {why}; stop what uses the port, or choose another "
            "with --listen"
        ) from error
    made.setblocking(False)
    return made


async def serve(settings: Settings, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until cancelled.

    Args:
        ready: called once when requests are answered.
    """
    config = uvicorn.Config(
        make_app(settings),
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="on",
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=STOP_S,
        http="h11",
        ws="none",
        proxy_headers=False,
    )
    server = _Server(config, ready)
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await serving
