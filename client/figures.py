"""What a client counts, under Kafka's metric names. Plain numbers on the objects that know.

Totals count from the start of the client; averages and maxima are over all of its life (Kafka's are
over the last 30 s), NaN before there is anything. Counting is done per batch or per request, never
per record.
Source: SenderMetricsRegistry.java, FetchMetricsRegistry.java, ConsumerCoordinatorMetrics.java.
Tests: tests/system/client/test_client_options.py
"""

from __future__ import annotations

from math import nan


class Spread:
    """The number, sum and maximum of some measurements."""

    __slots__ = ("count", "most", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.most = nan

    def add(self, measured: float) -> None:
        """One more."""
        self.count += 1
        self.total += measured
        if not measured <= self.most:  # the first one, too: nothing compares to NaN
            self.most = measured

    @property
    def average(self) -> float:
        """NaN while there is nothing."""
        return self.total / self.count if self.count else nan


class ProducerFigures:
    """What a producer's sender counts."""

    __slots__ = (
        "batch_bytes",
        "queue_ms",
        "record_retry_total",
        "record_send_total",
        "request_total",
        "split_total",
    )

    def __init__(self) -> None:
        self.record_send_total = 0
        self.record_retry_total = 0
        self.split_total = 0
        self.request_total = 0
        self.batch_bytes = Spread()
        self.queue_ms = Spread()

    def metrics(self) -> dict[str, float]:
        """By Kafka's names, those of the group producer-metrics."""
        requests = self.request_total
        return {
            "record-send-total": self.record_send_total,
            "record-retry-total": self.record_retry_total,
            "batch-split-total": self.split_total,
            "batch-size-avg": self.batch_bytes.average,
            "batch-size-max": self.batch_bytes.most,
            "records-per-request-avg": self.record_send_total / requests if requests else nan,
            "record-queue-time-avg": self.queue_ms.average,
            "record-queue-time-max": self.queue_ms.most,
        }


class NetworkFigures:
    """What all connections of a client count together."""

    __slots__ = ("connection_creation_total", "latency_ms", "request_total")

    def __init__(self) -> None:
        self.connection_creation_total = 0
        self.request_total = 0
        self.latency_ms = Spread()

    def metrics(self) -> dict[str, float]:
        """By Kafka's names."""
        return {
            "connection-creation-total": self.connection_creation_total,
            "request-total": self.request_total,
            "request-latency-avg": self.latency_ms.average,
            "request-latency-max": self.latency_ms.most,
        }


class ConsumerFigures:
    """What a consumer's fetcher and member count."""

    __slots__ = (
        "bytes_consumed_total",
        "commit_total",
        "failed_rebalance_total",
        "fetch_bytes",
        "fetch_ms",
        "fetch_total",
        "heartbeat_total",
        "rebalance_total",
        "records_consumed_total",
    )

    def __init__(self) -> None:
        self.records_consumed_total = 0
        self.bytes_consumed_total = 0
        self.fetch_total = 0
        self.fetch_bytes = Spread()
        self.fetch_ms = Spread()
        self.commit_total = 0
        self.heartbeat_total = 0
        self.rebalance_total = 0
        self.failed_rebalance_total = 0

    def metrics(self) -> dict[str, float]:
        """By Kafka's names, those of consumer-fetch-manager- and consumer-coordinator-metrics."""
        fetches = self.fetch_total
        return {
            "records-consumed-total": self.records_consumed_total,
            "bytes-consumed-total": self.bytes_consumed_total,
            "fetch-total": fetches,
            "fetch-size-avg": self.fetch_bytes.average,
            "fetch-size-max": self.fetch_bytes.most,
            "fetch-latency-avg": self.fetch_ms.average,
            "fetch-latency-max": self.fetch_ms.most,
            "records-per-request-avg": self.records_consumed_total / fetches if fetches else nan,
            "commit-total": self.commit_total,
            "heartbeat-total": self.heartbeat_total,
            "rebalance-total": self.rebalance_total,
            "failed-rebalance-total": self.failed_rebalance_total,
        }
