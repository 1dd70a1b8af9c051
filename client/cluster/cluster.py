"""EDGE: the brokers of a cluster: one connection to each that is needed, and fresh metadata.

Shared by producer, consumer and admin. Nothing here blocks a caller that only looks:
`connection()` gives an open connection or begins to open one, `refresh_soon()` asks for metadata;
`on_change` is called when either comes to an end. Failed attempts are repeated with backoff for as
long as somebody asks. Where a task of it fails the client has ended (background.py), and whoever
waits here or asks later is told at once.
Read next: metadata.py (what is known), connection.py (one connection).
Tests: tests/system/client/test_client_cluster.py
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING

from ...protocol.acls import AclOperation
from ...protocol.errors import ErrorCode
from ...protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from ..config import ConnectionConfig
from ..errors import (
    ClientError,
    ConnectionFailed,
    Fatal,
    RequestTimedOut,
    Retriable,
    UnsupportedApi,
    defect,
    words,
)
from ..figures import NetworkFigures
from .background import Background
from .backoff import backoff_ms
from .connection import Connection
from .metadata import Metadata

if TYPE_CHECKING:
    from ..security.security import Security

logger = logging.getLogger("minibroker.client")
BOOTSTRAP = -1  # node id of the connection used while no broker is known
UNREACHABLE_S = 2.5  # after so long without a connection, the log says why
PARTITION_WAIT_MS = 2_000  # how long a partition that nobody knows may take to appear


class Cluster:
    """Connections and metadata of one client.

    Args:
        on_change: called on the loop after a connection opened or ended, or metadata changed.
        on_failure: called once, when the client has ended without being asked to.

    Attributes:
        last_problem: why the newest attempt to reach a broker failed; empty if none did.
        figures: what all connections have counted.
    """

    def __init__(
        self,
        config: ConnectionConfig,
        random: Random,
        on_change: Callable[[], None],
        on_failure: Callable[[ClientError], None] = lambda error: None,
    ) -> None:
        self._config = config
        self.security = _security_of(config)
        self._random = random
        self._on_change = on_change
        self._on_failure = on_failure
        self.metadata = Metadata()
        self.figures = NetworkFigures()
        self.last_problem = ""
        self._connections: dict[int, Connection] = {}
        self._opening: dict[int, asyncio.Task[None]] = {}
        self._failures: dict[int, int] = {}
        self._warned: set[tuple[str, int]] = set()  # addresses of which the log has spoken
        self._refreshing: asyncio.Task[None] | None = None
        self._refreshed: list[asyncio.Future[None]] = []
        self._background = Background(self._close_all)
        self.spawn = self._background.spawn
        self.raise_if_ended = self._background.raise_if_ended
        self.begin_stop = self._background.begin_stop
        self.take_back = self._background.take_back
        self.end = self._background.end

    @property
    def failure(self) -> ClientError | None:
        """Why nothing works any more."""
        return self._background.failure

    async def start(self) -> None:
        """Reach one bootstrap server and learn the brokers. Does nothing the second time.

        Raises:
            ConnectionFailed: none of them can be reached; the text names each and why.
            Fatal: the client has ended.
        """
        if self.is_started:
            self.raise_if_ended()
            return
        try:
            await self._background.start()
            await self._learn_brokers()
            self.raise_if_ended()
            self._background.on_failure = self._on_failure
        except BaseException as error:
            await self.stop()
            self._background.take_back()
            if isinstance(error, Exception):
                raise defect("the client", error) from error
            raise

    async def stop(self) -> None:
        """End every task and connection, within seconds. Whoever waits here is told."""
        await self._background.stop()

    def _close_all(self) -> None:
        connections, self._connections = self._connections, {}
        for connection in connections.values():
            where = f"{connection.host}:{connection.port}"
            connection.fail(ConnectionFailed(f"the connection to {where} was closed"))
        self._tell_refreshed()

    @property
    def is_started(self) -> bool:
        """Whether start() has been called, and has not failed."""
        return self._background.is_started

    @property
    def takes_tasks(self) -> bool:
        """Whether spawn() would run something: started, and neither ended nor about to."""
        return self._background.is_running and not self._background.is_stopping

    def metrics(self, now_ms: float) -> dict[str, float]:
        """What is known of connections and metadata, by Kafka's metric names."""
        return {
            **self.figures.metrics(),
            "connection-count": sum(each.is_open for each in self._connections.values()),
            "metadata-age": (now_ms - self.metadata.updated_at_ms) / 1000,  # in seconds, as Kafka's
        }

    @property
    def is_connected(self) -> bool:
        """Whether a connection to some broker is open."""
        return any(connection.is_open for connection in self._connections.values())

    def connection(self, node_id: int) -> Connection | None:
        """The open connection to a node; None if there is none yet: then one is being opened."""
        connection = self._connections.get(node_id)
        if connection is not None:
            if connection.is_open:
                return connection
            del self._connections[node_id]
        if not self._background.is_running:
            return None
        if node_id in self.metadata.brokers and node_id not in self._opening:
            self._opening[node_id] = self.spawn(self._open(node_id), f"connect to {node_id}")
        return None

    async def connection_to(self, node_id: int, timeout_ms: float) -> Connection:
        """As `connection`, but wait for it. Raises ConnectionFailed."""
        async with bounded(timeout_ms, lambda: ConnectionFailed(self.last_problem)):
            while True:
                self.raise_if_ended()
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
        self.raise_if_ended()
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
        if self._refreshing is None and self._background.is_running:
            self._refreshing = self.spawn(self._refresh(), "refresh metadata")

    def refresh_if_old(self, now_ms: float) -> None:
        """Fetch metadata when metadata_max_age_ms have passed; now_ms is of the loop's clock."""
        if now_ms - self.metadata.updated_at_ms > self._config.metadata_max_age_ms:
            self.refresh_soon()

    async def refresh(self) -> None:
        """Wait for one answer to a metadata request, successful or not.

        Raises what ended the client.
        """
        self.raise_if_ended()
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._refreshed.append(waiting)
        self.refresh_soon()
        await waiting
        self.raise_if_ended()

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
                self.raise_if_ended()
                known = self.metadata.topics.get(topic)
                if known is not None and known.error and not known.error.retriable:
                    self.metadata.wanted.discard(topic)
                    code = known.error
                    told = words(code, AclOperation.DESCRIBE)
                    raise Fatal(f"topic {topic}: {code.name}: {told}", code=code)
                if known is not None and known.available:
                    return
                if attempts:
                    await asyncio.sleep(self._backoff(attempts - 1) / 1000)
                attempts += 1
                await self.refresh()

    async def ensure_topics(self, topics: Iterable[str], timeout_ms: float) -> None:
        """As ensure_topic() for each; what is not known is asked for at once, not one by one."""
        names = sorted(topics)
        self.metadata.wanted.update(names)
        for topic in names:
            await self.ensure_topic(topic, timeout_ms)

    async def ensure_partition(self, topic: str, partition: int, timeout_ms: float) -> None:
        """Return once a topic has a certain partition, as after partitions were added.

        Raises:
            Fatal: it has not, and whoever was asked knows nothing of it.
        """
        known = self.metadata.topics[topic]

        def missing() -> ClientError:
            return Fatal(
                f"{topic} has {len(self.metadata.topics[topic].leaders)} partitions, "
                f"and {partition} is none of them",
                code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            )

        async with bounded(min(timeout_ms, PARTITION_WAIT_MS), missing):
            attempts = 0
            while partition not in known.leaders:
                await self.refresh()
                known = self.metadata.topics.get(topic, known)
                if partition not in known.leaders:
                    await asyncio.sleep(self._backoff(attempts) / 1000)
                attempts += 1

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

    async def _open(self, node_id: int) -> None:
        """Open one connection, after the backoff that earlier failures ask for."""
        loop = asyncio.get_running_loop()
        patience = loop.call_later(UNREACHABLE_S, self._warn_unreachable, node_id, "no answer yet")
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
            self._warned.discard(address)
            adopted = self._connections.get(node_id)
            if adopted is not None and adopted.is_open:
                connection.abort()  # requests are on their way on the other
            else:
                self._keep(node_id, connection)
        except (ConnectionFailed, RequestTimedOut) as error:
            self.last_problem = self._explained(node_id, str(error))
            self._warn_unreachable(node_id, str(error))
            self.refresh_soon()
        finally:
            patience.cancel()
            self._opening.pop(node_id, None)
            self._on_change()

    def _warn_unreachable(self, node_id: int, problem: str) -> None:
        """Say once of an address that it leads nowhere, long before anything has timed out."""
        address = self.metadata.brokers.get(node_id)
        if address is None or address in self._warned:
            return
        self._warned.add(address)
        host, port = address
        text = self._explained(node_id, f"node {node_id} cannot be reached at {host}:{port}")
        logger.warning("%s; trying on. %s", text, problem)

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
                    logger.info("metadata is asked for again: %s", error)
                if self.failure is not None:
                    return
                await asyncio.sleep(self._backoff(attempts) / 1000)
                attempts += 1
        finally:
            self._refreshing = None
            self._tell_refreshed()
            self._on_change()

    def _tell_refreshed(self) -> None:
        waiting, self._refreshed = self._refreshed, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def _fetch_metadata(self, *, allow_creation: bool) -> None:
        connection = await self.any_connection()
        asks_all = self.metadata.wants_all
        topics = [MetadataRequestTopic(name=name) for name in sorted(self.metadata.wanted)]
        request = MetadataRequest(
            topics=None if asks_all else topics, allow_auto_topic_creation=allow_creation
        )
        asked_at_ms = asyncio.get_running_loop().time() * 1000
        response: MetadataResponse = await connection.request(
            request, timeout_ms=self._config.request_timeout_ms
        )
        self.metadata.update(response, asked_at_ms, asyncio.get_running_loop().time() * 1000)
        if asks_all:
            self.metadata.names = frozenset(
                each.name for each in response.topics if each.name and not each.is_internal
            )
        self._adopt_bootstrap()

    async def _learn_brokers(self) -> None:
        """Ask the bootstrap servers, one after the other, until one tells."""
        # 1. A server takes the connection. 2. It is killed, or has lost its cluster, and tells
        # nothing. 3. The others are well: to have named them must help.
        silent: dict[tuple[str, int], str] = {}
        while True:
            try:
                connection = await self._open_any(silent)
            except ConnectionFailed as error:
                raise ConnectionFailed("; ".join([*silent.values(), str(error)])) from error
            self._keep(BOOTSTRAP, connection)
            try:
                await self._fetch_metadata(allow_creation=False)
            except (ConnectionFailed, RequestTimedOut) as error:
                silent[connection.host, connection.port] = str(error)
                if silent.keys() >= {*self._config.bootstrap_servers}:
                    raise type(error)("; ".join(silent.values())) from error
            else:
                return

    def _adopt_bootstrap(self) -> None:
        """A broker reached at its advertised address needs no second connection."""
        connection = self._connections.get(BOOTSTRAP)
        if connection is None:
            return
        for node_id, address in self.metadata.brokers.items():
            if address == (connection.host, connection.port) and node_id not in self._connections:
                self._connections[node_id] = self._connections.pop(BOOTSTRAP)
                return

    async def _open_any(self, silent: Collection[tuple[str, int]] = ()) -> Connection:
        """Try the known brokers and then the bootstrap servers, until one answers.

        Args:
            silent: which of them not to try.
        """
        addresses = [*self.metadata.brokers.values()]
        self._random.shuffle(addresses)
        addresses += [each for each in self._config.bootstrap_servers if each not in addresses]
        addresses = [each for each in addresses if each not in silent]
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
            security=self.security,
        )

    def _keep(self, node_id: int, connection: Connection) -> None:
        before = self._connections.get(node_id)
        if before is not None:
            before.abort()
        if self.failure is not None or self._background.is_stopping:
            connection.abort()
            return
        self.figures.connection_creation_total += 1
        connection.figures = self.figures
        self._connections[node_id] = connection
        connection.on_lost = self._on_change

    def _backoff(self, attempts: int) -> float:
        config = self._config
        return backoff_ms(
            config.retry_backoff_ms, config.retry_backoff_max_ms, attempts, self._random
        )


def _security_of(config: ConnectionConfig) -> Security | None:
    """What secures connections; None where nothing does, which then imports nothing of it."""
    if config.security_protocol == "PLAINTEXT":
        return None
    from ..security.security import security

    return security(config)


@asynccontextmanager
async def bounded(timeout_ms: float, error: Callable[[], Exception]) -> AsyncIterator[None]:
    """asyncio.timeout that raises the client's own error; one raised inside stays what it is."""
    try:
        async with asyncio.timeout(timeout_ms / 1000) as timeout:
            yield
    except TimeoutError:
        if timeout.expired():
            raise error() from None
        raise
