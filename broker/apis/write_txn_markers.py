"""WriteTxnMarkers (key 27), v1-v2. Source: WriteTxnMarkersRequest.json; KIP-98, KIP-890.

v1 flexible · v2 transaction_version: with 2 the marker's epoch is above that of what it ends
For who ends a transaction that its coordinator does not know any more: it is ended in the partition
alone, and the coordinator is not told, as in Kafka.
Ours: a coordinator epoch that comes this way does not bind our own coordinator, whose markers are
    always taken; in Kafka a higher one keeps its transactions from ever ending. Partitions of
    `__consumer_offsets` stand for the offsets that wait for the transaction, whatever their number.
"""

from __future__ import annotations

from ...protocol.acls import AclOperation
from ...protocol.batch.control import Marker
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerPartitionResult,
    WritableTxnMarkerResult,
    WritableTxnMarkerTopic,
    WritableTxnMarkerTopicResult,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)
from ..broker import Broker
from ..security.rights.access import Cluster
from ..session import Session
from ..storage.port import StorageError
from ..transactions.offsets_partition import OFFSETS_PARTITIONS, OFFSETS_TOPIC
from ..waiting.long_work import Steps

PARTITIONS_A_STEP = 8

ACCESS = (Cluster(AclOperation.CLUSTER_ACTION, AclOperation.ALTER),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Append markers; each partition has its own answer."""
    message: WriteTxnMarkersRequest = request.message
    writing = _Writing(broker)
    results = []
    for each in message.markers:
        marker = Marker(
            each.producer_id, each.producer_epoch, each.transaction_result, each.coordinator_epoch
        )
        topics = []
        for topic in each.topics:
            partitions = yield from writing.write(topic, marker, each.transaction_version)
            topics.append(WritableTxnMarkerTopicResult(name=topic.name, partitions=partitions))
        results.append(WritableTxnMarkerResult(producer_id=each.producer_id, topics=topics))
        yield None
    response = WriteTxnMarkersResponse(markers=results)
    if not writing.must_flush:
        return response
    return broker.commit.when_durable(
        response, lambda: refusal(message, ErrorCode.KAFKA_STORAGE_ERROR, "")
    )


def refusal(message: WriteTxnMarkersRequest, code: ErrorCode, why: str) -> WriteTxnMarkersResponse:
    """The response that refuses every partition of a request."""

    def topic(each: WritableTxnMarkerTopic) -> WritableTxnMarkerTopicResult:
        partitions = [
            WritableTxnMarkerPartitionResult(partition_index=index, error_code=code)
            for index in each.partition_indexes
        ]
        return WritableTxnMarkerTopicResult(name=each.name, partitions=partitions)

    def result(each: WritableTxnMarker) -> WritableTxnMarkerResult:
        topics = [topic(named) for named in each.topics]
        return WritableTxnMarkerResult(producer_id=each.producer_id, topics=topics)

    return WriteTxnMarkersResponse(markers=[result(each) for each in message.markers])


class _Writing:
    """The markers of one request on their way.

    Attributes:
        must_flush: whether something was appended that is acknowledged when it is durable.
    """

    def __init__(self, broker: Broker) -> None:
        self.must_flush = False
        self._broker = broker
        self._left = PARTITIONS_A_STEP

    def write(self, topic: WritableTxnMarkerTopic, marker: Marker, level: int) -> Steps:
        """The marker for the partitions of a topic, and their answers."""
        results = []
        for index in topic.partition_indexes:
            code = self._append(topic.name, index, marker, level)
            results.append(WritableTxnMarkerPartitionResult(partition_index=index, error_code=code))
            self._left -= 1
            if not self._left:
                self._left = PARTITIONS_A_STEP
                yield None
        return results

    def _append(self, topic: str, index: int, marker: Marker, level: int) -> ErrorCode:
        broker, now_ms = self._broker, self._broker.clock.now_ms()
        partition = broker.partition(topic, index)
        is_offsets = topic == OFFSETS_TOPIC and 0 <= index < OFFSETS_PARTITIONS
        try:
            if partition is not None:
                refused = partition.marker_refusal(marker, level)
                if refused is ErrorCode.NONE and partition.append_marker(marker, now_ms):
                    broker.appended(partition)
                    self.must_flush = self.must_flush or partition.flushed
                return refused
            if is_offsets:
                ledger = broker.groups.ledger
                if broker.groups.offsets_in_transactions.append_marker(marker, now_ms):
                    is_durable = ledger.is_durable_to(ledger.next_offset)
                    self.must_flush = self.must_flush or not is_durable
                return ErrorCode.NONE
        except StorageError as error:
            broker.trouble.refused(f"{topic}-{index}", str(error), broker.clock.monotonic_ms())
            return ErrorCode.KAFKA_STORAGE_ERROR
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
