"""EDGE: all client connections of a broker: how many, what they hold together, and their end.

Here: who is held back and who is closed when memory is short (waiting/held_bytes.py says when it
is). A single connection stands in client_session.py.
Tests: tests/system/answers/test_server.py
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING

from ...protocol.connection import Routes
from ..apis.served import SERVED
from ..config.broker import BrokerConfig
from ..config.listeners import Listener
from ..dispatch import Dispatch
from ..limits import (
    FREED_SHARE,
    HANDSHAKE_THREADS,
    HELD_BACK_LOOK_MS,
    LOOKS_A_MS,
    SHORT_TOLD_MS,
    TLS_READ_BYTES,
)
from ..log_lines import Event
from ..session import CloseConnection
from ..waiting.held_bytes import HeldBytes
from ..waiting.isolation import each_alone
from .callers import Callers
from .client_session import ClientSession
from .closings import Closings
from .login_session import LoginSession
from .metering import metering_of
from .strangers import Strangers
from .tls_link import TlsLink
from .turns import Turns

if TYPE_CHECKING:
    from ..faults.detour import FaultPath
    from ..security.door import Door

logger = logging.getLogger("minibroker")


class Server:
    """All client connections of one broker.

    Args:
        on_broken: called with an exception that no connection can answer for: the broker stops.
        fault_path: the way of requests in a broker that was started with faults.

    Attributes:
        accepted: how many connections there have been, by listener.
        refused: how many were not let in, by the reason.
        connections_max: max.connections, or fewer where the process has no descriptors for as many.
        held: what all connections together hold.
        measures: whether somebody asks how long requests take; else nobody looks at the clock.
        quotas: by entity; while there are none, nobody is measured.
        turns: the line of those with more to serve than a turn allows.
        callers: how many connections each address has.
        strangers: connections whose handshake or login is under way.
        doors: of the listeners with TLS or SASL, by name.
    """

    def __init__(
        self,
        config: BrokerConfig,
        dispatch: Dispatch,
        on_broken: Callable[[Exception], None],
        fault_path: FaultPath | None = None,
    ) -> None:
        self.config = config
        self.dispatch = dispatch
        self.on_broken = on_broken
        self.fault_path = fault_path
        self.routes = Routes(SERVED)
        self.closings = Closings()
        self.connections: set[ClientSession] = set()
        self.accepted: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.measures = False
        self.connections_max = config.max_connections
        self.held: HeldBytes = dispatch.held
        self.quotas = dispatch.quotas.by_entity
        self.metering = metering_of(dispatch)
        self.turns = Turns(on_broken)
        self.callers = Callers(config.max_connections_per_ip, config.connections_of_addresses)
        self.strangers = Strangers()
        self.doors: Mapping[str, Door] = {}
        self._held_back: set[ClientSession] = set()
        self._loop = asyncio.get_running_loop()
        self._look_timer: asyncio.TimerHandle | None = None
        self._makes_room = False
        self._told_at = -float(SHORT_TOLD_MS)
        self._all_gone = asyncio.Event()

    def accept(self, listener: Listener, port: int) -> asyncio.BufferedProtocol:
        """A protocol object for a connection accepted at a listener bound to `port`."""
        door = self.doors.get(listener.name)
        if door is None or door.tls is None:
            return self.connect(listener, port)
        return TlsLink(self, listener, port, door)

    def connect(self, listener: Listener, port: int) -> ClientSession:
        """What speaks the Kafka protocol with a client of that listener, above TLS if it has it."""
        door = self.doors.get(listener.name)
        if door is None or door.mechanisms is None:
            return ClientSession(self, listener, port)
        return LoginSession(self, listener, port, door.mechanisms)

    @cached_property
    def tls_buffer(self) -> memoryview:
        """Where the bytes of every connection with TLS come first; empty between two calls."""
        return memoryview(bytearray(TLS_READ_BYTES))

    @cached_property
    def handshakes(self) -> ThreadPoolExecutor:
        """The threads that compute them."""
        return ThreadPoolExecutor(HANDSHAKE_THREADS, "handshake")

    def lets_in(self, transport: asyncio.Transport, peer: str) -> bool:
        """Whether a connection that was just accepted may stay; if not, its end is seen to."""
        address = peer.rpartition(":")[0]
        if not self.has_room_for_one_more(peer):
            transport.abort()
            return False
        if self.quotas and (throttle_ms := self.metering.connected(address)):
            self.callers.turn_away(transport, throttle_ms)
            self.refused["quota"] += 1
            return False
        if not self.callers.let_in(transport, address):
            now_ms = int(self._loop.time() * 1000)
            self.closings.refused(
                peer, self.callers.most(address), now_ms, "max_connections_per_ip"
            )
            self.refused["max_connections_per_ip"] += 1
            transport.abort()
            return False
        return True

    def has_room_for_one_more(self, peer: str) -> bool:
        """Whether a connection may stay; the oldest that has not said who it is makes room."""
        while len(self.connections) + self.strangers.links >= self.connections_max:
            if not self.strangers.make_room():
                now_ms = int(self._loop.time() * 1000)
                self.closings.refused(peer, self.connections_max, now_ms, "max_connections")
                self.refused["max_connections"] += 1
                return False
        return True

    def count(self, change_bytes: int) -> None:
        """A connection holds so many bytes more, or fewer."""
        held = self.held
        held.change(change_bytes)
        if held.is_short and self._look_timer is None:
            self._look_later()
        if held.is_full and change_bytes > 0 and not self._makes_room:
            self._makes_room = True
            try:
                self._make_room()
            finally:
                self._makes_room = False

    def hold_back(self, session: ClientSession) -> None:
        """Let `session` go on when there is room again, or when it has less open."""
        self._held_back.add(session)
        if self._look_timer is None:
            self._look_later()

    def forget(self, session: ClientSession) -> None:
        """A connection has ended."""
        self.connections.discard(session)
        self._held_back.discard(session)
        if not self.connections:
            self._all_gone.set()

    async def close(self, timeout_ms: int) -> None:
        """End all connections; those that do not end by themselves in time are cut."""
        self._all_gone.clear()
        self.strangers.turn_all_away()
        self.callers.close()
        if self.connections:
            each_alone(tuple(self.connections), ClientSession.close, "closing a connection")
            done = asyncio.ensure_future(self._all_gone.wait())
            await asyncio.wait([done], timeout=timeout_ms / 1000)
            done.cancel()
        each_alone(tuple(self.connections), ClientSession.abort, "cutting a connection")
        self.end()

    def end(self) -> None:
        """Nothing is looked at or computed any more."""
        if self._look_timer is not None:
            self._look_timer.cancel()
        for door in self.doors.values():
            door.close()
        if "handshakes" in self.__dict__:
            self.handshakes.shutdown(wait=False, cancel_futures=True)

    def _look_later(self) -> None:
        delay_ms = max(HELD_BACK_LOOK_MS, len(self.connections) // LOOKS_A_MS)
        self._look_timer = self._loop.call_later(delay_ms / 1000, self._look)

    def _look(self) -> None:
        """Count anew while memory is short, say so, and see who can go on."""
        self._look_timer = None
        # No event says that a client has taken bytes, unless it had left very many.
        each_alone(tuple(self.connections), ClientSession.recount, "counting a connection")
        if self.held.is_short:
            self._tell()
            if self._look_timer is None:
                self._look_later()
        held_back, self._held_back = self._held_back, set()
        each_alone(held_back, ClientSession.go_on, "serving who was held back")

    def _make_room(self) -> None:
        """All is used up: close who holds most and does not take it, until a part is free again."""
        each_alone(tuple(self.connections), ClientSession.recount, "counting a connection")
        if not self.held.is_full:
            return
        until = self.held.bytes_max - self.held.bytes_max // FREED_SHARE
        for most in sorted(self.connections, key=_counted_bytes, reverse=True):
            if self.held.total <= until:
                return
            most.cut(
                CloseConnection(
                    f"it holds {most.held_bytes} bytes, the most of all that are not about to be "
                    "taken, and all together hold more than "
                    f"queued.max.request.bytes={self.held.bytes_max}"
                )
            )

    def _tell(self) -> None:
        now_ms = self._loop.time() * 1000
        if now_ms - self._told_at < SHORT_TOLD_MS:
            return
        self._told_at = now_ms
        most = max(self.connections, key=lambda each: each.held_bytes, default=None)
        logger.warning(
            Event(
                "memory-short",
                held_bytes=self.held.total,
                bytes_max=self.held.bytes_max,
                held_back=len(self._held_back),
                most=None if most is None else most.peer,
                most_bytes=None if most is None else most.held_bytes,
                then="answers to fetches are shorter; who does not take its answers waits",
            )
        )


def _counted_bytes(session: ClientSession) -> int:
    """What a connection holds, but for what it is about to take: who has most is closed first."""
    return session.taking.counted(session.held_bytes)
