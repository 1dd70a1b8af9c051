"""EDGE: one login's way to the cluster: an Admin that also reads batches as they lie there.

Every call has a bound, and what many pages ask for is kept for a second. What only a minibroker can
tell is asked through reading/ours.py.
Read next: batches.py.
Tests: tests/system/console/test_pages.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...client.admin import Admin, ClusterDescription, GroupListing, TopicDescription
from ...client.administer.asking import check
from ...client.cluster.connection import Connection
from ...client.cluster.list_offsets import EARLIEST, LATEST
from ...client.door.security_options import SecurityArguments
from ...client.partitions import TopicPartition, name_of
from ...protocol.messages.fetch import (
    AbortedTransaction,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
)
from .cached import Cached
from .looks import Looks

CLIENT_ID = "minibroker-console"
CALL_MS = 5_000
KEPT_S = 1.0
FEW = 4
TIMES = 50.0  # so much longer than it took to ask is kept what a large cluster takes long to tell
OPEN_MS = 3_000


@dataclass(frozen=True, slots=True)
class Extent:
    """What a partition holds: from `start` to before `end`."""

    start: int
    end: int

    @property
    def count(self) -> int:
        """Offsets, which compaction and markers may leave without a record."""
        return max(0, self.end - self.start)


class Chunk(NamedTuple):
    """Batches as a broker sent them, and where the partition ends.

    Attributes:
        data: whole batches, the last perhaps cut short.
        aborted: transactions whose records readers of what is committed do not get.
    """

    data: bytes
    high_watermark: int
    last_stable_offset: int
    log_start_offset: int
    aborted: Sequence[AbortedTransaction]


class Kafka(Admin):
    """Asks one cluster as one user; made inside a running loop, connects when it is first used."""

    def __init__(self, servers: Sequence[str], arguments: SecurityArguments) -> None:
        super().__init__(
            servers,
            client_id=CLIENT_ID,
            timeout_ms=CALL_MS,
            request_timeout_ms=CALL_MS,
            socket_connection_setup_timeout_ms=OPEN_MS,
            **arguments,
        )
        self.servers = servers
        self.arguments = arguments
        self.cached = Cached(asyncio.get_running_loop().time)
        self.looks = Looks()
        # 1. a page asks for 25 things   2. all is sent at once   3. a broker that answers in order
        # answers all that, while a producer waits behind it. A few under way are as quick.
        self.few = asyncio.Semaphore(FEW)
        self._starting = asyncio.Lock()
        self._is_started = False

    async def ready(self) -> None:
        """Connect, if that has not been done. Raises ConnectionFailed."""
        async with self._starting:
            if not self._is_started:
                await self.start()
                self._is_started = True

    async def stop(self) -> None:
        """Close all connections."""
        await self.cached.end()
        await super().stop()

    async def cluster(self) -> ClusterDescription:
        """Brokers and controller, a second old at most."""
        return await self.cached.get("cluster", KEPT_S, self.describe_cluster)

    async def all_topics(self) -> dict[str, TopicDescription]:
        """All topics by name, internal ones too; a second old, or what many take to be told."""
        return await self.cached.get("topics", KEPT_S, self.describe_topics, TIMES)

    async def all_groups(self) -> list[GroupListing]:
        """All groups by name, a second old at most."""
        return await self.cached.get("groups", KEPT_S, self.list_groups)

    async def topic(self, name: str) -> TopicDescription:
        """One topic, a second old at most. Raises Fatal: there is none of this name."""

        async def ask() -> TopicDescription:
            return (await self.describe_topics([name]))[name]

        return await self.cached.get(("topic", name), KEPT_S, ask)

    async def extents(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, Extent]:
        """Where partitions begin and end, a second old at most."""
        wanted = tuple(sorted(places))

        async def ask() -> dict[TopicPartition, Extent]:
            starts, ends = await asyncio.gather(
                self.list_offsets(dict.fromkeys(wanted, EARLIEST)),
                self.list_offsets(dict.fromkeys(wanted, LATEST)),
            )
            return {each: Extent(starts[each].offset, ends[each].offset) for each in wanted}

        return await self.cached.get(("extents", wanted), KEPT_S, ask)

    async def request_leader(self, place: TopicPartition, message: Any) -> Any:
        """The answer of a partition's leader. Raises Retriable where there is none."""
        topic = await self.topic(place.topic)
        known = {each.partition: each.leader for each in topic.partitions}
        if place.partition not in known:
            check(3, name_of(place))
        if known[place.partition] < 0:
            check(5, name_of(place))
        return await self._asking.request(await self._asking.node(known[place.partition]), message)

    async def request_any(self, message: Any) -> Any:
        """The answer of any broker."""
        return await self.ask(await self.connection(), message)

    async def connection(self, node_id: int | None = None) -> Connection:
        """The connection to a broker, by default any."""
        if node_id is None:
            return await self._asking.anywhere()
        return await self._asking.node(node_id)

    async def ask(self, connection: Connection, message: Any) -> Any:
        """The answer that comes by a connection."""
        return await self._asking.request(connection, message)

    async def offers(self, key: int) -> int:
        """The highest version of an API that a broker offers; -1 for none."""
        connection = await self._asking.anywhere()
        return connection.versions.get(key, (-1, -1))[1]

    async def read(
        self, place: TopicPartition, offset: int, bytes_max: int, *, committed: bool = False
    ) -> Chunk:
        """What lies in a partition from an offset on; at least a whole batch if there is one.

        Nothing is waited for: a fetch that waits would hold up all others of this login.
        """
        request = FetchRequest(
            max_wait_ms=0,
            min_bytes=0,
            max_bytes=bytes_max,
            isolation_level=int(committed),
            topics=[
                FetchTopic(
                    topic=place.topic,
                    partitions=[
                        FetchPartition(
                            partition=place.partition,
                            fetch_offset=offset,
                            partition_max_bytes=bytes_max,
                        )
                    ],
                )
            ],
        )
        answer: FetchResponse = await self.request_leader(place, request)
        check(answer.error_code, name_of(place))
        found = answer.responses[0].partitions[0]
        check(found.error_code, name_of(place))
        return Chunk(
            bytes(found.records or b""),
            found.high_watermark,
            found.last_stable_offset,
            found.log_start_offset,
            found.aborted_transactions or (),
        )
