"""Readers beside transactions: of either isolation, and of committed offsets; and a plain writer.

Reader leaves out what is aborted as Kafka's consumers do, by the list of a Fetch and the markers.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from minibroker.protocol.batch.control import read_marker
from minibroker.protocol.batch.header import headers_in
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.messages.fetch import (
    AbortedTransaction,
    FetchPartition,
    FetchRequest,
    FetchTopic,
)
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest
from minibroker.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
)
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from minibroker.testing import Acknowledged, Kept, TransactionHistory

from tests.support.worlds.machine import START_MS, Machine
from tests.support.worlds.programs import Asked, Doing, Pause, Program, Surroundings

TOPIC = "t"
FETCH, OFFSET_FETCH, PRODUCE, INIT = 12, 9, 11, 4
NONE, OUT_OF_RANGE, UNSTABLE = 0, 1, 88
LATER = frozenset((14, 15, 16, 51, 56))  # loading, not available, busy, the disk


class Seen(NamedTuple):
    """What a Fetch comes to: the records of an application, and where to go on.

    Attributes:
        epoch: of the last batch; -1 for none.
    """

    records: list[Kept]
    next_offset: int
    epoch: int


def seen_in(records: bytes, begin: int, aborted: Sequence[AbortedTransaction] | None) -> Seen:
    """What a consumer makes of a Fetch from `begin`. Source: CompletedFetch of Kafka's consumer.

    Args:
        aborted: None for read_uncommitted.
    """
    ahead = [(each.first_offset, each.producer_id) for each in aborted or ()]
    heapq.heapify(ahead)
    ending: set[int] = set()
    kept: list[Kept] = []
    next_offset, epoch = begin, -1
    data = memoryview(records)
    for position, header in headers_in(data):
        batch = bytes(data[position : position + header.size_bytes])
        next_offset, epoch = header.next_offset, header.partition_leader_epoch
        while ahead and ahead[0][0] <= header.next_offset - 1:
            ending.add(heapq.heappop(ahead)[1])
        if header.is_control:
            marker = read_marker(batch)
            if marker is not None and not marker.is_commit:
                ending.discard(marker.producer_id)
        elif not (header.is_transactional and header.producer_id in ending):
            kept += [Kept(each.offset, each.value or b"") for each in records_in(batch)]
    return Seen([each for each in kept if each.offset >= begin], next_offset, epoch)


class Stable:
    """How far each partition was told to be stable: whoever asks then is told no less."""

    def __init__(self) -> None:
        self._offsets: dict[int, int] = {}

    def known(self, partition: int) -> int:
        """The furthest that anybody was told."""
        return self._offsets.get(partition, 0)

    def told(self, partition: int, offset: int, least: int) -> list[str]:
        """What is wrong with what was told, if anything.

        Args:
            least: what was known when it was asked for.
        """
        self._offsets[partition] = max(offset, self.known(partition))
        if offset >= least:
            return []
        return [f"the last stable offset of {partition} went back from {least} to {offset}"]


class Reader(Program):
    """Reads all partitions of a topic on and on."""

    def __init__(
        self,
        where: Surroundings,
        history: TransactionHistory,
        name: str,
        partitions: int,
        stable: Stable,
        *,
        is_committed: bool,
    ) -> None:
        super().__init__(where, name)
        self._history = history
        self._is_committed = is_committed
        self._positions = [0] * partitions
        self._epochs = [-1] * partitions  # of what was read last
        self._stable = stable

    def program(self) -> Doing:
        while not self.is_stopped:
            partition = self.random.randrange(len(self._positions))
            wait_ms, most = self.random.choice((0, 5, 50)), self.random.choice((100, 1_000, 10_000))
            position = self._positions[partition]
            epoch = self.random.choice((-1, self._epochs[partition]))  # clients do either (KIP-595)
            message = fetch(partition, position, self._is_committed, wait_ms, most, epoch)
            least = self._stable.known(partition)
            (answer,) = yield Asked([(message, FETCH)])
            if answer is not None:
                (part,) = answer.responses[0].partitions
                self._take(partition, position, part, least)
            yield self.again()

    def _take(self, partition: int, begin: int, part: Any, least: int) -> None:
        if part.error_code == OUT_OF_RANGE:  # retention was quicker
            self._positions[partition] += 1
            self._epochs[partition] = -1
            return
        if part.error_code:
            self.wrong.append(f"{self.name}: Fetch was answered {part.error_code}")
            return
        if part.diverging_epoch is not None:
            self.wrong.append(f"{self.name}: {partition} diverges: {part.diverging_epoch}")
            return
        stable = part.last_stable_offset
        self.wrong += self._stable.told(partition, stable, least)
        aborted = part.aborted_transactions if self._is_committed else None
        seen = seen_in(bytes(part.records or b""), begin, aborted)
        if self._is_committed and seen.next_offset > stable:
            text = f"{self.name}: {partition} was read to {seen.next_offset}, stable is {stable}"
            self.wrong.append(text)
        if seen.next_offset > begin:
            self._history.read(
                partition, begin, seen.next_offset, seen.records, is_committed=self._is_committed
            )
            self._positions[partition] = seen.next_offset
            self._epochs[partition] = seen.epoch


class OffsetReader(Program):
    """Reads the committed offsets of groups on and on.

    Args:
        keys: (group, partition), one partition a group.
    """

    def __init__(
        self, where: Surroundings, history: TransactionHistory, keys: Sequence[tuple[str, int]]
    ) -> None:
        super().__init__(where, "offset reader")
        self._history = history
        self._keys = keys

    def program(self) -> Doing:
        while not self.is_stopped:
            key = self.random.choice(self._keys)
            message = offset_fetch(key, self.random.random() < 0.5)
            (answer,) = yield Asked([(message, OFFSET_FETCH)])
            if answer is not None:
                code, offset = offset_in(answer)
                if code == NONE:
                    self._history.read_offset(*key, offset)
                elif code not in (UNSTABLE, *LATER):
                    self.wrong.append(f"OffsetFetch was answered {code}")
            yield self.again()


class PlainWriter(Program):
    """Writes records in no transaction, each until it is acknowledged."""

    def __init__(
        self, where: Surroundings, history: TransactionHistory, partitions: int, count: int
    ) -> None:
        super().__init__(where, "plain")
        self._history = history
        self._partitions = partitions
        self._count = count

    def program(self) -> Doing:
        message = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=0)
        answer: Any = None
        while answer is None or answer.error_code:
            (answer,) = yield Asked([(message, INIT)])
            yield self.again()
        for number in range(self._count):
            partition = number % self._partitions
            value = b"plain %d" % number
            wire = build_batch(
                [(None, value, (), START_MS)],
                producer_id=answer.producer_id,
                producer_epoch=0,
                base_sequence=number // self._partitions,
            )
            self._history.send(None, partition, value, self.name)
            yield from self._deliver(partition, value, wire)

    def _deliver(self, partition: int, value: bytes, wire: bytes) -> Doing:
        while True:
            (answer,) = yield Asked([(produce(None, [(partition, wire)]), PRODUCE)])
            if answer is not None:
                (part,) = answer.responses[0].partition_responses
                if not part.error_code:
                    self._history.answered(value, Acknowledged(part.base_offset))
                    yield Pause(self.random.expovariate(0.1))
                    return
            yield self.again()


def fetch(
    partition: int,
    offset: int,
    is_committed: bool,
    wait_ms: int,
    bytes_max: int,
    last_epoch: int = -1,
) -> FetchRequest:
    """A Fetch of one partition.

    Args:
        last_epoch: of what stands before `offset`; -1 says nothing of it.
    """
    wanted = FetchPartition(
        partition=partition,
        fetch_offset=offset,
        partition_max_bytes=bytes_max,
        last_fetched_epoch=last_epoch,
    )
    return FetchRequest(
        max_wait_ms=wait_ms,
        min_bytes=1 if wait_ms else 0,
        isolation_level=int(is_committed),
        topics=[FetchTopic(topic=TOPIC, partitions=[wanted])],
    )


def produce(
    transactional_id: str | None, batches: Sequence[tuple[int, bytes]], topic: str = TOPIC
) -> ProduceRequest:
    """A Produce of (partition, batch) each."""
    data = [PartitionProduceData(index=index, records=wire) for index, wire in batches]
    return ProduceRequest(
        transactional_id=transactional_id,
        acks=-1,
        timeout_ms=1_000,
        topic_data=[TopicProduceData(name=topic, partition_data=data)],
    )


def offset_fetch(key: tuple[str, int], is_stable: bool) -> OffsetFetchRequest:
    """An OffsetFetch of one partition."""
    topics = [OffsetFetchRequestTopic(name=TOPIC, partition_indexes=[key[1]])]
    return OffsetFetchRequest(
        groups=[OffsetFetchRequestGroup(group_id=key[0], topics=topics)],
        require_stable=is_stable,
    )


def offset_in(answer: Any) -> tuple[int, int]:
    """(error code, offset) of an OffsetFetch of one partition."""
    (group,) = answer.groups
    if group.error_code:
        return group.error_code, -1
    part = group.topics[0].partitions[0]
    return part.error_code, part.committed_offset


def read_all(
    machine: Machine, partition: int, *, is_committed: bool
) -> tuple[int, int, list[Kept]]:
    """(log start, how far it can be read, all records) of a partition, here and now."""
    kept: list[Kept] = []
    for part, offset in _fetches(machine, partition, is_committed):
        aborted = part.aborted_transactions if is_committed else None
        seen = seen_in(bytes(part.records or b""), offset, aborted)
        kept += seen.records
        start, end = part.log_start_offset, seen.next_offset
    return start, end, kept


def _fetches(machine: Machine, partition: int, is_committed: bool) -> Iterator[tuple[Any, int]]:
    """Fetch after Fetch from the log start on; the last one is empty."""
    offset = 0
    while True:
        message = fetch(partition, offset, is_committed, 0, 20_000)
        (part,) = machine.ask(message, FETCH).responses[0].partitions
        if part.error_code == OUT_OF_RANGE:
            offset += 1  # the log begins further on
            continue
        assert not part.error_code, f"Fetch of {partition} from {offset}: {part.error_code}"
        yield part, offset
        next_offset = seen_in(bytes(part.records or b""), offset, None).next_offset
        if next_offset == offset:
            return
        offset = next_offset
