"""What a consumer fetches next, and what came. Sans-IO: facts in, calls and records out.

Each partition has two places in its log: `position`, the next record the application gets, and
`fetch_offset`, the next to ask for; between them lie batches that came and were not taken yet, at
most about two fetches' worth. One fetch is open per node. Batches are decoded when they are taken.
An answer to a question that a seek has overtaken is dropped.
Source: Fetcher.java, SubscriptionState.java; KIP-227 (sessions are not used).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

from ..protocol.batch import (
    BatchError,
    BatchHeader,
    Buffer,
    RecordHeader,
    crc_is_valid,
    headers_in,
    records_in,
)
from ..protocol.compression import MissingCodecError
from ..protocol.errors import ErrorCode, error_code
from ..protocol.messages.fetch import (
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    PartitionData,
)
from .backoff import backoff_ms
from .config import ConsumerConfig
from .errors import ClientError, Fatal
from .partitions import TopicPartition

NEVER: Final = float("inf")
NO_POSITION: Final = -1


class ConsumerRecord(NamedTuple):
    """A record as it was stored.

    Attributes:
        timestamp: ms since 1970; timestamp_type 0 says that the producer set it, 1 the broker.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: tuple[RecordHeader, ...]
    leader_epoch: int


@dataclass(slots=True, eq=False)
class Reading:
    """Where one partition is read.

    Attributes:
        position: the next record to hand out; NO_POSITION until it has been looked up.
        fetch_offset: the next to ask for.
        batches: what lies between.
        records: of the batch that is being handed out, newest last.
        look_up: "earliest" or "latest" when a position is to be looked up.
        error: raised when the partition's records are next asked for.
    """

    position: int = NO_POSITION
    fetch_offset: int = NO_POSITION
    batches: deque[tuple[BatchHeader, Buffer]] = field(default_factory=deque)
    held_bytes: int = 0
    records: list[ConsumerRecord] = field(default_factory=list)
    look_up: str | None = None
    is_open: bool = False
    is_paused: bool = False
    retry_at_ms: float = 0.0
    attempts: int = 0
    error: ClientError | None = None

    def move_to(self, offset: int) -> None:
        """Go on at an offset; what was fetched is forgotten."""
        self.position = self.fetch_offset = offset
        self.batches.clear()
        self.held_bytes = 0
        self.records = []
        self.look_up = None
        self.error = None


@dataclass(slots=True, eq=False)
class FetchCall:
    """One Fetch request to write, and the offset asked for of each partition."""

    node_id: int
    request: FetchRequest
    offsets: dict[TopicPartition, int]


