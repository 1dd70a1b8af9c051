"""Topics and partitions: offsets under kafka_exporter's names, traffic under the JMX exporter's.

Everything is read in one pass over what there was when the scrape began, in steps, and written
family by family from what was found: offsets of a partition belong to the same instant, and sums
never fall, also when topics are deleted meanwhile:
1. the sums of deleted partitions are read  2. a topic is deleted before the pass has come to it
3. counted neither here nor there, its traffic would be missing once, and Prometheus would take the
next sum for that of a broker that has started anew. So the pass holds the partitions themselves.
Source: kafka_exporter.go; kafka-2_0_0.yml of jmx_exporter and BrokerTopicMetrics of Kafka.
Tests: tests/unit/broker/metrics/test_partitions.py
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from itertools import repeat
from typing import Final

from ..broker import Broker
from ..cluster.metadata import Topic
from ..figures import Traffic
from ..limits import METRICS_PARTITIONS_MAX
from ..partitions.partition import Partition
from .family import Sample, Series, counter, gauge

PARTITIONS_A_STEP: Final = 300

TOPIC_PARTITIONS = gauge("kafka_topic_partitions", "Partitions of a topic", "topic")
CURRENT_OFFSET = gauge(
    "kafka_topic_partition_current_offset",
    "Where readers stop, the high watermark: the offset that comes next",
    *("topic", "partition"),
)
OLDEST_OFFSET = gauge(
    "kafka_topic_partition_oldest_offset", "The first offset there is", "topic", "partition"
)
LEADER = gauge("kafka_topic_partition_leader", "The node id of the leader", "topic", "partition")
IS_PREFERRED = gauge(
    "kafka_topic_partition_leader_is_preferred",
    "1: the leader is the preferred one; there is one broker",
    *("topic", "partition"),
)
REPLICAS = gauge("kafka_topic_partition_replicas", "Replicas, always 1", "topic", "partition")
IN_SYNC = gauge(
    "kafka_topic_partition_in_sync_replica", "Replicas in sync, always 1", "topic", "partition"
)
UNDER_REPLICATED = gauge(
    "kafka_topic_partition_under_replicated_partition",
    "1 if a replica is behind, which cannot be: always 0",
    *("topic", "partition"),
)
SIZE = gauge("kafka_log_log_size", "Bytes of a partition's log", "topic", "partition")

MESSAGES_IN = counter(
    "kafka_server_brokertopicmetrics_messagesin_total",
    "Records stored, markers of transactions among them; without a topic: of all, deleted ones too",
    "topic",
)
BYTES_IN = counter(
    "kafka_server_brokertopicmetrics_bytesin_total",
    "Bytes of batches stored; without a topic: of all",
    "topic",
)
BYTES_OUT = counter(
    "kafka_server_brokertopicmetrics_bytesout_total",
    "Bytes of batches read by fetches; without a topic: of all",
    "topic",
)
PRODUCES = counter(
    "kafka_server_brokertopicmetrics_totalproducerequests_total",
    "Batches that producers sent, one for each partition of a request, whatever became of them",
    "topic",
)
FETCHES = counter(
    "kafka_server_brokertopicmetrics_totalfetchrequests_total",
    "Reads of partitions by fetches, those that found nothing among them",
    "topic",
)
FAILED_PRODUCES = counter(
    "kafka_server_brokertopicmetrics_failedproducerequests_total",
    "Batches that were refused; without a topic also those for topics that are not there",
    "topic",
    alert='rate(kafka_server_brokertopicmetrics_failedproducerequests_total{topic=""}[5m]) > 0',
    because="producers are refused; minibroker_refused_batches_total says with which codes",
)
FAILED_FETCHES = counter(
    "kafka_server_brokertopicmetrics_failedfetchrequests_total",
    "Reads of partitions that were refused; without a topic also of topics that are not there",
    "topic",
)

PRODUCER_IDS = gauge(
    "minibroker_producer_ids",
    "Producer ids whose newest batches are remembered, summed over partitions",
)
OPEN_LOGS = gauge("minibroker_open_partitions", "Partitions that have been written or asked for")
BYTES_ON_DISK = gauge("minibroker_log_bytes", "Bytes of all partitions' logs")
SEGMENTS = gauge("minibroker_log_segments", "Segments of all partitions' logs")
OPEN_IN_PARTITIONS = gauge(
    "minibroker_open_transactions",
    "Transactions that are open in a partition, summed over partitions",
)

FAMILIES: Final = (
    *(TOPIC_PARTITIONS, CURRENT_OFFSET, OLDEST_OFFSET, LEADER, IS_PREFERRED, REPLICAS, IN_SYNC),
    *(UNDER_REPLICATED, SIZE, MESSAGES_IN, BYTES_IN, BYTES_OUT, PRODUCES, FETCHES),
    *(FAILED_PRODUCES, FAILED_FETCHES, PRODUCER_IDS, OPEN_LOGS, BYTES_ON_DISK, SEGMENTS),
    OPEN_IN_PARTITIONS,
)


class Columns:
    """Partitions as they were when the pass came by, METRICS_PARTITIONS_MAX at most.

    Lists of texts and numbers, and no object for each partition: exposition.py says why.
    """

    def __init__(self) -> None:
        self.topics: list[str] = []
        self.indexes: list[str] = []
        self.current_offsets: list[int] = []
        self.oldest_offsets: list[int] = []
        self.sizes: list[int] = []

    def __len__(self) -> int:
        return len(self.topics)

    def add(self, topic: str, index: int, partition: Partition | None) -> None:
        """One more; None: it was never written."""
        self.topics.append(topic)
        self.indexes.append(str(index))
        if partition is None:
            current_offset = oldest_offset = size_bytes = 0
        else:
            log = partition.log
            current_offset, oldest_offset = partition.high_watermark, log.log_start_offset
            size_bytes = log.size_bytes
        self.current_offsets.append(current_offset)
        self.oldest_offsets.append(oldest_offset)
        self.sizes.append(size_bytes)

    def told(self, values: Iterable[int]) -> Iterator[Sample]:
        """A sample of each partition."""
        return map(Sample, zip(self.topics, self.indexes, strict=True), values)


class Pass:
    """What one scrape has found.

    Attributes:
        columns: what is told of each partition.
        traffic: by topic, of those with a row.
        total: of all topics, deleted ones too.
        partition_count: of all topics that there were.
    """

    def __init__(self, broker: Broker) -> None:
        # In one turn: what is deleted from now on is met here, and what was before stands in gone.
        self._topics: list[Topic] = list(broker.state.topics.values())
        self._open: dict[tuple[str, int], Partition] = dict(broker.partitions)
        self.open_count = len(self._open)
        self.total = Traffic()
        self.total.include(broker.figures.gone)
        self._figures = broker.figures
        self._node_id = broker.config.node_id
        self.columns = Columns()
        self.counts: dict[str, int] = {}
        self.traffic: dict[str, Traffic] = {}
        self.partition_count = 0
        self.producer_ids = self.size_bytes = self.segment_count = self.open_transactions = 0
        self.recovered_count = self.recovered_bytes = 0
        self.refused = dict(broker.figures.refused_by_topic)
        self.refused_fetches = dict(broker.figures.refused_fetches_by_topic)

    def look(self) -> Generator[None, None, None]:
        """Do it."""
        left = PARTITIONS_A_STEP
        for topic in self._topics:
            name, traffic = topic.name, Traffic()
            is_told = len(self.columns) + topic.partition_count <= METRICS_PARTITIONS_MAX
            for index in range(topic.partition_count):
                partition = self._open.get((name, index))
                if partition is not None:
                    traffic.add(partition)
                    self._add(partition)
                if is_told:
                    self.columns.add(name, index, partition)
                left -= 1
                if not left:
                    left = PARTITIONS_A_STEP
                    yield
            self.partition_count += topic.partition_count
            self.total.include(traffic)
            if is_told:
                self.counts[name], self.traffic[name] = topic.partition_count, traffic
        self._open.clear()

    def _add(self, partition: Partition) -> None:
        log = partition.log
        segments = log.segments
        self.segment_count += len(segments)
        self.size_bytes += sum(segment.size for segment in segments)
        self.producer_ids += len(partition.sequences)
        self.open_transactions += len(partition.transactions)
        if log.recovery is not None:
            self.recovered_count += 1
            self.recovered_bytes += log.recovery.bytes_cut

    def series(self) -> Iterator[Series]:
        """All families."""
        yield TOPIC_PARTITIONS, (Sample((name,), n) for name, n in self.counts.items())
        columns = self.columns
        yield CURRENT_OFFSET, columns.told(columns.current_offsets)
        yield OLDEST_OFFSET, columns.told(columns.oldest_offsets)
        yield SIZE, columns.told(columns.sizes)
        for family, value in (
            (LEADER, self._node_id),
            (IS_PREFERRED, 1),
            (REPLICAS, 1),
            (IN_SYNC, 1),
            (UNDER_REPLICATED, 0),
        ):
            yield family, columns.told(repeat(value))
        total, traffic = self.total, self.traffic
        yield MESSAGES_IN, _with_sum(total.records_in, _of(traffic, "records_in"))
        yield BYTES_IN, _with_sum(total.bytes_in, _of(traffic, "bytes_in"))
        yield BYTES_OUT, _with_sum(total.bytes_out, _of(traffic, "bytes_out"))
        yield PRODUCES, _with_sum(total.produce_count, _of(traffic, "produce_count"))
        yield FETCHES, _with_sum(total.fetch_count, _of(traffic, "fetch_count"))
        refused = sum(self._figures.refused_batches.values())
        yield FAILED_PRODUCES, _with_sum(refused, self._refused(self.refused))
        refused = self._figures.refused_fetches
        yield FAILED_FETCHES, _with_sum(refused, self._refused(self.refused_fetches))
        yield PRODUCER_IDS, [Sample((), self.producer_ids)]
        yield OPEN_LOGS, [Sample((), self.open_count)]
        yield BYTES_ON_DISK, [Sample((), self.size_bytes)]
        yield SEGMENTS, [Sample((), self.segment_count)]
        yield OPEN_IN_PARTITIONS, [Sample((), self.open_transactions)]

    def _refused(self, by_topic: dict[str, int]) -> Iterator[tuple[str, int]]:
        return ((name, by_topic.get(name, 0)) for name in self.traffic)


def _of(traffic: dict[str, Traffic], name: str) -> Iterator[tuple[str, int]]:
    return ((topic, getattr(each, name)) for topic, each in traffic.items())


def _with_sum(total: int, by_topic: Iterator[tuple[str, int]]) -> Iterator[Sample]:
    """As Kafka has it: of all topics without a label, then each."""
    yield Sample((), total)
    for topic, value in by_topic:
        yield Sample((topic,), value)
