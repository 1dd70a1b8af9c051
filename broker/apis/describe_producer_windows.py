"""DescribeProducerWindows (key 10001), v0. Ours; Apache Kafka has no such API.

Ours: the producer ids that partitions remember, those that wrote last first, with their newest
    batches, oldest first. What a retry of each would get is asked of the same table, by the same
    check, that answers producers; next_sequence is what is taken next, -1 where any is.
    topic null asks for all topics the asker may read, partition -1 for all partitions.
    Of all topics count_max is counted before those go that the asker may not read.
Left out: epochs that a coordinator has raised since; a retry is judged by the partition alone.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from heapq import nlargest

from ...protocol import sequence
from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.batch.header import MAGIC, BatchHeader
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode, Refused, shortened
from ...protocol.messages.describe_producer_windows import (
    DescribeProducerWindowsRequest,
    DescribeProducerWindowsResponse,
    ProducerWindow,
    RememberedBatch,
)
from ..broker import Broker
from ..partitions.partition import Partition
from ..partitions.sequences import Duplicate, ProducerState, SequenceTable, StoredBatch
from ..security.rights.access import Gate, Revealing, Rule, Whole, seen
from ..session import Session
from ..waiting.long_work import Steps

COUNT_MAX = 1_000  # producers in an answer
PRODUCERS_A_STEP = 500


class SeenTopics(Rule):
    """Where all topics are asked for: what of them the asker may read."""

    def reveal(
        self,
        gate: Gate,
        message: DescribeProducerWindowsRequest,
        response: DescribeProducerWindowsResponse,
    ) -> Revealing:
        """Leave out producers of other topics."""
        if message.topic is None:
            response.producers = yield from seen(
                gate, AclOperation.READ, AclResourceType.TOPIC, response.producers, "topic"
            )
            response.total_count = len(response.producers)
        return response


ACCESS = (Whole(AclOperation.READ, AclResourceType.TOPIC, "topic"), SeenTopics())
Found = tuple[ProducerState, Partition]


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Describe the windows of a topic, or of all."""
    message: DescribeProducerWindowsRequest = request.message
    topic = None if message.topic is None else broker.state.topics.get(message.topic)
    is_there = topic is not None and message.partition < topic.partition_count
    if message.topic is not None and not is_there:
        why = f"no such topic or partition here: {message.topic}"
        return refusal(message, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, why)
    found = yield from _found(_partitions(broker, message), message.producer_id)
    count = min(max(message.count_max, 0), COUNT_MAX)
    newest = nlargest(count, found, key=lambda each: each[0].seen_at_ms)
    now_ms = broker.clock.monotonic_ms()
    return DescribeProducerWindowsResponse(
        error_code=0,
        total_count=len(found),
        producers=[_window(state, partition, now_ms) for state, partition in newest],
    )


def refusal(
    message: DescribeProducerWindowsRequest, code: ErrorCode, why: str
) -> DescribeProducerWindowsResponse:
    """The response that describes nothing."""
    return DescribeProducerWindowsResponse(
        error_code=code, error_message=shortened(why), producers=[]
    )


def _partitions(broker: Broker, message: DescribeProducerWindowsRequest) -> Iterator[Partition]:
    """Those asked for that are open; the others remember nobody that a start would not read."""
    for (topic, index), partition in [*broker.partitions.items()]:
        if message.topic in (None, topic) and message.partition in (-1, index):
            yield partition


def _found(partitions: Iterable[Partition], producer_id: int) -> Generator[None, None, list[Found]]:
    found: list[Found] = []
    looked_at = 0
    for partition in partitions:
        for state in partition.sequences.producers():
            if producer_id in (-1, state.producer_id):
                found.append((state, partition))
            looked_at += 1
            if not looked_at % PRODUCERS_A_STEP:
                yield
    return found


def _window(state: ProducerState, partition: Partition, now_ms: int) -> ProducerWindow:
    opened = partition.transactions.by_producer.get(state.producer_id)
    return ProducerWindow(
        topic=partition.topic,
        partition=partition.index,
        producer_id=state.producer_id,
        producer_epoch=state.producer_epoch,
        idle_ms=max(0, now_ms - state.seen_at_ms),
        next_sequence=sequence.next_of(state.last_sequence) if state.batches else 0,
        coordinator_epoch=state.coordinator_epoch,
        transaction_start_offset=-1 if opened is None else opened.first_offset,
        batches=[_remembered(each, state, partition.sequences) for each in state.batches[::-1]],
    )


def _remembered(
    batch: StoredBatch, state: ProducerState, sequences: SequenceTable
) -> RememberedBatch:
    verdict, code, offset = "appended", ErrorCode.NONE, -1
    outcome = sequences.check(_retried(batch, state))
    if isinstance(outcome, Duplicate):
        verdict, offset = "duplicate", outcome.base_offset
    elif isinstance(outcome, Refused):
        verdict, code = "refused", outcome.code
    return RememberedBatch(
        first_sequence=batch.first_sequence,
        last_sequence=batch.last_sequence,
        base_offset=batch.base_offset,
        max_timestamp=batch.max_timestamp,
        retry_verdict=verdict,
        retry_error_code=code,
        retry_offset=offset,
    )


def _retried(batch: StoredBatch, state: ProducerState) -> BatchHeader:
    """The header with which the batch would come again."""
    last_delta = sequence.add(batch.last_sequence, -batch.first_sequence)
    return BatchHeader(
        base_offset=0,
        batch_length=0,
        partition_leader_epoch=-1,
        magic=MAGIC,
        crc=batch.sent_crc,
        attributes=0,
        last_offset_delta=last_delta,
        base_timestamp=batch.max_timestamp,
        max_timestamp=batch.max_timestamp,
        producer_id=state.producer_id,
        producer_epoch=state.producer_epoch,
        base_sequence=batch.first_sequence,
        records_count=last_delta + 1,
    )
