"""EDGE: what a settler asks partitions' leaders, and how it sends; each thing once.

Metadata is asked for by itself, so that no question makes a topic. The end of the log is asked for
as a replica's debugger does (replica id -2): readers are told the high watermark, and a batch that
lies above it is in the log all the same. Everything raises Retriable for what passes; what brokers
do not let us see is told as a value.
Read first: settling.py. Read next: settler.py (EDGE).
Source: KIP-207 (high watermarks), KIP-320 (leader epochs), KIP-516 (topic ids), KIP-664.
Tests: tests/system/client/session/test_settling.py
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ...protocol.batch.header import BatchError, headers_in
from ...protocol.codec.schema import ZERO_UUID
from ...protocol.errors import ErrorCode, error_code
from ...protocol.messages.describe_producers import (
    DescribeProducersPartition,
    DescribeProducersRequest,
    DescribeProducersResponse,
    DescribeProducersTopic,
)
from ...protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from ...protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from ...protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseTopic,
)
from ...protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from ...protocol.messages.produce import (
    PRODUCE,
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from ..cluster.cluster import Cluster
from ..cluster.connection import Connection
from ..cluster.list_offsets import CONSUMER, EARLIEST, LATEST
from ..config import ConnectionConfig
from ..errors import ConnectionFailed, RequestTimedOut, Retriable, UnsupportedApi
from ..partitions import TopicPartition, name_of
from ..produce.answers import Answer
from .log_scan import LogScan, Scanning
from .open_batch import Floor, OpenBatch
from .settling import Listed, Look, Presence

DEBUGGER: Final = -2  # replica_id of who wants to see the log as it is
BY_ID_SINCE: Final = 13  # of Produce: by topic id, so that no other topic of the name is meant
FETCH_BYTES: Final = 4 * 2**20
ALL: Final = -1
E = ErrorCode
NOT_ALLOWED: Final = {E.TOPIC_AUTHORIZATION_FAILED, E.CLUSTER_AUTHORIZATION_FAILED}
NOBODY: Final = DescribeProducersPartition(partition_index=0, error_code=0, active_producers=[])
NOT_THERE: Final = {E.UNKNOWN_TOPIC_OR_PARTITION, E.UNKNOWN_TOPIC_ID, E.INVALID_TOPIC_EXCEPTION}


class Led(NamedTuple):
    """A partition as metadata has it."""

    node_id: int
    leader_epoch: int
    topic_id: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """A log that is being read, and the leader whose log it is."""

    floor: Floor
    led: Led
    scanning: Scanning


class _Refusal(Exception):
    """The broker does not let us look; the text is its own."""


class Looking:
    """The questions of one settler."""

    def __init__(self, config: ConnectionConfig, cluster: Cluster) -> None:
        self._config = config
        self._cluster = cluster
        self._led: dict[TopicPartition, Led] = {}  # as of the newest look

    async def look(self, floor: Floor) -> Look:
        """Whether the partition is there, and what its leader remembers of the producer id."""
        place = floor.place
        self._led.pop(place, None)
        led = await self._leader(place)
        if isinstance(led, Look):
            return led
        if ZERO_UUID not in (floor.topic_id, led.topic_id) and floor.topic_id != led.topic_id:
            said = f"topic id {floor.topic_id.hex()} was journaled, {led.topic_id.hex()} is there"
            return Look(Presence.MADE_AGAIN, said=said)
        try:
            answers = await self._producers_of(led.node_id, [place])
        except UnsupportedApi:
            answers = {place: NOBODY}  # a broker before KIP-664: the log has to tell
        if place not in answers:
            raise Retriable(f"{name_of(place)}: the answer to DescribeProducers leaves it out")
        answer = answers[place]
        code = error_code(answer.error_code)
        if code in NOT_ALLOWED:
            return Look(Presence.NOT_ALLOWED, said=f"DescribeProducers: {code.name}")
        _check(code, place)
        self._led[place] = led
        return Look(listed=_listed(answer).get(floor.producer_id))

    async def producers(
        self, places: Iterable[TopicPartition]
    ) -> dict[TopicPartition, dict[int, Listed]]:
        """What partitions remember of all producers.

        Left out are those that do not say at the moment; empty are those that will not: there is no
        such partition, or we may not look, or the broker is older than KIP-664.
        """
        wanted = [*places]
        try:
            leaders = await self._leaders(wanted)
        except (Retriable, ConnectionFailed, RequestTimedOut):
            return {}
        found: dict[TopicPartition, dict[int, Listed]] = {}
        by_node: dict[int, list[TopicPartition]] = {}
        for place, led in leaders.items():
            if isinstance(led, Look):
                found[place] = {}
            elif isinstance(led, Led):
                by_node.setdefault(led.node_id, []).append(place)
        for node_id, led_there in by_node.items():
            try:
                answers = await self._producers_of(node_id, led_there)
            except UnsupportedApi:
                found.update((place, {}) for place in led_there)
                continue
            except (Retriable, ConnectionFailed, RequestTimedOut):
                continue  # the others go on
            for place, answer in answers.items():
                code = error_code(answer.error_code)
                if not code or code in NOT_ALLOWED:
                    found[place] = _listed(answer)
        return found

    async def end_of(self, place: TopicPartition) -> int | None:
        """Where the leader's log ends now; None where there is no such partition, or no right."""
        led = await self._leader(place)
        if isinstance(led, Look):
            return None
        try:
            return await self._offset(place, led, LATEST, DEBUGGER)
        except _Refusal:
            return None

    async def begin_reading(
        self, floor: Floor, until: Sequence[OpenBatch], in_doubt: Sequence[OpenBatch]
    ) -> Reading | LogScan:
        """Ask where the log begins and ends now."""
        place = floor.place
        led = await self._leader(place)
        if isinstance(led, Look):
            raise Retriable(led.said)
        try:
            log_start = await self._offset(place, led, EARLIEST, CONSUMER)
            end_offset = await self._offset(place, led, LATEST, DEBUGGER)
            epoch_end = await self._epoch_end(floor, led)
        except _Refusal as refusal:
            return LogScan(refusal=str(refusal))
        scanning = Scanning(floor, log_start, end_offset, epoch_end, until, in_doubt=in_doubt)
        return scanning.result() if scanning.is_over else Reading(floor, led, scanning)

    async def read_on(self, reading: Reading) -> Reading | LogScan:
        """Read some more; `scanning.position` does not move where the high watermark lags."""
        floor, led, scanning = reading.floor, reading.led, reading.scanning
        place = floor.place
        part = FetchPartition(
            partition=place.partition,
            current_leader_epoch=led.leader_epoch,
            fetch_offset=scanning.position,
            partition_max_bytes=FETCH_BYTES,
        )
        request = FetchRequest(
            max_wait_ms=0,
            min_bytes=0,
            max_bytes=FETCH_BYTES,
            topics=[FetchTopic(topic=place.topic, partitions=[part])],
            forgotten_topics_data=[],
        )
        response: FetchResponse = await self._ask(led.node_id, request)
        answer = _only(response.responses, place)
        code = error_code(answer.error_code)
        if code in NOT_ALLOWED:
            return LogScan(refusal=f"Fetch: {code.name}")
        _check(code, place)
        try:
            headers = [header for _, header in headers_in(answer.records or b"")]
        except BatchError as error:
            raise Retriable(f"{name_of(place)}: {error}") from error
        before = scanning.position
        scanning.take(headers)
        if scanning.position == before and answer.high_watermark > scanning.end_offset - 1:
            scanning.nothing_there()
        if not scanning.is_over:
            return reading
        # 1. A leader without the newest records takes over. 2. What was read there is not what was
        # asked for here. So it has to be the same one to the end, and the same topic.
        if await self._leader(place) != led:
            raise Retriable(f"{name_of(place)}: the leader has moved meanwhile")
        return scanning.result()

    async def send(self, batch: OpenBatch) -> Answer | None:
        """Send a batch as it is, with acks=all; None: what became of it is not known.

        Raises Retriable where it was not sent.
        """
        place = batch.place
        led = self._led.get(place) or await self._leader(place)
        if isinstance(led, Look):
            raise Retriable(led.said)
        connection = await self._connection(led.node_id)
        by_id = _takes_ids(connection) and batch.topic_id != ZERO_UUID
        data = [PartitionProduceData(index=batch.partition, records=batch.wire)]
        if by_id:
            topic = TopicProduceData(topic_id=batch.topic_id, partition_data=data)
        else:
            topic = TopicProduceData(name=batch.topic, partition_data=data)
        timeout_ms = self._config.request_timeout_ms
        request = ProduceRequest(acks=ALL, timeout_ms=timeout_ms, topic_data=[topic])
        version = BY_ID_SINCE if by_id else None
        try:
            response: ProduceResponse = await connection.request(
                request, version=version, timeout_ms=timeout_ms
            )
        except (ConnectionFailed, RequestTimedOut):
            return None
        parts = [part for each in response.responses for part in each.partition_responses]
        if [part.index for part in parts] != [batch.partition]:
            return None
        (part,) = parts
        code, offset, time_ms = part.error_code, part.base_offset, part.log_append_time_ms
        return Answer(error_code(code), offset, time_ms, part.log_start_offset, part.error_message)

    async def _leader(self, place: TopicPartition) -> Led | Look:
        """Who leads a partition, or why there is none. Raises Retriable for what passes."""
        told = (await self._leaders([place]))[place]
        if isinstance(told, str):
            raise Retriable(told)
        return told

    async def _leaders(
        self, places: Collection[TopicPartition]
    ) -> dict[TopicPartition, Led | Look | str]:
        """Who leads each partition, or why there is none; a text says why nobody can tell now."""
        names = sorted({each.topic for each in places})
        topics = [MetadataRequestTopic(name=name) for name in names]
        request = MetadataRequest(topics=topics, allow_auto_topic_creation=False)
        connection = await self._cluster.any_connection()
        response: MetadataResponse = await connection.request(
            request, timeout_ms=self._config.request_timeout_ms
        )
        answers = {each.name: each for each in response.topics}
        return {place: _led(place, answers.get(place.topic)) for place in places}

    async def _producers_of(
        self, node_id: int, places: Iterable[TopicPartition]
    ) -> dict[TopicPartition, DescribeProducersPartition]:
        indexes: dict[str, list[int]] = {}
        for place in places:
            indexes.setdefault(place.topic, []).append(place.partition)
        topics = [
            DescribeProducersTopic(name=name, partition_indexes=each)
            for name, each in indexes.items()
        ]
        request = DescribeProducersRequest(topics=topics)
        response: DescribeProducersResponse = await self._ask(node_id, request)
        return {
            TopicPartition(topic.name, each.partition_index): each
            for topic in response.topics
            for each in topic.partitions
        }

    async def _offset(self, place: TopicPartition, led: Led, at: int, replica_id: int) -> int:
        part = ListOffsetsPartition(
            partition_index=place.partition, current_leader_epoch=led.leader_epoch, timestamp=at
        )
        topics = [ListOffsetsTopic(name=place.topic, partitions=[part])]
        request = ListOffsetsRequest(replica_id=replica_id, isolation_level=0, topics=topics)
        response: ListOffsetsResponse = await self._ask(led.node_id, request)
        answer = _only(response.topics, place)
        code = error_code(answer.error_code)
        if code in NOT_ALLOWED:
            raise _Refusal(f"ListOffsets: {code.name}")
        _check(code, place)
        if answer.offset < 0:
            raise Retriable(f"{name_of(place)}: ListOffsets answers with offset {answer.offset}")
        return int(answer.offset)

    async def _epoch_end(self, floor: Floor, led: Led) -> int | None:
        if floor.leader_epoch < 0:
            return None
        part = OffsetForLeaderPartition(
            partition=floor.partition,
            current_leader_epoch=led.leader_epoch,
            leader_epoch=floor.leader_epoch,
        )
        topics = [OffsetForLeaderTopic(topic=floor.topic, partitions=[part])]
        request = OffsetForLeaderEpochRequest(replica_id=CONSUMER, topics=topics)
        try:
            response: OffsetForLeaderEpochResponse = await self._ask(led.node_id, request)
        except UnsupportedApi:
            return None
        answer = _only(response.topics, floor.place)
        code = error_code(answer.error_code)
        if code in NOT_ALLOWED:
            raise _Refusal(f"OffsetForLeaderEpoch: {code.name}")
        _check(code, floor.place)
        return int(answer.end_offset)

    async def _ask(self, node_id: int, request: Any) -> Any:
        connection = await self._connection(node_id)
        return await connection.request(request, timeout_ms=self._config.request_timeout_ms)

    async def _connection(self, node_id: int) -> Connection:
        if node_id not in self._cluster.metadata.brokers:
            await self._cluster.refresh()
        timeout_ms = self._config.socket_connection_setup_timeout_ms
        return await self._cluster.connection_to(node_id, timeout_ms)


