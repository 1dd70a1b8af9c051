"""EDGE: a broker, the requests of a process that has died, and a settler that comes after it.

The same stage stands on a broker of ours and on a real Kafka; how to restart and shorten them is
told by those who set it up. What the dead process had journaled is made here, batch by batch.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from minibroker.client.cluster.cluster import Cluster
from minibroker.client.cluster.connection import Connection
from minibroker.client.cluster.list_offsets import CONSUMER, LATEST
from minibroker.client.config import ProducerConfig, parse_servers
from minibroker.client.errors import ClientError
from minibroker.client.produce.answers import Answer
from minibroker.client.session.looking import DEBUGGER, Looking
from minibroker.client.session.open_batch import Floor, OpenBatch
from minibroker.client.session.outcomes import Outcome
from minibroker.client.session.settler import Settler
from minibroker.client.session.settling import Listed
from minibroker.protocol.acls import AclOperation, AclPermission, AclResourceType, PatternType
from minibroker.protocol.batch.header import LENGTH_AT, LENGTH_END
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.configs import AlterOperation, ResourceType
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from minibroker.protocol.messages.create_acls import AclCreation, CreateAclsRequest
from minibroker.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from minibroker.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from minibroker.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from minibroker.protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersTopic,
)
from minibroker.protocol.messages.end_txn import EndTxnRequest
from minibroker.protocol.messages.find_coordinator import FindCoordinatorRequest
from minibroker.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest
from minibroker.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from minibroker.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from minibroker.testing.stored import stored_batches

from tests.support.in_loop.looking import pause

WAIT_S = 90.0
TIMEOUT_MS = 10_000
GONE_AFTER_MS = 300.0
CANARY = "canary"
LOOKS = 20  # each longer than a tenth of what a broker lets pass between two sweeps


class Owner(NamedTuple):
    """Who has a transactional id now."""

    producer_id: int
    producer_epoch: int


@dataclass
class Dead:
    """What a process had in its journal when it died, for one partition.

    Attributes:
        batches: those that are not confirmed.
        floor: behind those that are.
    """

    floor: Floor
    batches: list[OpenBatch] = field(default_factory=list)

    @property
    def values(self) -> list[bytes]:
        """Of its open batches, in order."""
        return [value_of(record.value) for each in self.batches for record in records_in(each.wire)]


def value_of(value: bytes | None) -> bytes:
    """Every record here has one."""
    assert value is not None
    return value


class Stage:
    """A cluster that is at hand, most of them of one node.

    Args:
        restart: end the broker at once and start it again.
        stop, start: its two halves.
        lose: end it, and start it with a log of this topic that has lost its newest batches.

    Attributes:
        at: the node that is asked, which has to lead what is asked about.
        replicas: of new topics.
    """

    def __init__(
        self,
        servers: str,
        *,
        stop: Callable[[], Awaitable[None]],
        start: Callable[[], Awaitable[None]],
        lose: Callable[[str], Awaitable[None]],
    ) -> None:
        self.servers = servers
        self.at = servers.split(",", maxsplit=1)[0]
        self.replicas = 1
        self.stop, self.start = stop, start
        self.lose = lose
        self._connection: Connection | None = None

    async def restart(self) -> None:
        """End the broker at once and start it again."""
        await self.stop()
        await self.start()

    async def connection(self) -> Connection:
        """An open connection to the broker; waits for one that starts."""
        ((host, port),) = parse_servers(self.at)
        async with asyncio.timeout(WAIT_S):
            while self._connection is None or not self._connection.is_open:
                try:
                    self._connection = await Connection.open(host, port)
                except ClientError:
                    await pause()  # it has just been started
            return self._connection

    async def ask(self, request: Any, version: int | None = None) -> Any:
        """The answer to one request."""
        connection = await self.connection()
        return await connection.request(request, version=version, timeout_ms=TIMEOUT_MS)

    async def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def create(self, topic: str, configs: Mapping[str, str] | None = None) -> bytes:
        """A topic of two partitions that can be written to; returns its id."""
        wanted = [
            CreatableTopicConfig(name=name, value=value) for name, value in (configs or {}).items()
        ]
        new = CreatableTopic(
            name=topic,
            num_partitions=2 if self.replicas == 1 else 1,
            replication_factor=self.replicas,
            assignments=[],
            configs=wanted,
        )
        response = await self.ask(CreateTopicsRequest(topics=[new]))
        assert not response.topics[0].error_code, response.topics[0]
        if self.replicas > 1:
            await self.go_to_leader(topic)
        for partition in range(new.num_partitions):
            await self.until(lambda p=partition: self.is_led(topic, p))  # type: ignore[misc]
        return (await self._metadata(topic)).topic_id  # type: ignore[no-any-return]

    async def go_to_leader(self, topic: str, but_not: int = -1) -> int:
        """Ask the leader of partition 0 from now on, once it is another node than `but_not`."""
        leader = but_not
        async with asyncio.timeout(WAIT_S):
            while leader in (but_not, -1):
                partitions = (await self._metadata(topic)).partitions
                leader = partitions[0].leader_id if partitions else -1
        await self.close()
        self.at = self.servers.split(",")[leader - 1]
        return leader

    async def delete(self, topic: str) -> None:
        """Delete a topic, and wait until nobody knows it."""
        state = DeleteTopicState(name=topic)
        request = DeleteTopicsRequest(topics=[state], topic_names=[topic], timeout_ms=TIMEOUT_MS)
        response = await self.ask(request)
        assert not response.responses[0].error_code

        async def is_gone() -> bool:
            return bool((await self._metadata(topic)).error_code)

        await self.until(is_gone)

    async def delete_records(self, topic: str, before: int) -> None:
        """Let partition 0 begin with an offset."""
        part = DeleteRecordsPartition(partition_index=0, offset=before)
        topics = [DeleteRecordsTopic(name=topic, partitions=[part])]
        await self.ask(DeleteRecordsRequest(topics=topics, timeout_ms=TIMEOUT_MS))

    async def deny(self, topic: str) -> None:
        """Let nobody read a topic any more; everybody may write to it."""
        rights = [
            AclCreation(
                resource_type=AclResourceType.TOPIC,
                resource_name=topic,
                resource_pattern_type=PatternType.LITERAL,
                principal="User:*",
                host="*",
                operation=operation,
                permission_type=AclPermission.ALLOW,
            )
            for operation in (AclOperation.WRITE, AclOperation.DESCRIBE)
        ]
        response = await self.ask(CreateAclsRequest(creations=rights))
        assert not any(each.error_code for each in response.results), response.results

        async def is_denied() -> bool:
            request = DescribeProducersRequest(
                topics=[DescribeProducersTopic(name=topic, partition_indexes=[0])]
            )
            answer = (await self.ask(request)).topics[0].partitions[0]
            return bool(answer.error_code == ErrorCode.TOPIC_AUTHORIZATION_FAILED)

        await self.until(is_denied)  # every node has to hear of it

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait for something that a broker will do by itself."""
        async with asyncio.timeout(WAIT_S):
            while not await holds():
                await pause()

    async def end_of(self, topic: str, partition: int = 0) -> tuple[int, int]:
        """The end offset of a partition, and its leader epoch."""
        part = ListOffsetsPartition(partition_index=partition, timestamp=-1)
        topics = [ListOffsetsTopic(name=topic, partitions=[part])]
        response = await self.ask(
            ListOffsetsRequest(replica_id=-1, isolation_level=0, topics=topics)
        )
        answer = response.topics[0].partitions[0]
        assert not answer.error_code, answer
        return answer.offset, answer.leader_epoch

    async def unseen(self, topic: str) -> int:
        """How many records the leader has that readers do not see; asked apart from all else."""
        connection = await Connection.open(*parse_servers(self.at)[0])
        try:
            ends = []
            for replica_id in (DEBUGGER, CONSUMER):
                part = ListOffsetsPartition(partition_index=0, timestamp=LATEST)
                topics = [ListOffsetsTopic(name=topic, partitions=[part])]
                request = ListOffsetsRequest(
                    replica_id=replica_id, isolation_level=0, topics=topics
                )
                response = await connection.request(request, timeout_ms=TIMEOUT_MS)
                ends.append(response.topics[0].partitions[0].offset)
            return int(ends[0] - ends[1])
        finally:
            await connection.close()

    async def values(self, topic: str, start_offset: int = 0) -> list[bytes]:
        """What partition 0 holds, beside markers."""
        batches = await stored_batches(await self.connection(), topic, start_offset=start_offset)
        wires = [wire for header, wire in batches if not header.is_control]
        return [value_of(each.value) for wire in wires for each in records_in(wire)]

    async def send(self, batch: OpenBatch) -> Answer:
        """Work off a request of the dead process; it named the topic, not its id."""
        data = [PartitionProduceData(index=batch.partition, records=batch.wire)]
        topic = TopicProduceData(name=batch.topic, partition_data=data)
        response = await self.ask(
            ProduceRequest(acks=-1, timeout_ms=TIMEOUT_MS, topic_data=[topic])
        )
        part = response.responses[0].partition_responses[0]
        return Answer(part.error_code, part.base_offset)

    async def fill(self, topic: str, count: int) -> None:
        """Records of somebody else."""
        now_ms = int(time.time() * 1000)
        for number in range(count):
            wire = build_batch([(b"other", b"other-%d" % number, (), now_ms)])
            data = [PartitionProduceData(index=0, records=wire)]
            topics = [TopicProduceData(name=topic, partition_data=data)]
            await self.ask(ProduceRequest(acks=-1, timeout_ms=TIMEOUT_MS, topic_data=topics))

    async def dead(
        self, topic: str, counts: Sequence[int], *, confirmed: int = 0, partition: int = 0
    ) -> Dead:
        """A process that has journaled batches and died before any was sent.

        Args:
            counts: records of each batch.
            confirmed: so many of the first are stored, and journaled as confirmed.
        """
        request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000)
        producer_id = -1
        while producer_id < 0:  # a cluster that has just begun has none yet
            producer_id = (await self.ask(request)).producer_id
        topic_id = (await self._metadata(topic)).topic_id
        offset, epoch = await self.end_of(topic, partition)
        floor = Floor(topic, partition, producer_id, 0, offset, topic_id, epoch)
        dead = Dead(floor)
        now_ms, first = int(time.time() * 1000), 0
        for number, count in enumerate(counts):
            records = [
                (b"k%d" % (first + n), b"%d" % (first + n), (), now_ms) for n in range(count)
            ]
            wire = build_batch(
                records, producer_id=producer_id, producer_epoch=0, base_sequence=first
            )
            place = (topic, topic_id, partition)
            batch = OpenBatch(number, *place, producer_id, 0, first, count, epoch, wire)
            dead.batches.append(batch)
            first += count
        dead.floor = replace(floor, last_sequence=first - 1)
        for batch in dead.batches[:confirmed]:
            await self.confirm(dead, batch)
        return dead

    async def confirm(self, dead: Dead, batch: OpenBatch) -> None:
        """The oldest open batch is sent, and its answer journaled."""
        answer = await self.send(batch)
        assert not answer.code, answer
        dead.batches.remove(batch)
        _, epoch = await self.end_of(batch.topic, batch.partition)
        end = answer.base_offset + batch.count
        last = batch.last_sequence
        dead.floor = replace(dead.floor, offset=end, leader_epoch=epoch, confirmed_sequence=last)

    async def owner(self, name: str) -> Owner:
        """A producer id under a transactional id, and the next epoch of it."""
        request = InitProducerIdRequest(
            transactional_id=name, transaction_timeout_ms=60_000, producer_id=-1, producer_epoch=-1
        )
        await self._coordinated(name)
        async with asyncio.timeout(WAIT_S):
            while (answer := await self.ask(request)).error_code:
                await pause()  # the coordinator is loading, or ends what was
        return Owner(answer.producer_id, answer.producer_epoch)

    async def mark(self, name: str, owner: Owner) -> None:
        """Abort a transaction over partition 0 of the topic of that name, in which nothing was."""
        topics = [AddPartitionsToTxnTopic(name=name, partitions=[0])]
        begin = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=name,
            v3_and_below_producer_id=owner.producer_id,
            v3_and_below_producer_epoch=owner.producer_epoch,
            v3_and_below_topics=topics,
        )
        before, _ = await self.end_of(name)

        async def has_begun() -> bool:
            (topic,) = (await self.ask(begin, 3)).results_by_topic_v3_and_below
            return not topic.results_by_partition[0].partition_error_code

        async def is_marked() -> bool:
            return (await self.end_of(name))[0] > before

        await self.until(has_begun)
        end = EndTxnRequest(
            transactional_id=name,
            producer_id=owner.producer_id,
            producer_epoch=owner.producer_epoch,
            committed=False,
        )
        assert not (await self.ask(end, 4)).error_code
        await self.until(is_marked)

    async def _coordinated(self, name: str) -> None:
        request = FindCoordinatorRequest(key_type=1, coordinator_keys=[name])

        async def is_found() -> bool:
            return not (await self.ask(request)).coordinators[0].error_code

        await self.until(is_found)

    async def listed(self, dead: Dead) -> Listed | None:
        """What the leader remembers of a dead process."""
        async with self._cluster() as (config, cluster):
            look = await Looking(config, cluster).look(dead.floor)
        return look.listed

    async def until_forgotten(self, dead: Dead) -> None:
        """Let its producer id expire; nobody's does afterwards."""

        async def is_forgotten() -> bool:
            return await self.listed(dead) is None

        await self._expire_after(1)
        await self.until(is_forgotten)
        await self._expire_after(None)
        # A broker need not heed it at once: 1. it says that it is done 2. what is sent now is
        # forgotten at its next sweep, and a test that counts on it fails once in a while.
        async with asyncio.timeout(WAIT_S):
            while not await self._is_remembered():
                pass  # asking is what takes time

    async def _is_remembered(self) -> bool:
        """Whether a producer that writes now is still known after some sweeps."""
        canary = await self.dead(CANARY, [1])
        await self.send(canary.batches[0])
        for _ in range(LOOKS):
            if await self.listed(canary) is None:
                return False
        return True

    async def _expire_after(self, expiration_ms: int | None) -> None:
        is_set = expiration_ms is not None
        changed = AlterableConfig(
            name="producer.id.expiration.ms",
            config_operation=AlterOperation.SET if is_set else AlterOperation.DELETE,
            value=str(expiration_ms) if is_set else None,
        )
        resource = AlterConfigsResource(
            resource_type=ResourceType.BROKER, resource_name="", configs=[changed]
        )
        request = IncrementalAlterConfigsRequest(resources=[resource], validate_only=False)
        response = await self.ask(request)
        assert not response.responses[0].error_code, response.responses[0]

    async def settle(
        self,
        dead: Dead,
        told_absent: Collection[int] = (),
        while_it_runs: Callable[[Settler], Awaitable[None]] | None = None,
    ) -> list[Outcome]:
        """What a settler makes of it."""
        async with self.settler() as settler, asyncio.timeout(WAIT_S):
            floors = {dead.floor.producer_id: dead.floor}
            settling = asyncio.ensure_future(settler.settle(dead.batches, floors, told_absent))
            try:
                if while_it_runs is not None:
                    await while_it_runs(settler)
                return await settling
            finally:
                settling.cancel()

    @asynccontextmanager
    async def settler(self) -> AsyncIterator[Settler]:
        """One that stands by itself."""
        async with self._cluster() as (config, cluster):
            yield Settler(config, cluster, Random(1), GONE_AFTER_MS)

    @asynccontextmanager
    async def _cluster(self) -> AsyncIterator[tuple[ProducerConfig, Cluster]]:
        config = ProducerConfig(
            bootstrap_servers=parse_servers(self.servers),
            request_timeout_ms=TIMEOUT_MS,
            retry_backoff_ms=20,
            retry_backoff_max_ms=200,
        )
        cluster = Cluster(config, Random(1), lambda: None)
        await cluster.start()
        try:
            yield config, cluster
        finally:
            await cluster.stop()

    async def _metadata(self, topic: str) -> Any:
        topics = [MetadataRequestTopic(name=topic)]
        request = MetadataRequest(topics=topics, allow_auto_topic_creation=False)
        return (await self.ask(request)).topics[0]

    async def is_led(self, topic: str, partition: int) -> bool:
        """Whether a partition answers."""
        part = ListOffsetsPartition(partition_index=partition, timestamp=-1)
        topics = [ListOffsetsTopic(name=topic, partitions=[part])]
        response = await self.ask(
            ListOffsetsRequest(replica_id=-1, isolation_level=0, topics=topics)
        )
        return not response.topics[0].partitions[0].error_code


def cut(directory: Path) -> None:
    """Leave a partition's log its first record only, as after a loss of power."""
    (log,) = directory.glob("*.log")
    length = int.from_bytes(log.read_bytes()[LENGTH_AT:LENGTH_END]) + LENGTH_END
    log.write_bytes(log.read_bytes()[:length])
    for pattern in ("*.snapshot", "*.producers", "*.index", "*.timeindex"):
        for file in directory.glob(pattern):
            file.unlink()
