"""Storing the batches of a Produce request: open them, then check, append, record and note each.

    open_batches                  what must be opened before it is stored; long work
    store, store_in_portions      what became of each partition's batch
    store_alone                   both, and the answer, of what most requests hold: one plain batch
    answer                        the response, at once or when all of it is durable

One partition never disturbs its neighbours. Who may store what is for produce.py to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from ...protocol.batch.header import ATTRIBUTES_AT, CODEC_BITS, Buffer, read_header
from ...protocol.codec.schema import ZERO_UUID
from ...protocol.compression import Codec
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode, Refused
from ...protocol.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from ..broker import Broker
from ..cluster.topic_names import name_topics
from ..limits import CLIENT_ID_LENGTH_KEPT
from ..partitions.admission import Admission
from ..partitions.opened import Opened, open_at_once, open_batch
from ..partitions.partition import Appended, Partition
from ..partitions.sequences import Duplicate
from ..session import CloseConnection
from ..transactions.offsets_partition import OFFSETS_TOPIC
from ..transactions.outcomes import told
from ..waiting.long_work import Aside, Steps
from .stored_alone import SINCE, StoredAlone

PARTITIONS_A_STEP: Final = 8
ZSTD_SINCE: Final = 7
TOPIC_IDS_SINCE: Final = 13
FLAGS_AT: Final = ATTRIBUTES_AT + 1  # the lower byte of attributes: every bit that has a meaning
# The codes for which Kafka answers log_start_offset -1 (ReplicaManager.appendToLocalLog).
_WITHOUT_LOG_START = frozenset(
    (
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.MESSAGE_TOO_LARGE,
        ErrorCode.RECORD_LIST_TOO_LARGE,
        ErrorCode.CORRUPT_MESSAGE,
        ErrorCode.KAFKA_STORAGE_ERROR,
    )
)
_UNKNOWN = Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "no such topic or partition here")
_UNKNOWN_ID = Refused(ErrorCode.UNKNOWN_TOPIC_ID, "no topic here has this id")
_KEPT_BY_THE_BROKER = Refused(
    ErrorCode.INVALID_TOPIC_EXCEPTION, f"{OFFSETS_TOPIC} is written by the broker itself"
)
_NEEDS_ZSTD = Refused(
    ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, "zstd needs Produce v7 or newer (KIP-110)"
)

Place = tuple[str, int]
"""(topic, partition)"""
StoringOutcome = tuple[list[TopicProduceResponse], bool, Refused | None]
"""What became of batches: the answers, whether all are durable, and the last refusal."""
Words = Mapping[Place, Admission | Refused]
"""What the transaction coordinator says about batches that begin a transaction."""


def open_batches(broker: Broker, listed: list[TopicProduceData]) -> Steps:
    """Open what has to be; returns what was found by place, for `store`.

    The connection begins nothing else meanwhile, so that its batches stay in order:
    1. a compressed batch of a producer is opened off the loop 2. the next one, not compressed,
    arrives on the same connection 3. stored at once it would be out of sequence.
    """
    opened: dict[Place, Opened] = {}
    for topic in listed:
        for each in topic.partition_data:
            place = (topic.name, each.index)
            partition = broker.partitions.get(place) or broker.partition(*place)
            header = partition.must_open(each.records) if partition is not None else None
            if partition is None or header is None:
                continue
            records, config = each.records or b"", partition.config
            found = open_at_once(records, header, config)
            if found is None:
                found = yield Aside(partial(open_batch, records, header, config))
            opened[place] = found
            yield None
    return opened


def portions(listed: list[TopicProduceData]) -> Iterator[TopicProduceData]:
    """What is listed, so few partitions at a time that they are stored in one go."""
    for topic in listed:
        for at in range(0, len(topic.partition_data), PARTITIONS_A_STEP):
            some = topic.partition_data[at : at + PARTITIONS_A_STEP]
            yield TopicProduceData(name=topic.name, topic_id=topic.topic_id, partition_data=some)


def store_in_portions(
    broker: Broker,
    request: Request,
    listed: list[TopicProduceData],
    opened: Mapping[Place, Opened],
) -> Steps:
    """Some partitions after the other: a new one is a directory and files, half a millisecond."""
    joined = Joined()
    for portion in portions(listed):
        still_named(broker, portion)
        joined.add(store(broker, request, [portion], opened))
        yield None
    return answer(broker, request, joined.stored())


def still_named(broker: Broker, portion: TopicProduceData) -> None:
    """Look its name up again, after others have gone on.

    1. v13 names a topic by its id  2. before all is stored it is deleted, and one of that name made
    3. by name the rest would go into that one.
    """
    if portion.topic_id != ZERO_UUID:
        name_topics([portion], broker.state.names_by_id)


class Joined:
    """What became of the portions of a request, put together."""

    def __init__(self) -> None:
        self._topics: list[TopicProduceResponse] = []
        self._is_durable = True
        self._refused: Refused | None = None

    def add(self, stored: StoringOutcome) -> None:
        """The next portion, which has partitions of one topic."""
        (topic,), is_durable, refused = stored
        last = self._topics[-1] if self._topics else None
        if last is not None and (last.name, last.topic_id) == (topic.name, topic.topic_id):
            last.partition_responses += topic.partition_responses
        else:
            self._topics.append(topic)
        self._is_durable = self._is_durable and is_durable
        self._refused = refused or self._refused

    def stored(self) -> StoringOutcome:
        """All of them."""
        return self._topics, self._is_durable, self._refused


def store(
    broker: Broker,
    request: Request,
    listed: list[TopicProduceData],
    opened: Mapping[Place, Opened],
    words: Words | None = None,
) -> StoringOutcome:
    """Store each partition's batch, here and now.

    Args:
        opened: what was found in those that had to be opened.
        words: if there are transactional ones among them.
    """
    now_ms = broker.clock.now_ms()
    client_id = (request.client_id or "")[:CLIENT_ID_LENGTH_KEPT]
    version = request.route.version
    is_durable = True
    refused: Refused | None = None
    topics = []
    for topic in listed:
        answers: list[PartitionProduceResponse] = []
        for each in topic.partition_data:
            index, records = each.index, each.records
            partition = broker.partitions.get((topic.name, index)) or broker.partition(
                topic.name, index
            )
            if partition is None:
                outcome: Any = _not_there(topic.name, version)
            elif version < ZSTD_SINCE and is_zstd(records):
                outcome = _NEEDS_ZSTD
            else:
                found = opened.get((topic.name, index)) if opened else None
                word = words.get((topic.name, index)) if words else None
                if word is None:
                    outcome = partition.produce(records, now_ms, client_id, found)
                elif isinstance(word, Refused):
                    outcome = partition.refuse(records, now_ms, client_id, word)
                else:
                    outcome = partition.produce(records, now_ms, client_id, found, word)
            became = _became(broker, topic.name, each, partition, outcome, version=version)
            answers.append(became[0])
            is_durable = is_durable and became[1]
            refused = became[2] or refused
        topics.append(
            TopicProduceResponse(
                name=topic.name, topic_id=topic.topic_id, partition_responses=answers
            )
        )
    return topics, is_durable, refused


def store_alone(
    broker: Broker, request: Request, topic: TopicProduceData, partition: Partition
) -> Any:
    """store() and answer() for a request with one batch, which needs nothing before.

    Args:
        topic: that one batch.
        partition: where it goes.
    """
    (each,) = topic.partition_data
    client_id = (request.client_id or "")[:CLIENT_ID_LENGTH_KEPT]
    version = request.route.version
    outcome = partition.produce(each.records, broker.clock.now_ms(), client_id)
    if type(outcome) is not Appended or version < SINCE or request.message.acks == 0:
        told, is_durable, refused = _became(
            broker, topic.name, each, partition, outcome, version=version
        )
        found = TopicProduceResponse(
            name=topic.name, topic_id=topic.topic_id, partition_responses=[told]
        )
        return answer(broker, request, ([found], is_durable, refused))
    broker.appended(partition)
    numbers = (
        each.index,
        0,
        outcome.base_offset,
        outcome.log_append_time_ms,
        partition.log.log_start_offset,
    )
    stored = StoredAlone(version, topic, numbers)
    if not partition.flushed:
        return stored
    return broker.commit.when_durable(stored, lambda: _not_flushed(stored.message))


def _became(
    broker: Broker,
    topic: str,
    each: PartitionProduceData,
    partition: Partition | None,
    outcome: Appended | Duplicate | Refused,
    *,
    version: int,
) -> tuple[PartitionProduceResponse, bool, Refused | None]:
    """Tell all who must hear what became of a batch.

    Returns: its answer, whether that is durable, and why the batch was refused.
    """
    index = each.index
    if isinstance(outcome, Refused):
        refused = _told(broker, version, topic, index, outcome)
        broker.figures.batch_refused(topic if partition else None, refused.code)
        return refused_partition(partition, index, refused), True, refused
    assert partition is not None
    if isinstance(outcome, Appended):
        broker.appended(partition)
    else:
        _recognised(broker, f"{topic}-{index}", each.records or b"", outcome)
    is_durable = not partition.flushed or outcome.next_offset <= partition.durable_end_offset
    return _stored_partition(partition, index, outcome), is_durable, None


def _recognised(broker: Broker, place: str, records: Buffer, duplicate: Duplicate) -> None:
    """A retry; or somebody else's batch with the same numbers."""
    broker.figures.duplicates += 1
    if duplicate.has_other_bytes:
        broker.shared_ids.suspect(read_header(records).producer_id, place)


