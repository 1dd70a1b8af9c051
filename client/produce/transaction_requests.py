"""The questions of transactional.py as messages, and what their answers say.

Source: InitProducerIdRequest.json, AddPartitionsToTxnRequest.json, AddOffsetsToTxnRequest.json,
TxnOffsetCommitRequest.json, EndTxnRequest.json, DescribeTransactionsRequest.json.
Tests: tests/system/client/test_client_transactional.py
"""

from __future__ import annotations

from typing import Any, Final

from ...protocol.errors import ErrorCode, error_code
from ...protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from ...protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from ...protocol.messages.describe_transactions import DescribeTransactionsRequest
from ...protocol.messages.end_txn import EndTxnRequest
from ...protocol.messages.init_producer_id import InitProducerIdRequest
from ...protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from ..partitions import GroupOffsets
from .batch import NO_EPOCH, NO_PRODUCER_ID
from .transactional import (
    AddOffsets,
    AddPartitions,
    CommitOffsets,
    Initialise,
    Look,
    Question,
    Transactional,
    heaviest,
)

UNCOMPLETED: Final = frozenset({"PrepareCommit", "PrepareAbort"})


def request_of(
    question: Question, transactional_id: str, timeout_ms: int, core: Transactional
) -> Any:
    """The message that asks a question, with the id and epoch of the present transaction."""
    producer_id, epoch = core.producer_id, core.producer_epoch
    if isinstance(question, Initialise):
        return InitProducerIdRequest(
            transactional_id=transactional_id,
            transaction_timeout_ms=timeout_ms,
            producer_id=question.producer_id,
            producer_epoch=question.producer_epoch,
        )
    if isinstance(question, AddPartitions):
        by_name: dict[str, list[int]] = {}
        for name, index in question.places:
            by_name.setdefault(name, []).append(index)
        return AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=transactional_id,
            v3_and_below_producer_id=producer_id,
            v3_and_below_producer_epoch=epoch,
            v3_and_below_topics=[
                AddPartitionsToTxnTopic(name=name, partitions=each)
                for name, each in by_name.items()
            ],
        )
    if isinstance(question, AddOffsets):
        return AddOffsetsToTxnRequest(
            transactional_id=transactional_id,
            producer_id=producer_id,
            producer_epoch=epoch,
            group_id=question.group_id,
        )
    if isinstance(question, CommitOffsets):
        taken = question.taken
        return TxnOffsetCommitRequest(
            transactional_id=transactional_id,
            group_id=taken.group_id,
            producer_id=producer_id,
            producer_epoch=epoch,
            generation_id=taken.generation,
            member_id=taken.member_id,
            group_instance_id=taken.group_instance_id,
            topics=_topics(taken),
        )
    if isinstance(question, Look):
        return DescribeTransactionsRequest(transactional_ids=[transactional_id])
    return EndTxnRequest(
        transactional_id=transactional_id,
        producer_id=producer_id,
        producer_epoch=epoch,
        committed=question.is_commit,
    )


def answer_in(question: Question, answer: Any) -> tuple[ErrorCode, int, int]:
    """What an answer says: the code that decides, and the producer id and epoch if it has some."""
    if isinstance(question, AddPartitions):
        named = {
            (topic.name, each.partition_index): error_code(each.partition_error_code)
            for topic in answer.results_by_topic_v3_and_below
            for each in topic.results_by_partition
        }
        codes = [named.get(place, ErrorCode.UNKNOWN_SERVER_ERROR) for place in question.places]
        return heaviest(codes), NO_PRODUCER_ID, NO_EPOCH
    if isinstance(question, CommitOffsets):
        told = {
            (topic.name, each.partition_index): error_code(each.error_code)
            for topic in answer.topics
            for each in topic.partitions
        }
        codes = [
            told.get((topic, partition), ErrorCode.UNKNOWN_SERVER_ERROR)
            for topic, partition in question.taken.offsets
        ]
        return heaviest(codes), NO_PRODUCER_ID, NO_EPOCH
    if isinstance(question, Look):
        (found,) = answer.transaction_states
        code = error_code(found.error_code)
        if not code and found.transaction_state in UNCOMPLETED:
            code = ErrorCode.CONCURRENT_TRANSACTIONS
        return code, NO_PRODUCER_ID, NO_EPOCH
    code = error_code(answer.error_code)
    if isinstance(question, AddOffsets):
        return code, NO_PRODUCER_ID, NO_EPOCH
    return code, answer.producer_id, answer.producer_epoch


def _topics(taken: GroupOffsets) -> list[TxnOffsetCommitRequestTopic]:
    by_name: dict[str, list[TxnOffsetCommitRequestPartition]] = {}
    for place, committed in sorted(taken.offsets.items()):
        entry = TxnOffsetCommitRequestPartition(
            partition_index=place.partition,
            committed_offset=committed.offset,
            committed_leader_epoch=committed.leader_epoch,
            committed_metadata=committed.metadata,
        )
        by_name.setdefault(place.topic, []).append(entry)
    return [
        TxnOffsetCommitRequestTopic(name=name, partitions=each) for name, each in by_name.items()
    ]
