"""Every property with many values, on a real Apache Kafka and on ours: who takes what.

Each difference stands below with its reason; whatever else differs fails.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.config.kafka_names import WITHOUT_MEANING
from minibroker.broker.config.properties import ConfigError
from minibroker.broker.config.sources import Layer, load
from minibroker.broker.config.topic import TOPIC_PROPERTIES
from minibroker.client.cluster.connection import Connection

from tests.support.answers.config_sweep import BROKER, alterations_answer, cases, topics_answer
from tests.support.processes.broker import BrokerProcess
from tests.support.processes.kafka import RealKafka, fetch, missing_tools

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
PROGRAM = Path(__file__).parents[1] / "java" / "ConfigSweep.java"
RUN_S = 120
OURS = {"durability", "replication.factor.lenient", "transaction.version"}
# (property, a value): why Kafka takes it or not, and ours not or does
TOPICS_DIFFER = {
    "internal.segment.bytes": "0 and less would be a new file for each batch",
}
CHANGES_DIFFER = {
    "max.connections": "cannot change while ours runs (deviations: broker-names)",
    "max.connections.per.ip": "the same",
    "max.connections.per.ip.overrides": "the same",
    "min.insync.replicas": "set for the cluster in Kafka (deviations: cluster-defaults)",
    "log.retention.ms": "below -1 means -1 to Kafka: it would be shown, and not be what it says",
}
STARTS_DIFFER = {
    "node.id": "Kafka's must be among its controllers",
    "default.replication.factor": "Kafka starts with 0 and less, and creates no topic then",
    "connections.max.idle.ms": "Kafka compares it with a delay of SASL, which is not here",
    "queued.max.request.bytes": "Kafka compares it with the largest request, and takes any below 0"
    " for no bound, which ours always has",
    "log.retention.ms": "as above",
    "log.retention.hours": "as log.retention.ms",
    "log.retention.minutes": "as log.retention.ms",
    "group.initial.rebalance.delay.ms": "Kafka takes times below 0, which mean nothing",
    "group.min.session.timeout.ms": "the same",
    "group.max.session.timeout.ms": "the same",
    "offset.metadata.max.bytes": "Kafka takes sizes below 0, with which nothing can be committed",
    "log.flush.interval.messages": "only 1 and never are done here",
    "log.flush.interval.ms": "only never is done here",
    "remote.log.storage.system.enable": "there is no tiered storage",
    "log.cleaner.enable": "it has no effect here, whatever its value; a warning says so",
    "max.connections.per.ip": "0 without overrides: Kafka starts, and nobody can connect",
    "max.connections.per.ip.overrides": "Kafka looks hosts' names up (deviations: quota-hosts)",
}
NOT_SWEPT = {  # each has a syntax of its own, and tests of its own
    *("listeners", "advertised.listeners", "log.dirs"),
}
COARSE = (
    *("log.retention.hours", "log.retention.minutes", "log.roll.hours"),
    *("log.flush.interval.messages", "log.flush.interval.ms", "remote.log.storage.system.enable"),
    "log.cleaner.enable",
)


@pytest.fixture(scope="module")
def brokers() -> Iterator[tuple[str, str]]:
    """Where a real Kafka and ours listen."""
    with RealKafka() as kafka, BrokerProcess() as ours:
        yield kafka.bootstrap_servers, ours.bootstrap_servers


async def _connect(server: str) -> Connection:
    host, port = server.split(":")
    return await Connection.open(host, int(port))


def _unexpected(
    kafka: dict[tuple[str, str], int],
    ours: dict[tuple[str, str], int],
    differ: dict[str, str],
) -> list[str]:
    """Differences that are not listed, and properties that are listed and do not differ."""
    assert kafka.keys() == ours.keys()
    different = [
        (name, value, kafka[name, value], ours[name, value])
        for name, value in kafka
        if kafka[name, value] != ours[name, value]
    ]
    unlisted = [str(each) for each in different if each[0] not in differ]
    named = {each[0] for each in different}
    return [*unlisted, *(f"{name} does not differ" for name in differ if name not in named)]


async def test_topics_take_what_kafkas_take(brokers: tuple[str, str]) -> None:
    kafka, ours = [await _connect(each) for each in brokers]
    pairs = [*cases(TOPIC_PROPERTIES)]
    answers = [await topics_answer(each, pairs, "sweep") for each in (kafka, ours)]
    assert len(pairs) > 20 * len(TOPIC_PROPERTIES)
    assert _unexpected(answers[0], answers[1], TOPICS_DIFFER) == []
    await kafka.close()
    await ours.close()


async def test_a_running_broker_takes_what_kafkas_takes(brokers: tuple[str, str]) -> None:
    kafka, ours = [await _connect(each) for each in brokers]
    pairs = [*cases(BrokerConfig.properties().keys() - OURS)]
    answers = [await alterations_answer(each, BROKER, "1", pairs) for each in (kafka, ours)]
    assert _unexpected(answers[0], answers[1], CHANGES_DIFFER) == []
    await kafka.close()
    await ours.close()


def test_a_broker_starts_with_what_kafkas_starts_with(tmp_path: Path) -> None:
    names = [*(BrokerConfig.properties().keys() - OURS - NOT_SWEPT), *COARSE]
    assert {"log.cleaner.enable", "remote.log.storage.system.enable"} <= WITHOUT_MEANING
    pairs = [*cases(names)]
    kafka = dict(zip(pairs, _kafka_starts(pairs, tmp_path), strict=True))
    ours = {pair: _starts(*pair) for pair in pairs}
    assert _unexpected(kafka, ours, STARTS_DIFFER) == []


def _starts(name: str, text: str) -> int:
    layer = Layer("file", {"log.dirs": "/data", name: text})
    return _one_if_refused(lambda: load([layer]))


def _one_if_refused(call: Callable[[], object]) -> int:
    try:
        call()
    except ConfigError:
        return 1
    return 0


def _kafka_starts(pairs: list[tuple[str, str]], directory: Path) -> list[int]:
    """0 for each setting that Kafka's own reader of server.properties takes, else 1."""
    jars = f"{fetch()}/*"
    compile_it = ["javac", "-cp", jars, "-d", str(directory), str(PROGRAM)]
    subprocess.run(compile_it, check=True, timeout=RUN_S, capture_output=True)
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=off"
    done = subprocess.run(
        ["java", quiet, "-cp", f"{directory}:{jars}", "ConfigSweep"],
        input="".join(f"{name}\t{value}\n" for name, value in pairs),
        capture_output=True,
        text=True,
        check=True,
        timeout=RUN_S,
    )
    said = [line for line in done.stdout.splitlines() if line.startswith(("accepted", "refused"))]
    return [int(line.startswith("refused")) for line in said]
