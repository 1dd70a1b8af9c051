"""What docs/deviations.md says of our broker, beyond what the probe asks: restarts and topics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from minibroker.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from minibroker.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)

from tests.support.processes.broker import ForkedBroker

TOPIC = "t"
PRODUCER_ID = 4711
YEARS_MS = 3 * 365 * 24 * 3_600_000


def ask(broker: ForkedBroker, *requests: object) -> list[Any]:
    async def each_in_turn() -> list[Any]:
        connection = await Connection.open("127.0.0.1", broker.port)
        answers = [await connection.request(request) for request in requests]
        await connection.close()
        return answers

    return asyncio.run(each_in_turn())


def create(*, replicas: int = 1, configs: Sequence[tuple[str, str]] = ()) -> CreateTopicsRequest:
    pairs = [CreatableTopicConfig(name=name, value=value) for name, value in configs]
    topic = CreatableTopic(
        name=TOPIC, num_partitions=1, replication_factor=replicas, assignments=[], configs=pairs
    )
    return CreateTopicsRequest(topics=[topic], timeout_ms=1000)


def produce(sequence: int, *, age_ms: int = 0, producer_id: int = PRODUCER_ID) -> ProduceRequest:
    records = [(None, b"x", (), time.time_ns() // 1_000_000 - age_ms)]
    batch = build_batch(records, producer_id=producer_id, producer_epoch=0, base_sequence=sequence)
    data = PartitionProduceData(index=0, records=batch)
    return ProduceRequest(
        transactional_id=None,
        acks=-1,
        timeout_ms=1000,
        topic_data=[TopicProduceData(name=TOPIC, partition_data=[data])],
    )


def outcome(response: Any) -> tuple[int, int]:
    answer = response.responses[0].partition_responses[0]
    return answer.error_code, answer.base_offset


@pytest.mark.parametrize("ending", ["stop", "kill"])
@pytest.mark.parametrize("age_ms", [0, YEARS_MS], ids=["fresh", "years_old"])
def test_all_five_batches_are_known_after_a_restart(
    tmp_path: Path, ending: str, age_ms: int
) -> None:
    batches = [produce(sequence, age_ms=age_ms) for sequence in range(5)]
    with ForkedBroker(data_dir=tmp_path, durability="page-cache") as broker:
        ask(broker, create(), *batches)
        getattr(broker, ending)()
        broker.start()
        retries = ask(broker, *batches, produce(5, age_ms=age_ms))
    assert [outcome(retry) for retry in retries] == [(0, sequence) for sequence in range(6)]


def test_a_replication_factor_above_one_is_accepted() -> None:
    with ForkedBroker() as broker:
        (created,) = ask(broker, create(replicas=3))
    assert created.topics[0].error_code == ErrorCode.NONE


def test_a_compacted_topic_is_created_and_takes_records_without_a_key() -> None:
    with ForkedBroker() as broker:
        created, stored = ask(broker, create(configs=[("cleanup.policy", "compact")]), produce(0))
    assert created.topics[0].error_code == ErrorCode.NONE
    assert outcome(stored) == (0, 0)


def test_the_log_of_the_groups_is_a_topic_to_read() -> None:
    commit = OffsetCommitRequest(
        group_id="g",
        topics=[
            OffsetCommitRequestTopic(
                name=TOPIC,
                partitions=[
                    OffsetCommitRequestPartition(
                        partition_index=0, committed_offset=1, committed_metadata=""
                    )
                ],
            )
        ],
    )
    named = MetadataRequest(topics=[MetadataRequestTopic(name="__consumer_offsets")])
    with ForkedBroker() as broker:
        _, committed, everything, asked = ask(
            broker, create(), commit, MetadataRequest(topics=None), named
        )
    assert committed.topics[0].partitions[0].error_code == ErrorCode.NONE
    told = [(topic.name, topic.is_internal) for topic in everything.topics]
    assert told == [(TOPIC, False), ("__consumer_offsets", True)]
    assert asked.topics[0].error_code == ErrorCode.NONE
