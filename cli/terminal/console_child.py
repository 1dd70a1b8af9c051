"""EDGE: the console as a child of `serve`: started with it, and dead with it, however it ends.

Its standard input is a pipe that nobody writes to: where this process has gone, kill -9 included,
the pipe ends, and so does the console. It is a process of its own so that a page can never hold up
an answer of the broker.
Tests: tests/system/console/test_command.py
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence

from ...broker.config.listener_security import SecurityProtocol
from ...broker.log_lines import Event
from ...broker.runtime import Bound
from .addresses import Address

READY = "minibroker console ready: "
READY_S = 30.0
STOP_S = 5.0
HERE = "127.0.0.1"
# As the console would ask for them; what serve was started with is none of them.
NOT_INHERITED = ("COMMAND_CONFIG", "BOOTSTRAP_SERVERS")
MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
logger = logging.getLogger("minibroker")


class ConsoleFailed(Exception):
    """The console did not start; what it had to say stands on standard error."""


class ConsoleChild:
    """A running console.

    Attributes:
        url: of its first page.
    """

    def __init__(self, process: Process, url: str) -> None:
        self.url = url
        self._process = process
        self._watching = asyncio.ensure_future(self._watch())

    @classmethod
    async def start(
        cls, listen: Address, bound: Sequence[Bound], rights: Sequence[str]
    ) -> ConsoleChild:
        """Start it for a broker that is listening. Raises ConsoleFailed."""
        server, environment = _way_to(bound)
        host, port = listen
        shown = f"[{host}]" if ":" in host else host
        command = [sys.executable, "-m", "minibroker", "console", "--until-input-ends"]
        command += ["--bootstrap-server", server, "--listen", f"{shown}:{port}"]
        command += [word for right in rights for word in ("--allow", right)]
        kept = {k: v for k, v in os.environ.items() if k not in NOT_INHERITED}
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, env={**kept, **environment}
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(READY_S):
                line = (await process.stdout.readline()).decode()
        except TimeoutError:
            line = ""
        if not line.startswith(READY):
            await _end(process)
            raise ConsoleFailed("the console did not start")
        return cls(process, line.removeprefix(READY).split(" ")[0].strip())

    async def stop(self) -> None:
        """End it, within seconds."""
        self._watching.cancel()
        await _end(self._process)

    async def _watch(self) -> None:
        code = await self._process.wait()
        logger.error(Event("console-ended", exit_code=code, then="the broker goes on without it"))


async def _end(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _way_to(bound: Sequence[Bound]) -> tuple[str, dict[str, str]]:
    """Where the console reaches the broker, and how. Raises ConsoleFailed."""
    for each in bound:
        security = each.listener.security
        if security.protocol.has_tls:
            continue
        host = each.listener.host
        host = HERE if host in ("", "0.0.0.0") else host
        server = f"[{host}]:{each.port}" if ":" in host else f"{host}:{each.port}"
        if security.protocol is SecurityProtocol.PLAINTEXT:
            return server, {}
        for mechanism in MECHANISMS:
            if security.sasl is not None and mechanism in security.sasl.mechanisms:
                environment = {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", "SASL_MECHANISM": mechanism}
                return server, environment
    raise ConsoleFailed(
        "--console needs a listener without TLS for its own way to the broker, such as "
        "LOCAL://127.0.0.1:0; or start `minibroker console --command-config FILE` beside it"
    )