def _not_there(topic: str, version: int) -> Refused:
    """Why there is nothing to write to."""
    if topic == OFFSETS_TOPIC:
        return _KEPT_BY_THE_BROKER
    return _UNKNOWN if topic or version < TOPIC_IDS_SINCE else _UNKNOWN_ID


def _told(broker: Broker, version: int, topic: str, index: int, refused: Refused) -> Refused:
    """A refusal with the code that clients of the version know; the operator may have to hear."""
    if refused.code is ErrorCode.KAFKA_STORAGE_ERROR:
        broker.trouble.refused(f"{topic}-{index}", refused.why, broker.clock.monotonic_ms())
    return Refused(told("Produce", version, refused.code), refused.why)


def answer(
    broker: Broker, request: Request, stored: StoringOutcome, *, is_durable: bool = True
) -> Any:
    """The response, or a promise of it; None where the client wants none.

    Args:
        is_durable: whether all else is that the batches depend on.
    """
    topics, are_durable, refused = stored
    if request.message.acks == 0:
        if refused is not None:
            raise CloseConnection(f"acks=0 and {refused.code.name}: {refused.why}")
        return None
    response = ProduceResponse(responses=topics)
    if are_durable and (is_durable or not _has_stored(topics)):
        return response
    return broker.commit.when_durable(response, lambda: _not_flushed(response))


