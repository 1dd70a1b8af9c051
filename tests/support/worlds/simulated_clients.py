"""Clients of a simulated machine, as simple as a client may be: they retry until they are answered.

Producer writes batches under a producer id of its own to its partitions, up to five of a partition
under way, always in order. Founder creates topics, writes to them, deletes them, again and again.
Reader fetches. They write down what they see in a History; none of them knows the broker's code,
nor how sequences wrap but for `_after`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minibroker.protocol.batch.header import headers_in
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from minibroker.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from minibroker.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)

from tests.support.worlds.log_history import History, Place, SentBatch, StoredBatch
from tests.support.worlds.machine import START_MS, Line, Machine

IN_FLIGHT_MAX = 5
SEQUENCES = 2_147_483_648
YEARS_MS = 5 * 365 * 24 * 3_600_000
OK, OUT_OF_RANGE, UNKNOWN_TOPIC, EXISTS, BROKEN = 0, 1, 3, 36, -1
PARTITIONS = 2


def _after(sequence: int, count: int) -> int:
    """The sequence `count` records later; after 2147483647 comes 0."""
    return (sequence + count) % SEQUENCES


def batches_in(records: bytes | memoryview) -> list[StoredBatch]:
    """The whole batches of a Fetch answer."""
    data = memoryview(records)
    batches = []
    for position, header in headers_in(data):
        wire = bytes(data[position : position + header.size_bytes])
        values = tuple((each.offset, each.value or b"") for each in records_in(wire))
        batches.append(StoredBatch(header.base_offset, header.producer_id, wire, values))
    return batches


class Client:
    """Has at most one connection, and makes another when it is gone."""

    def __init__(self, machine: Machine, history: History, name: str) -> None:
        self.machine = machine
        self.history = history
        self.name = name
        self.line: Line | None = None

    def connected(self) -> Line | None:
        """The connection; None while there is none."""
        if self.line is None:
            self.line = self.machine.connect(self._lost)
        return self.line

    def cut(self) -> None:
        """Hang up in the middle of everything."""
        if self.line is not None:
            self.line.cut()
            self._lost()

    def again(self, work: Callable[[], None]) -> None:
        """Do something a little later."""
        self.machine.at(self.machine.now_ms + self.machine.random.uniform(1, 10), work)

    def _lost(self) -> None:
        self.line = None
        self.forget()
        self.again(self.go_on)

    def forget(self) -> None:
        """Whatever was under way is not answered any more."""
        raise NotImplementedError

    def go_on(self) -> None:
        """Do what can be done now."""
        raise NotImplementedError

    def code(self, code: int, what: str) -> int:
        """Look at an error code that the broker gave."""
        if code == BROKEN:
            self.history.wrong.append(f"{self.name}: {what} was answered -1")
        elif code:
            self.machine.note(f"{self.name}: {what}: error {code}")
        return code


class Lane:
    """What one producer has for one partition, in the order in which it must be stored."""

    def __init__(self, place: Place, life: int, sequence: int) -> None:
        self.place = place
        self.life = life
        self.sequence = sequence
        self.open: list[SentBatch] = []
        self.under_way = 0  # of `open`, the first so many
        self.has_failed = False
        self.is_known = False  # to the broker: before, a lost first batch would be skipped

    @property
    def sendable(self) -> SentBatch | None:
        """The batch to send next; None while there is none or it must not overtake."""
        limit = IN_FLIGHT_MAX if self.is_known else 1
        if self.has_failed or self.under_way >= min(limit, len(self.open)):
            return None
        return self.open[self.under_way]


class Producer(Client):
    """Writes `count` batches, each until it is acknowledged.

    Args:
        places: the partitions it writes to.
        life: of their topic.
    """

    def __init__(
        self, machine: Machine, history: History, name: str, places: list[Place], life: int = 0
    ) -> None:
        super().__init__(machine, history, name)
        self.producer_id = -1
        self._asked_id = False
        self._requests = 0
        self._places = places
        self._life = life
        self._lanes: list[Lane] = []
        self._left = 0
        self._number = 0
        self._acks = machine.random.choice((-1, -1, 1))
        self._timestamp = START_MS - machine.random.choice((0, YEARS_MS))
        self._size = machine.random.choice((10, 100, 400))
        self._pace_ms = machine.random.choice((0.2, 2.0, 10.0))

    @property
    def is_done(self) -> bool:
        """Whether everything was acknowledged."""
        return not self._left and not any(lane.open for lane in self._lanes)

    def write(self, count: int) -> None:
        """Have so many batches more to write."""
        self._left += count
        self.go_on()
        self._make()

    def forget(self) -> None:
        self._asked_id = False
        self._requests = 0
        for lane in self._lanes:
            lane.under_way, lane.has_failed = 0, False

    def go_on(self) -> None:
        line = self.connected()
        if line is None:
            self.again(self.go_on)
        elif self.producer_id < 0:
            self._ask_id(line)
        else:
            while self._requests < IN_FLIGHT_MAX and self._send(line):
                pass

    def _make(self) -> None:
        if self._left and self.producer_id >= 0:
            self._left -= 1
            self._add()
            self.go_on()
        if self._left:
            pause_ms = self.machine.random.expovariate(1 / self._pace_ms)
            self.machine.at(self.machine.now_ms + pause_ms, self._make)

    def _add(self) -> None:
        random = self.machine.random
        lane = random.choice(self._lanes)
        values = []
        for _ in range(random.choice((1, 1, 2, 5))):
            text = f"{self.name} {lane.place[0]}/{lane.life}-{lane.place[1]} {self._number} "
            values.append(text.encode() + b"." * random.randrange(self._size))
            self._number += 1
        wire = build_batch(
            [(None, value, (), self._timestamp) for value in values],
            producer_id=self.producer_id,
            producer_epoch=0,
            base_sequence=lane.sequence,
        )
        lane.sequence = _after(lane.sequence, len(values))
        batch = SentBatch(lane.place, lane.life, self.name, tuple(values), self.producer_id, wire)
        lane.open.append(batch)
        self.history.sent.append(batch)

    def _ask_id(self, line: Line) -> None:
        if not self._asked_id:
            self._asked_id = True
            message = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=0)
            line.send(message, self._take_id)

    def _take_id(self, answer: Any) -> None:
        self._asked_id = False
        if self.code(answer.error_code, "InitProducerId"):
            self.again(self.go_on)
            return
        self.producer_id = answer.producer_id
        self.history.producer_ids.append(answer.producer_id)
        random = self.machine.random
        for place in self._places:
            sequence = random.choice((0, 0, SEQUENCES - random.randrange(1, 20)))
            self._lanes.append(Lane(place, self._life, sequence))
        self.go_on()

    def _send(self, line: Line) -> bool:
        """Send one request with a batch of each partition that has one, or some of them."""
        data: list[tuple[Lane, SentBatch]] = []
        for lane in self._lanes:
            batch = lane.sendable
            if batch is not None and (not data or self.machine.random.random() < 0.5):
                lane.under_way += 1
                data.append((lane, batch))
        if not data:
            return False
        topics = [
            TopicProduceData(
                name=lane.place[0],
                partition_data=[PartitionProduceData(index=lane.place[1], records=batch.wire)],
            )
            for lane, batch in data
        ]
        self._requests += 1
        message = ProduceRequest(acks=self._acks, timeout_ms=1000, topic_data=topics)
        line.send(message, lambda answer: self._take(data, answer))
        return True

    def _take(self, data: list[tuple[Lane, SentBatch]], answer: Any) -> None:
        self._requests -= 1
        parts = {
            (topic.name, part.index): part
            for topic in answer.responses
            for part in topic.partition_responses
        }
        for lane, batch in data:
            part = parts[lane.place]
            what = f"{batch.values[0]!r:.40}"
            if self.code(part.error_code, what):
                lane.has_failed = True
            else:
                self.machine.note(f"{what} acknowledged at {part.base_offset}")
                batch.acknowledged_at = part.base_offset
                lane.is_known = True
            lane.under_way -= 1
            if batch.acknowledged_at is not None:
                lane.open.remove(batch)
            if lane.has_failed and not lane.under_way:
                lane.has_failed = False
        self.again(self.go_on) if any(lane.has_failed for lane, _ in data) else self.go_on()


class Founder(Client):
    """Creates a topic, lets a producer write to it, deletes it, and begins again."""

    def __init__(self, machine: Machine, history: History, topic: str, lives: int) -> None:
        super().__init__(machine, history, f"founder of {topic}")
        self.producer: Producer | None = None
        self._topic = topic
        self._lives = lives
        self._life = 0
        self._batches = 0
        self._is_created = False
        self._asked = False
        self.configs: dict[str, str] = {}

    @property
    def is_done(self) -> bool:
        """Whether its last topic has been written to."""
        return self._life >= self._lives and (self.producer is None or self.producer.is_done)

    def found(self, batches: int) -> None:
        """Begin; each life of the topic gets so many batches."""
        self._batches = batches
        self.go_on()

    def forget(self) -> None:
        self._asked = False

    def go_on(self) -> None:
        if self._asked or (self._life >= self._lives and self._is_created):
            return
        line = self.connected()
        if line is None or (self.producer is not None and not self.producer.is_done):
            self.again(self.go_on)
        elif self._is_created:
            self._asked = True
            self.history.lives.pop(self._topic, None)
            topic = DeleteTopicState(name=self._topic)
            line.send(DeleteTopicsRequest(topics=[topic], timeout_ms=1000), self._deleted)
        else:
            self._asked = True
            self.history.gone.discard(self._topic)
            configs = [CreatableTopicConfig(name=k, value=v) for k, v in self.configs.items()]
            wanted = CreatableTopic(
                name=self._topic, num_partitions=PARTITIONS, replication_factor=1, configs=configs
            )
            line.send(CreateTopicsRequest(topics=[wanted]), self._created)

    def _created(self, answer: Any) -> None:
        self._asked = False
        if self.code(answer.topics[0].error_code, "CreateTopics") not in (OK, EXISTS):
            self.again(self.go_on)
            return
        self._is_created = True
        self._life += 1
        self.machine.note(f"{self._topic} life {self._life} created")
        self.history.lives[self._topic] = self._life
        places = [(self._topic, index) for index in range(PARTITIONS)]
        name = f"{self._topic}{self._life}"
        self.producer = Producer(self.machine, self.history, name, places, self._life)
        self.producer.write(self._batches)
        self.again(self.go_on)

    def _deleted(self, answer: Any) -> None:
        self._asked = False
        if self.code(answer.responses[0].error_code, "DeleteTopics") not in (OK, UNKNOWN_TOPIC):
            self.again(self.go_on)
            return
        self._is_created = False
        self.producer = None
        self.machine.note(f"{self._topic} life {self._life} deleted")
        self.history.gone.add(self._topic)
        for place in list(self.history.seen):
            if place[0] == self._topic:
                del self.history.seen[place]
        self.again(self.go_on)


class Reader(Client):
    """Reads partitions on and on; what it was given, nobody may take back."""

    def __init__(self, machine: Machine, history: History, name: str, places: list[Place]) -> None:
        super().__init__(machine, history, name)
        self._positions = dict.fromkeys(places, 0)
        self._asked = False
        self.is_stopped = False

    def forget(self) -> None:
        self._asked = False

    def go_on(self) -> None:
        line = self.connected()
        if self._asked or self.is_stopped:
            return
        if line is None:
            self.again(self.go_on)
            return
        self._asked = True
        place = self.machine.random.choice(list(self._positions))
        position = self._positions[place]
        wanted = FetchPartition(
            partition=place[1], fetch_offset=position, partition_max_bytes=1_000
        )
        topic = FetchTopic(topic=place[0], partitions=[wanted])
        wait_ms = self.machine.random.choice((0, 5, 50))
        message = FetchRequest(max_wait_ms=wait_ms, min_bytes=1, max_bytes=10_000, topics=[topic])
        line.send(message, lambda answer: self._take(place, position, answer))

    def _take(self, place: Place, position: int, answer: Any) -> None:
        self._asked = False
        (part,) = answer.responses[0].partitions
        what = f"Fetch {place} from {position}"
        code = self.code(part.error_code, what)
        if code == OUT_OF_RANGE:  # retention was quicker
            self._positions[place] += 1
            if not self.history.expires:
                self.history.wrong.append(f"{what} is out of range")
        elif not code:
            seen = self.history.seen.setdefault(place, {})
            for batch in batches_in(part.records or b""):
                for offset, value in batch.values:
                    if offset >= self._positions[place]:
                        seen[offset] = value
                        self._positions[place] = offset + 1
        self.again(self.go_on)
