"""EDGE: the fault proxy, a protocol-aware TCP proxy in front of any single-address Kafka.

It knows for each answer which request it belongs to, does what its rules say (proxying/rules.py),
and rewrites advertised addresses so that clients stay behind it (proxying/addresses.py). Everything
else passes as the bytes came, in order, and no faster than the other side reads.
One task per connection with two inside, one for each direction; when one ends, both end, and the
connection is closed on both sides; nothing a peer sends ends more. Waits for a silent peer end with
the connection or with stop(); all others have a bound. TLS ends here and begins anew, on either
side or both; logins pass through, as they are between the client and the broker.
As a process of its own: python -m minibroker.testing.proxy --help.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import ssl
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from ssl import SSLContext
from struct import Struct
from types import TracebackType

from ..broker.faults.rules import (
    ArmedRule,
    Delay,
    Disconnect,
    Faults,
    Instant,
    LoseReply,
    Rule,
    TearReply,
    due,
)
from ..protocol.apis import APIS
from ..protocol.errors import DecodeError
from ..protocol.framing import Buffer, FrameBuffer, FrameError, frame
from .proxying.addresses import (
    ALONE,
    ALWAYS_ADDRESSED,
    API_VERSIONS,
    Address,
    UnreadableAnswer,
    behind,
    offered,
)
from .proxying.rules import Outcome, RelayedRequest, UnreadableRequest, expects_answer, performable

logger = logging.getLogger("minibroker.proxy")

FRAME_BYTES_MAX = 100 * 1024 * 1024  # socket.request.max.bytes of Kafka
READ_BYTES = 64 * 1024
IN_FLIGHT_MAX = 1_000  # requests of one connection waiting for an answer; then reading stops
HISTORY_MAX = 10_000  # requests remembered
CONNECT_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0

BARE_TOKENS = (17, 0)  # SaslHandshake v0

_REQUEST = Struct(">hhih")  # api_key, api_version, correlation_id, length of client_id
_CORRELATION_ID = Struct(">i")


class _LinkClosed(Exception):
    """Ends both directions of a connection; the text says why."""


class _PredicateFailed(Exception):
    """What the caller's own code raised, when it was asked about a request."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Proxy:
    """A fault proxy in the caller's event loop: `async with Proxy("127.0.0.1:9092") as proxy`.

    Args:
        upstream: HOST:PORT of the Kafka behind it; it need not be up yet, and may restart.
        rules: armed from the start; more by `arm`.
        host: address to listen on, and what clients are told.
        port: 0 picks a free one.
        ssl_context: of the side where clients connect; its certificate is for `host`.
        upstream_ssl_context: of the side of the Kafka behind.

    Attributes:
        history: the newest requests, oldest first.
        requests: requests seen, by API name.
        neighbours: where a cluster has several brokers, each behind a proxy of its own: addresses
            that brokers tell, and those of their proxies. All others become this proxy's.
        on_outcome: called with each request when its outcome is known.
        outcomes: what became of requests of an API: (API name, Outcome) -> count.
    """

    def __init__(
        self,
        upstream: str,
        rules: Iterable[Rule] = (),
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl_context: SSLContext | None = None,
        upstream_ssl_context: SSLContext | None = None,
    ) -> None:
        upstream_host, _, upstream_port = upstream.rpartition(":")
        self._upstream = (upstream_host.strip("[]"), int(upstream_port))
        self._ssl_context = ssl_context
        self._upstream_ssl_context = upstream_ssl_context
        self.host = host
        self.port = port
        self.faults = Faults()
        for rule in rules:
            self.arm(rule)
        self.history: deque[RelayedRequest] = deque(maxlen=HISTORY_MAX)
        self.requests: Counter[str] = Counter()
        self.outcomes: Counter[tuple[str, Outcome]] = Counter()
        self._connections = 0
        self.neighbours: Mapping[Address, Address] = ALONE
        self.on_outcome: Callable[[RelayedRequest], None] = _nobody_asks
        self._broken: list[Exception] = []
        self._noted = asyncio.Event()  # set whenever something has become of a request
        self._main: asyncio.Task[None] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """HOST:PORT for clients."""
        return f"{self.host}:{self.port}"

    @property
    def rules(self) -> tuple[ArmedRule, ...]:
        """The armed rules with their counters, in the order in which they are tried."""
        return self.faults.rules

    def arm(self, rule: Rule) -> ArmedRule:
        """Add a rule behind the others; it sees requests that arrive from now on.

        Raises:
            ValueError: it takes a broker to perform it.
        """
        return self.faults.arm(performable(rule))

    def disarm(self, armed: ArmedRule) -> None:
        """Take a rule out; requests it has matched already are no longer touched."""
        self.faults.disarm(armed)

    async def wait_fired(self, armed: ArmedRule, times: int, *, timeout_ms: int = 30_000) -> None:
        """Return once a rule has fired `times` times in all. Raises TimeoutError."""
        async with asyncio.timeout(timeout_ms / 1000):
            while armed.fired < times:
                self._noted.clear()
                await self._noted.wait()

    async def start(self) -> None:
        """Listen. Raises OSError if the address cannot be had."""
        listening: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._main = asyncio.create_task(self._run(listening), name="fault proxy")
        await listening

    async def stop(self) -> None:
        """Close all connections and wait until every task has ended.

        Raises:
            ExceptionGroup: what rules' predicates raised; each ended the connection of its request.
        """
        main, self._main = self._main, None
        if main is None:
            return
        main.cancel()
        await asyncio.wait({main})
        if not main.cancelled():
            main.result()
        broken, self._broken = self._broken, []
        if broken:
            raise ExceptionGroup("predicates of rules failed", broken)

    async def __aenter__(self) -> Proxy:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _run(self, listening: asyncio.Future[None]) -> None:
        async with asyncio.TaskGroup() as group:

            def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                self._connections += 1
                group.create_task(self._serve(self._connections, reader, writer))

            try:
                server = await asyncio.start_server(
                    accept, self.host, self.port, ssl=self._ssl_context
                )
            except OSError as error:
                listening.set_exception(error)
                return
            self.port = server.sockets[0].getsockname()[1]
            listening.set_result(None)
            try:
                await asyncio.Event().wait()
            finally:
                server.close()

    async def _serve(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One client connection, from accept to close."""
        link = _Link(self, number)
        # 1. the client closes  2. the proxy is stopped  3. since Python 3.13 this task is cancelled
        # once more, while it closes one side: the other is closed all the same.
        async with AsyncExitStack() as ending:
            ending.push_async_callback(_close, writer)
            ending.callback(link.end)
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    upstream_reader, upstream = await asyncio.open_connection(
                        *self._upstream, ssl=self._upstream_ssl_context
                    )
                ending.push_async_callback(_close, upstream)
                async with asyncio.TaskGroup() as group:
                    group.create_task(link.carry_requests(reader, upstream))
                    group.create_task(link.carry_replies(upstream_reader, writer))
            except* ssl.SSLError as ended:
                logger.warning("connection %d: TLS failed: %s", number, ended.exceptions[0])
            except* (_LinkClosed, OSError, TimeoutError) as ended:
                logger.debug("connection %d: %s", number, ended.exceptions[0])
            except* (FrameError, DecodeError, UnreadableRequest, UnreadableAnswer) as ended:
                logger.warning("connection %d closed: %s", number, ended.exceptions[0])
            except* _PredicateFailed as ended:
                logger.error("connection %d closed: a rule's predicate failed", number)
                self._broken += [each.error for each in _leaves(ended)]
            except* Exception as ended:  # a bug of ours, and no reason to leave all others
                logger.exception("connection %d closed", number, exc_info=ended)

    def _note(self, relayed: RelayedRequest, outcome: Outcome) -> None:
        relayed.outcome = outcome
        self.outcomes[relayed.api, outcome] += 1
        self._noted.set()
        self.on_outcome(relayed)


def _nobody_asks(relayed: RelayedRequest) -> None:
    """What happens to a request when nobody wants to know."""


class _Link:
    """One client connection and its counterpart upstream."""

    def __init__(self, proxy: Proxy, number: int) -> None:
        self._proxy = proxy
        self._number = number
        self._open: deque[tuple[RelayedRequest, list[ArmedRule]]] = deque()
        self._coming: RelayedRequest | None = None  # not forwarded yet
        self._room = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._is_silent = False

    async def carry_requests(
        self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter
    ) -> None:
        """Client to broker, until one of them closes or a rule cuts."""
        frames = FrameBuffer(FRAME_BYTES_MAX)
        while data := await reader.read(READ_BYTES):
            for request in frames.feed(data):
                await self._forward_request(request, upstream)
            _raise_if_bad(frames)
        raise _LinkClosed("the client closed it")

    async def carry_replies(
        self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Broker to client, until one of them closes or a rule loses or tears an answer."""
        frames = FrameBuffer(FRAME_BYTES_MAX)
        while data := await upstream.read(READ_BYTES):
            for reply in frames.feed(data):
                await self._forward_reply(reply, writer)
            _raise_if_bad(frames)
        raise _LinkClosed("the broker closed it")

    def end(self) -> None:
        """The connection has ended: nobody answers what is open."""
        for relayed in (self._coming, *(relayed for relayed, _ in self._open)):
            if relayed is not None and relayed.outcome is Outcome.OPEN:
                try:
                    self._proxy._note(relayed, Outcome.CLOSED)
                except OSError as error:  # whoever read our lines has gone
                    logger.debug("connection %d: %s", self._number, error)

    async def _forward_request(self, request: memoryview, upstream: asyncio.StreamWriter) -> None:
        relayed = self._coming = _relayed(self._number, request)
        proxy = self._proxy
        proxy.requests[relayed.api] += 1
        proxy.history.append(relayed)
        covering = [armed for armed in proxy.faults.rules if _covers(armed, relayed)]
        if proxy.on_outcome is not _nobody_asks:
            relayed.describe()
        answered = expects_answer(relayed)
        relayed.forget_request()
        if (relayed.api_key, relayed.version) == BARE_TOKENS:
            raise UnreadableRequest(
                "SaslHandshake v0 is followed by frames that are no requests; let the client take "
                "v1, as it does since Kafka 1.0"
            )
        for armed in due(Instant.REQUEST, covering):
            match armed.rule.action:
                case Disconnect():
                    proxy._note(relayed, Outcome.CUT)
                    raise _LinkClosed(f"cut at {relayed.api}")
                case Delay(delay_ms):
                    await asyncio.sleep(delay_ms / 1000)
        if answered:
            await self._room.acquire()
            self._open.append((relayed, covering))
        else:
            proxy._note(relayed, Outcome.UNANSWERED)
        self._coming = None
        await _send(upstream, [request])

    async def _forward_reply(self, reply: memoryview, writer: asyncio.StreamWriter) -> None:
        relayed, covering = self._take_open(reply)
        parts = self._rewritten(relayed, reply)
        if self._is_silent:
            self._proxy._note(relayed, Outcome.SWALLOWED)
            return
        for armed in due(Instant.REPLY, covering):
            match armed.rule.action:
                case LoseReply(then):
                    self._proxy._note(relayed, Outcome.LOST)
                    if then == "close":
                        raise _LinkClosed(f"lost the answer to {relayed.api}")
                    self._is_silent = True
                    return
                case TearReply(bytes_sent):
                    self._proxy._note(relayed, Outcome.TORN)
                    whole = b"".join(frame(parts))
                    writer.write(whole[: min(bytes_sent, len(whole) - 1)])
                    raise _LinkClosed(f"tore the answer to {relayed.api}")
                case Delay(delay_ms):
                    await asyncio.sleep(delay_ms / 1000)
        self._proxy._note(relayed, Outcome.ANSWERED)
        await _send(writer, parts)

    def _take_open(self, reply: memoryview) -> tuple[RelayedRequest, list[ArmedRule]]:
        """The oldest open request, which this must be the answer to."""
        if not self._open or len(reply) < _CORRELATION_ID.size:
            raise FrameError("an answer came that nobody asked for")
        relayed, covering = self._open.popleft()
        self._room.release()
        (correlation_id,) = _CORRELATION_ID.unpack_from(reply)
        if correlation_id != relayed.correlation_id:
            raise FrameError(f"answer {correlation_id} came where {relayed.correlation_id} was due")
        return relayed, covering

    def _rewritten(self, relayed: RelayedRequest, reply: memoryview) -> Sequence[Buffer]:
        if relayed.api_key == API_VERSIONS:
            rules = self._proxy.faults.rules
            read = ALWAYS_ADDRESSED.union(*(armed.rule.must_read for armed in rules))
            return offered(relayed.version, reply, read)
        address = (self._proxy.host, self._proxy.port)
        neighbours = self._proxy.neighbours
        return behind(relayed.api_key, relayed.version, reply, address, neighbours)


def _relayed(number: int, request: memoryview) -> RelayedRequest:
    """Read what every request begins with, also those of APIs unknown here."""
    if len(request) < _REQUEST.size:
        raise FrameError(f"a request of {len(request)} bytes has no header")
    api_key, version, correlation_id, length = _REQUEST.unpack_from(request)
    client_id = bytes(request[_REQUEST.size : _REQUEST.size + max(length, 0)])
    api = APIS.get(api_key)
    return RelayedRequest(
        connection=number,
        api_key=api_key,
        api=api.name if api is not None else f"key {api_key}",
        version=version,
        correlation_id=correlation_id,
        client_id=client_id.decode(errors="replace"),
        frame=request,
    )


def _covers(armed: ArmedRule, relayed: RelayedRequest) -> bool:
    try:
        return armed.rule.covers(relayed)
    except (DecodeError, UnreadableRequest):
        raise
    except Exception as error:
        raise _PredicateFailed(error) from error


def _leaves(group: BaseExceptionGroup[_PredicateFailed]) -> Iterator[_PredicateFailed]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


async def _send(writer: asyncio.StreamWriter, parts: Sequence[Buffer]) -> None:
    """Send a frame no faster than the peer takes it."""
    writer.writelines(frame(parts))
    # writelines() of Python 3.12.0-3.12.8 and 3.13.0-3.13.1 leaves any amount unsent, and drain()
    # returns at once all the same. To set the limits looks at it again.
    if not writer.is_closing():
        writer.transport.set_write_buffer_limits()
    await writer.drain()


def _raise_if_bad(frames: FrameBuffer) -> None:
    if frames.error is not None:
        raise frames.error


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close; what was written still leaves, if the peer takes it soon."""
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        pass
    finally:
        writer.transport.abort()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m minibroker.testing.proxy",
        description="Lose answers of a Kafka on purpose. Ends on SIGTERM or SIGINT and then prints "
        "what it saw and did as JSON.",
    )
    parser.add_argument("--upstream", required=True, metavar="HOST:PORT", help="the Kafka behind")
    parser.add_argument("--port", type=int, default=0, help="to listen on (default: a free one)")
    parser.add_argument("--lose-every", type=int, metavar="N", help="lose every N-th answer")
    parser.add_argument("--api", default="Produce", help="of requests of this API (%(default)s)")
    parser.add_argument("--topic", help="only of requests that name this topic")
    parser.add_argument("--then", choices=("close", "silence"), default="close")
    return parser


async def _serve_until_signal(arguments: argparse.Namespace) -> Proxy:
    rules = []
    if arguments.lose_every is not None:
        action = LoseReply(then=arguments.then)
        topic, every = arguments.topic, arguments.lose_every
        rules.append(Rule(action=action, api=arguments.api, topic=topic, every=every))
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with Proxy(arguments.upstream, rules, port=arguments.port) as proxy:
        address = f"PLAINTEXT://{proxy.bootstrap_servers}"
        sys.stdout.write(f"minibroker proxy ready: listeners={address}\n")
        sys.stdout.flush()
        await stopping.wait()
    return proxy


def main() -> None:
    """Run a proxy as a process of its own, beside blocking clients."""
    proxy = asyncio.run(_serve_until_signal(_parser().parse_args()))
    counts = {
        "requests": dict(proxy.requests),
        "outcomes": {f"{api} {outcome}": n for (api, outcome), n in proxy.outcomes.items()},
        "rules": [{"matched": armed.matched, "fired": armed.fired} for armed in proxy.rules],
    }
    sys.stdout.write(json.dumps(counts) + "\n")


if __name__ == "__main__":
    main()
