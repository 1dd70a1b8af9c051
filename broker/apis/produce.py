"""Produce (key 0), v3-v11. Source: ProduceRequest.json, ProduceResponse.json; KIP-98, KIP-360.

v3 transactional_id · v5 log_start_offset · v7 zstd · v8 error_message · v9 flexible ·
v10 leader hints
Ours: a retry of one of the five newest batches is answered like the original, after every restart.
    A duplicate of a batch that is not durable yet waits until it is. acks=1 waits like acks=all.
    Of a partition listed twice, the last batch counts, as in Kafka.
Left out: leader hints and record_errors, which are optional; transactions (53 for all of them).
"""

from __future__ import annotations

from functools import partial
from typing import Any

from ...protocol.batch.header import (
    ATTRIBUTES_AT,
    CODEC_BITS,
    MAGIC,
    MAGIC_AT,
    TRANSACTIONAL_BIT,
    read_header,
)
from ...protocol.compression import Codec
from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode, Refused
from ...protocol.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from ..broker import Broker
from ..limits import CLIENT_ID_LENGTH_KEPT, OPENED_AT_ONCE_BYTES_MAX
from ..partitions.opened import Opened, open_at_once, open_batch
from ..partitions.partition import Appended, Partition
from ..partitions.sequences import Duplicate
from ..session import CloseConnection, Session
from ..waiting.long_work import Aside, Steps

ACKS = (-1, 0, 1)
ZSTD_SINCE = 7
PARTITIONS_A_STEP = 8
_FLAGS_AT = ATTRIBUTES_AT + 1  # the lower byte of attributes: every bit that has a meaning
_TO_OPEN = 1 << 16  # beyond the bits of attributes
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
_NEEDS_ZSTD = Refused(
    ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, "zstd needs Produce v7 or newer (KIP-110)"
)

Stored = tuple[list[TopicProduceResponse], bool, Refused | None]
"""What became of batches: the answers, whether all are durable, and the last refusal."""


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Store each partition's batch; one partition never disturbs its neighbours."""
    message: ProduceRequest = request.message
    if message.acks not in ACKS:
        why = f"acks is {message.acks}; it must be -1, 0 or 1"
        raise ApiError(ErrorCode.INVALID_REQUIRED_ACKS, why)
    listed = message.topic_data
    nature = _nature(broker, listed)
    if message.transactional_id is not None or nature & TRANSACTIONAL_BIT:
        why = "transactions are not served here"
        raise ApiError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, why)
    if len(listed) != 1 or len(listed[0].partition_data) != 1:
        listed = _once_each(listed)
    if nature & (CODEC_BITS | _TO_OPEN):
        return _open_and_store(broker, request, listed)
    if len(listed) > 1 or (listed and len(listed[0].partition_data) > PARTITIONS_A_STEP):
        return _store_in_portions(broker, request, listed, {})
    return _answer(broker, request, _store(broker, request, listed, {}))


def _nature(broker: Broker, listed: list[TopicProduceData]) -> int:
    """The attributes of all batches together; _TO_OPEN, if one must be opened for other reasons."""
    nature = 0
    partitions = broker.partitions
    for topic in listed:
        for each in topic.partition_data:
            records = each.records
            if records is None or (size := len(records)) <= _FLAGS_AT:
                continue
            if records[MAGIC_AT] == MAGIC:
                nature |= records[_FLAGS_AT]
            if size > OPENED_AT_ONCE_BYTES_MAX:
                nature |= _TO_OPEN
            else:
                partition = partitions.get((topic.name, each.index))
                if partition is not None and partition.config.codec:
                    nature |= _TO_OPEN
    return nature


def _open_and_store(broker: Broker, request: Request, listed: list[TopicProduceData]) -> Steps:
    """Open what has to be, then store everything in one go.

    The connection begins nothing else meanwhile, so that its batches stay in order:
    1. a compressed batch of a producer is opened off the loop 2. the next one, not compressed,
    arrives on the same connection 3. stored at once it would be out of sequence.
    """
    opened: dict[tuple[str, int], Opened] = {}
    for topic in listed:
        for each in topic.partition_data:
            key = (topic.name, each.index)
            partition = broker.partitions.get(key) or broker.partition(*key)
            header = partition.must_open(each.records) if partition is not None else None
            if partition is None or header is None:
                continue
            records, config = each.records or b"", partition.config
            found = open_at_once(records, header, config)
            if found is None:
                found = yield Aside(partial(open_batch, records, header, config))
            opened[key] = found
            yield None
    return (yield from _store_in_portions(broker, request, listed, opened))


