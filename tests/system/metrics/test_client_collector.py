"""EDGE: what producers and consumers count, told to Prometheus from whatever thread it asks."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from minibroker.client import Admin, Consumer, Producer
from minibroker.client.blocking import Producer as BlockingProducer
from minibroker.client.prometheus import ClientCollector
from minibroker.testing.in_process import TestBroker
from prometheus_client import CollectorRegistry, generate_latest

from tests.support.metrics.asking import Scraped
from tests.support.processes.broker import ForkedBroker

SENT = "kafka_producer_producer_metrics_record_send_total"
READ = "kafka_consumer_consumer_fetch_manager_metrics_records_consumed_total"


def scrape(registry: CollectorRegistry) -> Scraped:
    return Scraped(generate_latest(registry).decode())


async def test_clients_of_a_loop_are_told_from_another_thread() -> None:
    registry = CollectorRegistry(auto_describe=True)
    async with TestBroker() as broker:
        servers = broker.bootstrap_servers
        async with Producer(servers) as producer:
            await producer.send_many("orders", [b"x"] * 7)
            async with Consumer(
                "orders", bootstrap_servers=servers, auto_offset_reset="earliest", group_id="g"
            ) as consumer:
                await consumer.getone()
                registry.register(ClientCollector({"out": producer, "in": consumer}))
                found = await asyncio.to_thread(scrape, registry)
                assert scrape(registry).value(SENT, client_id="out") == 7  # in the loop as well
                numbers = producer.metrics() | consumer.metrics()
    assert found.value(SENT, client_id="out") == 7
    assert found.value(READ, client_id="in") >= 1
    assert found.value("minibroker_client_up", client_id="out", kind="producer") == 1
    lag = "kafka_consumer_consumer_fetch_manager_metrics_records_lag_max"
    assert found.kinds[lag] == "gauge"
    assert found.value(lag, client_id="in") >= 0
    heartbeats = "kafka_consumer_consumer_coordinator_metrics_heartbeat_total"
    assert found.kinds[heartbeats] == "counter"
    told = "".join(found.kinds).replace("_", "-")
    assert all(name in told for name in numbers)


async def test_a_loop_that_does_not_turn_is_told_as_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minibroker.client.prometheus.WAIT_S", 0.05)
    registry = CollectorRegistry()
    async with TestBroker() as broker, Producer(broker.bootstrap_servers) as producer:
        registry.register(ClientCollector({"out": producer}))
        with ThreadPoolExecutor(1) as thread:
            found = thread.submit(scrape, registry).result()  # the loop cannot serve the question
    assert found.value("minibroker_client_up", client_id="out", kind="producer") == 0
    assert SENT not in found.kinds


def test_a_blocking_client_is_told_and_then_has_ended() -> None:
    registry = CollectorRegistry()
    with ForkedBroker() as broker:
        with BlockingProducer(broker.bootstrap_servers) as producer:
            producer.send_many("orders", [b"x"] * 3)
            registry.register(ClientCollector({"out": producer}))
            assert scrape(registry).value(SENT, client_id="out") == 3
        found = scrape(registry)
    assert found.value("minibroker_client_up", client_id="out", kind="producer") == 0


async def test_what_counts_nothing_is_refused_at_once() -> None:
    async with TestBroker() as broker, Admin(broker.bootstrap_servers) as admin:
        with pytest.raises(TypeError, match="neither a Producer nor a Consumer"):
            ClientCollector({"admin": admin})  # type: ignore[dict-item]
