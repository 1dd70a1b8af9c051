"""EDGE: the brokers of a cluster: one connection to each that is needed, and fresh metadata.

Shared by producer, consumer and admin. Nothing here blocks a caller that only looks:
`connection()` gives an open connection or begins to open one, `refresh_soon()` asks for metadata;
`on_change` is called when either comes to an end. Failed attempts are repeated with backoff for as
long as somebody asks. Tasks live in one TaskGroup between start() and stop().
Read next: metadata.py (what is known), network.py (one connection).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from ..protocol.errors import ErrorCode
from ..protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from .backoff import backoff_ms
from .config import ConnectionConfig
from .errors import ClientError, Fatal, Retriable
from .metadata import Metadata
from .network import Connection, ConnectionFailed, RequestTimedOut, UnsupportedApi

BOOTSTRAP = -1  # node id of the connection used while no broker is known
STOP_TIMEOUT_S = 2.0


class Cluster:
    """Connections and metadata of one client.

    Args:
        on_change: called on the loop after a connection opened or ended, or metadata changed.

    Attributes:
        last_problem: why the newest attempt to reach a broker failed; empty if none did.
    """

    def __init__(
        self, config: ConnectionConfig, random: Random, on_change: Callable[[], None]
    ) -> None:
        self._config = config
        self._random = random
        self._on_change = on_change
        self.metadata = Metadata()
        self.last_problem = ""
        self._connections: dict[int, Connection] = {}
        self._opening: dict[int, asyncio.Task[None]] = {}
        self._failures: dict[int, int] = {}
        self._refreshing: asyncio.Task[None] | None = None
        self._refreshed: list[asyncio.Future[None]] = []
        self._main: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Reach one bootstrap server and learn the brokers.

        Raises:
            ConnectionFailed: none of them can be reached; the text names each and why.
        """
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._main = asyncio.create_task(self._run(started), name="minibroker client")
        try:
            await started
            self._keep(BOOTSTRAP, await self._open_any())
            await self._fetch_metadata(allow_creation=False)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End every task and connection, within seconds.

        Raises:
            ExceptionGroup: a task has failed by a defect of this client.
        """
        main, self._main = self._main, None
        if main is None:
            return
        main.cancel()
        try:
            await asyncio.wait({main}, timeout=STOP_TIMEOUT_S)
        finally:
            for connection in self._connections.values():
                connection.abort()
            self._connections.clear()
            for waiting in self._refreshed:
                waiting.cancel()
        if main.done() and not main.cancelled():
            main.result()

    @property
    def is_connected(self) -> bool:
        """Whether a connection to some broker is open."""
        return any(connection.is_open for connection in self._connections.values())

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run `work` until it ends or the cluster stops."""
        assert self._group is not None, "the client is started first"
        return self._group.create_task(work, name=name)

    def connection(self, node_id: int) -> Connection | None:
        """The open connection to a node; None if there is none yet: then one is being opened."""
        connection = self._connections.get(node_id)
        if connection is not None:
            if connection.is_open:
                return connection
            del self._connections[node_id]
        if node_id in self.metadata.brokers and node_id not in self._opening:
            self._opening[node_id] = self.spawn(self._open(node_id), f"connect to {node_id}")
        return None

    async def connection_to(self, node_id: int, timeout_ms: float) -> Connection:
        """As `connection`, but wait for it. Raises ConnectionFailed."""
        async with bounded(timeout_ms, lambda: ConnectionFailed(self.last_problem)):
            while True:
                connection = self.connection(node_id)
                if connection is not None:
                    return connection
                opening = self._opening.get(node_id)
                if opening is None:
                    raise ConnectionFailed(f"no broker with node id {node_id} is known")
                await asyncio.wait({opening})

    async def any_connection(self) -> Connection:
        """An open connection to whichever broker; opens one if there is none.

        Raises:
            ConnectionFailed: no broker can be reached; the text names those tried.
        """
        for node_id in [*self._connections]:
            connection = self._connections[node_id]
            if connection.is_open:
                return connection
            del self._connections[node_id]
        connection = await self._open_any()
        self._keep(BOOTSTRAP, connection)
        return connection

    def refresh_soon(self) -> None:
        """Fetch metadata, unless that is under way."""
        if self._refreshing is None and self._group is not None:
            self._refreshing = self.spawn(self._refresh(), "refresh metadata")

    def refresh_if_old(self, now_ms: float) -> None:
        """Fetch metadata when metadata_max_age_ms have passed; now_ms is of the loop's clock."""
        if now_ms - self.metadata.updated_at_ms > self._config.metadata_max_age_ms:
            self.refresh_soon()

    async def refresh(self) -> None:
        """Wait for one answer to a metadata request, successful or not."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._refreshed.append(waiting)
        self.refresh_soon()
        await waiting

    async def ensure_topic(self, topic: str, timeout_ms: float) -> None:
        """Return once a topic has partitions with leaders.

        Raises:
            Fatal: the broker says that it cannot be.
            Retriable: not within `timeout_ms`.
        """
        self.metadata.wanted.add(topic)
        async with bounded(timeout_ms, lambda: self._not_there(topic, timeout_ms)):
            attempts = 0
            while True:
                known = self.metadata.topics.get(topic)
                if known is not None and known.error and not known.error.retriable:
                    self.metadata.wanted.discard(topic)
                    code = known.error
                    raise Fatal(f"topic {topic}: {code.name}: {code.text}", code=code)
                if known is not None and known.available:
                    return
                if attempts:
                    await asyncio.sleep(self._backoff(attempts - 1) / 1000)
                attempts += 1
                await self.refresh()

    def _not_there(self, topic: str, timeout_ms: float) -> ClientError:
        known = self.metadata.topics.get(topic)
        if known is None:
            code, reason = ErrorCode.LEADER_NOT_AVAILABLE, "no broker has said anything about it"
        else:
            code = known.error
            reason = f"{code.name}: {code.text}" if code else "no partition has a leader"
        problem = f"; last problem: {self.last_problem}" if self.last_problem else ""
        return Retriable(
            f"topic {topic} cannot be used after {timeout_ms:.0f} ms: {reason}{problem}", code=code
        )

    async def _run(self, started: asyncio.Future[None]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                started.set_result(None)
                await self._stopping.wait()
        finally:
            self._group = None
            self._on_change()

    async def _open(self, node_id: int) -> None:
        """Open one connection, after the backoff that earlier failures ask for."""
        try:
            failures = self._failures.get(node_id, 0)
            if failures:
                config = self._config
                wait_ms = backoff_ms(
                    config.reconnect_backoff_ms,
                    config.reconnect_backoff_max_ms,
                    failures - 1,
                    self._random,
                )
                await asyncio.sleep(wait_ms / 1000)
            self._failures[node_id] = failures + 1
            address = self.metadata.brokers.get(node_id)
            if address is None:
                return
            connection = await self._connect(*address)
            self._failures[node_id] = 0
            adopted = self._connections.get(node_id)
            if adopted is not None and adopted.is_open:
                connection.abort()  # requests are on their way on the other
            else:
                self._keep(node_id, connection)
        except (ConnectionFailed, RequestTimedOut) as error:
            self.last_problem = self._explained(node_id, str(error))
            self.refresh_soon()
        finally:
            self._opening.pop(node_id, None)
            self._on_change()

    def _explained(self, node_id: int, problem: str) -> str:
        servers = self._config.bootstrap_servers
        address = self.metadata.brokers.get(node_id)
        if address is None or address in servers:
            return problem
        asked = ", ".join(f"{host}:{port}" for host, port in servers)
        return (
            f"{problem} (bootstrap server {asked} gave this address for node {node_id}; if it is "
            "wrong from here, change advertised.listeners of that broker)"
        )

    async def _refresh(self) -> None:
        attempts = 0
        try:
            while True:
                try:
                    await self._fetch_metadata(allow_creation=self._config.allow_auto_create_topics)
                    return
                except (ConnectionFailed, RequestTimedOut, UnsupportedApi) as error:
                    self.last_problem = str(error)
                await asyncio.sleep(self._backoff(attempts) / 1000)
                attempts += 1
        finally:
            self._refreshing = None
            waiting, self._refreshed = self._refreshed, []
            for each in waiting:
                if not each.done():
                    each.set_result(None)
            self._on_change()

    async def _fetch_metadata(self, *, allow_creation: bool) -> None:
        connection = await self.any_connection()
        asks_all = self.metadata.wants_all
        topics = [MetadataRequestTopic(name=name) for name in sorted(self.metadata.wanted)]
        request = MetadataRequest(
            topics=None if asks_all else topics, allow_auto_topic_creation=allow_creation
        )
        response: MetadataResponse = await connection.request(
            request, timeout_ms=self._config.request_timeout_ms
        )
        self.metadata.update(response, asyncio.get_running_loop().time() * 1000)
        if asks_all:
            self.metadata.names = frozenset(
                each.name for each in response.topics if each.name and not each.is_internal
            )
        self._adopt_bootstrap()

    def _adopt_bootstrap(self) -> None:
        """A broker reached at its advertised address needs no second connection."""
        connection = self._connections.get(BOOTSTRAP)
        if connection is None:
            return
        for node_id, address in self.metadata.brokers.items():
            if address == (connection.host, connection.port) and node_id not in self._connections:
                self._connections[node_id] = self._connections.pop(BOOTSTRAP)
                return

    async def _open_any(self) -> Connection:
        """Try the known brokers and then the bootstrap servers, until one answers."""
        addresses = [*self.metadata.brokers.values()]
        self._random.shuffle(addresses)
        addresses += [each for each in self._config.bootstrap_servers if each not in addresses]
        problems = []
        for address in addresses:
            try:
                return await self._connect(*address)
            except (ConnectionFailed, RequestTimedOut) as error:
                problems.append(str(error))
        raise ConnectionFailed("; ".join(problems))

    async def _connect(self, host: str, port: int) -> Connection:
        return await Connection.open(
            host,
            port,
            client_id=self._config.client_id,
            timeout_ms=self._config.socket_connection_setup_timeout_ms,
        )

    def _keep(self, node_id: int, connection: Connection) -> None:
        before = self._connections.get(node_id)
        if before is not None:
            before.abort()
        self._connections[node_id] = connection
        connection.on_lost = self._on_change

    def _backoff(self, attempts: int) -> float:
        config = self._config
        return backoff_ms(
            config.retry_backoff_ms, config.retry_backoff_max_ms, attempts, self._random
        )


@asynccontextmanager
async def bounded(timeout_ms: float, error: Callable[[], Exception]) -> AsyncIterator[None]:
    """asyncio.timeout that raises the client's own error."""
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            yield
    except TimeoutError:
        raise error() from None
