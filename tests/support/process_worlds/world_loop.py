"""EDGE: an asyncio event loop in a simulated machine's time: one process, our client in it.

    loop = WorldLoop(machine)
    task = loop.create_task(program())     # any program with Consumer, Producer, Admin
    machine.run(...)                       # everything happens in here
    loop.kill()                            # SIGKILL: nothing of it runs any more

Several loops, one a process, share a machine: each takes a turn when one of its callbacks or timers
is due. Connections are Wires: bytes as on a socket, decoded by the server's own half of the
protocol, on their way as long as a Line says, and cut, slow or refused as chance has it.
"""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context
from functools import partial
from random import Random
from typing import Any, Final

from minibroker.broker.apis.served import SERVED
from minibroker.protocol.connection import Request, Routes, ServerConnection
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.framing import FrameBuffer

from tests.support.worlds.machine import Machine

FRAME_BYTES_MAX = 10_000_000
LATE_MS: Final = 1e-6  # behind the instant of a timer, so that it is due for certain
COORDINATED: Final = frozenset((8, 9, 11, 12, 14, 22, 24, 25, 26, 28))
MOVED: Final = (
    ErrorCode.NOT_COORDINATOR,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
)


class Troubles:
    """What goes wrong on the wires of a world, while it is to go wrong.

    Args:
        refused: the chance of a request to a coordinator that there is none.
        slow: the chance of an answer to be late, by up to `slow_ms`.
    """

    def __init__(self, random: Random, *, refused: float, slow: float, slow_ms: float) -> None:
        self.random = random
        self.refused = refused
        self.slow = slow
        self.slow_ms = slow_ms

    def end(self) -> None:
        """From now on all is well."""
        self.refused = self.slow = 0.0


class Nothing:
    """No socket is ever ready: what comes, comes from the machine."""

    def select(self, _: float | None) -> Sequence[object]:
        return ()

    def close(self) -> None:
        """There is nothing to close."""


