"""A client's bytes on a simulated wire: to a Machine's broker and back, late, cut, lost.

A transport reads what its client writes as a broker does, so that each request is seen by whoever
watches before it is on its way. Requests of the dead are still on theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from minibroker.broker.apis.served import SERVED
from minibroker.protocol.connection import Request, Routes, ServerConnection
from minibroker.protocol.framing import FrameBuffer

from tests.support.sessions.simulated_loop import SimulatedLoop
from tests.support.worlds.machine import Line, Machine, Slot

FRAME_BYTES_MAX = 10_000_000
LATE_MS = (10.0, 60.0, 400.0)


class Watcher(Protocol):
    """Sees all that goes over a connection."""

    def leaves(self, message: Any) -> None:
        """A request is about to leave."""

    def arrives(self, message: Any) -> None:
        """It is at the broker, which has no answer yet."""

    def answered(self, message: Any, answer: Any) -> None:
        """The broker has answered it, whether that arrives or not."""

    def heard(self, message: Any, answer: Any) -> None:
        """The answer is there."""


class LateLine(Line):
    """A connection on which a request is late now and then, and those behind it with it.

    Args:
        late: how often; 0 for never.
    """

    def __init__(
        self, machine: Machine, on_lost: Callable[[], None], late: float, watcher: Watcher
    ) -> None:
        super().__init__(machine, on_lost)
        self._late = late
        self._watcher = watcher
        self._asked: dict[Slot, Any] = {}
        self._stuck_until_ms = 0.0

    def stick(self, until_ms: float) -> None:
        """What is on its way is stuck somewhere, and arrives then, whoever is gone by that time."""
        self._stuck_until_ms = until_ms
        self._requests_until_ms = float("inf")

    def send(
        self, message: Any, on_answer: Callable[[Any], None], version: int | None = None
    ) -> None:
        random = self._machine.random
        if random.random() < self._late:
            self._arrives_ms = max(self._arrives_ms, self._machine.now_ms) + random.choice(LATE_MS)
        super().send(message, on_answer, version)

    def _arrive(self, slot: Slot, message: Any, version: int | None) -> None:
        machine = self._machine
        if machine.now_ms < self._stuck_until_ms:
            machine.at(self._stuck_until_ms, lambda: self._arrive(slot, message, version))
            return
        self._asked[slot] = message
        super()._arrive(slot, message, version)
        if slot in self._slots and slot in self._asked:
            self._watcher.arrives(message)

    def _answered(self, slot: Slot, answer: Any) -> None:
        self._watcher.answered(self._asked.pop(slot), answer)
        super()._answered(slot, answer)


class SimulatedTransport(asyncio.Transport):
    """The client's end of a connection."""

    def __init__(
        self, machine: Machine, loop: SimulatedLoop, watcher: Watcher, late: float
    ) -> None:
        super().__init__()
        self._loop = loop
        self._watcher = watcher
        self._frames = FrameBuffer(FRAME_BYTES_MAX)
        self._server = ServerConnection(Routes(SERVED))
        self._protocol: Any = None
        self._is_closing = False
        line = LateLine(machine, self._broker_gone, late, watcher)
        machine.connected(line)
        self._line = line

    def begin(self, protocol: Any) -> None:
        """Connected."""
        self._protocol = protocol
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_closing or self._loop.is_dead or self._loop.has_died():
            return
        for frame in self._frames.feed(bytes(data)):
            request = self._server.receive(memoryview(bytes(frame)))
            if request is None:
                self._deliver()
                continue
            self._watcher.leaves(request.message)
            answered = partial(self._answered, request)
            self._line.send(request.message, answered, request.route.version)

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        self.cut(None)

    def abort(self) -> None:
        self.cut(None)

    def cut(self, error: Exception | None) -> None:
        """The connection ends; requests may still arrive."""
        if not self._is_closing:
            self._is_closing = True
            self._line.cut()
            self._loop.call_soon(self._protocol.connection_lost, error)

    def stick(self, until_ms: float) -> None:
        """The connection has ended; its requests arrive at that time."""
        self._line.stick(until_ms)

    def is_closing(self) -> bool:
        return self._is_closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def _broker_gone(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            reset = ConnectionResetError("the broker is gone")
            self._loop.call_soon(self._protocol.connection_lost, reset)

    def _answered(self, request: Request, message: Any) -> None:
        self._watcher.heard(request.message, message)
        self._server.answer(request, message)
        self._deliver()

    def _deliver(self) -> None:
        data = b"".join(self._server.data_to_send())
        if data and not self._loop.is_dead:
            self._loop.call_soon(self._receive, data)

    def _receive(self, data: bytes) -> None:
        if not self._is_closing:
            self._protocol.data_received(data)
