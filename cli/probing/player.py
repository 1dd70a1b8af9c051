"""EDGE: plays probe rows against a broker: topics and groups of its own, gone afterwards.

No request deletes a transactional id: those that rows have used are forgotten when they expire.
What is asked and how an answer reads is in steps.py. Here: finding the leader of each
partition, reconnecting after a closed connection, bounds on every wait, and the clean-up.
Each request goes out in the lowest version that both sides know (AT_LEAST where a field needs
more), so that old brokers can be asked too.
Tests: tests/unit/test_probe.py
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...client.cluster.connection import (
    Connection,
    ConnectionFailed,
    RequestTimedOut,
    UnsupportedApi,
)
from ...client.cluster.coordinator import FIND_COORDINATOR, SEVERAL_KEYS_SINCE, version_max
from ...protocol.batch.header import BatchError
from ...protocol.codec.schema import api_of
from ...protocol.errors import ErrorCode
from ...protocol.messages.delete_groups import DeleteGroupsRequest
from ...protocol.messages.delete_topics import DeleteTopicsRequest
from ...protocol.messages.find_coordinator import FindCoordinatorRequest
from ...protocol.messages.init_producer_id import InitProducerIdRequest
from ...protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from ..terminal.running import CommandFailed
from .steps import (
    CODE_NAMES,
    GROUP,
    SMALL_BYTES,
    TIMEOUT_MS,
    Ask,
    Place,
    RawStep,
    Row,
    Scene,
    Step,
    create_topic,
    log_end,
    until_not,
)

if TYPE_CHECKING:
    from ...client.security.security import Security

SETTLE_S = 20  # how long a cluster may take until it serves what was created
AGAIN_S = 0.02
SOON_S = 5  # how long a step is asked again
MARGIN_MS = 2_000  # what a broker may take beyond the bound that a request names
RAW_S = 3  # how long a broker may take to close a connection
# Metadata v4 brought allow_auto_topic_creation, CreateTopics v4 "your own replication factor".
# FindCoordinator v1 brought transactional ids.
AT_LEAST = {"Metadata": 4, "CreateTopics": 4, "FindCoordinator": 1}
NOT_THERE = (
    ErrorCode.NONE,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode.INVALID_TOPIC_EXCEPTION,
)
NOT_OFFERED = (0, -1)
NOT_YET = [  # the words of a broker that has not caught up with what it has itself created
    f"{code}"
    for code in (
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.LEADER_NOT_AVAILABLE,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.REPLICA_NOT_AVAILABLE,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
    )
]
Address = tuple[str, int]


class ProbeError(CommandFailed):
    """The broker does not let itself be probed; the text says what it refused."""


class Player:
    """Connections to one cluster, and the topics made there."""

    def __init__(self, address: Address, rows: int, security: Security | None = None) -> None:
        self._bootstrap = address
        self._security = security
        self._prefix = f"minibroker-probe-{secrets.token_hex(4)}-"
        self._topic = self._prefix + "rows"
        self._small_topic = self._prefix + "small"
        self._partitions = rows + 1  # one for each row, and one that is "another partition"
        self._connections: dict[Address, Connection] = {}
        self._leaders: dict[Place, Address] = {}
        self._coordinators: dict[tuple[int, str], Address] = {}
        self._made: set[str] = set()  # names of topics that may exist because of us
        self._groups: set[str] = set()  # and of groups

    async def prepare(self) -> None:
        """Create the topics and wait until their leaders serve them.

        Raises:
            ConnectionFailed, RequestTimedOut, UnsupportedApi: the broker cannot be asked.
            ProbeError: it refuses what the probe needs to begin.
        """
        small = {"max.message.bytes": str(SMALL_BYTES)}
        for request in (
            create_topic(self._topic, self._partitions, {}),
            create_topic(self._small_topic, 1, small),
        ):
            response = await self._request(Ask(request, makes=request.topics[0].name))
            topic = response.topics[0]
            if topic.error_code:
                reason = topic.error_message or "it gives no reason"
                raise ProbeError(f"cannot create a topic: {_name(topic.error_code)} ({reason})")
        try:
            async with asyncio.timeout(SETTLE_S) as bound:
                await self._find_leaders()
                for place in self._leaders:
                    await self._wait_until_served(place)
        except TimeoutError:
            if not bound.expired():
                raise  # one request, whose error names it
            raise ProbeError(f"new topics have no leader after {SETTLE_S} s") from None

    async def play(self, index: int, row: Row) -> str:
        """Play the row with this index, 0 to rows-1; return its answers, one word a step."""
        scene = self._scene(index, await self._producer_id())
        words = []
        for step in row.steps:
            word, scene = await self._word(step, scene)
            words.append(word)
        return " ".join(words)

    async def leave(self) -> None:
        """Delete every topic that was made and close the connections; tell what stays behind."""
        try:
            if self._made:
                await self._delete_topics()
            for name in sorted(self._groups):
                await self._delete_group(name)
        except (ConnectionFailed, RequestTimedOut, UnsupportedApi, ProbeError) as error:
            text = f"minibroker probe: what is named {self._prefix}* may stay: {error}"
            print(text, file=sys.stderr)
        finally:
            for connection in self._connections.values():
                await connection.close()

    async def _delete_topics(self) -> None:
        deletion = DeleteTopicsRequest(topic_names=sorted(self._made), timeout_ms=TIMEOUT_MS)
        response = await self._request(Ask(deletion))
        kept = [topic.name for topic in response.responses if topic.error_code not in NOT_THERE]
        if kept:
            raise ProbeError(f"the broker refuses to delete {', '.join(kept)}")

    async def _delete_group(self, name: str) -> None:
        deletion = DeleteGroupsRequest(groups_names=[name])
        response = await self._request(Ask(deletion, coordinator_of=(GROUP, name)))
        code = response.results[0].error_code
        if code not in (ErrorCode.NONE, ErrorCode.GROUP_ID_NOT_FOUND):
            raise ProbeError(f"the broker refuses to delete group {name}: {_name(code)}")

    def _scene(self, partition: int, producer_id: int) -> Scene:
        return Scene(
            prefix=self._prefix,
            topic=self._topic,
            partition=partition,
            other_partition=self._partitions - 1,
            small_topic=self._small_topic,
            producer_id=producer_id,
            now_ms=time.time_ns() // 1_000_000,
        )

    async def _find_leaders(self) -> None:
        topics = [MetadataRequestTopic(name=name) for name in (self._topic, self._small_topic)]
        ask = Ask(MetadataRequest(topics=topics, allow_auto_topic_creation=False))
        while len(self._leaders) < self._partitions + 1:
            response = await self._request(ask)
            brokers = {broker.node_id: (broker.host, broker.port) for broker in response.brokers}
            self._leaders = {
                (topic.name, partition.partition_index): brokers[partition.leader_id]
                for topic in response.topics
                for partition in topic.partitions
                if partition.leader_id in brokers
            }
            await asyncio.sleep(AGAIN_S)

    async def _wait_until_served(self, place: Place) -> None:
        scene = replace(self._scene(place[1], -1), topic=place[0])
        await self._word(until_not(log_end(), *NOT_YET), scene)

    async def _producer_id(self) -> int:
        request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=TIMEOUT_MS)
        while (response := await self._request(Ask(request))).error_code:
            if str(response.error_code) not in NOT_YET:
                name = _name(response.error_code)
                raise ProbeError(f"the broker hands out no producer id: {name}")
            await asyncio.sleep(AGAIN_S)
        producer_id: int = response.producer_id
        return producer_id

    async def _word(self, step: Step | RawStep, scene: Scene) -> tuple[str, Scene]:
        """The answer in a word, and what the next steps see."""
        if isinstance(step, RawStep):
            return await self._raw_word(step), scene
        ask = step.ask(scene)
        give_up_at = time.monotonic() + SOON_S
        while True:
            try:
                await self._connection(await self._address(ask))
            except UnsupportedApi:  # of FindCoordinator; a broker that is gone ends the probe
                return "not-offered", scene
            try:
                response = await self._request(ask)
                word = step.word(response, scene)
            except ConnectionFailed:
                return "closed", scene
            except RequestTimedOut:
                return "silence", scene
            except UnsupportedApi:
                return "not-offered", scene
            except (LookupError, BatchError):
                return "garbled", scene
            if word not in step.again_while or time.monotonic() > give_up_at:
                return word, step.learn(response, scene)
            if ask.coordinator_of is not None:
                self._coordinators.pop(ask.coordinator_of, None)  # perhaps another by now
            await asyncio.sleep(AGAIN_S)

    async def _raw_word(self, step: RawStep) -> str:
        """Send bytes on a connection of their own and see what becomes of it."""
        try:
            async with asyncio.timeout(RAW_S):
                context = None if self._security is None else self._security.context
                reader, writer = await asyncio.open_connection(*self._bootstrap, ssl=context)
                try:
                    writer.write(step.data)
                    answer = await reader.read(1)
                finally:
                    writer.close()
        except ConnectionError:
            return "closed"
        except TimeoutError:
            return "silence"
        return "answered" if answer else "closed"

    async def _request(self, ask: Ask) -> Any:
        address = await self._address(ask)
        connection = await self._connection(address)
        version = _version(connection, ask)
        if ask.makes.startswith(self._prefix):
            self._made.add(ask.makes)
        if ask.coordinator_of is not None and ask.coordinator_of[0] == GROUP:
            self._groups.add(ask.coordinator_of[1])
        try:
            return await connection.request(
                ask.message, version=version, timeout_ms=TIMEOUT_MS + MARGIN_MS
            )
        except (ConnectionFailed, RequestTimedOut):
            del self._connections[address]  # the next request opens another
            raise

    async def _address(self, ask: Ask) -> Address:
        if ask.leader_of is not None:
            return self._leaders.get(ask.leader_of, self._bootstrap)
        if ask.coordinator_of is None:
            return self._bootstrap
        if ask.coordinator_of not in self._coordinators:
            self._coordinators[ask.coordinator_of] = await self._find_coordinator(
                ask.coordinator_of
            )
        return self._coordinators[ask.coordinator_of]

    async def _find_coordinator(self, what: tuple[int, str]) -> Address:
        key_type, key = what
        connection = await self._connection(self._bootstrap)
        if version_max(connection, FIND_COORDINATOR.key) >= SEVERAL_KEYS_SINCE:
            several = FindCoordinatorRequest(key_type=key_type, coordinator_keys=[key])
            ask = Ask(several, at_least=SEVERAL_KEYS_SINCE)
        else:
            ask = Ask(FindCoordinatorRequest(key=key, key_type=key_type))
        give_up_at = time.monotonic() + SETTLE_S
        while True:
            response = await self._request(ask)
            found = response.coordinators[0] if response.coordinators else response
            if not found.error_code:
                return found.host, found.port
            if str(found.error_code) not in NOT_YET or time.monotonic() > give_up_at:
                raise ProbeError(f"no coordinator for {key}: {_name(found.error_code)}")
            await asyncio.sleep(AGAIN_S)

    async def _connection(self, address: Address) -> Connection:
        if address not in self._connections:
            self._connections[address] = await Connection.open(*address, security=self._security)
        return self._connections[address]


def _name(code: int) -> str:
    return CODE_NAMES.get(code, f"error {code}")


def _version(connection: Connection, ask: Ask) -> int:
    """The lowest version that the broker offers and this code can use."""
    api = api_of(type(ask.message))
    first, last = connection.versions.get(api.key, NOT_OFFERED)
    lowest: int = max(api.versions[0], AT_LEAST.get(api.name, 0), ask.at_least)
    version = max(first, lowest)
    if version > min(last, api.newest_spoken):
        offer = f"offers v{first}-v{last}" if first <= last else "does not offer it"
        text = f"the probe speaks {api.name} v{lowest}-v{api.newest_spoken}, the broker {offer}"
        raise UnsupportedApi(text)
    return version