def _led(place: TopicPartition, topic: MetadataResponseTopic | None) -> Led | Look | str:
    name = name_of(place)
    if topic is None:
        return f"{name}: the answer to Metadata leaves its topic out"
    code = error_code(topic.error_code)
    parts = {each.partition_index: each for each in topic.partitions}
    if code in NOT_ALLOWED:
        return Look(Presence.NOT_ALLOWED, said=f"Metadata: {code.name}")
    if code in NOT_THERE or (not code and place.partition not in parts):
        said = f"{code.name}: {code.text}" if code else "the topic has fewer partitions"
        return Look(Presence.GONE, said=said)
    if code:
        return f"{name}: {code.name}: {code.text}"
    part = parts[place.partition]
    if part.leader_id < 0:
        return f"{name} has no leader at the moment"
    return Led(part.leader_id, part.leader_epoch, topic.topic_id)


def _only(topics: Sequence[Any], place: TopicPartition) -> Any:
    """The one partition that was asked for."""
    parts = [part for topic in topics for part in topic.partitions]
    if len(parts) != 1:
        raise Retriable(f"{name_of(place)}: an answer about {len(parts)} partitions, not one")
    return parts[0]


def _listed(answer: DescribeProducersPartition) -> dict[int, Listed]:
    return {
        each.producer_id: Listed(each.producer_epoch, each.last_sequence)
        for each in answer.active_producers
    }


def _takes_ids(connection: Connection) -> bool:
    return connection.versions.get(PRODUCE.key, (0, 0))[1] >= BY_ID_SINCE


def _check(code: ErrorCode, place: TopicPartition) -> None:
    """Raise Retriable for any error: what passes does, and what does not is told as pending."""
    if code:
        raise Retriable(f"{name_of(place)}: {code.name}: {code.text}", code=code)