def _store_in_portions(
    broker: Broker,
    request: Request,
    listed: list[TopicProduceData],
    opened: dict[tuple[str, int], Opened],
) -> Steps:
    """Some partitions after the other: a new one is a directory and files, half a millisecond."""
    topics: list[TopicProduceResponse] = []
    is_durable, refused = True, None
    for topic in listed:
        answers: list[PartitionProduceResponse] = []
        for at in range(0, len(topic.partition_data), PARTITIONS_A_STEP):
            some = topic.partition_data[at : at + PARTITIONS_A_STEP]
            portion = TopicProduceData(name=topic.name, partition_data=some)
            (stored,), are_durable, worst = _store(broker, request, [portion], opened)
            answers += stored.partition_responses
            is_durable, refused = is_durable and are_durable, worst or refused
            yield None
        topics.append(TopicProduceResponse(name=topic.name, partition_responses=answers))
    return _answer(broker, request, (topics, is_durable, refused))


def _store(
    broker: Broker,
    request: Request,
    listed: list[TopicProduceData],
    opened: dict[tuple[str, int], Opened],
) -> Stored:
    now_ms = broker.clock.now_ms()
    client_id = request.client_id or ""
    if len(client_id) > CLIENT_ID_LENGTH_KEPT:
        client_id = client_id[:CLIENT_ID_LENGTH_KEPT]
    allows_zstd = request.route.version >= ZSTD_SINCE
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
                outcome: Any = _UNKNOWN
            elif not allows_zstd and _is_zstd(records):
                outcome = _NEEDS_ZSTD
            else:
                found = opened.get((topic.name, index)) if opened else None
                outcome = partition.produce(records, now_ms, client_id, found)
            if type(outcome) is Refused:
                refused = outcome
                if outcome.code is ErrorCode.KAFKA_STORAGE_ERROR:
                    where = f"{topic.name}-{index}"
                    broker.trouble.refused(where, outcome.why, broker.clock.monotonic_ms())
                answers.append(_refused(partition, index, outcome))
                continue
            assert partition is not None
            if type(outcome) is Appended:
                broker.appended(partition)
            elif outcome.has_other_bytes:
                producer_id = read_header(records or b"").producer_id
                broker.shared_ids.suspect(producer_id, f"{topic.name}-{index}")
            if partition.flushed and outcome.next_offset > partition.durable_end_offset:
                is_durable = False
            answers.append(_stored(partition, index, outcome))
        topics.append(TopicProduceResponse(name=topic.name, partition_responses=answers))
    return topics, is_durable, refused


def _answer(broker: Broker, request: Request, stored: Stored) -> Any:
    topics, is_durable, refused = stored
    if request.message.acks == 0:
        if refused is not None:
            raise CloseConnection(f"acks=0 and {refused.code.name}: {refused.why}")
        return None
    response = ProduceResponse(responses=topics)
    if is_durable:
        return response
    return broker.commit.when_durable(response, lambda: _not_flushed(response))


def refusal(message: ProduceRequest, code: ErrorCode, why: str) -> ProduceResponse:
    """The response that refuses every partition of a request."""
    if message.acks == 0:
        raise CloseConnection(f"acks=0 and {code.name}: {why}")
    refused = Refused(code, why)
    return ProduceResponse(
        responses=[
            TopicProduceResponse(
                name=topic.name,
                partition_responses=[
                    _refused(None, each.index, refused) for each in topic.partition_data
                ],
            )
            for topic in _once_each(message.topic_data)
        ]
    )


def _once_each(listed: list[TopicProduceData]) -> list[TopicProduceData]:
    """Each topic and each partition once, with what was listed for it last, as in Kafka."""
    parts: dict[str, dict[int, PartitionProduceData]] = {}
    for topic in listed:
        parts.setdefault(topic.name, {}).update((each.index, each) for each in topic.partition_data)
    return [
        TopicProduceData(name=name, partition_data=[*each.values()])
        for name, each in parts.items()
        if each
    ]


def _stored(
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


def _refused(partition: Partition | None, index: int, refused: Refused) -> PartitionProduceResponse:
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
            else _refused(
                None,
                each.index,
                Refused(ErrorCode.KAFKA_STORAGE_ERROR, "the flush failed; the broker stops"),
            )
            for each in topic.partition_responses
        ]
    return response


def _is_zstd(records: bytes | memoryview | None) -> bool:
    if records is None or len(records) <= _FLAGS_AT:
        return False
    return records[_FLAGS_AT] & CODEC_BITS == Codec.ZSTD
