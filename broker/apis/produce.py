"""Produce (key 0), v3-v13. Source: ProduceRequest.json, ProduceResponse.json; KIP-98, KIP-360.

v3 transactional_id · v5 log_start_offset · v7 zstd · v8 error_message · v9 flexible ·
v10 leader hints · v12 and transactions: produce_in_transaction.py · v13 topic ids: 100 for one
that is unknown
Ours: a retry of one of the five newest batches is answered like the original, after every restart.
    A duplicate of a batch that is not durable yet waits until it is. acks=1 waits like acks=all.
    Of a partition listed twice, the last batch counts, as in Kafka.
Left out: leader hints and record_errors, which are optional.
"""

from __future__ import annotations

from typing import Any

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.batch.header import CODEC_BITS, MAGIC, MAGIC_AT, TRANSACTIONAL_BIT
from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode, Refused
from ...protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from ..broker import Broker
from ..cluster.topic_names import name_topics
from ..limits import OPENED_AT_ONCE_BYTES_MAX
from ..partitions.partition import Partition
from ..security.rights.access import Each, Whole
from ..session import CloseConnection, Session
from ..waiting.long_work import Steps
from . import produce_in_transaction
from .storing import (
    FLAGS_AT,
    PARTITIONS_A_STEP,
    TOPIC_IDS_SINCE,
    answer,
    open_batches,
    refused_partition,
    store,
    store_alone,
    store_in_portions,
)

ACKS = (-1, 0, 1)
_NOT_PLAIN = TRANSACTIONAL_BIT | CODEC_BITS
_TO_OPEN = 1 << 16  # beyond the bits of attributes

ACCESS = (
    Whole(AclOperation.WRITE, AclResourceType.TRANSACTIONAL_ID, "transactional_id"),
    Each(
        AclOperation.WRITE,
        AclResourceType.TOPIC,
        "topic_data",
        "responses",
        topic_id="topic_id",
    ),
)


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Store each partition's batch; one partition never disturbs its neighbours."""
    message: ProduceRequest = request.message
    if message.acks not in ACKS:
        why = f"acks is {message.acks}; it must be -1, 0 or 1"
        raise ApiError(ErrorCode.INVALID_REQUIRED_ACKS, why)
    listed = message.topic_data
    if request.route.version >= TOPIC_IDS_SINCE:
        name_topics(listed, broker.state.names_by_id)
    if len(listed) == 1 and len(listed[0].partition_data) == 1:
        partition = _partition_of_plain(broker, listed[0])
        if partition is not None:
            return store_alone(broker, request, listed[0], partition)
    nature = _nature(broker, listed)
    if len(listed) != 1 or len(listed[0].partition_data) != 1:
        listed = _once_each(listed)
    if nature & TRANSACTIONAL_BIT:
        name = message.transactional_id
        if name is None:
            why = "a transactional batch in a request without a transactional id"
            raise ApiError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, why)
        must_open = bool(nature & (CODEC_BITS | _TO_OPEN))
        return produce_in_transaction.handle(broker, request, name, listed, must_open=must_open)
    if nature & (CODEC_BITS | _TO_OPEN):
        return _open_and_store(broker, request, listed)
    if len(listed) > 1 or (listed and len(listed[0].partition_data) > PARTITIONS_A_STEP):
        return store_in_portions(broker, request, listed, {})
    return answer(broker, request, store(broker, request, listed, {}))


def _open_and_store(broker: Broker, request: Request, listed: list[TopicProduceData]) -> Steps:
    opened = yield from open_batches(broker, listed)
    return (yield from store_in_portions(broker, request, listed, opened))


def _partition_of_plain(broker: Broker, topic: TopicProduceData) -> Partition | None:
    """Where a lone batch goes that needs no opening, and no word of a coordinator; else None."""
    (each,) = topic.partition_data
    records = each.records
    if records is None or not FLAGS_AT < len(records) <= OPENED_AT_ONCE_BYTES_MAX:
        return None
    partition = broker.partitions.get((topic.name, each.index))
    if partition is None or records[FLAGS_AT] & _NOT_PLAIN or partition.config.codec:
        return None
    return partition


def _nature(broker: Broker, listed: list[TopicProduceData]) -> int:
    """The attributes of all batches together; _TO_OPEN, if one must be opened for other reasons."""
    nature = 0
    partitions = broker.partitions
    for topic in listed:
        for each in topic.partition_data:
            records = each.records
            if records is None or (size := len(records)) <= FLAGS_AT:
                continue
            if records[MAGIC_AT] == MAGIC:
                nature |= records[FLAGS_AT]
            if size > OPENED_AT_ONCE_BYTES_MAX:
                nature |= _TO_OPEN
            else:
                partition = partitions.get((topic.name, each.index))
                if partition is not None and partition.config.codec:
                    nature |= _TO_OPEN
    return nature


def refusal(message: ProduceRequest, code: ErrorCode, why: str) -> ProduceResponse:
    """The response that refuses every partition of a request."""
    if message.acks == 0:
        raise CloseConnection(f"acks=0 and {code.name}: {why}")
    refused = Refused(code, why)
    return ProduceResponse(
        responses=[
            TopicProduceResponse(
                name=topic.name,
                topic_id=topic.topic_id,
                partition_responses=[
                    refused_partition(None, each.index, refused) for each in topic.partition_data
                ],
            )
            for topic in _once_each(message.topic_data)
        ]
    )


def _once_each(listed: list[TopicProduceData]) -> list[TopicProduceData]:
    """Each topic and each partition once, with what was listed for it last, as in Kafka."""
    parts: dict[tuple[str, bytes], dict[int, PartitionProduceData]] = {}
    for topic in listed:
        found = parts.setdefault((topic.name, topic.topic_id), {})
        found.update((each.index, each) for each in topic.partition_data)
    return [
        TopicProduceData(name=name, topic_id=topic_id, partition_data=[*each.values()])
        for (name, topic_id), each in parts.items()
        if each
    ]
