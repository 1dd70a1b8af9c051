"""EDGE: one of the two Kafkas that are compared: what it says of itself, topics, groups, offsets.

Read next: log_reader.py (records).
Tests: tests/system/commands/test_compare.py
"""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ...client.admin import Admin, ConfigResource, ConfigSource, TopicDescription
from ...client.administer.asking import Asking
from ...client.cluster.cluster import Cluster
from ...client.cluster.list_offsets import EARLIEST, LATEST, OffsetLookup
from ...client.config import AdminConfig
from ...client.door.owner import Owner
from ...client.errors import ClientError
from ...client.partitions import OffsetAndMetadata, TopicPartition
from ..asking.reach import Reach
from ..terminal.addresses import Address
from ..terminal.running import CommandFailed

TIMEOUT_MS = 30_000
GROUPS_AT_ONCE = 16
CONSUMER = "consumer"
AT_REST = ("Empty", "Dead")  # states of a group that nobody reads in


class Unreachable(CommandFailed):
    """A side does not answer, or refuses what is needed; nothing can be said of equality."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Committed:
    """What a group has committed, and whether somebody is at work in it."""

    offsets: Mapping[TopicPartition, OffsetAndMetadata]
    is_at_work: bool


class Side:
    """A Kafka.

    Args:
        label: as texts name it.
        isolation: 1 where only what is committed is looked at, 0 for all.
        given: what is said of security, by Kafka's names or librdkafka's.

    Attributes:
        cluster_id: its own.        asking: the way to its brokers, for requests of one's own.
    """

    def __init__(
        self,
        label: str,
        servers: str,
        admin: Admin,
        asking: Asking,
        isolation: int,
        *,
        given: Mapping[str, str],
    ) -> None:
        self.label = label
        self.servers = servers
        self.admin = admin
        self.asking = asking
        self.isolation = isolation
        self.given = given
        self.cluster_id = ""
        self._lookup = OffsetLookup(asking.config, asking.cluster, isolation)

    async def topics(self) -> dict[str, TopicDescription]:
        """All topics."""
        return await self.admin.describe_topics()

    async def configs(self, topics: Collection[str]) -> dict[str, dict[str, tuple[str, bool]]]:
        """Of each topic its properties: (value, whether it was given to the topic itself)."""
        found: dict[str, dict[str, tuple[str, bool]]] = {}
        for topic in topics:
            entries = await self.admin.describe_configs(ConfigResource.topic(topic))
            found[topic] = {
                name: (each.value or "", each.source is ConfigSource.DYNAMIC_TOPIC_CONFIG)
                for name, each in entries.items()
            }
        return found

    async def extents(
        self, places: Iterable[TopicPartition]
    ) -> dict[TopicPartition, tuple[int, int]]:
        """Where each log begins and ends, exclusive, for readers of this isolation."""
        wanted = [*places]
        starts = await self._lookup.at(dict.fromkeys(wanted, EARLIEST), TIMEOUT_MS)
        ends = await self._lookup.at(dict.fromkeys(wanted, LATEST), TIMEOUT_MS)
        return {place: (starts[place].offset, ends[place].offset) for place in wanted}

    async def start_of(self, place: TopicPartition) -> int:
        """Where a log begins now."""
        return (await self._lookup.at({place: EARLIEST}, TIMEOUT_MS))[place].offset

    async def groups(self, wanted: Collection[str] | None) -> dict[str, Committed]:
        """What groups have committed, of these or of all."""
        listed = {each.group_id: each for each in await self.admin.list_groups()}
        names = [name for name in sorted(listed) if wanted is None or name in wanted]
        gate = asyncio.Semaphore(GROUPS_AT_ONCE)

        async def look(name: str) -> Committed:
            async with gate:
                offsets = await self.admin.list_group_offsets(name)
                state = listed[name].state or (await self.admin.describe_group(name)).state
                return Committed(offsets, state not in AT_REST)

        found = await asyncio.gather(*map(look, names))
        return dict(zip(names, found, strict=True))


@asynccontextmanager
async def side_of(
    label: str, servers: list[Address] | None, command_config: str | None, isolation: int
) -> AsyncIterator[Side]:
    """A side that has been reached, for the time of a command.

    Raises:
        Unreachable: it cannot be.
    """
    reach = Reach(Namespace(bootstrap_server=servers, command_config=command_config))
    config = AdminConfig(
        bootstrap_servers=tuple(reach.addresses), timeout_ms=TIMEOUT_MS, **reach.security
    )
    asking = Asking(Owner("reader"), config)
    admin = Admin(reach.servers, timeout_ms=TIMEOUT_MS, **reach.security)
    servers_text = ",".join(reach.servers)
    side = Side(label, servers_text, admin, asking, isolation, given=reach.given)
    try:
        await _start(side, asking.cluster)
        yield side
    finally:
        await asking.cluster.stop()
        await admin.stop()


async def _start(side: Side, cluster: Cluster) -> None:
    try:
        await cluster.start()
        await side.admin.start()
        side.cluster_id = (await side.admin.describe_cluster()).cluster_id
    except ClientError as error:
        raise Unreachable(f"{side.label} ({side.servers}): {error}") from error
