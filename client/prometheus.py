"""EDGE: metrics() of producers and consumers, as a collector for prometheus_client.

    REGISTRY.register(ClientCollector({"billing-in": consumer, "billing-out": producer}))

Names are those that the JMX exporter gives Kafka's Java clients by default, with the label
client_id, which here is the name in the mapping: kafka_producer_producer_metrics_record_send_total.
A scrape comes in a thread of its own, mostly. A client of an event loop is then asked in that loop,
and the scrape waits for it, for a moment at most; a client of `blocking` may be asked anywhere.
Import it from here: who does not use it needs no prometheus_client.
Tests: tests/system/metrics/test_client_collector.py
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, Protocol

from prometheus_client import Metric
from prometheus_client.registry import Collector

WAIT_S: Final = 2.0
UP: Final = "minibroker_client_up"

_FETCH, _COORDINATOR = "consumer_fetch_manager_metrics", "consumer_coordinator_metrics"
_GROUPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                *("records-consumed-total", "bytes-consumed-total", "records-lag-max"),
                *("fetch-total", "fetch-size-avg", "fetch-size-max"),
                *("fetch-latency-avg", "fetch-latency-max", "records-per-request-avg"),
            ),
            _FETCH,
        ),
        **dict.fromkeys(
            (
                *("commit-total", "heartbeat-total", "rebalance-total"),
                *("failed-rebalance-total", "assigned-partitions"),
            ),
            _COORDINATOR,
        ),
    }
)
"""Which group of Kafka's a consumer's metric belongs to; all others are consumer-metrics.

Source: FetchMetricsRegistry.java, ConsumerCoordinatorMetrics.java."""


class Measured(Protocol):
    """A Producer or Consumer, of minibroker.client or of its blocking face."""

    def metrics(self) -> dict[str, float]:
        """By Kafka's names."""


class ClientCollector(Collector):
    """Tells what clients count.

    Args:
        clients: by the name that becomes the label client_id.

    Raises:
        TypeError: one of them is neither a Producer nor a Consumer.
        RuntimeError: one of them belongs to another event loop than the one this is made in.
    """

    def __init__(self, clients: Mapping[str, Measured]) -> None:
        self._clients = {name: (_kind_of(client), client) for name, client in clients.items()}
        for client in clients.values():
            client.metrics()  # raises for one that could not be asked later
        self._thread = threading.get_ident()
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None

    def describe(self) -> Iterator[Metric]:
        """Nothing in advance: a registry would ask every client when this is registered."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Ask every client; one that cannot be asked has minibroker_client_up 0, and no others."""
        up = Metric(
            UP, "1: the client could be asked; 0: it has ended, or its loop is busy", "gauge"
        )
        found: dict[str, Metric] = {}
        for name, (kind, client) in self._clients.items():
            numbers = self._ask(client)
            up.add_sample(UP, {"client_id": name, "kind": kind}, int(numbers is not None))
            for key, value in (numbers or {}).items():
                _add(found, kind, key, name, value)
        yield up
        yield from found.values()

    def _ask(self, client: Measured) -> dict[str, float] | None:
        answer: concurrent.futures.Future[dict[str, float]] = concurrent.futures.Future()

        def ask() -> None:
            try:
                answer.set_result(client.metrics())
            except RuntimeError as error:
                answer.set_exception(error)

        try:
            if self._loop is None or threading.get_ident() == self._thread:
                ask()
            else:
                self._loop.call_soon_threadsafe(ask)
            return answer.result(WAIT_S)
        except (RuntimeError, TimeoutError):
            return None  # told by minibroker_client_up


def _kind_of(client: Measured) -> str:
    kind = type(client).__name__.lower()
    if kind not in ("producer", "consumer"):
        raise TypeError(f"{client!r} is neither a Producer nor a Consumer")
    return kind


def _add(found: dict[str, Metric], kind: str, key: str, client_id: str, value: float) -> None:
    group = "producer_metrics" if kind == "producer" else _GROUPS.get(key, "consumer_metrics")
    name = f"kafka_{kind}_{group}_{key.replace('-', '_')}"
    metric = found.get(name)
    if metric is None:
        is_counter = name.endswith("_total")
        metric = found[name] = Metric(
            name.removesuffix("_total"),
            f"{key} of Kafka's {kind} metrics",
            "counter" if is_counter else "gauge",
        )
    metric.add_sample(name, {"client_id": client_id}, value)
