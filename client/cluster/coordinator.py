"""EDGE: finding the broker that coordinates a group or a transactional id, and asking it.

A member has a connection to its coordinator for itself alone: a parked JoinGroup would hold up
fetches on the same one. Whatever goes wrong with the connection makes the next question find the
coordinator anew.
Source: FindCoordinatorRequest.json, AbstractCoordinator.java.
Tests: tests/system/client/test_client_groups.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import IntEnum
from random import Random
from typing import Any, NamedTuple

from ...protocol.acls import AclOperation
from ...protocol.apis import APIS
from ...protocol.errors import ErrorCode, error_code
from ...protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from ..config import ConnectionConfig
from ..errors import ClientError, ConnectionFailed, Fatal, RequestTimedOut, Retriable, words
from .backoff import backoff_ms
from .cluster import Cluster, bounded
from .connection import Connection

FIND_COORDINATOR = APIS[10]
SEVERAL_KEYS_SINCE = 4


class Coordinated(IntEnum):
    """What has a coordinator: key_type of FindCoordinator (v1 and later)."""

    GROUP = 0
    TRANSACTION = 1


WORDS = {Coordinated.GROUP: "group", Coordinated.TRANSACTION: "transactional id"}


class Node(NamedTuple):
    """The broker that coordinates something."""

    node_id: int
    host: str
    port: int


async def find_coordinator(
    cluster: Cluster, name: str, timeout_ms: int, kind: Coordinated = Coordinated.GROUP
) -> Node:
    """Ask whichever broker who coordinates a group or a transactional id, once.

    Raises:
        Retriable: nobody does at the moment.
        Fatal: the broker refuses.
        ConnectionFailed, RequestTimedOut: no broker answers.
    """
    connection = await cluster.any_connection()
    if version_max(connection, FIND_COORDINATOR.key) >= SEVERAL_KEYS_SINCE:
        request = FindCoordinatorRequest(coordinator_keys=[name], key_type=kind)
    else:
        request = FindCoordinatorRequest(key=name, key_type=kind)
    answer: FindCoordinatorResponse = await connection.request(request, timeout_ms=timeout_ms)
    found = answer.coordinators[0] if answer.coordinators else answer
    code = error_code(found.error_code)
    if code:
        reason = found.error_message or None
        told = words(code, AclOperation.DESCRIBE, reason)
        text = f"{WORDS[kind]} {name}: {code.name}: {told}"
        raise (Retriable if code.retriable else Fatal)(text, code=code, reason=reason)
    return Node(found.node_id, found.host, found.port)


def version_max(connection: Connection, api_key: int) -> int:
    """The highest version of an API that both sides know; -1 if the broker lacks it."""
    offered = connection.versions.get(api_key)
    return -1 if offered is None else min(offered[1], APIS[api_key].newest_spoken)


class CoordinatorConnection:
    """The coordinator of one group or transactional id, for one member or producer.

    Attributes:
        last_problem: why the newest attempt to find or ask it failed.
    """

    def __init__(
        self,
        name: str,
        config: ConnectionConfig,
        cluster: Cluster,
        random: Random,
        kind: Coordinated = Coordinated.GROUP,
    ) -> None:
        self.last_problem = ""
        self._name = name
        self._kind = kind
        self._config = config
        self._cluster = cluster
        self._random = random
        self._connection: Connection | None = None
        self._finding = asyncio.Lock()

    async def ask(self, message: Any, timeout_ms: float) -> Any:
        """Send a request to the coordinator and wait for the answer, once. Raises as ask_with."""
        return await self.ask_with(lambda _: message, timeout_ms)

    async def ask_with(self, request_for: Callable[[Connection], Any], timeout_ms: float) -> Any:
        """As ask(), for a request that depends on what the coordinator offers.

        Raises:
            ConnectionFailed, RequestTimedOut: no answer; the outcome is unknown.
            Retriable: no coordinator was found within `timeout_ms`.
            Fatal: the broker lacks the API, or refuses to name a coordinator.
        """
        connection = await self.connection(timeout_ms)
        try:
            return await connection.request(request_for(connection), timeout_ms=timeout_ms)
        except (ConnectionFailed, RequestTimedOut) as error:
            self.last_problem = str(error)
            if self._connection is connection:
                self.forget()
            raise

    @property
    def at_hand(self) -> Connection | None:
        """The connection, if there is an open one: nobody need wait for connection() then."""
        connection = self._connection
        return connection if connection is not None and connection.is_open else None

    def forget(self) -> None:
        """Find the coordinator anew for the next question; open questions fail."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    async def connection(self, timeout_ms: float) -> Connection:
        """An open connection to the coordinator, found with backoff. Raises as ask_with."""
        async with bounded(timeout_ms, lambda: self._not_found(timeout_ms)), self._finding:
            attempts = 0
            while self._connection is None or not self._connection.is_open:
                if attempts:
                    await asyncio.sleep(self.backoff_ms(attempts - 1) / 1000)
                attempts += 1
                try:
                    self._connection = await self._open()
                except (ConnectionFailed, RequestTimedOut, Retriable) as error:
                    self.last_problem = str(error)
            return self._connection

    def backoff_ms(self, attempts: int) -> float:
        """How long to wait before asking again, after `attempts` failures before this one."""
        config = self._config
        return backoff_ms(
            config.retry_backoff_ms, config.retry_backoff_max_ms, attempts, self._random
        )

    async def _open(self) -> Connection:
        config = self._config
        timeout_ms = config.request_timeout_ms
        node = await find_coordinator(self._cluster, self._name, timeout_ms, self._kind)
        return await Connection.open(
            node.host,
            node.port,
            client_id=config.client_id,
            timeout_ms=config.socket_connection_setup_timeout_ms,
            security=self._cluster.security,
        )

    def _not_found(self, timeout_ms: float) -> ClientError:
        return Retriable(
            f"{WORDS[self._kind]} {self._name}: no coordinator within {timeout_ms:.0f} ms; "
            f"last problem: {self.last_problem or 'none'}",
            code=ErrorCode.COORDINATOR_NOT_AVAILABLE,
        )
