"""EDGE: what a scrape says is what was done, what commands tell, and what others call it."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from minibroker.broker.metrics.exposition import LINES_A_PIECE
from minibroker.broker.metrics.family import Kind
from minibroker.broker.metrics.pacer import Pacer
from minibroker.broker.metrics.scrape import FAMILIES
from minibroker.broker.runtime import Runtime
from minibroker.broker.waiting.promise import Promise
from minibroker.cli.main import main
from minibroker.client import Admin, Consumer, Fatal, Fenced, Producer
from minibroker.client.blocking import Consumer as BlockingConsumer
from minibroker.client.blocking import Producer as BlockingProducer
from minibroker.testing.in_process import TestBroker

from tests.support.in_loop.runtime import running_broker
from tests.support.metrics.asking import ask, scraped, scraped_at, telling
from tests.support.metrics.well_known import DASHBOARDS, JMX_EXPORTER, KAFKA_EXPORTER
from tests.support.processes.broker import ForkedBroker

NAME = re.compile(r"\b(?:kafka|process|minibroker)_\w+")


def servers(runtime: Runtime) -> str:
    return f"127.0.0.1:{runtime.bound[0].port}"


def bytes_of_logs(directory: Path, topic: str) -> int:
    return sum(path.stat().st_size for path in directory.glob(f"{topic}-*/*.log"))


async def test_a_known_load_is_counted(tmp_path: Path) -> None:
    async with running_broker(tmp_path) as runtime, telling(runtime) as server:
        async with Admin(servers(runtime)) as admin:
            await admin.create_topic("orders", num_partitions=2)
            await admin.create_topic("quiet", num_partitions=1)
        async with Producer(servers(runtime)) as producer:
            for number in range(5):
                await producer.send_and_wait("orders", b"%d" % number, partition=0)
            await producer.send_many("orders", [b"x" * 100] * 10, partition=1)
        async with Consumer(
            "orders", bootstrap_servers=servers(runtime), auto_offset_reset="earliest"
        ) as consumer:
            read = [await consumer.getone() for _ in range(15)]
        assert len(read) == 15
        found = await scraped(server)

    topic = "kafka_server_brokertopicmetrics_"
    for labels in ({}, {"topic": "orders"}):
        assert found.value(f"{topic}messagesin_total", **labels) == 15
        assert found.value(f"{topic}totalproducerequests_total", **labels) == 6
        assert found.value(f"{topic}failedproducerequests_total", **labels) == 0
        assert found.value(f"{topic}bytesout_total", **labels) >= 15
        assert found.value(f"{topic}totalfetchrequests_total", **labels) >= 2
    assert found.value(f"{topic}messagesin_total", topic="quiet") == 0
    stored = bytes_of_logs(tmp_path, "orders")
    assert found.value(f"{topic}bytesin_total", topic="orders") == stored
    assert found.value(f"{topic}bytesout_total", topic="orders") == stored
    assert found.value("minibroker_log_bytes") == stored
    for partition, count in (("0", 5), ("1", 10)):
        place = {"topic": "orders", "partition": partition}
        assert found.value("kafka_topic_partition_current_offset", **place) == count
        assert found.value("kafka_topic_partition_oldest_offset", **place) == 0
        assert found.value("kafka_topic_partition_leader", **place) == 1
    quiet = {"topic": "quiet", "partition": "0"}
    assert found.value("kafka_topic_partition_current_offset", **quiet) == 0
    asked = {
        labels: value
        for labels, value in found.of("kafka_network_requestmetrics_requests_total").items()
        if ("request", "Produce") in labels
    }
    assert sum(asked.values()) == 6
    assert found.value("minibroker_request_seconds_count", request="Produce") == 6
    assert found.value("kafka_network_requestmetrics_totaltimems_count", request="Produce") == 6
    assert 0 < found.value("minibroker_request_seconds_sum", request="Produce") < 60
    assert 1 <= found.value("minibroker_flush_batches_count") <= 8
    assert found.value("minibroker_flush_batches_sum") >= 6
    assert found.value("minibroker_connections_accepted_total", listener="PLAINTEXT") >= 3
    assert found.value("minibroker_producer_ids") == 2  # one producer, in two partitions
    assert found.value("kafka_server_replicamanager_partitioncount") == 3


async def test_refusals_and_retries_are_counted_by_reason() -> None:
    async with running_broker() as runtime, telling(runtime) as server:
        async with Admin(servers(runtime)) as admin:
            await admin.create_topic("orders", configs={"max.message.bytes": "200"})
        async with Producer(servers(runtime)) as producer:
            with pytest.raises(Fatal):
                await producer.send_and_wait("orders", b"x" * 1000)
        found = await scraped(server)
    refused = found.value("minibroker_refused_batches_total", error="MESSAGE_TOO_LARGE")
    assert refused >= 1
    topic = "kafka_server_brokertopicmetrics_failedproducerequests_total"
    assert found.value(topic) == found.value(topic, topic="orders") == refused
    errors = "kafka_network_requestmetrics_errors_total"
    assert found.value(errors, request="Produce", error="MESSAGE_TOO_LARGE") == refused


async def test_a_retry_after_a_lost_answer_is_counted_as_recognised() -> None:
    async with TestBroker() as broker, telling(broker.runtime) as server:
        broker.faults.lose_reply("Produce", topic="orders")
        async with Producer(broker.bootstrap_servers) as producer:
            await producer.send_and_wait("orders", b"x")
        found = await scraped(server)
    topic = "kafka_server_brokertopicmetrics_"
    assert found.value("minibroker_duplicate_batches_total") == 1
    assert found.value(f"{topic}messagesin_total", topic="orders") == 1
    assert found.value(f"{topic}totalproducerequests_total", topic="orders") == 2


async def test_who_was_replaced_is_counted_as_fenced() -> None:
    async with running_broker() as runtime, telling(runtime) as server:
        first = Producer(servers(runtime), transactional_id="t")
        async with first, Producer(servers(runtime), transactional_id="t"):
            with pytest.raises(Fenced):
                async with first.transaction():
                    await first.send_and_wait("orders", b"x")
        found = await scraped(server)
    assert sum(found.of("minibroker_fenced_total").values()) >= 1
    assert found.value("minibroker_transactional_ids", state="Empty") == 1


async def test_sums_never_fall_when_a_topic_is_deleted() -> None:
    name = "kafka_server_brokertopicmetrics_messagesin_total"
    async with running_broker() as runtime, telling(runtime) as server:
        async with Producer(servers(runtime)) as producer:
            await producer.send_many("orders", [b"x"] * 7)
            await producer.send_many("bills", [b"x"] * 2)
        async with Admin(servers(runtime)) as admin:
            await admin.delete_topics(["orders"])
        found = await scraped(server)
    assert found.value(name) == 9
    assert found.value(name, topic="bills") == 2
    assert found.get(name, topic="orders") == 0


async def test_every_family_is_told_as_it_is_declared(tmp_path: Path) -> None:
    async with running_broker(tmp_path) as runtime, telling(runtime) as server:
        async with Producer(servers(runtime)) as producer:
            await producer.send_and_wait("orders", b"x")
        answer = await ask(server, "/metrics")
        found = await scraped(server)
    told = re.findall(r"^# TYPE (\S+) (\w+)$", answer.body, re.MULTILINE)
    ours = [(name, kind) for name, kind in told if not name.startswith("process_")]
    assert sorted(ours) == sorted((each.name, each.kind.value) for each in FAMILIES)
    helps = dict(re.findall(r"^# HELP (\S+) (.+)$", answer.body, re.MULTILINE))
    assert all(helps[each.name] == each.meaning for each in FAMILIES)
    for each in FAMILIES:
        if each.kind in (Kind.COUNTER, Kind.GAUGE):
            labels = found.labels.get(each.name, set())
            assert labels <= {frozenset(each.labels), frozenset()}, each.name


async def test_names_and_labels_are_those_of_kafka_exporter_and_of_the_jmx_exporter(
    tmp_path: Path,
) -> None:
    async with running_broker(tmp_path) as runtime, telling(runtime) as server:
        async with Admin(servers(runtime)) as admin:
            await admin.create_topic("orders", configs={"max.message.bytes": "200"})
        async with Producer(servers(runtime)) as producer:
            await producer.send_and_wait("orders", b"x")
            with pytest.raises(Fatal):
                await producer.send_and_wait("orders", b"x" * 1000)
        async with Consumer(
            "orders",
            bootstrap_servers=servers(runtime),
            group_id="billing",
            auto_offset_reset="earliest",
        ) as consumer:
            await consumer.getone()
            await consumer.commit()
            found = await scraped(server)
    for name, labels in {**KAFKA_EXPORTER, **JMX_EXPORTER}.items():
        assert frozenset(labels) in found.labels.get(name, ()), name
    for expression in DASHBOARDS:
        assert all(name in found.kinds for name in NAME.findall(expression)), expression


def test_values_are_those_that_commands_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ForkedBroker(data_dir=tmp_path, options=("--metrics", "127.0.0.1:0")) as broker:

        def told(*words: str) -> Any:
            assert main([*words, "--json", "--bootstrap-server", broker.bootstrap_servers]) == 0
            return json.loads(capsys.readouterr().out)

        told("topics", "create", "orders", "--partitions", "3")
        with BlockingProducer(broker.bootstrap_servers) as producer:
            for partition, count in enumerate((4, 9, 0)):
                producer.send_many("orders", [b"x"] * count, partition=partition)
            consumer = BlockingConsumer(
                "orders",
                bootstrap_servers=broker.bootstrap_servers,
                group_id="billing",
                auto_offset_reset="earliest",
                enable_auto_commit=False,
            )
            with consumer:
                left = 13
                while left:
                    left -= sum(map(len, consumer.getmany(timeout_ms=1000).values()))
                consumer.commit()
                producer.send_many("orders", [b"x"] * 2, partition=1)
                url = re.search(r" metrics=(\S+)", broker.ready_line)
                assert url is not None, broker.ready_line
                found = scraped_at(url.group(1))
                (group,) = told("groups", "describe", "--group", "billing")
                topic = told("topics", "describe", "orders")
    for row in group["offsets"]:
        place = {"topic": row["topic"], "partition": str(row["partition"])}
        end = found.value("kafka_topic_partition_current_offset", **place)
        assert end == row["log_end_offset"]
        place["consumergroup"] = "billing"
        assert found.value("kafka_consumergroup_current_offset", **place) == row["current_offset"]
        assert found.value("kafka_consumergroup_lag", **place) == row["lag"]
    whole = {"topic": "orders", "consumergroup": "billing"}
    assert found.value("kafka_consumergroup_lag_sum", **whole) == 2
    assert found.value("kafka_consumergroup_current_offset_sum", **whole) == 13
    members = found.value("kafka_consumergroup_members", consumergroup="billing")
    assert members == len(group["members"]) == 1
    assert len(found.of("kafka_consumergroup_lag")) == len(group["offsets"]) == 3
    partitions = topic[0]["partitions"]
    assert found.value("kafka_topic_partitions", topic="orders") == len(partitions)
    for each in partitions:
        place = {"topic": "orders", "partition": str(each["index"])}
        assert found.value("kafka_topic_partition_leader", **place) == each["leader"]
        replicas = found.value("kafka_topic_partition_replicas", **place)
        assert replicas == len(each["replicas"])
        end = found.value("kafka_topic_partition_current_offset", **place)
        assert end == each["end_offset"]
        oldest = found.value("kafka_topic_partition_oldest_offset", **place)
        assert oldest == each["start_offset"]
        assert found.value("kafka_log_log_size", **place) == each["size_bytes"]
        in_sync = found.value("kafka_topic_partition_in_sync_replica", **place)
        assert in_sync == len(each["isr"])


async def test_a_scrape_gives_its_turn_back_after_each_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns = 0

    def counted(pacer: Pacer) -> Promise:
        nonlocal turns
        turns += 1
        return taken(pacer)

    taken = Pacer.turn
    monkeypatch.setattr(Pacer, "turn", counted)
    async with running_broker() as runtime, telling(runtime) as server:
        async with Admin(servers(runtime)) as admin:
            await admin.create_topic("orders", num_partitions=2000)
        answer = await ask(server, "/metrics")
        lines = answer.body.count("\n")
        assert lines > 8 * 2000
        # Three prometheus ask at once: each of them waits for as many turns of its own.
        assert turns >= lines / LINES_A_PIECE
        many, turns = turns, 0
        await asyncio.gather(*(ask(server, "/metrics") for _ in range(3)))
        assert turns >= 3 * (many - 5)
