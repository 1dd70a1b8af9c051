"""EDGE: one TCP connection to a broker: open, ask, close. Every wait has a bound.

Who may be asked what, and in which order answers come, is decided in protocol/connection.py.
Requests may be pipelined: `request` can be awaited by many tasks at once. TLS and logins are
told to it by a Security (security/security.py); a login that ends is renewed in renewal.py.
Tests: tests/system/client/test_client_failures.py
Tests: tests/interop/clients/test_our_client_security.py
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from ...protocol.codec.compiler import Buffer
from ...protocol.connection import (
    API_VERSIONS,
    ClientConnection,
    ProtocolError,
)
from ...protocol.connection import UnsupportedApi as NoSharedVersion
from ...protocol.errors import DecodeError, EncodeError, ErrorCode, error_code
from ...protocol.framing import FrameBuffer
from ...protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from ..errors import AuthenticationFailed, ConnectionFailed, RequestTimedOut, UnsupportedApi
from ..figures import NetworkFigures

if TYPE_CHECKING:
    from ..security.login import Login
    from ..security.security import Security
    from .renewal import Renewal

FRAME_BYTES_MAX = 100 * 1024 * 1024  # the largest response accepted (Kafka's own request bound)
SOFTWARE_NAME = "minibroker"
SOFTWARE_VERSION = "0.1"
# asyncio's own transports count nothing that `writelines` could not send at once, and never pause
# nor resume for it (mended in 3.12.9 and 3.13.2): there, one joined write keeps the bounds.
WRITELINES_UNCOUNTED = (3, 12) <= sys.version_info < (3, 12, 9) or (
    (3, 13) <= sys.version_info < (3, 13, 2)
)


TLS_BEGINS = (b"\x15\x03", b"\x16\x03")  # an alert, a handshake
CERTIFICATE_HINT = "if it asks for a client's certificate, ssl_certfile and ssl_keyfile name one"
TLS_HINT = "if it is a TLS listener, take security_protocol='SSL' or 'SASL_SSL'"


class Answered(Protocol):
    """Who asked: a future, or what is as quick as a call."""

    def done(self) -> bool:
        """Whether nobody waits any more."""

    def set_result(self, result: Any, /) -> None:
        """The response message has come."""

    def set_exception(self, exception: Exception, /) -> None:
        """None will come."""


class Held(NamedTuple):
    """A request that waits until a login has been renewed."""

    message: Any
    version: int | None
    told: Answered
    gets_answer: bool


class Connection(asyncio.Protocol):
    """An open connection to one broker, with the versions it offers in `versions`."""

    def __init__(
        self, host: str, port: int, client_id: str, security: Security | None = None
    ) -> None:
        self.host = host
        self.port = port
        self._security = security
        self._renewal: Renewal | None = None
        self._held: deque[Held] | None = None  # while a login is renewed: oldest first
        self._idle: asyncio.Future[None] | None = None  # set when nothing is in flight any more
        self._is_ready = False  # versions are known, and whoever must has logged in
        self._has_answered = False  # something was answered after that
        self._core = ClientConnection(client_id)
        self._frames = FrameBuffer(FRAME_BYTES_MAX)
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Answered] = deque()
        self._asked_at: deque[float] = deque()  # in s of the loop's clock
        self._transport: asyncio.Transport | None = None
        self._joins = False
        self._unwritten: deque[Answered] = deque()  # of what gets no answer, oldest first
        self._closed = self._loop.create_future()
        self._failure: Exception | None = None
        self.features: dict[str, int] = {}  # finalized in the cluster: the level of each
        self.figures = NetworkFigures()  # replaced by those of the client it belongs to
        self.on_lost: Callable[[], None] | None = None  # called once, when the connection ends

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        *,
        client_id: str = SOFTWARE_NAME,
        timeout_ms: float = 10_000,
        security: Security | None = None,
    ) -> Connection:
        """Connect, learn the broker's versions, and log in where `security` says so.

        Raises:
            ConnectionFailed: nobody listens there, or it is not a Kafka broker.
            RequestTimedOut: it accepts connections and does not answer.
            AuthenticationFailed: one side refuses the other.
        """
        loop = asyncio.get_running_loop()
        context = security.context if security is not None else None
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                _, connection = await loop.create_connection(
                    lambda: cls(host, port, client_id, security), host, port, ssl=context
                )
        except TimeoutError as error:
            hint = "" if context is None else ", or answered no TLS: is this a TLS listener?"
            raise ConnectionFailed(
                f"{host}:{port} did not accept a connection within {timeout_ms} ms{hint}"
            ) from error
        except (OSError, ValueError, OverflowError) as error:
            if context is not None and not isinstance(error, ConnectionRefusedError):
                _raise_tls_trouble(error, f"{host}:{port}")
            # a port of 2^31 - 1, a host with NUL or an empty label: brokers advertise anything
            raise ConnectionFailed(
                f"cannot connect to a broker at {host}:{port}: {_reason_of(error)}"
            ) from error
        try:
            await connection._negotiate(timeout_ms)
            if security is not None and security.login is not None:
                await connection._log_in(security.login, timeout_ms)
        except RequestTimedOut:
            connection.abort()
            if connection.versions:
                raise  # the login
            listener = "plaintext" if context is None else "TLS"
            raise RequestTimedOut(
                f"{host}:{port} accepts connections and said nothing within {timeout_ms} ms: "
                f"is a Kafka broker there, and is this its {listener} listener?"
            ) from None
        except BaseException as error:
            connection.abort()
            if isinstance(error, ConnectionFailed) and connection._is_distrusted:
                raise AuthenticationFailed(connection._reason()) from None
            raise
        connection._is_ready = True
        return connection

    @property
    def versions(self) -> dict[int, tuple[int, int]]:
        """The (lowest, highest) version the broker offers, by API key."""
        return self._core.versions

    async def request(
        self, message: Any, *, version: int | None = None, timeout_ms: float = 30_000
    ) -> Any:
        """Send a request message and wait for its response message.

        Args:
            version: of the API; by default the highest both sides know.

        Raises:
            UnsupportedApi: the two sides share no version.
            ConnectionFailed: the connection ended before the answer; the outcome is unknown.
            RequestTimedOut: no answer within `timeout_ms`; the connection is closed, since every
                later answer would come behind the missing one.
        """
        name = type(message).__name__
        answer = self.start_request(message, version=version)
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                return await answer
        except TimeoutError as error:
            # 1. This answer is late; the broker works requests of a connection off in order.
            # 2. Whatever is asked here next waits behind it, and times out as well, for ever.
            # On a new connection nothing stands before it.
            self._fail(RequestTimedOut(f"{self.host}:{self.port} closed after a late answer"))
            raise RequestTimedOut(
                f"{name}: {self.host}:{self.port} gave no answer within {timeout_ms} ms"
            ) from error

    def start_request(self, message: Any, *, version: int | None = None) -> asyncio.Future[Any]:
        """Send a request message at once; the future is its response message.

        The caller bounds the wait and, when it gives up, ends the connection. Raises as `request`.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.ask(message, answer, version=version)
        return answer

    def ask(self, message: Any, answer: Answered, *, version: int | None = None) -> None:
        """As start_request, and tell `answer` in the turn of the loop that brings the response."""
        if self._held is not None:
            self._open_transport(message)
            self._held.append(Held(message, version, answer, True))
            return
        self.ask_now(message, answer, version)

    def ask_now(self, message: Any, answer: Answered, version: int | None = None) -> None:
        """As ask, before all that is held back."""
        self._write(self._open_transport(message), self._frame(message, version))
        self._waiting.append(answer)
        self._asked_at.append(self._loop.time())
        self.figures.request_total += 1

    def send_unanswered(self, message: Any, written: Answered) -> None:
        """Send Produce with acks=0, to which no response comes. Raises as `request`.

        Args:
            written: told when the bytes have left this process, or that they will not.
        """
        transport = self._open_transport(message)
        if self._held is not None:
            self._held.append(Held(message, None, written, False))
            return
        transport.set_write_buffer_limits(high=0)  # resume_writing is called when all has left
        self._write(transport, self._frame(message, None, answered=False))
        self.figures.request_total += 1
        if transport.get_write_buffer_size() == 0:
            written.set_result(None)
        else:
            self._unwritten.append(written)

    def hold_back(self) -> asyncio.Future[None]:
        """From now on send nothing but by ask_now; the future: all before that is answered."""
        self._held = deque()
        self._idle = self._loop.create_future()
        if not self._waiting:
            self._idle.set_result(None)
        return self._idle

    def let_go(self) -> None:
        """Send what was held back, in order."""
        held, self._held, self._idle = self._held or (), None, None
        for each in held:
            if each.told.done():
                continue
            try:
                if each.gets_answer:
                    self.ask(each.message, each.told, version=each.version)
                else:
                    self.send_unanswered(each.message, each.told)
            except (ConnectionFailed, UnsupportedApi) as error:
                each.told.set_exception(error)

    def _frame(
        self, message: Any, version: int | None, *, answered: bool = True
    ) -> Sequence[Buffer]:
        try:
            return self._core.send(message, version, answered=answered)
        except (NoSharedVersion, EncodeError) as error:
            raise UnsupportedApi(str(error)) from error

    def _write(self, transport: asyncio.Transport, parts: Sequence[Buffer]) -> None:
        if self._joins:
            transport.write(b"".join(parts))
        else:
            transport.writelines(parts)

    def pause_writing(self) -> None:
        """Asyncio calls this when bytes wait to leave."""

    def resume_writing(self) -> None:
        """Asyncio calls this when none wait any more."""
        while self._unwritten:
            self._unwritten.popleft().set_result(None)

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent."""
        return self._transport is not None and self._failure is None

    @property
    def in_flight(self) -> int:
        """Requests sent, or held back, and not yet answered."""
        return len(self._waiting) + len(self._held or ())

    def fail(self, reason: Exception) -> None:
        """Give the connection up at once; open requests fail with the reason's text."""
        self._fail(reason)
        self.abort()

    async def close(self) -> None:
        """End the connection; open requests fail. Does nothing when it has ended already."""
        self._fail(ConnectionFailed(f"the connection to {self.host}:{self.port} was closed"))
        try:
            await asyncio.wait([self._closed], timeout=1)
        finally:
            self.abort()

    def abort(self) -> None:
        """End the connection at once, without waiting."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio calls this once."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's only behaves like one
        is_asyncios = type(transport).__module__.startswith("asyncio.")
        # Over TLS each part would be a record of its own.
        is_encrypted = self._security is not None and self._security.context is not None
        self._joins = (WRITELINES_UNCOUNTED and is_asyncios) or is_encrypted

    def data_received(self, data: bytes) -> None:
        """Asyncio calls this with what came."""
        try:
            for frame in self._frames.feed(data):
                message = self._core.receive(frame)
                # Taken off even if nobody waits: 1. A and B are asked, A's caller is cancelled.
                # 2. A's answer comes first. Left in the queue, A would be told B's.
                waiting = self._waiting.popleft()
                self.figures.latency_ms.add((self._loop.time() - self._asked_at.popleft()) * 1000)
                if not waiting.done():
                    waiting.set_result(message)
            self._has_answered = self._is_ready
            if self._idle is not None and not self._waiting and not self._idle.done():
                self._idle.set_result(None)
            if self._frames.error is not None:
                raise self._frames.error
        except (ProtocolError, DecodeError, ValueError) as error:
            hint = f"; {TLS_HINT}" if bytes(data[:2]) in TLS_BEGINS else ""
            text = f"{self.host}:{self.port} speaks no Kafka here: {error}{hint}"
            self._fail(ConnectionFailed(text))

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio calls this once, at the end."""
        if exc is not None and self._security is not None and self._security.context is not None:
            from ..security.tls import is_tls, trouble_of  # imported already: it speaks TLS

            if is_tls(exc):
                self._fail(trouble_of(exc, f"{self.host}:{self.port}"))
        reason = f": {exc}" if exc else ""
        text = f"{self.host}:{self.port} closed the connection{reason}{self._early_hint()}"
        self._fail(ConnectionFailed(text))
        if not self._closed.done():
            self._closed.set_result(None)

    async def _negotiate(self, timeout_ms: float) -> None:
        hello = ApiVersionsRequest(
            client_software_name=SOFTWARE_NAME, client_software_version=SOFTWARE_VERSION
        )
        version = API_VERSIONS.versions[1]
        response: ApiVersionsResponse = await self.request(
            hello, version=version, timeout_ms=timeout_ms
        )
        if response.error_code == ErrorCode.UNSUPPORTED_VERSION:
            offered = max((entry.max_version for entry in response.api_keys), default=0)
            if offered < 0:
                raise ConnectionFailed(f"{self.host}:{self.port} offers no version of ApiVersions")
            response = await self.request(
                hello, version=min(version, offered), timeout_ms=timeout_ms
            )
        if response.error_code:
            code = error_code(response.error_code)
            raise ConnectionFailed(f"{self.host}:{self.port} refused ApiVersions: {code.name}")
        self._core.learn(response)
        self.features = {each.name: each.max_version_level for each in response.finalized_features}

    async def _log_in(self, login: Login, timeout_ms: float) -> None:
        from .renewal import Renewal  # not for those who need none

        self._renewal = Renewal(self, login, timeout_ms)
        await self._renewal.log_in()

    @property
    def _is_distrusted(self) -> bool:
        return isinstance(self._failure, AuthenticationFailed)

    def _early_hint(self) -> str:
        """What it may mean that the other side left before it had answered anything."""
        protocol = "PLAINTEXT" if self._security is None else self._security.protocol
        if not self._core.versions:
            hint = CERTIFICATE_HINT if protocol.endswith("SSL") else TLS_HINT
            return f" before it said anything; {hint}"
        if self._is_ready and not self._has_answered and not protocol.startswith("SASL"):
            wanted = "SASL_SSL" if protocol == "SSL" else "SASL_PLAINTEXT"
            return (
                " at the first request; if it asks for a login, take "
                f"security_protocol={wanted!r} and a sasl_mechanism"
            )
        return ""

    def _fail(self, reason: Exception) -> None:
        # 1. A late answer ends the connection. 2. Closing it brings connection_lost, which says
        # only that it is closed. The first reason is the one that helps, and on_lost counts once.
        first = self._failure is None
        if self._failure is None:
            self._failure = reason
        if self._transport is not None:
            self._transport.close()
        if self._renewal is not None:
            self._renewal.stop()
        # Taken one by one: whoever is told may be as quick as a call, and end the connection once
        # more; none is told twice, and none is forgotten.
        while self._waiting or self._unwritten:
            waiting = (self._waiting or self._unwritten).popleft()
            if not waiting.done():
                waiting.set_exception(ConnectionFailed(self._reason(), possibly_persisted=True))
        while self._held:
            held = self._held.popleft().told
            if not held.done():
                held.set_exception(ConnectionFailed(self._reason()))
        if first and self.on_lost is not None:
            self.on_lost()

    def _open_transport(self, message: Any) -> asyncio.Transport:
        if self._transport is None or self._failure is not None:
            raise ConnectionFailed(f"{type(message).__name__}: {self._reason()}")
        return self._transport

    def _reason(self) -> str:
        return str(self._failure) if self._failure else "the connection is not open"


def _raise_tls_trouble(error: Exception, where: str) -> None:
    """Where it was TLS that failed, and not the connection below it."""
    from ..security.tls import is_tls, trouble_of  # imported already: it speaks TLS

    if is_tls(error) or isinstance(error, ConnectionError):
        raise trouble_of(error, where) from error


def _reason_of(error: Exception) -> str:
    """In words for those who have only an address."""
    if not isinstance(error, OSError):
        return f"this is no address: {error}"
    if isinstance(error, socket.gaierror):
        return f"{error.strerror}: is the host's name right?"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: nothing listens there; is the broker running, and on this port?"
    return os.strerror(error.errno) if error.errno else str(error)


__all__ = ["Connection", "ConnectionFailed", "RequestTimedOut", "UnsupportedApi"]