def _has_stored(topics: list[TopicProduceResponse]) -> bool:
    return any(not each.error_code for topic in topics for each in topic.partition_responses)


def _stored_partition(
    partition: Partition, index: int, outcome: Appended | Duplicate
) -> PartitionProduceResponse:
    """A batch that is there. A duplicate carries its own newest timestamp, as in Kafka."""
    if isinstance(outcome, Appended):
        log_append_time_ms = outcome.log_append_time_ms
    else:
        log_append_time_ms = outcome.max_timestamp
    return PartitionProduceResponse(
        index=index,
        error_code=0,
        base_offset=outcome.base_offset,
        log_append_time_ms=log_append_time_ms,
        log_start_offset=partition.log.log_start_offset,
    )


def refused_partition(
    partition: Partition | None, index: int, refused: Refused
) -> PartitionProduceResponse:
    """A batch that is not stored."""
    log_start_offset = -1
    if partition is not None and refused.code not in _WITHOUT_LOG_START:
        log_start_offset = partition.log.log_start_offset
    return PartitionProduceResponse(
        index=index,
        error_code=refused.code,
        base_offset=-1,
        log_start_offset=log_start_offset,
        error_message=refused.why,
    )


def _not_flushed(response: ProduceResponse) -> ProduceResponse:
    """The same response after a failed flush: what was stored may be lost, so nothing is."""
    for topic in response.responses:
        topic.partition_responses = [
            each
            if each.error_code
            else refused_partition(
                None,
                each.index,
                Refused(ErrorCode.KAFKA_STORAGE_ERROR, "the flush failed; the broker stops"),
            )
            for each in topic.partition_responses
        ]
    return response


def is_zstd(records: bytes | memoryview | None) -> bool:
    """Whether a batch says that it is compressed with zstd."""
    if records is None or len(records) <= FLAGS_AT:
        return False
    return records[FLAGS_AT] & CODEC_BITS == Codec.ZSTD
