"""The steps that probe rows are made of: each builds a request and puts its answer into one word.

Words: `0@13` error code 0 and base offset 13; `45` an error code, with base offset -1 where the
API has one; `end=3` a log end offset; `closed` the broker closed the connection unanswered. Those
of transactions stand in transaction_steps.py.
Pure: a step sees a Scene (names, partitions, ids, the time) and a response, never a socket.
Read next: rows.py (the table), commands/probe.py (who plays it).
Tests: tests/system/commands/test_probe.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ...protocol.batch.header import BATCH_HEADER, HEADER_BYTES, BatchHeader, read_header
from ...protocol.batch.writing import build_batch, resealed
from ...protocol.errors import ErrorCode
from ...protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from ...protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from ...protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from ...protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from ...protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData

TIMEOUT_MS = 10_000  # what requests allow the broker
SMALL_BYTES = 1000  # max.message.bytes of the small topic
LATEST = -1  # ListOffsets: the next offset to be read
STRANGERS_ID = 2**62  # a producer id that no broker has handed out
PARTITION_MAX = 2**31 - 1
GROUP, TRANSACTION = 0, 1  # key_type of FindCoordinator
CODE_NAMES = {int(each): each.name for each in ErrorCode}


@dataclass(frozen=True, slots=True)
class Scene:
    """What one row plays with: a partition and a producer id that no other row uses."""

    prefix: str  # of every topic name the probe makes up
    topic: str
    partition: int
    other_partition: int
    small_topic: str
    producer_id: int
    now_ms: int


class Ask(NamedTuple):
    """A request message, and where it goes.

    Attributes:
        leader_of: the (topic, partition) whose leader is asked.
        coordinator_of: the (key_type, key) of FindCoordinator whose coordinator is asked; where
            there is neither, any broker will do.
        makes: the topic it may make.
        at_least: a version below which the answer would be another.
    """

    message: object
    leader_of: tuple[str, int] | None = None
    coordinator_of: tuple[int, str] | None = None
    makes: str = ""
    at_least: int = 0


def learn_nothing(_: Any, scene: Scene) -> Scene:
    """The answer tells nothing that later steps need."""
    return scene


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a row.

    Attributes:
        again_while: words that only mean: ask again soon.
        learn: what the next steps see, after an answer.
    """

    ask: Callable[[Scene], Ask]
    word: Callable[[Any, Scene], str]
    again_while: frozenset[str] = frozenset()
    learn: Callable[[Any, Scene], Scene] = learn_nothing


@dataclass(frozen=True, slots=True)
class RawStep:
    """Bytes for a connection of their own, which the broker is expected to close."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation and Kafka's answers, one word a step.

    Where ours differ on purpose they stand in `ours`, and `deviation` is the key of the reason in
    deviations.py.
    """

    sent: str
    steps: tuple[Step | RawStep, ...]
    kafka: str
    ours: str | None = None
    deviation: str | None = None


Distort = Callable[[bytes], bytes]
Place = tuple[str, int]


def own(scene: Scene) -> int:
    """The producer id that the broker handed out for this row."""
    return scene.producer_id


def stranger(_: Scene) -> int:
    """A producer id that no broker has handed out."""
    return STRANGERS_ID


def nobody(_: Scene) -> int:
    """No producer id."""
    return -1


def here(scene: Scene) -> Place:
    """The row's own partition."""
    return scene.topic, scene.partition


def elsewhere(scene: Scene) -> Place:
    """Another partition of the same topic."""
    return scene.topic, scene.other_partition


def small(scene: Scene) -> Place:
    """A partition of the topic that takes no batch over SMALL_BYTES."""
    return scene.small_topic, 0


def no_topic(scene: Scene) -> Place:
    """A topic that does not exist."""
    return scene.prefix + "never-created", 0


def no_partition(scene: Scene) -> Place:
    """A partition that does not exist."""
    return scene.topic, PARTITION_MAX


def no_id(_: Scene) -> None:
    """No transactional id."""


def code_and_offset(response: Any, _: Scene) -> str:
    """`code@base_offset` of the only partition, without the offset when it is -1."""
    answer = response.responses[0].partition_responses[0]
    return code(answer) if answer.base_offset == -1 else f"{code(answer)}@{answer.base_offset}"


def produce(
    sequence: int,
    count: int = 1,
    *,
    epoch: int = 0,
    who: Callable[[Scene], int] = own,
    where: Callable[[Scene], Place] = here,
    distort: Distort = bytes,
    acks: int = -1,
    times: int = 1,
    transactional_id: Callable[[Scene], str | None] = no_id,
    at_least: int = 0,
    word: Callable[[Any, Scene], str] = code_and_offset,
) -> Step:
    """Produce one batch.

    Args:
        sequence: base_sequence of the batch.
        count: how many records it has.
        epoch: its producer_epoch.
        who: its producer id.
        where: the (topic, partition) it goes to.
        distort: what is done to the bytes before they are sent.
        acks: as in the request.
        times: how often the request lists the partition, each time with this batch.
        transactional_id: of the request.
        at_least: as in Ask.
        word: how the answer is read.
    """

    def ask(scene: Scene) -> Ask:
        topic, partition = where(scene)
        records = [(None, b"probe", (), scene.now_ms)] * count
        built = build_batch(
            records, producer_id=who(scene), producer_epoch=epoch, base_sequence=sequence
        )
        data = PartitionProduceData(index=partition, records=distort(built))
        request = ProduceRequest(
            transactional_id=transactional_id(scene),
            acks=acks,
            timeout_ms=TIMEOUT_MS,
            topic_data=[TopicProduceData(name=topic, partition_data=[data] * times)],
        )
        return Ask(request, (topic, partition), at_least=at_least)

    return Step(ask, word)


