"""Foreign admin clients against us: their own calls, and what they make of our answers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import confluent_kafka.admin
import pytest
from confluent_kafka import TopicPartition

with warnings.catch_warnings():  # kafka-python reads its schemas by a deprecated function
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka
    import kafka.admin

from tests.support.processes.broker import BrokerProcess
from tests.support.processes.clients import write_confluent

pytestmark = pytest.mark.interop
WAIT_S = 20
CONFLUENT: Any = confluent_kafka.admin  # its names are not exported for type checkers


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with BrokerProcess(data_dir=tmp_path) as broker:
        yield broker.bootstrap_servers


def only(answers: dict[Any, Any]) -> Any:
    """The result of a call about one thing."""
    (future,) = answers.values()
    return future.result(WAIT_S)


def test_confluent_kafka_administers_us(address: str) -> None:
    admin = CONFLUENT.AdminClient({"bootstrap.servers": address})
    only(admin.create_topics([CONFLUENT.NewTopic("t", 1, 1, config={"retention.ms": "5000000"})]))
    only(admin.create_partitions([CONFLUENT.NewPartitions("t", 2)]))
    entry = CONFLUENT.ConfigEntry(
        "cleanup.policy", "compact", incremental_operation=CONFLUENT.AlterConfigOpType.APPEND
    )
    topic = CONFLUENT.ConfigResource(CONFLUENT.ResourceType.TOPIC, "t", incremental_configs=[entry])
    only(admin.incremental_alter_configs([topic]))
    told = only(
        admin.describe_configs([CONFLUENT.ConfigResource(CONFLUENT.ResourceType.TOPIC, "t")])
    )
    policy = told["cleanup.policy"]
    assert (policy.value, policy.source) == (
        "delete,compact",
        CONFLUENT.ConfigSource.DYNAMIC_TOPIC_CONFIG.value,
    )
    assert told["retention.ms"].value == "5000000"
    replaced = CONFLUENT.ConfigResource(CONFLUENT.ResourceType.TOPIC, "t", {"segment.ms": "70000"})
    with pytest.warns(DeprecationWarning, match="alter_configs has been deprecated"):
        only(admin.alter_configs([replaced]))
    told = only(
        admin.describe_configs([CONFLUENT.ConfigResource(CONFLUENT.ResourceType.TOPIC, "t")])
    )
    assert (told["cleanup.policy"].value, told["segment.ms"].value) == ("delete", "70000")
    write_confluent(address, "t", [b"v"] * 10)
    gone = only(admin.delete_records([TopicPartition("t", 0, 4)]))
    assert gone.low_watermark == 4
    earliest = only(admin.list_offsets({TopicPartition("t", 0): CONFLUENT.OffsetSpec.earliest()}))
    assert earliest.offset == 4
    cluster = admin.describe_cluster().result(WAIT_S)
    assert [node.id for node in cluster.nodes] == [1]


def test_kafka_python_administers_us(address: str) -> None:
    admin = kafka.admin.KafkaAdminClient(bootstrap_servers=address)
    try:
        admin.create_topics([kafka.admin.NewTopic("t", 1, 1)])
        admin.create_partitions({"t": kafka.admin.NewPartitions(2)})
        topic = kafka.admin.ConfigResource("TOPIC", "t", {"retention.ms": "5000000"})
        admin.alter_configs([topic])
        told = admin.describe_configs([kafka.admin.ConfigResource("TOPIC", "t")])
        retention = told["topic"]["t"]["retention.ms"]
        assert (retention["value"], retention["config_source"]) == (
            "5000000",
            "DYNAMIC_TOPIC_CONFIG",
        )
        write_confluent(address, "t", [b"v"] * 10)
        first = kafka.TopicPartition("t", 0)
        assert admin.delete_records({first: 4})[first]["low_watermark"] == 4
        earliest = {first: kafka.admin.OffsetSpec.EARLIEST}
        assert admin.list_partition_offsets(earliest)[first].offset == 4
        (producer,) = admin.describe_producers([first])[first].active_producers
        assert producer.last_sequence == 9
        (directory,) = admin.describe_log_dirs()[0]["log_dirs"]
        assert directory["total_bytes"] > directory["usable_bytes"] > 0
        assert [part["partition_size"] > 0 for part in directory["topics"][0]["partitions"]] == [
            True,
            False,
        ]
    finally:
        admin.close()