class Fetcher:
    """The partitions of one consumer.

    Attributes:
        readings: by partition, in the order in which they are served; the first is served next.
        wants_metadata: an answer says that it is stale.
        last_problem: the newest reason to try again, for texts.
    """

    def __init__(self, config: ConsumerConfig, random: Random) -> None:
        self._config = config
        self._random = random
        self.readings: dict[TopicPartition, Reading] = {}
        self.wants_metadata = False
        self.last_problem = ""

    def assign(self, places: Sequence[TopicPartition]) -> None:
        """Read these partitions; those kept keep their position."""
        self.readings = {
            place: self.readings.get(place) or Reading(look_up=self._config.auto_offset_reset)
            for place in places
        }
        for place, reading in self.readings.items():
            if reading.look_up == "none":
                self._fail_without_position(place, reading)

    def plan(
        self,
        now_ms: float,
        leader_of: Callable[[str, int], int],
        epoch_of: Callable[[str, int], int],
        is_free: Callable[[int], bool],
    ) -> list[FetchCall]:
        """The fetches to write now, at most one for each node that is free."""
        wanted: dict[int, dict[TopicPartition, int]] = {}
        for place, reading in self.readings.items():
            if (
                reading.is_open
                or reading.is_paused
                or reading.fetch_offset < 0
                or reading.error is not None
                or now_ms < reading.retry_at_ms
                or reading.held_bytes >= self._config.max_partition_fetch_bytes
            ):
                continue
            node_id = leader_of(*place)
            if node_id < 0:
                self.wants_metadata = True
                self._hold(reading, now_ms)
            elif node_id in wanted or is_free(node_id):
                wanted.setdefault(node_id, {})[place] = reading.fetch_offset
        calls = []
        for node_id, offsets in wanted.items():
            for place in offsets:
                self.readings[place].is_open = True
            calls.append(FetchCall(node_id, self._request(offsets, epoch_of), offsets))
        return calls

    def answered(self, call: FetchCall, response: FetchResponse, now_ms: float) -> None:
        """Take in what a broker sent."""
        self._close(call)
        if response.error_code:
            self._hold_all(call, error_code(response.error_code), now_ms)
            return
        for topic in response.responses:
            for data in topic.partitions:
                place = TopicPartition(topic.topic, data.partition_index)
                reading = self.readings.get(place)
                asked = call.offsets.get(place)
                if reading is not None and reading.fetch_offset == asked:
                    self._take_in(place, reading, data, now_ms)

    def lost(self, call: FetchCall, why: str, now_ms: float) -> None:
        """No answer will come."""
        self._close(call)
        self.last_problem = why
        self._hold_all(call, ErrorCode.NETWORK_EXCEPTION, now_ms)

    def take(self, count_max: int) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Hand out records that have come, in offset order within a partition.

        Raises:
            ClientError: of a partition that cannot be read; nothing is handed out then.
        """
        taken: dict[TopicPartition, list[ConsumerRecord]] = {}
        for place in [*self.readings]:
            reading = self.readings[place]
            if reading.is_paused:
                continue
            if reading.error is not None and not taken:
                raise reading.error.with_traceback(None)
            while count_max > 0 and (reading.records or reading.batches) and not reading.error:
                if not reading.records and not self._decode_next(place, reading, bool(taken)):
                    continue
                records = reading.records[:count_max]
                del reading.records[:count_max]
                count_max -= len(records)
                reading.position = records[-1].offset + 1
                taken.setdefault(place, []).extend(records)
            if count_max <= 0:
                self._serve_later(place)
                break
        return taken

    def places_to_look_up(self) -> dict[TopicPartition, str]:
        """Partitions without a position, and where to begin: "earliest" or "latest"."""
        return {
            place: reading.look_up
            for place, reading in self.readings.items()
            if reading.look_up is not None and reading.error is None
        }

    def next_wake_ms(self, now_ms: float) -> float:
        """The next instant after now at which time alone changes something."""
        times = (reading.retry_at_ms for reading in self.readings.values())
        return min((at_ms for at_ms in times if at_ms > now_ms), default=NEVER)

    def _decode_next(self, place: TopicPartition, reading: Reading, has_taken: bool) -> bool:
        """Unpack the oldest batch; whether there are records to hand out."""
        header, batch = reading.batches.popleft()
        reading.held_bytes -= len(batch)
        try:
            reading.records = self._records(place, header, batch, reading.position)
        except ClientError as error:
            reading.error = error
            if has_taken:
                return False
            raise
        if not reading.records and header.next_offset > reading.position:
            reading.position = header.next_offset
        return bool(reading.records)

    def _records(
        self, place: TopicPartition, header: BatchHeader, batch: Buffer, position: int
    ) -> list[ConsumerRecord]:
        if header.is_control or header.next_offset <= position:
            return []
        where = f"{place.topic}-{place.partition} at offset {header.base_offset}"
        if self._config.check_crcs and not crc_is_valid(batch, header):
            raise _unreadable(where, "the CRC of the batch does not match its bytes")
        try:
            records = records_in(batch)
        except (BatchError, MissingCodecError) as error:
            raise _unreadable(where, str(error)) from None
        topic, partition = place
        timestamp_type = int(header.is_log_append_time)
        epoch = header.partition_leader_epoch
        return [
            ConsumerRecord(
                topic, partition, offset, timestamp, timestamp_type, key, value, headers, epoch
            )
            for offset, timestamp, key, value, headers in records
            if offset >= position
        ]

    def _take_in(
        self, place: TopicPartition, reading: Reading, data: PartitionData, now_ms: float
    ) -> None:
        code = error_code(data.error_code)
        if code is ErrorCode.OFFSET_OUT_OF_RANGE:
            self._reset(place, reading)
        elif code and code.retriable:
            self.last_problem = f"{place.topic}-{place.partition}: {code.name}: {code.text}"
            self.wants_metadata = self.wants_metadata or code.refreshes_metadata
            self._hold(reading, now_ms)
        elif code:
            name = f"{place.topic}-{place.partition}"
            reading.error = Fatal(f"{name}: {code.name}: {code.text}", code=code)
        else:
            self._keep(place, reading, data)

    def _keep(self, place: TopicPartition, reading: Reading, data: PartitionData) -> None:
        reading.attempts = 0
        records = memoryview(data.records or b"")
        try:
            for at, header in headers_in(records):
                batch = records[at : at + header.size_bytes]
                reading.batches.append((header, batch))
                reading.held_bytes += len(batch)
                reading.fetch_offset = header.next_offset
        except BatchError as error:
            where = f"{place.topic}-{place.partition} at offset {reading.fetch_offset}"
            reading.error = _unreadable(where, str(error))

    def _reset(self, place: TopicPartition, reading: Reading) -> None:
        """The offset lies outside the log: begin where auto_offset_reset says."""
        if reading.batches or reading.records:
            return  # first hand out what is there; the same answer will come again
        if self._config.auto_offset_reset == "none":
            self._fail_without_position(place, reading)
            return
        reading.move_to(NO_POSITION)
        reading.look_up = self._config.auto_offset_reset

    def _fail_without_position(self, place: TopicPartition, reading: Reading) -> None:
        where = "no position" if reading.position < 0 else f"no offset {reading.position}"
        reading.look_up = None
        reading.error = Fatal(
            f"{place.topic}-{place.partition} has {where}, and auto_offset_reset is 'none': "
            "seek first",
            code=ErrorCode.OFFSET_OUT_OF_RANGE,
        )

    def _request(
        self, offsets: dict[TopicPartition, int], epoch_of: Callable[[str, int], int]
    ) -> FetchRequest:
        config = self._config
        topics: dict[str, list[FetchPartition]] = {}
        for place, offset in offsets.items():
            wanted = FetchPartition(
                partition=place.partition,
                current_leader_epoch=epoch_of(*place),
                fetch_offset=offset,
                partition_max_bytes=config.max_partition_fetch_bytes,
            )
            topics.setdefault(place.topic, []).append(wanted)
        return FetchRequest(
            max_wait_ms=config.fetch_max_wait_ms,
            min_bytes=config.fetch_min_bytes,
            max_bytes=config.fetch_max_bytes,
            topics=[FetchTopic(topic=name, partitions=each) for name, each in topics.items()],
        )

    def _close(self, call: FetchCall) -> None:
        for place in call.offsets:
            reading = self.readings.get(place)
            if reading is not None:
                reading.is_open = False

    def _hold_all(self, call: FetchCall, code: ErrorCode, now_ms: float) -> None:
        self.wants_metadata = self.wants_metadata or code.refreshes_metadata
        for place in call.offsets:
            reading = self.readings.get(place)
            if reading is not None:
                self._hold(reading, now_ms)

    def _hold(self, reading: Reading, now_ms: float) -> None:
        config = self._config
        wait_ms = backoff_ms(
            config.retry_backoff_ms, config.retry_backoff_max_ms, reading.attempts, self._random
        )
        reading.attempts += 1
        reading.retry_at_ms = now_ms + wait_ms

    def _serve_later(self, place: TopicPartition) -> None:
        """The partition that was served to the full goes behind the others."""
        self.readings[place] = self.readings.pop(place)


def _unreadable(where: str, why: str) -> Fatal:
    return Fatal(
        f"{where}: {why}; seek past it to go on without it", code=ErrorCode.CORRUPT_MESSAGE
    )
