"""What a consumer fetches next, and what came. Sans-IO: facts in, calls and records out.

A partition's batches that came and were not taken yet are bounded by max_partition_fetch_bytes
and one more fetch, those of all partitions by fetch_max_bytes and one more fetch. One fetch is open
per node. Batches are decoded when they are taken. An answer to a question that a seek has overtaken
is dropped. When a partition's leader changes, what was fetched and not taken is dropped, and the
new leader is first asked whether it has what was read (KIP-320).
Read first: position.py. Source: Fetcher.java, SubscriptionState.java; KIP-227 (sessions not used).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import nan
from random import Random
from typing import Final, Generic

from ...protocol.acls import AclOperation
from ...protocol.batch.header import BatchError, headers_in
from ...protocol.errors import ErrorCode, error_code
from ...protocol.messages.fetch import (
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    PartitionData,
)
from ..cluster.backoff import backoff_ms
from ..config import ConsumerConfig
from ..errors import ClientError, Fatal, LogTruncation, words
from ..figures import ConsumerFigures
from ..partitions import NO_EPOCH, OffsetAndMetadata, TopicPartition, name_of
from .deserializing import Deserializers
from .handed_out import HandedOut
from .isolation import Visibility
from .position import (
    COMMITTED,
    NO_POSITION,
    PASSED,
    ConsumerRecord,
    Deserializer,
    K,
    Reading,
    V,
)
from .unpacking import unpacked, unreadable

NEVER: Final = float("inf")
# Perhaps the topic was deleted and made again. A fetch at the old position could find other records
# there, so that nothing is fetched before metadata has told whether it is still the same topic.
GONE: Final = {
    *(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID),
    *(ErrorCode.FENCED_LEADER_EPOCH, ErrorCode.UNKNOWN_LEADER_EPOCH),
}


@dataclass(slots=True, eq=False)
class FetchCall:
    """One Fetch request to write, and the offset asked for of each partition."""

    node_id: int
    request: FetchRequest
    offsets: dict[TopicPartition, int]


class Fetcher(Generic[K, V]):
    """The partitions of one consumer.

    Attributes:
        readings: by partition, in the order in which they are served; the first is served next.
        handed_out: what the application got.
        wants_metadata: an answer says that it is stale.
        figures: what was counted.
        last_problem: the newest reason to try again, for texts.
    """

    def __init__(
        self,
        config: ConsumerConfig,
        random: Random,
        key_deserializer: Deserializer[K] | None = None,
        value_deserializer: Deserializer[V] | None = None,
    ) -> None:
        self._config = config
        self._random = random
        self._deserializers = Deserializers(key_deserializer, value_deserializer)
        self.handed_out = HandedOut()
        self.readings: dict[TopicPartition, Reading] = {}
        self.wants_metadata = False
        self.last_problem = ""
        self.figures = ConsumerFigures()

    def assign(self, places: Iterable[TopicPartition]) -> None:
        """Read these partitions; those kept keep their position."""
        look_up: str = self._config.auto_offset_reset
        if self._config.group_id is not None:
            look_up = COMMITTED
        self.readings = {
            place: self.readings.get(place) or Reading(look_up=look_up) for place in places
        }
        for place, reading in self.readings.items():
            if reading.look_up == "none":
                self._fail_without_position(place, reading)

    def made_again(self, topic: str) -> None:
        """A topic was deleted and made again: positions of the old one mean nothing in the new."""
        for place, reading in self.readings.items():
            if place.topic != topic or reading.look_up is not None:
                continue  # without a position yet, it is looked up in the new one
            reading.move_to(NO_POSITION)
            reading.retry_at_ms = 0.0
            reading.look_up = self._config.auto_offset_reset
            if reading.look_up == "none":
                self._fail_without_position(place, reading)

    def hold_back(self, places: Iterable[TopicPartition]) -> None:
        """Hand out no more of these partitions: they are about to be given up."""
        for place in places:
            if place in self.readings:
                self.readings[place].is_held_back = True

    def let_go(self, places: Iterable[TopicPartition]) -> None:
        """Undo hold_back()."""
        for place in places:
            if place in self.readings:
                self.readings[place].is_held_back = False

    def positions(self) -> dict[TopicPartition, OffsetAndMetadata]:
        """Up to where the application has got records, as a group commits it."""
        return {
            place: OffsetAndMetadata(each.position, "", each.epoch)
            for place, each in self.readings.items()
            if each.position >= 0
        }

    def done_with(self, offsets: Mapping[TopicPartition, int]) -> None:
        """The application says that it is done with what it got below these offsets."""
        # 1. It has got records 0 and 1, commits 2 by hand, and works on.
        # 2. Automatic commit takes it to be done with what it got before its newest call: none.
        # 3. It would commit 0, and whoever reads on after a crash would get both again.
        for place, offset in offsets.items():
            reading = self.readings.get(place)
            if reading is not None and reading.settled < offset <= reading.position:
                reading.settled = offset

    def found_committed(
        self, place: TopicPartition, offset: int, epoch: int, asked_for: Reading | None = None
    ) -> None:
        """What the group has committed for a partition, as it was asked for; or NO_POSITION."""
        reading = self.readings.get(place)
        if reading is None or reading.look_up != COMMITTED:
            return  # given up, or a seek came first
        # 1. It is asked for, and the answer is slow. 2. The partition goes to another member, who
        # reads on and commits, and comes back. 3. The answer says where it was before all that.
        if asked_for is not None and asked_for is not reading:
            return
        if offset >= 0:
            reading.move_to(offset, epoch)
            reading.committed = offset
            return
        reading.look_up = self._config.auto_offset_reset
        if reading.look_up == "none":
            self._fail_without_position(place, reading)

    def places_to_check(self) -> dict[TopicPartition, int]:
        """Partitions with a new leader, and the leader epoch of what was last read there."""
        return {
            place: reading.epoch
            for place, reading in self.readings.items()
            if reading.is_checking and reading.error is None
        }

    def checked(
        self, place: TopicPartition, position: int, leader_epoch: int, end_offset: int
    ) -> None:
        """A new leader's answer: the epoch it has up to the one asked for, and where that ends."""
        reading = self.readings.get(place)
        # 1. The question leaves for position 100. 2. The application seeks to 20.
        # 3. The answer, about 100, would move it away from where it was sent.
        if reading is None or not reading.is_checking or reading.position != position:
            return
        reading.is_checking = False
        # 1. Records up to 100 are read of the leader of epoch 4, which then dies.
        # 2. The leader of epoch 5 has 90 of them, and takes twenty new ones from 90 on.
        # 3. A fetch at 100 would succeed: ten new records are skipped, and nobody notices.
        # So the end of epoch 4 is asked for: what lies behind 90 is read again, of the new log.
        is_known = leader_epoch != NO_EPOCH and end_offset >= 0
        if is_known and end_offset >= position:
            return
        if self._config.auto_offset_reset == "none":
            divergent_offset = end_offset if is_known else NO_POSITION
            reading.error = LogTruncation(*place, position, divergent_offset)
        elif is_known:
            # Moving forgets what was checked; kept, or this same leader would be asked once more.
            checked_epoch = reading.checked_epoch
            reading.move_to(end_offset, leader_epoch)
            reading.checked_epoch = checked_epoch
        else:
            reading.move_to(NO_POSITION)
            reading.look_up = self._config.auto_offset_reset

    def plan(
        self,
        now_ms: float,
        leader_of: Callable[[str, int], int],
        epoch_of: Callable[[str, int], int],
        is_free: Callable[[int], bool],
        seen_at_ms: Callable[[str], float],
    ) -> list[FetchCall]:
        """The fetches to write now, at most one for each node that is free.

        Args:
            seen_at_ms: since when a topic is known to be there.
        """
        wanted: dict[int, dict[TopicPartition, int]] = {}
        held_bytes = sum(each.held_bytes for each in self.readings.values() if not each.is_paused)
        if held_bytes >= self._config.fetch_max_bytes:
            return []
        for place, reading in self.readings.items():
            if (
                reading.is_open
                or reading.is_paused
                or reading.is_held_back
                or reading.fetch_offset < 0
                or reading.error is not None
                or now_ms < reading.retry_at_ms
                or reading.held_bytes >= self._config.max_partition_fetch_bytes
                or self._must_check(reading, epoch_of(*place))
            ):
                continue
            if reading.doubted_at_ms >= seen_at_ms(place.topic):
                self.wants_metadata = True
                self._hold(reading, now_ms)
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
            self.figures.fetch_total += 1
            calls.append(FetchCall(node_id, self._request(offsets, epoch_of), offsets))
        return calls

    def answered(self, call: FetchCall, response: FetchResponse, now_ms: float) -> None:
        """Take in what a broker sent."""
        self._close(call)
        if response.error_code:
            self._hold_all(call, error_code(response.error_code), now_ms)
            return
        size = 0
        for topic in response.responses:
            for data in topic.partitions:
                size += len(data.records or b"")
                place = TopicPartition(topic.topic, data.partition_index)
                reading = self.readings.get(place)
                asked = call.offsets.get(place)
                if reading is not None and reading.fetch_offset == asked:
                    self._take_in(place, reading, data, now_ms)
        self.figures.fetch_bytes.add(size)

    def lost(self, call: FetchCall, why: str, now_ms: float) -> None:
        """No answer will come."""
        self._close(call)
        self.last_problem = why
        self._hold_all(call, ErrorCode.NETWORK_EXCEPTION, now_ms)

    def take(
        self, count_max: int, among: frozenset[TopicPartition] | None = None
    ) -> dict[TopicPartition, list[ConsumerRecord[K, V]]]:
        """Hand out records that have come, in offset order within a partition.

        Raises:
            ClientError: of a partition that cannot be read; nothing is handed out then.
        """
        taken: dict[TopicPartition, list[ConsumerRecord[K, V]]] = {}
        for place in [*self.readings]:
            reading = self.readings[place]
            if (
                reading.is_paused
                or reading.is_held_back
                or reading.is_checking
                or (among is not None and place not in among)
            ):
                continue
            if reading.error is not None and not taken:
                raise reading.error.with_traceback(None)
            while count_max > 0 and (reading.records or reading.batches) and not reading.error:
                if not reading.records and not self._decode_next(place, reading, bool(taken)):
                    continue
                stored = reading.records[:count_max]
                records, reading.error = self._deserializers.apply(stored)
                if reading.error is not None and not records and not taken:
                    raise reading.error
                if not records:
                    break
                del reading.records[: len(records)]
                count_max -= len(records)
                self.figures.records_consumed_total += len(records)
                reading.position = records[-1].offset + 1
                reading.epoch = records[-1].leader_epoch
                taken.setdefault(place, []).extend(records)
            if count_max <= 0:
                self._serve_later(place)
                break
        self.handed_out.note(taken, self.readings)
        return taken

    def go_back(self) -> None:
        """Hand out again what was handed out behind the positions that the group has committed."""
        self.handed_out.take(self.readings)
        for reading in self.readings.values():
            reading.move_to(NO_POSITION)
            reading.look_up = COMMITTED

    def lags(self) -> dict[TopicPartition, int]:
        """How many offsets lie between position and end, where both are known."""
        return {
            place: max(0, end - each.position)
            for place, each in self.readings.items()
            if each.position >= 0 and (end := self._end_of(each)) >= 0
        }

    def places_to_look_up(self) -> dict[TopicPartition, str]:
        """Partitions without a position, and where to begin: "earliest" or "latest"."""
        return {
            place: reading.look_up
            for place, reading in self.readings.items()
            if reading.look_up is not None and reading.error is None
        }

    def metrics(self) -> dict[str, float]:
        """What was counted, and how far behind the newest records it is, by Kafka's names."""
        return {
            **self.figures.metrics(),
            "records-lag-max": max(self.lags().values(), default=nan),
            "assigned-partitions": len(self.readings),
        }

    def _end_of(self, reading: Reading) -> int:
        """Where the records that the application may see end; NO_POSITION before it is known."""
        if self._config.reads_committed:
            return reading.last_stable_offset
        return reading.high_watermark

    def next_wake_ms(self, now_ms: float) -> float:
        """The next instant after now at which time alone changes something."""
        times = (reading.retry_at_ms for reading in self.readings.values())
        return min((at_ms for at_ms in times if at_ms > now_ms), default=NEVER)

    def _decode_next(self, place: TopicPartition, reading: Reading, has_taken: bool) -> bool:
        """Unpack the oldest batch; whether there are records to hand out."""
        header, batch = reading.batches.popleft()
        reading.held_bytes -= len(batch)
        self.figures.bytes_consumed_total += len(batch)
        try:
            if batch is not PASSED:
                reading.records = unpacked(
                    place, header, batch, reading.position, check_crcs=self._config.check_crcs
                )
        except ClientError as error:
            reading.error = error
            if has_taken:
                return False
            raise
        if not reading.records and header.next_offset > reading.position:
            if reading.settled == reading.position:
                reading.settled = header.next_offset
            reading.position = header.next_offset
            # 1. Records of epoch 4 are handed out, then a marker of epoch 5 is passed over.
            # 2. A new leader is asked where epoch 4 ends: before the position, as if it were cut.
            reading.epoch = header.partition_leader_epoch
        return bool(reading.records)

    def _must_check(self, reading: Reading, leader_epoch: int) -> bool:
        """Whether the partition's leader has to be asked first; notices that it has changed."""
        if leader_epoch > reading.checked_epoch:
            if reading.checked_epoch != NO_EPOCH:
                reading.drop_fetched()
            reading.checked_epoch = leader_epoch
            reading.is_checking = reading.epoch != NO_EPOCH
        return reading.is_checking

    def _take_in(
        self, place: TopicPartition, reading: Reading, data: PartitionData, now_ms: float
    ) -> None:
        code = error_code(data.error_code)
        if code is ErrorCode.OFFSET_OUT_OF_RANGE:
            self._reset(place, reading)
        elif code and code.retriable:
            self.last_problem = f"{name_of(place)}: {code.name}: {code.text}"
            if code in GONE:
                reading.doubted_at_ms = now_ms
            self.wants_metadata = self.wants_metadata or code.refreshes_metadata
            self._hold(reading, now_ms)
        elif code:
            told = words(code, AclOperation.READ)
            reading.error = Fatal(f"{name_of(place)}: {code.name}: {told}", code=code)
        else:
            self._keep(place, reading, data)

    def _keep(self, place: TopicPartition, reading: Reading, data: PartitionData) -> None:
        config = self._config
        reading.attempts = 0
        reading.high_watermark = data.high_watermark
        reading.last_stable_offset = data.last_stable_offset
        aborted = data.aborted_transactions if config.reads_committed else None
        visibility = Visibility(aborted or (), check_crcs=config.check_crcs)
        records, before = memoryview(data.records or b""), reading.fetch_offset
        try:
            for at, header in headers_in(records):
                batch = records[at : at + header.size_bytes]
                if visibility.shows(header, batch):
                    reading.batches.append((header, batch))
                    reading.held_bytes += len(batch)
                else:
                    reading.pass_over(header)
                reading.fetch_offset = header.next_offset
        except BatchError as error:
            where = f"{name_of(place)} at offset {reading.fetch_offset}"
            reading.error = unreadable(where, str(error))
        if records and reading.fetch_offset == before and reading.error is None:
            size = config.max_partition_fetch_bytes
            reading.error = Fatal(
                f"{name_of(place)} at offset {before}: the batch does not fit "
                f"max_partition_fetch_bytes={size}; raise it, or seek past the batch",
                code=ErrorCode.MESSAGE_TOO_LARGE,
            )

    def _reset(self, place: TopicPartition, reading: Reading) -> None:
        """The offset lies outside the log: begin where auto_offset_reset says."""
        if reading.batches or reading.records:
            return  # first hand out what is there; the same answer will come again
        self.wants_metadata = True  # perhaps it is another topic by now
        if self._config.auto_offset_reset == "none":
            self._fail_without_position(place, reading)
            return
        reading.move_to(NO_POSITION)
        reading.look_up = self._config.auto_offset_reset

    def _fail_without_position(self, place: TopicPartition, reading: Reading) -> None:
        where = "no position" if reading.position < 0 else f"no offset {reading.position}"
        reading.look_up = None
        reading.error = Fatal(
            f"{name_of(place)} has {where}, and auto_offset_reset is 'none': seek first",
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
            isolation_level=config.isolation,
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
