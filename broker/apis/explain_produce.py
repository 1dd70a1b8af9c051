"""ExplainProduce (key 10000), v0–v2. Ours; Apache Kafka has no such API.

Ours: the newest verdicts on Produce, oldest first, with the reason of each in one sentence.
    partition -1 asks for all partitions of the topic; since v2 topic null for all topics the asker
    may describe, and count_max for the newest alone. Where the same values were sent before, the
    log is read to say so: a new send of a value is a new record. Of a batch of a transaction it
    is told what became of that, as of now (v1 has it as a field, too).
Left out: what happened before the broker started; a flush that failed later.
"""

from __future__ import annotations

from typing import Any

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.batch.header import BatchError, headers_in
from ...protocol.batch.reading import records_in
from ...protocol.compression import MissingCodecError
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode, shortened
from ...protocol.messages.explain_produce import (
    ExplainProduceRequest,
    ExplainProduceResponse,
    ProduceVerdict,
    WindowBatch,
)
from ..broker import Broker
from ..partitions.partition import Partition
from ..partitions.verdicts import Verdict, explained
from ..security.rights.access import Gate, Revealing, Rule, Whole, seen
from ..session import Session
from ..storage.port import StorageError
from ..waiting.long_work import Steps

COMPARED_BYTES_MAX = 64 * 1024  # larger batches are not read again for the sake of a sentence


class SeenTopics(Rule):
    """Where all topics are asked for: what of them the asker may describe."""

    def reveal(
        self, gate: Gate, message: ExplainProduceRequest, response: ExplainProduceResponse
    ) -> Revealing:
        """Leave out verdicts of other topics."""
        if message.topic is None:
            response.verdicts = yield from seen(
                gate, AclOperation.DESCRIBE, AclResourceType.TOPIC, response.verdicts, "topic"
            )
        return response


ACCESS = (Whole(AclOperation.DESCRIBE, AclResourceType.TOPIC, "topic"), SeenTopics())


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Explain what is remembered of a topic or partition."""
    message: ExplainProduceRequest = request.message
    if message.topic is None:
        opened = [each for each in broker.partitions.values() if each.verdicts]
        return _explained(opened, message)
    topic = broker.state.topics.get(message.topic)
    if topic is None or message.partition >= topic.partition_count:
        why = f"no such topic or partition here: {message.topic}"
        return refusal(message, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, why)
    wanted = range(topic.partition_count) if message.partition < 0 else (message.partition,)
    there = (broker.partitions.get((topic.name, index)) for index in wanted)
    return _explained([each for each in there if each is not None], message)


def _explained(opened: list[Partition], message: ExplainProduceRequest) -> Steps:
    newest = [
        (noted, partition)
        for partition in opened
        for noted in partition.verdicts or ()
        if noted[0] > message.after_number
    ]
    newest.sort(key=lambda each: each[0][0])
    if message.count_max >= 0:
        newest = newest[max(0, len(newest) - message.count_max) :]
    verdicts = []
    for noted, partition in newest:
        verdicts.append(told(partition, explained(noted)))
        yield None
    return ExplainProduceResponse(error_code=0, verdicts=verdicts)


def refusal(message: ExplainProduceRequest, code: ErrorCode, why: str) -> ExplainProduceResponse:
    """The response that explains nothing."""
    return ExplainProduceResponse(error_code=code, error_message=shortened(why), verdicts=[])


def told(partition: Partition, verdict: Verdict) -> ProduceVerdict:
    """What is said of one verdict, as things stand now."""
    transaction, in_words = _transaction(partition, verdict)
    return ProduceVerdict(
        number=verdict.number,
        received_at_ms=verdict.received_at_ms,
        partition=partition.index,
        client_id=verdict.client_id,
        producer_id=verdict.producer_id,
        producer_epoch=verdict.producer_epoch,
        first_sequence=verdict.first_sequence,
        records_count=verdict.records_count,
        expected_sequence=verdict.expected_sequence,
        window=[
            WindowBatch(
                first_sequence=each.first_sequence,
                last_sequence=each.last_sequence,
                base_offset=each.base_offset,
            )
            for each in verdict.window
        ],
        verdict=verdict.verdict,
        error_code=verdict.code,
        base_offset=verdict.base_offset,
        reason=verdict.reason + in_words + _sent_before(partition, verdict),
        transaction=transaction,
        topic=partition.topic,
    )


def _transaction(partition: Partition, verdict: Verdict) -> tuple[str, str]:
    """What became of the transaction that a stored batch is part of: a word, and a sentence."""
    offset, producer_id = verdict.base_offset, verdict.producer_id
    if not verdict.is_transactional or not partition.log.log_start_offset <= offset:
        return "", ""
    opened = partition.transactions.by_producer.get(producer_id)
    if opened is not None and opened.first_offset <= offset:
        if opened.is_closed:
            return "pending", "; its transaction is being ended"
        return "pending", "; its transaction is open: readers of committed records wait for its end"
    for each in partition.log.aborted(offset, offset + 1):
        if each.producer_id == producer_id:
            return "aborted", (
                f"; its transaction was aborted by the marker at offset {each.last_offset}: "
                "readers of committed records never get it"
            )
    return "committed", "; its transaction was committed"


def _sent_before(partition: Partition, verdict: Verdict) -> str:
    """What to add if the same values were sent just before, by this producer or another."""
    if verdict.verdict != "appended" or verdict.base_offset < 1:
        return ""
    stored = _values(partition, verdict.base_offset)
    if not stored:
        return ""
    if verdict.window:
        before = verdict.window[0]
        if _values(partition, before.base_offset) == stored:
            return (
                f"; a new send of the same value is a new record: it carries sequence "
                f"{verdict.first_sequence}, not {before.first_sequence}"
            )
    elif _values(partition, verdict.base_offset - 1) == stored:
        if verdict.producer_id < 0:
            return "; the same value lies right before it: nothing tells a retry from a new record"
        return "; the same value was sent before by another producer id: this is a new record"
    return ""


def _values(partition: Partition, offset: int) -> list[bytes | None]:
    """The values of the batch at an offset; none if it is gone, large or unreadable."""
    log = partition.log
    if not log.log_start_offset <= offset < partition.high_watermark:
        return []
    try:
        data = memoryview(log.read(offset, partition.high_watermark, 1))
        for position, header in headers_in(data):
            if header.size_bytes > COMPARED_BYTES_MAX or header.next_offset <= offset:
                continue
            return [each.value for each in records_in(data[position:][: header.size_bytes])]
    except (StorageError, BatchError, MissingCodecError):
        return []
    return []
