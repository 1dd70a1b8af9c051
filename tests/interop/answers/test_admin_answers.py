"""The answers in tests/support/*_answers.py are what a real Apache Kafka says."""

import time
from collections.abc import Iterator

import pytest
from minibroker.broker.cluster.described_configs import Described, describe_broker, describe_topic
from minibroker.broker.cluster.running_config import RunningConfig
from minibroker.broker.config.broker import BrokerConfig
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.configs import ConfigType

from tests.support.answers import (
    admin_answers,
    config_answers,
    field_answers,
    node_answers,
    partition_answers,
)
from tests.support.answers.admin_answers import Row, create, shown
from tests.support.answers.config_answers import BROKER, TOPIC, described
from tests.support.answers.node_answers import answer_to
from tests.support.processes.kafka import RealKafka, missing_tools

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
# A change reaches what a broker tells a moment after it was answered; only telling is repeated.
TELLING = ("Describe", "Metadata", "ListOffsets")
SETTLED_S = 5
UNCHANGED = RunningConfig(BrokerConfig(), {}, {})
# cli/deviations.py has the reasons
TOPIC_DIFFERS = {"min.insync.replicas"}
BROKER_DIFFERS = {"min.insync.replicas", "log.retention.ms", "log.roll.ms"}
# Another default for a reason of one node, or a value that this Kafka was started with.
OTHER_DEFAULT = {
    *("advertised.listeners", "default.replication.factor", "listeners", "log.dirs", "node.id"),
    *("group.initial.rebalance.delay.ms", "queued.max.request.bytes"),
}
OURS = {"durability", "replication.factor.lenient", "transaction.version"}
HIDDEN_BY_KAFKA = {
    *("log.initial.task.delay.ms", "producer.id.expiration.check.interval.ms"),
    *("allow.everyone.if.no.acl.found", "super.users"),  # its authorizer's own
}
FIXED_HERE = {  # Kafka can change them while it runs
    *("listeners", "max.connections", "max.connections.per.ip"),
    "max.connections.per.ip.overrides",
}
FIXED_PARTS = ("ssl.", "sasl.")  # here files are looked at instead


@pytest.fixture(scope="module")
def kafka() -> Iterator[RealKafka]:
    with RealKafka() as running:
        yield running


async def _connect(kafka: RealKafka) -> Connection:
    host, port = kafka.bootstrap_servers.split(":")
    return await Connection.open(host, int(port))


async def test_properties_are_described_as_kafka_describes_them(kafka: RealKafka) -> None:
    connection = await _connect(kafka)
    await connection.request(create("described"))
    topic = await _described(connection, TOPIC, "described", None)
    assert topic == await _described(connection, TOPIC, "described", [])
    ours = _by_name(describe_topic({}, UNCHANGED))
    assert ours.keys() == topic.keys()
    different = [
        (name, ours[name], topic[name])
        for name in ours.keys() - TOPIC_DIFFERS
        if ours[name] != topic[name]
    ]
    assert different == []
    broker = await _described(connection, BROKER, "1", None)
    ours = _by_name(describe_broker(UNCHANGED))
    assert ours.keys() - broker.keys() <= HIDDEN_BY_KAFKA | OURS
    for name in (ours.keys() & broker.keys()) - BROKER_DIFFERS:
        mine, kafkas = ours[name], broker[name]
        if name in OTHER_DEFAULT:
            mine, kafkas = mine[3:], kafkas[3:]
        if name in FIXED_HERE or name.startswith(FIXED_PARTS):
            mine, kafkas = mine[:-1], kafkas[:-1]
        if mine != kafkas:
            different.append((name, mine, kafkas))
    assert different == []
    await connection.close()


async def test_kafkas_answers_are_those_written_down(kafka: RealKafka) -> None:
    rows = (
        *admin_answers.ROWS,
        *config_answers.ROWS,
        *partition_answers.ROWS,
    )
    connection = await _connect(kafka)
    different = []
    for row in rows:
        answer = await _answer(connection, row)
        if answer != row.answer:
            different.append(f"{row.name}: {answer!r}, written: {row.answer!r}")
    await connection.close()
    assert not different, "\n".join(different)


@pytest.mark.parametrize(
    ("rows", "hidden"),
    [
        (node_answers.ROWS, node_answers.NOT_SHOWN),
        (field_answers.ROWS, field_answers.HIDDEN),
    ],
    ids=["node", "fields"],
)
async def test_one_node_of_kafka_answers_as_is_written_down(
    rows: tuple[Row, ...], hidden: set[str]
) -> None:
    """On a Kafka of its own: what is asked for all topics must not meet those of other tests."""
    with RealKafka() as alone:
        port = int(alone.bootstrap_servers.rpartition(":")[2])
        different = []
        for row in rows:
            deadline = time.monotonic() + SETTLED_S
            while (answer := await answer_to(port, row, hidden)) != row.answer:
                if time.monotonic() > deadline:
                    different.append(f"{row.name}: {answer!r}, written: {row.answer!r}")
                    break
    assert not different, "\n".join(different)


async def _answer(connection: Connection, row: Row) -> str:
    deadline = time.monotonic() + SETTLED_S
    while True:
        answer = shown(await connection.request(row.message, version=row.version))
        is_telling = type(row.message).__name__.startswith(TELLING)
        if answer == row.answer or not is_telling or time.monotonic() > deadline:
            return answer


Facts = tuple[object, ...]


async def _described(
    connection: Connection, kind: int, name: str, keys: list[str] | None
) -> dict[str, Facts]:
    """What Kafka tells of each property: value, source, synonyms; type, sensitive, read-only."""
    request = described(kind, name)
    request.resources[0].configuration_keys = keys
    deadline = time.monotonic() + SETTLED_S
    while True:
        (result,) = (await connection.request(request)).results
        if not result.error_code or time.monotonic() > deadline:
            break
    return {
        each.name: (
            each.value,
            each.config_source,
            tuple((one.name, one.value, one.source) for one in each.synonyms),
            each.config_type,
            each.is_sensitive,
            each.read_only,
        )
        for each in result.configs
    }


def _by_name(ours: list[Described]) -> dict[str, Facts]:
    return {
        each.name: (
            each.value,
            each.source.value,
            tuple((one.name, one.value, one.source.value) for one in each.synonyms),
            int(each.property.type),
            each.property.type == ConfigType.PASSWORD,
            each.read_only,
        )
        for each in ours
    }
