"""EDGE: one client's connection on asyncio: bytes in, frames to dispatch, answers out in order.

Where it pushes back: a connection is not read while it has too many open requests, too many bytes
of answers waiting, or while all connections together hold too much (limits.py, config/broker.py).
Frames already read then wait in `_backlog`. One write per turn of the loop and connection.
What a request means is decided in dispatch.py and behind it; what all connections share stands in
server.py.
Tests: tests/system/answers/test_server.py
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from ...protocol.connection import ProtocolError, Request, ServerConnection
from ...protocol.errors import DecodeError, ErrorCode
from ...protocol.framing import BUFFER_BYTES_MAX, FrameBuffer
from ..config.listeners import Listener
from ..limits import (
    IN_FLIGHT_BYTES_MAX,
    IN_FLIGHT_MAX,
    LONG_FRAME_BYTES,
    REQUESTS_AT_ONCE,
    SHORT_OPEN_BYTES,
    TURN_MS,
    WRITE_BUFFER_HIGH_BYTES,
    WRITE_BUFFER_LOW_BYTES,
)
from ..log_lines import Event
from ..session import CloseConnection, Session, principal_of
from ..waiting.held_bytes import Taking
from ..waiting.isolation import ENDS_THE_BROKER, call, each_alone
from ..waiting.long_work import Steps, Working
from ..waiting.promise import Failure, Promise
from .closings import NO_FRAME
from .idle_watch import IdleWatch
from .tls_transport import TlsTransport
from .transports import JOIN_BYTES_MAX, close_in_time, write_parts

if TYPE_CHECKING:
    from .server import Server

logger = logging.getLogger("minibroker")
Told = Callable[[Any], Any]


class ClientSession(asyncio.BufferedProtocol):
    """One client's connection."""

    def __init__(self, server: Server, listener: Listener, port: int) -> None:
        self._server = server
        self._dispatch = server.dispatch
        self._listener = listener
        self._port = port
        self._core = ServerConnection(server.routes)
        self._frames = FrameBuffer(server.config.socket_request_max_bytes)
        self._backlog: deque[memoryview] = deque()
        self._parked: set[Promise] = set()
        self._working: Working | None = None  # nothing behind it is begun before it is done
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._session = Session("", listener.name, "", port)
        self.active_at = self._loop.time()
        self._idle_watch: IdleWatch | None = None
        self._quotas = server.quotas
        self._muted_until = 0.0
        self._is_writable = True
        self._is_reading = True
        self._is_send_due = False
        self._waits_for_turn = False
        self._decoding_bytes = 0  # a frame that is being decoded in steps
        self._now_s = 0.0  # when the clock was looked at, to measure requests
        self.held_bytes = 0
        self.taking = Taking()
        self._detour = server.fault_path.detour(self) if server.fault_path is not None else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio calls this once."""
        transport = cast(asyncio.Transport, transport)  # uvloop's is none, but behaves like one
        self._transport = transport
        server = self._server
        peer, here = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        principal = principal_of(transport.get_extra_info("user"))  # of a certificate
        self._session = Session.between(peer, here, self._listener, self._port, principal)
        if isinstance(transport, TlsTransport):  # the address was looked at before
            if not server.has_room_for_one_more(self.peer):
                transport.abort()
                return
        elif not server.lets_in(transport, self.peer):
            return
        server.connections.add(self)
        server.accepted[self._listener.name] += 1
        transport.set_write_buffer_limits(WRITE_BUFFER_HIGH_BYTES, WRITE_BUFFER_LOW_BYTES)
        self._idle_watch = IdleWatch(self, server.config.connections_max_idle_ms)
        if self._detour is not None:
            self._detour.accepted()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Asyncio asks where to put the next bytes."""
        return self._frames.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Asyncio says that so many bytes have come."""
        self.active_at = self._loop.time()
        backlog = self._backlog
        backlog += self._frames.received(nbytes)
        is_much = len(backlog) > REQUESTS_AT_ONCE or (self._frames.is_full and backlog)
        if is_much and not self._server.turns.is_free():
            self._wait_for_turn()
            self._count()
        else:
            self._serve()

    def eof_received(self) -> bool:
        """The client will send no more; what it asked is still answered if that takes no time."""
        return False

    def pause_writing(self) -> None:
        """Asyncio says that the client reads too slowly."""
        self._is_writable = False
        self._count()

    def resume_writing(self) -> None:
        """Asyncio says that the client has caught up."""
        self._is_writable = True
        self.active_at = self._loop.time()
        self._count()
        self.go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio calls this once, at the end."""
        self._server.callers.left(self._transport)
        self._transport = None
        self._backlog.clear()
        if self._idle_watch is not None:
            self._idle_watch.stop()
        abandoned = [each.on_abandoned for each in self._parked if each.on_abandoned is not None]
        self._parked.clear()
        try:
            each_alone(abandoned, call, "abandoning a request")
            if self._detour is not None:
                self._detour.close()
        except ENDS_THE_BROKER as error:
            self._server.on_broken(error)
        finally:
            self._server.forget(self)
            self._let_go()

    def _let_go(self) -> None:
        """Hold nothing any more, though a promise to this connection be kept long from now."""
        self._transport = None
        self._core = ServerConnection(self._server.routes)
        self._frames = FrameBuffer(0)
        self._decoding_bytes = 0
        self._count()

    def close(self) -> None:
        """End the connection after what is on its way out, unless the client does not take it."""
        if self._transport is not None:
            self._send()
            if self._is_writable:
                close_in_time(self._transport)
            else:
                self._transport.abort()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def cut(self, why: Exception) -> None:
        """End the connection at once: what it holds is needed. It holds nothing from now on."""
        self._server.closings.closed(self.peer, why, NO_FRAME, int(self._loop.time() * 1000))
        self.abort()
        self._backlog.clear()
        self._let_go()

    @property
    def listener_name(self) -> str:
        """The listener it came by."""
        return self._listener.name

    @property
    def peer(self) -> str:
        """HOST:PORT of the client."""
        return self._session.peer

    @property
    def is_idle(self) -> bool:
        """Whether no request is open, or the client does not take the answers it asked for."""
        is_asking = self._core.in_flight or self._backlog or self._working is not None
        return not (self._is_writable and is_asking)

    def go_on(self) -> None:
        """There is room again: serve what has waited, and read on."""
        if self._transport is None:
            return
        if self._waits_for_turn:
            self._send()
            self._count()
        else:
            self._serve()

    def _wait_for_turn(self) -> None:
        self._set_reading(False)
        if not self._waits_for_turn:
            self._waits_for_turn = True
            self._server.turns.wait(self._take_turn)

    def _take_turn(self) -> None:
        self._waits_for_turn = False
        if self._transport is not None and not self._transport.is_closing():
            self._serve()

    def _serve(self) -> None:
        """Serve the backlog as far as there is room, for a turn at most, then send."""
        backlog, core, held = self._backlog, self._core, self._server.held
        ends_at, self._now_s = 0.0, monotonic() if self._server.measures else 0.0
        while backlog:
            began = self._now_s
            owes_much = core.open_bytes + core.queued_bytes > WRITE_BUFFER_HIGH_BYTES
            owes_much = owes_much or core.in_flight >= IN_FLIGHT_MAX or self._working is not None
            if (owes_much or held.is_short or not self._is_writable) and not self._has_room():
                self._send()
                self._count()
                if self._transport is None or not self._has_room():  # None: it was just cut
                    self._set_reading(False)
                    if held.is_short:
                        self._server.hold_back(self)
                    return
            if not self._serve_frame(backlog.popleft()):
                self._count()
                return
            if backlog:
                if self._now_s == began:  # else it was answered, and the clock looked at
                    self._now_s = monotonic()
                if not ends_at:
                    ends_at = self._now_s + TURN_MS / 1000
                elif self._now_s >= ends_at:
                    self._wait_for_turn()
                    break
        self._send()
        if not backlog:
            if self._frames.error is not None:
                self.hang_up(self._frames.error)
            elif not self._is_reading:
                self._set_reading(True)
            if self._frames.held_bytes > BUFFER_BYTES_MAX:
                self._frames.let_go(for_long=True)  # it may be idle from now on
        self._count()

    def _serve_frame(self, frame: memoryview) -> bool:
        """Serve one request; False when it ended the connection."""
        try:
            if len(frame) > LONG_FRAME_BYTES:
                received = self._dispatch.work.begin(self._decoding(frame), is_droppable=True)
                if isinstance(received, Working):
                    self._decoding_bytes = len(frame)
                    self._wait_for(received)
                    self.adopt(received)
                    received.deliver_to(partial(self._decoded, received, frame))
                    return True
                if isinstance(received, Exception):
                    raise received
            else:
                received = self._core.receive(frame)
        except Exception as error:  # noqa: BLE001  ends this connection; logged there
            return self._unreadable(error, frame)
        return received is None or self._serve_request(received, frame)

    def _decoding(self, frame: memoryview) -> Steps:
        try:
            return (yield from self._core.receive_steps(frame))
        except Exception as error:  # noqa: BLE001  ends this connection; logged there
            return error

    def _decoded(self, promise: Working, frame: memoryview, received: Any) -> None:
        self.release(promise)
        self._decoding_bytes, self._now_s = 0, monotonic()
        if self._transport is not None:
            if isinstance(received, Exception):
                self._unreadable(received, frame)
            elif received is None or self._serve_request(received, frame):
                self._send()
        self._count()

    def _unreadable(self, why: Exception, frame: memoryview) -> bool:
        """What could not be decoded has ended the connection: False."""
        if not isinstance(why, ProtocolError | DecodeError):
            # A codec's bug, a broken invariant of it included: others have codecs of their own.
            logger.error(Event("request-unreadable", peer=self.peer), exc_info=why)
        self.hang_up(why, frame)
        return False

    def _serve_request(self, request: Request, frame: memoryview) -> bool:
        """Serve what was decoded; False when it ended the connection."""
        request.began_s = self._now_s if self._server.measures else 0.0
        try:
            if self._detour is not None:
                self._detour.serve(request)
                return True
            if self._quotas:
                outcome, told = self.handle(request)
            else:  # as there, without a call
                outcome, told = self._dispatch.handle(request, self._session), None
            if isinstance(outcome, Promise):
                self.answer_later(request, outcome, told)
            else:
                self._write_down(request, outcome if told is None else told(outcome))
        except CloseConnection as error:
            self.hang_up(error, frame)
        except ENDS_THE_BROKER as error:
            self._server.on_broken(error)
        except Exception as error:
            logger.exception(Event("request-failed", peer=self.peer))
            self.hang_up(error, frame)
        else:
            return self._transport is not None
        return False

    def _wait_for(self, working: Working) -> None:
        """Begin nothing that was asked later before this is done: clients count on the order."""
        self._working = working

        def worked() -> None:
            if self._working is working:
                self._working = None
                if self._muted_until > self._loop.time():
                    self._begin_mute()
                else:
                    self.go_on()

        working.on_worked = worked

    def _mute(self, throttle_ms: float) -> None:
        """Begin nothing more for a while: this client has had more than its quota."""
        self._muted_until = max(self._muted_until, self._loop.time() + throttle_ms / 1000)
        if self._working is None:
            self._begin_mute()

    def _begin_mute(self) -> None:
        muted = Working(lambda: None)  # there is nothing to drop
        self._wait_for(muted)
        self._loop.call_at(self._muted_until, muted.worked, None)

    def handle(self, request: Request) -> tuple[Any, Told | None]:
        """The response message, a Promise of it, or None; and what makes of it what is told.

        Raises CloseConnection.
        """
        if self._quotas:
            return self._server.metering.handled(request, self._session, self._mute)
        return self._dispatch.handle(request, self._session), None

    def refuse(self, request: Request, code: ErrorCode, why: str) -> Any:
        """The response message that refuses the whole request; raises CloseConnection."""
        return self._dispatch.refuse(request, code, why)

    def answer_later(self, request: Request, promise: Promise, told: Told | None = None) -> None:
        """Answer when the promise is kept, with what `told` makes of it."""
        if isinstance(promise, Working) and promise.is_working:
            self._wait_for(promise)

        def deliver(message: Any) -> None:
            self.release(promise)
            self.answer(request, message if told is None else told(message))

        self.adopt(promise)
        promise.deliver_to(deliver)

    def answer(self, request: Request, message: Any) -> None:
        """Answer soon, None for no answer; does nothing after the end."""
        if type(message) is CloseConnection:
            self.hang_up(message)
        elif self._transport is not None:
            self._write_down(request, message)
            if self._core.queued_bytes > JOIN_BYTES_MAX:
                self._count()  # the next answer of this turn is to know of it
            if not self._is_send_due:
                self._is_send_due = True
                self._loop.call_soon(self._send_due)

    def tear(self, request: Request, message: Any, bytes_sent: int) -> None:
        """Send the first bytes of an answer, behind all earlier ones, and close."""
        self._send()
        self._write_down(request, message)
        whole = b"".join(self._core.data_to_send())
        if self._transport is not None:
            self._transport.write(whole[: min(bytes_sent, len(whole) - 1)])
        self.close()

    def adopt(self, promise: Promise) -> None:
        """Abandon a promise if the connection ends first."""
        if promise.on_abandoned is not None:
            self._parked.add(promise)

    def release(self, promise: Promise) -> None:
        """A promise has been kept."""
        self._parked.discard(promise)

    def give_up(self, why: Exception) -> None:
        """Something is broken that no connection can answer for."""
        self._server.on_broken(why)

    def _write_down(self, request: Request, message: Any) -> None:
        """Encode an answer; one that cannot be is answered with -1, or ends this connection.

        Never raises: it is called from within rounds and timers that serve others, too.
        """
        if request.began_s:  # somebody measures, and it is not that of a login
            self._now_s = monotonic()
            request.route.took.append(self._now_s - request.began_s)
        try:
            self._core.answer(request, message)
            return
        except Exception:
            if type(message) is not Failure:  # told already, by whoever could not make it
                api, version = request.route.api.name, request.route.version
                logger.exception(Event("answer-failed", api=api, version=version, peer=self.peer))
        try:
            why = "the broker could not make or write the answer"
            refusal = self.refuse(request, ErrorCode.UNKNOWN_SERVER_ERROR, why)
            self._core.answer(request, refusal)
        except Exception as error:  # noqa: BLE001  CloseConnection among them; hang_up logs it
            self.hang_up(error)

    def _send_due(self) -> None:
        self._is_send_due = False
        if self._backlog or not self._is_reading:
            self.go_on()
        else:
            self._send()
            self._count()

    def _send(self) -> None:
        """Give the transport every answer whose turn it is."""
        ready = self._core.data_to_send()
        if ready and self._transport is not None:
            write_parts(self._transport, ready)

    def _has_room(self) -> bool:
        core = self._core
        return (
            core.in_flight < IN_FLIGHT_MAX
            and core.queued_bytes <= WRITE_BUFFER_HIGH_BYTES
            and core.open_bytes <= IN_FLIGHT_BYTES_MAX
            and self._is_writable
            and self._working is None
            and (not self._server.held.is_short or self._owed_bytes <= SHORT_OPEN_BYTES)
        )

    def _set_reading(self, reading: bool) -> None:
        if self._transport is None or reading == self._is_reading:
            return
        self._is_reading = reading
        if reading:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    @property
    def _owed_bytes(self) -> int:
        """What it has asked and was not answered, and what it was answered and has not taken."""
        return self.held_bytes - self._frames.held_bytes

    def _count(self) -> None:
        """Tell the server when what this connection holds has changed."""
        core = self._core
        held = core.open_bytes + core.queued_bytes + self._decoding_bytes + self._frames.held_bytes
        if (transport := self._transport) is not None:
            held += transport.get_write_buffer_size()
        if held != self.held_bytes:
            change, self.held_bytes = held - self.held_bytes, held
            self._server.count(change)

    def recount(self) -> None:
        """Memory is short: give back what is not needed now, and count what is left."""
        if not self._backlog:
            self._frames.let_go()
        self._count()
        if self._transport is not None:
            taken_bytes = self._core.sent_bytes - self._transport.get_write_buffer_size()
            self.taking.look(taken_bytes, self._loop.time() * 1000)

    def hang_up(self, why: Exception, frame: memoryview = NO_FRAME) -> None:
        """Close the connection behind what is on its way out; `frame` is for the log."""
        now_ms = int(self._loop.time() * 1000)
        protocol = self._listener.security.protocol.value
        self._server.closings.closed(self.peer, why, frame, now_ms, protocol)
        self._backlog.clear()
        self.close()
