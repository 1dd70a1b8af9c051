"""EDGE: what all calls of Admin share: whom to ask, how often, and what is said in the end.

A question names the node it belongs to (any, the controller, a group's coordinator, a partition's
leader); it is asked again, with backoff, while the answer says that it may work later or does not
come, until timeout_ms have passed.
Source: KafkaAdminClient.java.
Tests: tests/system/client/test_client_groups.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from types import TracebackType
from typing import Any, Self, TypeVar

from ...protocol.errors import ErrorCode, error_code
from ..cluster.backoff import backoff_ms
from ..cluster.cluster import Cluster, bounded
from ..cluster.connection import Connection
from ..cluster.coordinator import find_coordinator
from ..cluster.list_offsets import Offsets
from ..config import ConnectionConfig, parse_servers
from ..door import door
from ..door.owner import Owner
from ..errors import ClientError, Fatal, Retriable, UnsupportedApi

T = TypeVar("T")
HINTS = {
    ErrorCode.NON_EMPTY_GROUP: "stop its consumers first",
    ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC: "stop the consumers that read it first",
    ErrorCode.UNKNOWN_MEMBER_ID: "the group has members: stop its consumers first",
    ErrorCode.REBALANCE_IN_PROGRESS: "the group has members: stop its consumers first",
    ErrorCode.TOPIC_ALREADY_EXISTS: "delete it first, or use another name",
    ErrorCode.TOPIC_DELETION_DISABLED: "set delete.topic.enable=true on the broker",
}


class Asking:
    """Start, stop and the way to the right broker; the calls themselves are in subclasses."""

    def __init__(
        self,
        bootstrap_servers: str | Sequence[str] = "127.0.0.1:9092",
        *,
        client_id: str = "minibroker-admin",
        request_timeout_ms: int = 30_000,
        timeout_ms: float = 60_000,
        retry_backoff_ms: float = 100,
        retry_backoff_max_ms: float = 1_000,
        socket_connection_setup_timeout_ms: float = 10_000,
    ) -> None:
        self._owner = Owner("Admin")
        self._config = ConnectionConfig(
            bootstrap_servers=parse_servers(bootstrap_servers),
            client_id=client_id,
            request_timeout_ms=request_timeout_ms,
            retry_backoff_ms=retry_backoff_ms,
            retry_backoff_max_ms=retry_backoff_max_ms,
            socket_connection_setup_timeout_ms=socket_connection_setup_timeout_ms,
            allow_auto_create_topics=False,
        )
        self._timeout_ms = door.number("timeout_ms", timeout_ms, 1, door.LONG_MAX)
        self._random = Random()
        self._cluster = Cluster(self._config, self._random, lambda: None)
        self._offsets = Offsets(self._config, self._cluster)

    async def start(self) -> None:
        """Reach a broker. Raises ConnectionFailed if none of bootstrap_servers can be reached."""
        self._owner.check()
        await self._cluster.start()

    async def stop(self) -> None:
        """Close all connections, within seconds."""
        self._owner.check()
        await self._cluster.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _persist(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Do `ask` until it neither loses its connection nor raises Retriable.

        Raises:
            Retriable: not within timeout_ms; the text says what was asked and why it failed last.
            Fatal: a broker refuses for good, lacks the API, or answers what makes no sense.
        """
        self._owner.check()
        problem = ""

        def late() -> ClientError:
            text = f"{what}: no success within {self._timeout_ms} ms; last problem: "
            return Retriable(text + (problem or "none"), code=ErrorCode.REQUEST_TIMED_OUT)

        async with bounded(self._timeout_ms, late):
            attempts = 0
            while True:
                try:
                    return await ask()
                except Retriable as error:
                    problem = str(error)
                except UnsupportedApi as error:
                    raise UnsupportedApi(f"{what}: {error}") from error
                except ClientError:
                    raise
                except Exception as error:  # an answer that leaves out what was asked for, say
                    raise Fatal(f"{what}: the broker's answer makes no sense: {error!r}") from error
                config = self._config
                wait_ms = backoff_ms(
                    config.retry_backoff_ms, config.retry_backoff_max_ms, attempts, self._random
                )
                await asyncio.sleep(wait_ms / 1000)
                await self._cluster.refresh()
                attempts += 1

    async def _anywhere(self) -> Connection:
        return await self._cluster.any_connection()

    async def _controller(self) -> Connection:
        node_id = self._cluster.metadata.controller_id
        if node_id not in self._cluster.metadata.brokers:
            return await self._cluster.any_connection()  # which passes it on
        return await self._node(node_id)

    async def _coordinator(self, group_id: str) -> Connection:
        node = await find_coordinator(self._cluster, group_id, self._config.request_timeout_ms)
        if node.node_id not in self._cluster.metadata.brokers:
            await self._cluster.refresh()
        return await self._node(node.node_id)

    async def _node(self, node_id: int) -> Connection:
        timeout_ms = self._config.socket_connection_setup_timeout_ms
        return await self._cluster.connection_to(node_id, timeout_ms)

    async def _request(self, connection: Connection, message: Any) -> Any:
        return await connection.request(message, timeout_ms=self._config.request_timeout_ms)


def check(number: int, what: str, said: str | None = None) -> None:
    """Raise Retriable or Fatal for an error code other than 0.

    Args:
        what: the topic, group or partition that it is about.
        said: the broker's own words, if it has any.
    """
    code = error_code(number)
    if not code:
        return
    hint = f"; {HINTS[code]}" if code in HINTS else ""
    kind = Retriable if code.retriable and code not in FINAL else Fatal
    text = (said or code.text).rstrip(".") + hint if hint else said or code.text
    raise kind(f"{what}: {code.name}: {text}", code=code)


# Retriable for a client that reads or writes, final for one that asks whether a thing is there.
FINAL = {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID}