def plain(
    distort: Distort = bytes,
    *,
    count: int = 2,
    where: Callable[[Scene], Place] = here,
    acks: int = -1,
) -> Step:
    """Produce one batch without a producer id; arguments as in `produce`."""
    return produce(-1, count, epoch=-1, who=nobody, where=where, distort=distort, acks=acks)


def append_time(response: Any, scene: Scene) -> str:
    """Which log_append_time_ms the only partition of a Produce answer carries."""
    at_ms = response.responses[0].partition_responses[0].log_append_time_ms
    return "max_timestamp" if at_ms == scene.now_ms else f"{at_ms}"


def entries(response: Any, _: Scene) -> str:
    """How many partitions a Produce answer lists."""
    return f"entries={sum(len(topic.partition_responses) for topic in response.responses)}"


def stored(word: Callable[[BatchHeader, Scene], str]) -> Step:
    """Fetch the first batch of the row's partition and look at its header."""

    def ask(scene: Scene) -> Ask:
        partition = FetchPartition(
            partition=scene.partition, fetch_offset=0, partition_max_bytes=SMALL_BYTES
        )
        topic = FetchTopic(topic=scene.topic, partitions=[partition])
        request = FetchRequest(max_wait_ms=TIMEOUT_MS, min_bytes=1, topics=[topic])
        return Ask(request, here(scene))

    def first_header(response: Any, scene: Scene) -> str:
        answer = response.responses[0].partitions[0]
        return word(read_header(answer.records), scene) if answer.records else code(answer)

    return Step(ask, first_header)


def log_end() -> Step:
    """The log end offset of the row's partition."""

    def ask(scene: Scene) -> Ask:
        partition = ListOffsetsPartition(partition_index=scene.partition, timestamp=LATEST)
        topic = ListOffsetsTopic(name=scene.topic, partitions=[partition])
        return Ask(ListOffsetsRequest(replica_id=-1, topics=[topic]), here(scene))

    def word(response: Any, _: Scene) -> str:
        answer = response.topics[0].partitions[0]
        return code(answer) if answer.error_code else f"end={answer.offset}"

    return Step(ask, word)


def create(suffix: str, configs: Mapping[str, str]) -> Step:
    """Create a topic of one partition with some configs."""

    def ask(scene: Scene) -> Ask:
        name = scene.prefix + suffix
        return Ask(create_topic(name, 1, configs), makes=name)

    def word(response: Any, _: Scene) -> str:
        return code(response.topics[0])

    return Step(ask, word)


def create_topic(name: str, partitions: int, configs: Mapping[str, str]) -> CreateTopicsRequest:
    """The request that creates one topic with the broker's own replication factor."""
    pairs = [CreatableTopicConfig(name=key, value=value) for key, value in configs.items()]
    topic = CreatableTopic(
        name=name, num_partitions=partitions, replication_factor=-1, assignments=[], configs=pairs
    )
    return CreateTopicsRequest(topics=[topic], timeout_ms=TIMEOUT_MS, validate_only=False)


def auto_create(name: Callable[[str], str]) -> Step:
    """Ask for the metadata of a topic with leave to create it; `name` makes its name."""

    def ask(scene: Scene) -> Ask:
        topic = MetadataRequestTopic(name=name(scene.prefix))
        request = MetadataRequest(topics=[topic], allow_auto_topic_creation=True)
        return Ask(request, makes=topic.name or "")

    def word(response: Any, _: Scene) -> str:
        return code(response.topics[0])

    return Step(ask, word)


def listed(name: Callable[[str], str]) -> Step:
    """Whether the list of all topics has a name."""

    def ask(_: Scene) -> Ask:
        return Ask(MetadataRequest(topics=None, allow_auto_topic_creation=False))

    def word(response: Any, scene: Scene) -> str:
        names = {topic.name for topic in response.topics}
        return "created" if name(scene.prefix) in names else "absent"

    return Step(ask, word)


def until_not(step: Step, *words: str) -> Step:
    """The same step, asked again while its answer is one of these words."""
    return replace(step, again_while=frozenset(words))


def code(answer: Any) -> str:
    """The error code of a part of a response."""
    return f"{answer.error_code}"


def plus(amounts: Mapping[str, int]) -> Distort:
    """Add to header fields of a batch, by their names, then make its CRC right again."""

    def distort(batch: bytes) -> bytes:
        fields = read_header(batch)._asdict()
        changed = {name: fields[name] + amount for name, amount in amounts.items()}
        return resealed(BATCH_HEADER.build(fields | changed) + batch[HEADER_BYTES:])

    return distort
