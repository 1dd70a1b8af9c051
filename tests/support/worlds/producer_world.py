"""A producer and a broker in simulated time: a seed decides every delay, loss, error and restart.

Real: accumulator, sender and lanes on one side, partitions, sequence tables and logs on the other.
Simulated: the wire (in order per connection; a cut loses answers at once, and requests from some
point on, while those before it may still reach the broker, late), the clock, two nodes between
which leaders move. Judged by minibroker.testing.findings. In a gentle world everything heals within
the time a record has, so that there every record must be acknowledged.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import Enum, auto
from random import Random

from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.config.topic import topic_config
from minibroker.broker.log.log import Log, LogConfig
from minibroker.broker.partitions.partition import Appended, Partition
from minibroker.broker.partitions.producers import Producers
from minibroker.broker.partitions.sequences import Duplicate, SequenceTable
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.client.config import ProducerConfig
from minibroker.client.errors import ClientError
from minibroker.client.produce.accumulator import Accumulator
from minibroker.client.produce.answers import Answer
from minibroker.client.produce.batch import ProducerBatch, record_bytes_max
from minibroker.client.produce.receipts import outcome_at
from minibroker.client.produce.sender import NEVER, ProduceCall, Sender
from minibroker.protocol.batch.header import headers_in
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.errors import ErrorCode, Refused
from minibroker.testing import Acknowledged, Failed, Kept, Sent

from tests.support.worlds.drawn_arguments import draw

TOPIC = "t"
PARTITIONS = 2
NODES = (1, 2)
PRODUCER_ID = 4_000
TURNS_MAX = 100_000
LARGE_BYTES = 150  # some brokers take no larger batches
CONFIG = ProducerConfig(
    bootstrap_servers=(("sim", 1),),
    linger_ms=5,
    batch_size=200,
    delivery_timeout_ms=3_000,
    request_timeout_ms=500,
    retry_backoff_ms=20,
    retry_backoff_max_ms=200,
)
GENTLE_CONFIG = replace(CONFIG, delivery_timeout_ms=60_000, batch_size=60)
REFUSALS = (
    ErrorCode.NOT_LEADER_OR_FOLLOWER,
    ErrorCode.NOT_ENOUGH_REPLICAS,
    ErrorCode.LEADER_NOT_AVAILABLE,
)
DOUBTS = (
    ErrorCode.REQUEST_TIMED_OUT,
    ErrorCode.KAFKA_STORAGE_ERROR,
    ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
)
ENDS = (
    ErrorCode.INVALID_RECORD,
    ErrorCode.MESSAGE_TOO_LARGE,
    ErrorCode.UNKNOWN_SERVER_ERROR,
)


class Kind(Enum):
    """What a world does to its producer."""

    HARSH = auto()
    FORGETFUL = auto()
    GENTLE = auto()


class Link:
    """One connection: answers and requests arrive in order, until it is cut."""

    def __init__(self) -> None:
        self.calls: deque[ProduceCall] = deque()
        self.is_cut = False
        self.is_silent = False
        self.requests_until = NEVER  # what arrives later than this is lost
        self.arrives_at = 0.0
        self.answered_at = 0.0


class World:
    """One run.

    Args:
        kind: a restarted broker of a FORGETFUL world knows only the newest batch of a producer, as
            Apache Kafka; in a GENTLE one no broker ever forgets, refuses for good or is away long.

    Attributes:
        large_bytes: the broker refuses batches of more.
    """

    def __init__(self, seed: int, kind: Kind) -> None:
        self.random = Random(seed)
        self.shapes = Random(-seed - 1)  # of records; apart, so that each world stays the same
        self.handed_over: dict[bytes, object] = {}
        self.kind = kind
        self.config = GENTLE_CONFIG if kind is Kind.GENTLE else CONFIG
        self.now_ms = 0.0
        self.slots_max = self.config.max_in_flight_requests_per_connection
        self.accumulator = Accumulator(self.config)
        self.sender = Sender(self.config, self.accumulator, self.random)
        self.large_bytes = self.random.choice((NEVER, NEVER, LARGE_BYTES))
        self.partitions = [new_partition(index) for index in range(PARTITIONS)]
        self.leaders = {index: self.random.choice(NODES) for index in range(PARTITIONS)}
        self.links: dict[int, Link | None] = dict.fromkeys(NODES)
        self.deliveries: list[tuple[bytes, ProducerBatch, int]] = []
        self.stamped: dict[tuple[int, int, int, int, int], bytes] = {}
        self.down_until_ms = 0.0
        self.starved_until_ms = 0.0
        self.wake_at_ms = NEVER
        self.trouble = self.random.choice((0.0, 0.02, 0.1))  # how often an answer is an error
        self.turns = itertools.count()
        self.events: list[tuple[float, int, Callable[[], None]]] = []

    def run(self) -> None:
        """Send for some seconds, with faults; then wait for every outcome."""
        random = self.random
        at_ms = 0.0
        pace_ms = random.choice((0.1, 2) if self.kind is Kind.GENTLE else (0.1, 2, 40))
        for number in range(random.randrange(10, 120)):
            at_ms += random.expovariate(1 / pace_ms)
            self.at(at_ms, lambda number=number: self.send(number))  # type: ignore[misc]
        for _ in range(random.randrange(12)):
            faults = [self.cut, self.cut, self.silence, self.restart, self.move]
            if self.kind is not Kind.GENTLE:
                faults += [self.outage, self.starve]
            self.at(random.uniform(0, at_ms + 500), random.choice(faults))
        self.at(random.uniform(0, 50), lambda: self.sender.give_producer_id(PRODUCER_ID))
        bound_ms = at_ms + self.config.delivery_timeout_ms + self.config.request_timeout_ms + 1_000
        while self.events:
            self.now_ms, _, event = heapq.heappop(self.events)
            if self.now_ms > bound_ms:
                break
            event()
            self.pump()

    def at(self, at_ms: float, event: Callable[[], None]) -> None:
        """Let something happen."""
        turn = next(self.turns)
        assert turn < TURNS_MAX, "time stands still"
        heapq.heappush(self.events, (at_ms, turn, event))

    def send(self, number: int) -> None:
        """One record, with a value of its own."""
        index = self.random.randrange(PARTITIONS)
        value = b"%d" % number + b"." * self.random.randrange(60)
        taken = draw(self.shapes, value)
        if taken is None:
            return
        key, _, headers, timestamp, self.handed_over[value] = taken
        size = record_bytes_max(key, value, headers)
        batch = self.accumulator.append(
            (TOPIC, index), key, value, headers, timestamp, size_bytes=size, now_ms=self.now_ms
        )
        self.deliveries.append((value, batch, batch.count - 1))

    @property
    def altered(self) -> list[bytes]:
        """Values of records that are not stored as they were when they were handed over."""
        return [
            value
            for partition in self.partitions
            for value, read in _records_of(partition)
            if self.handed_over.get(value) != read
        ]

    def pump(self) -> None:
        """What the edge does after every event."""
        sender = self.sender
        for link in self.links.values():
            if link is not None and link.calls and link.calls[0].deadline_ms <= self.now_ms:
                self._end_link(link)
        sender.expire(self.now_ms)
        for call in sender.drain(self.now_ms, lambda _, index: self.leaders[index], self._slots):
            self._write(call)
        sender.wants_metadata = False
        deadlines = [link.calls[0].deadline_ms for link in self._open_links() if link.calls]
        wake_ms = min(sender.next_wake_ms(self.now_ms), *deadlines, NEVER)
        if wake_ms < self.wake_at_ms or self.wake_at_ms <= self.now_ms:
            self.wake_at_ms = wake_ms
            if wake_ms != NEVER:
                self.at(wake_ms, lambda: None)

    def cut(self) -> None:
        """A connection ends; what is under way is lost, or not."""
        links = self._open_links()
        if links:
            self._end_link(self.random.choice(links))

    def silence(self) -> None:
        """A connection goes on taking requests and gives no more answers."""
        for link in self._open_links():
            link.is_silent = link.is_silent or self.random.random() < 0.5

    def restart(self) -> None:
        """Every connection ends; the broker reads its logs again."""
        for link in self._open_links():
            self._end_link(link)
        for partition in self.partitions:
            partition.sequences = self._recovered(partition)

    def outage(self) -> None:
        """A restart that takes its time, perhaps longer than a record may."""
        self.restart()
        self.down_until_ms = self.now_ms + self.random.expovariate(1 / 1_000)
        self.at(self.down_until_ms, lambda: None)

    def starve(self) -> None:
        """For a while there are too few replicas, perhaps for longer than a record may wait."""
        self.starved_until_ms = self.now_ms + self.random.expovariate(1 / 2_000)

    def move(self) -> None:
        """Leaders change places; their logs are the same everywhere."""
        self.leaders = {index: self.random.choice(NODES) for index in self.leaders}

    def _recovered(self, partition: Partition) -> SequenceTable:
        headers = [header for _, header in headers_in(log_bytes(partition))]
        if self.kind is Kind.FORGETFUL:
            headers = [*{header.producer_id: header for header in headers}.values()]
        table = SequenceTable()
        for header in headers:
            table.record(header, header.base_offset, 0)
        return table

    def _open_links(self) -> list[Link]:
        return [link for link in self.links.values() if link is not None]

    def _slots(self, node_id: int) -> int:
        link = self.links[node_id]
        if self.now_ms < self.down_until_ms:
            return 0
        if link is None:
            if self.random.random() < 0.3:  # connecting takes a while
                self.at(self.now_ms + self.random.uniform(1, 50), lambda: None)
                return 0
            link = self.links[node_id] = Link()
        return self.slots_max - len(link.calls)

    def _write(self, call: ProduceCall) -> None:
        link = self.links[call.node_id]
        assert link is not None
        link.calls.append(call)
        for batch in call.batches:
            ids = (batch.producer_id, batch.producer_epoch, batch.base_sequence)
            key = (batch.partition, *ids, batch.count)  # a batch may be split in two
            wire = bytes(batch.wire)
            assert self.stamped.setdefault(key, wire) == wire, f"other bytes under {key}"
        link.arrives_at = max(link.arrives_at, self.now_ms) + self.random.uniform(0.1, 20)
        data = [(batch, bytes(batch.wire)) for batch in call.batches]
        self.at(link.arrives_at, lambda: self._arrive(link, call, data))

    def _arrive(
        self, link: Link, call: ProduceCall, data: list[tuple[ProducerBatch, bytes]]
    ) -> None:
        if self.now_ms >= link.requests_until:
            return
        answers = [(batch, self._produce(call.node_id, batch, wire)) for batch, wire in data]
        link.answered_at = max(link.answered_at, self.now_ms) + self.random.uniform(0.1, 20)
        self.at(link.answered_at, lambda: self._answer(link, call, answers))

    def _answer(
        self, link: Link, call: ProduceCall, answers: list[tuple[ProducerBatch, Answer]]
    ) -> None:
        if link.is_cut or link.is_silent:
            return
        assert link.calls[0] is call, "answers come in order"
        link.calls.popleft()
        for batch, answer in answers:
            self.sender.answered(batch, answer, self.now_ms)

    def _produce(self, node_id: int, batch: ProducerBatch, wire: bytes) -> Answer:
        if self.leaders[batch.partition] != node_id:
            return Answer(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        if self.now_ms < self.starved_until_ms:
            return Answer(ErrorCode.NOT_ENOUGH_REPLICAS)
        chance = self.random.random()
        if chance < self.trouble:
            return Answer(self.random.choice(REFUSALS))
        if chance < self.trouble * 1.1 and self.kind is not Kind.GENTLE:
            return Answer(self.random.choice(ENDS))
        if len(wire) > self.large_bytes and batch.count > 1:
            return Answer(ErrorCode.MESSAGE_TOO_LARGE)
        verdict = self.partitions[batch.partition].produce(memoryview(wire), 1_000)
        if isinstance(verdict, Refused):
            return Answer(verdict.code)
        assert isinstance(verdict, Appended | Duplicate)
        if chance < self.trouble * 2:
            return Answer(self.random.choice(DOUBTS))
        return Answer(ErrorCode.NONE, verdict.base_offset)

    def _end_link(self, link: Link) -> None:
        """The client sees the end now; what it has written may still arrive, up to some point."""
        link.is_cut = True
        if self.random.random() < 0.7:
            link.requests_until = self.now_ms + self.random.uniform(0, 40)
        for node_id, each in self.links.items():
            if each is link:
                self.links[node_id] = None
        while link.calls:
            self.sender.lost(link.calls.popleft(), self.now_ms, "cut")

    @property
    def sent(self) -> list[Sent]:
        """What was sent, in order, and what the sender was told."""
        return [_told(value, batch, index) for value, batch, index in self.deliveries]

    @property
    def stored(self) -> dict[int, list[Kept]]:
        """What every partition holds."""
        return {index: self._kept(index) for index in range(PARTITIONS)}

    def _kept(self, index: int) -> list[Kept]:
        data = memoryview(log_bytes(self.partitions[index]))
        return [
            Kept(record.offset, record.value or b"")
            for position, header in headers_in(data)
            for record in records_in(data[position : position + header.size_bytes])
        ]


def _records_of(partition: Partition) -> Iterator[tuple[bytes, object]]:
    data = memoryview(log_bytes(partition))
    for position, header in headers_in(data):
        for each in records_in(data[position : position + header.size_bytes]):
            yield each.value or b"", (each.key, tuple(each.headers), each.timestamp)


def _told(value: bytes, batch: ProducerBatch, index: int) -> Sent:
    sent = Sent(batch.partition, value)
    if batch.outcome is not None:
        told = outcome_at(batch, index)
        if isinstance(told, ClientError):
            sent.outcome = Failed(told.possibly_persisted, str(told))
        else:
            sent.outcome = Acknowledged(told.offset)
    return sent


def new_partition(index: int) -> Partition:
    """One of TOPIC, in memory; records may be of any time."""
    log = Log.open(MemoryStorage(), f"t-{index}", LogConfig(), lambda header: None)
    config = topic_config({"message.timestamp.after.max.ms": str(2**63 - 1)}, BrokerConfig())
    return Partition(TOPIC, index, log, Producers(), config=config, flushed=False, leader_epoch=0)


def log_bytes(partition: Partition) -> bytes:
    """All of a log; a record far from the others in time begins a new segment."""
    log, parts, offset = partition.log, list[bytes](), 0
    while offset < log.log_end_offset:
        data = bytes(log.read(offset, log.log_end_offset, 2**30))
        parts.append(data)
        *_, (_, last) = headers_in(memoryview(data))
        offset = last.next_offset
    return b"".join(parts)
