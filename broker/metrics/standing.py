"""What a single broker is in a cluster of Kafka's kind: the numbers that dashboards ask for first.

Most are constants here: there is one node, it is the controller, and each partition has one
replica. They are told so that panels and alerts made for Kafka are green and not empty.
Source: kafka_exporter.go; ReplicaManager, QuorumController metrics of Kafka; kafka-2_0_0.yml.
Tests: tests/system/metrics/test_metrics.py
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..broker import Broker
from .family import Family, Sample, Series, counter, gauge

BROKERS = gauge("kafka_brokers", "Brokers of the cluster, always 1")
BROKER_INFO = gauge("kafka_broker_info", "Always 1; its labels say which", "id", "address")
PARTITION_COUNT = gauge("kafka_server_replicamanager_partitioncount", "Partitions of all topics")
LEADER_COUNT = gauge(
    "kafka_server_replicamanager_leadercount", "Partitions that are led here, which is all"
)
TOPIC_COUNT = gauge("kafka_controller_kafkacontroller_globaltopiccount", "Topics")
GLOBAL_PARTITION_COUNT = gauge(
    "kafka_controller_kafkacontroller_globalpartitioncount", "Partitions of all topics"
)
FETCHES_WAITING = gauge(
    "kafka_server_delayedoperationpurgatory_purgatorysize",
    "Requests that wait: fetches for bytes, produces (and others) for a flush",
    "delayedOperation",
)
_ALWAYS: Final[dict[Family, int]] = {
    gauge("kafka_controller_kafkacontroller_activecontrollercount", "Always 1: this node"): 1,
    gauge("kafka_controller_kafkacontroller_activebrokercount", "Always 1: this node"): 1,
    gauge("kafka_controller_kafkacontroller_fencedbrokercount", "Always 0"): 0,
    gauge(
        "kafka_controller_kafkacontroller_offlinepartitionscount",
        "Always 0: where a log cannot be used, the broker does not start",
    ): 0,
    gauge(
        "kafka_controller_kafkacontroller_preferredreplicaimbalancecount",
        "Always 0: there is one replica",
    ): 0,
    counter(
        "kafka_controller_controllerstats_uncleanleaderelections_total",
        "Always 0: nothing is elected",
    ): 0,
    gauge(
        "kafka_server_replicamanager_underreplicatedpartitions", "Always 0: there is one replica"
    ): 0,
    gauge(
        "kafka_server_replicamanager_underminisrpartitioncount", "Always 0: there is one replica"
    ): 0,
    gauge("kafka_server_replicamanager_offlinereplicacount", "Always 0"): 0,
    counter("kafka_server_replicamanager_isrshrinks_total", "Always 0"): 0,
    counter("kafka_server_replicamanager_isrexpands_total", "Always 0"): 0,
}
FAMILIES: Final = (
    *(BROKERS, BROKER_INFO, PARTITION_COUNT, LEADER_COUNT, TOPIC_COUNT, GLOBAL_PARTITION_COUNT),
    FETCHES_WAITING,
    *_ALWAYS,
)


def standing(broker: Broker, address: str) -> Iterator[Series]:
    """All families.

    Args:
        address: HOST:PORT that clients of the first listener are told.
    """
    state = broker.state
    yield BROKERS, [Sample((), 1)]
    yield BROKER_INFO, [Sample((str(broker.config.node_id), address), 1)]
    yield PARTITION_COUNT, [Sample((), state.partition_count)]
    yield LEADER_COUNT, [Sample((), state.partition_count)]
    yield TOPIC_COUNT, [Sample((), len(state.topics))]
    yield GLOBAL_PARTITION_COUNT, [Sample((), state.partition_count)]
    yield (
        FETCHES_WAITING,
        [
            Sample(("Fetch",), broker.parked.waiting_count),
            Sample(("Produce",), broker.commit.waiting_count),
        ],
    )
    for family, value in _ALWAYS.items():
        yield family, [Sample((), value)]