class WorldLoop(asyncio.BaseEventLoop):
    """See the file's docstring.

    Attributes:
        wires: connections that were made, open or not.
        failed: what went wrong in callbacks and tasks that nobody awaits.
    """

    def __init__(self, machine: Machine, troubles: Troubles) -> None:
        super().__init__()
        self._selector = Nothing()
        self._clock_resolution = 1e-9
        self.machine = machine
        self.troubles = troubles
        self.wires: list[Wire] = []
        self.failed: list[str] = []
        self.is_dead = self.is_frozen = False
        self._buried: set[asyncio.Task[Any]] = set()
        self._next_turn_ms = float("inf")
        self.set_exception_handler(self._on_exception)

    def __del__(self) -> None:
        """It has no selector and no socket: nothing is left open where it was not closed."""

    def time(self) -> float:
        return self.machine.now_ms / 1000

    def kill(self) -> None:
        """Nothing of it runs from now on; its connections may be noticed to be gone."""
        self.is_dead = True
        for wire in self.wires:
            wire.line.cut()

    def bury(self) -> None:
        """The world has ended: end what is left of it, without a word."""
        self.kill()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of coroutines that will never be awaited
            while tasks := [each for each in asyncio.all_tasks(self) if each not in self._buried]:
                for task in tasks:
                    self._buried.add(task)
                    task._log_destroy_pending = False  # type: ignore[attr-defined]
                    with suppress(BaseException):  # whatever it would do now, it is dead
                        task.get_coro().close()

    def freeze(self) -> None:
        """SIGSTOP: it stands still, and what comes waits."""
        self.is_frozen = True

    def thaw(self) -> None:
        """SIGCONT."""
        self.is_frozen = False
        self._want_turn(self.machine.now_ms)

    def cut(self) -> None:
        """All its connections end."""
        for wire in self.wires:
            wire.lose()

    async def create_connection(  # type: ignore[override]
        self, factory: Callable[[], asyncio.Protocol], host: str, port: int, **_: Any
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        await asyncio.sleep(self.machine.random.uniform(0, 0.002))
        protocol = factory()
        wire = Wire(self, protocol)
        self.wires = [each for each in self.wires if each.is_open] + [wire]
        protocol.connection_made(wire)
        return wire, protocol

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = super().call_at(when, callback, *args, context=context)
        self._want_turn(when * 1000 + LATE_MS)
        return handle

    def _call_soon(self, callback: Any, args: Any, context: Context | None) -> asyncio.Handle:
        handle: asyncio.Handle = super()._call_soon(callback, args, context)  # type: ignore[misc]
        self._want_turn(self.machine.now_ms)
        return handle

    def _want_turn(self, at_ms: float) -> None:
        at_ms = max(at_ms, self.machine.now_ms)
        if at_ms < self._next_turn_ms and not self.is_dead:
            self._next_turn_ms = at_ms
            self.machine.at(at_ms, partial(self._turn, at_ms))

    def _turn(self, at_ms: float) -> None:
        if at_ms != self._next_turn_ms or self.is_dead:
            return  # an earlier one came first
        self._next_turn_ms = float("inf")
        if self.is_frozen:
            return
        self._thread_id = threading.get_ident()
        asyncio._set_running_loop(self)
        try:
            self._run_once()  # type: ignore[attr-defined]
        finally:
            asyncio._set_running_loop(None)
            self._thread_id = None  # type: ignore[assignment]
        if self._ready:  # type: ignore[attr-defined]
            self._want_turn(self.machine.now_ms)
        elif self._scheduled:  # type: ignore[attr-defined]
            first: asyncio.TimerHandle = self._scheduled[0]  # type: ignore[attr-defined]
            self._want_turn(first.when() * 1000 + LATE_MS)

    def _process_events(self, _: object) -> None:
        """None ever come."""

    def _write_to_self(self) -> None:
        """Nobody calls from another thread."""

    def _on_exception(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not self.is_dead:
            self.failed.append(f"{context.get('message')}: {context.get('exception')!r}")


class Wire(asyncio.Transport):
    """One connection of a loop, both ends of it."""

    def __init__(self, loop: WorldLoop, protocol: asyncio.Protocol) -> None:
        super().__init__()
        line = loop.machine.connect(self.lose)
        if line is None:
            raise ConnectionRefusedError("the broker is down")
        self.line = line
        self.is_open = True
        self._loop = loop
        self._protocol = protocol
        self._frames = FrameBuffer(FRAME_BYTES_MAX)
        self._server = ServerConnection(ROUTES)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Bytes leave the client."""
        if not self.is_open:
            return
        for frame in self._frames.feed(bytes(data)):
            request = self._server.receive(memoryview(frame))
            if request is None:
                self._deliver()
            elif (refusal := self._refusal(request)) is not None:
                self._loop.machine.at(
                    self._loop.machine.now_ms + 1, partial(self._answered, request, refusal)
                )
            else:
                self.line.send(
                    request.message, partial(self._answered, request), request.route.version
                )

    def writelines(self, parts: Any) -> None:
        """As write()."""
        self.write(b"".join(parts))

    def lose(self) -> None:
        """The connection ends, and the client learns of it."""
        if self.is_open:
            self.is_open = False
            self.line.cut()
            self._loop.call_soon(self._protocol.connection_lost, ConnectionResetError("cut"))

    def close(self) -> None:
        """The client ends it."""
        if self.is_open:
            self.is_open = False
            self.line.cut()
            self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        """As close()."""
        self.close()

    def is_closing(self) -> bool:
        return not self.is_open

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Everything leaves at once."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def _refusal(self, request: Request) -> Any:
        troubles, dispatch = self._loop.troubles, self._loop.machine.dispatch
        if request.route.api.key not in COORDINATED or dispatch is None:
            return None
        if troubles.random.random() >= troubles.refused:
            return None
        code = troubles.random.choice(MOVED)
        self._loop.machine.note(f"{request.route.api.name} is refused: {code.name}")
        return dispatch.refuse(request, code, "the coordinator moves")

    def _answered(self, request: Request, answer: Any) -> None:
        troubles = self._loop.troubles
        self._server.answer(request, answer)
        if troubles.random.random() < troubles.slow:
            delay_ms = troubles.random.uniform(0, troubles.slow_ms)
            self._loop.machine.at(self._loop.machine.now_ms + delay_ms, self._deliver)
        else:
            self._deliver()

    def _deliver(self) -> None:
        data = b"".join(self._server.data_to_send())
        if data and self.is_open:
            self._loop.call_soon(self._received, data)

    def _received(self, data: bytes) -> None:
        if self.is_open:
            self._protocol.data_received(data)


ROUTES = Routes(SERVED)
