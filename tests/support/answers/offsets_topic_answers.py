"""What Apache Kafka 4.3.1 answers to requests that would change `__consumer_offsets`, and ours.

Played in order on one connection of a fresh broker that has one partition of it, behind the commit
of a group. Error codes, by what is asked; where ours differs, cli/deviations.py has the reason.
tests/system/answers/test_offsets_topic_answers.py asks ours, tests/interop/answers/ asks Kafka.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from minibroker.client.cluster.connection import Connection
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from minibroker.protocol.messages.find_coordinator import FindCoordinatorRequest
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest
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
from minibroker.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)

from tests.support.answers.admin_answers import create
from tests.support.answers.config_answers import SET, TOPIC, change, replace
from tests.support.answers.log_start_answers import delete_records, delete_topic

NAME = "__consumer_offsets"
SETTINGS = {"offsets.topic.num.partitions": "1"}
ADMIN_CLIENT = "__admin_client"
WAITED_S = 60
PASSING = {14, 15, 16, 51}


class Expected(NamedTuple):
    """Error codes."""

    kafka: int
    ours: int


EXPECTED = {
    "OffsetCommit": Expected(0, 0),
    "TxnOffsetCommit": Expected(0, 0),
    "Produce": Expected(17, 17),
    "Produce by an admin client": Expected(0, 17),
    "CreateTopics": Expected(36, 17),
    "CreatePartitions": Expected(0, 17),
    "IncrementalAlterConfigs": Expected(0, 17),
    "AlterConfigs": Expected(0, 17),
    "DeleteRecords": Expected(17, 17),
    "DeleteTopics": Expected(0, 17),
}


async def answers(port: int) -> dict[str, int]:
    """The error code of each."""
    connection = await Connection.open("127.0.0.1", port)
    admin = await Connection.open("127.0.0.1", port, client_id=ADMIN_CLIENT)
    try:
        return await _asked(connection, admin)
    finally:
        await connection.close()
        await admin.close()


async def _asked(connection: Connection, admin: Connection) -> dict[str, int]:
    await connection.request(create("t"))
    for key_type, key in ((0, "g"), (1, "x")):
        await _coordinated(connection, key_type, key)
    codes: dict[str, int] = {}
    await _settled(connection, _commit("t"), _code_of_commit)
    codes["OffsetCommit"] = await _settled(connection, _commit(NAME), _code_of_commit)
    initialise = InitProducerIdRequest(transactional_id="x", transaction_timeout_ms=60_000)
    await _settled(connection, initialise, lambda answer: answer.error_code)
    identity = await connection.request(initialise)
    codes["TxnOffsetCommit"] = await _settled(connection, _txn_commit(identity), _code_of_commit)
    for name, asker in (("Produce", connection), ("Produce by an admin client", admin)):
        answer = await asker.request(_produce(), version=9)
        codes[name] = answer.responses[0].partition_responses[0].error_code
    answer = await connection.request(create(NAME))
    codes["CreateTopics"] = answer.topics[0].error_code
    answer = await connection.request(
        CreatePartitionsRequest(
            topics=[CreatePartitionsTopic(name=NAME, count=3, assignments=None)],
            timeout_ms=5000,
            validate_only=True,
        )
    )
    codes["CreatePartitions"] = answer.results[0].error_code
    operation = ("retention.ms", SET, "1000")
    answer = await connection.request(change(TOPIC, NAME, operation, validate_only=True))
    codes["IncrementalAlterConfigs"] = answer.responses[0].error_code
    answer = await connection.request(
        replace(TOPIC, NAME, ("retention.ms", "1000"), validate_only=True)
    )
    codes["AlterConfigs"] = answer.responses[0].error_code
    answer = await connection.request(delete_records(1, NAME))
    codes["DeleteRecords"] = answer.topics[0].partitions[0].error_code
    answer = await connection.request(delete_topic(NAME))
    codes["DeleteTopics"] = answer.responses[0].error_code
    return codes


async def _settled(connection: Connection, request: Any, code_of: Callable[[Any], int]) -> int:
    """The code once it is none of those of a coordinator that is loaded in a moment."""
    async with asyncio.timeout(WAITED_S):
        while True:
            code = code_of(await connection.request(request))
            if code not in PASSING:
                return code
            await asyncio.sleep(0.1)


def _code_of_commit(answer: Any) -> int:
    code: int = answer.topics[0].partitions[0].error_code
    return code


def _produce() -> ProduceRequest:
    """A record with a key: Kafka takes no other into a compacted topic."""
    records = build_batch([(b"key", b"value", (), 1_700_000_000_000)])
    part = PartitionProduceData(index=0, records=records)
    topic = TopicProduceData(name=NAME, partition_data=[part])
    return ProduceRequest(acks=-1, timeout_ms=5000, topic_data=[topic])


async def _coordinated(connection: Connection, key_type: int, key: str) -> None:
    """Until there is a coordinator: Kafka makes the topic when it is first asked."""
    request = FindCoordinatorRequest(key_type=key_type, coordinator_keys=[key])
    async with asyncio.timeout(WAITED_S):
        while (await connection.request(request)).coordinators[0].error_code:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def _commit(topic: str) -> OffsetCommitRequest:
    part = OffsetCommitRequestPartition(
        partition_index=0, committed_offset=1, committed_metadata=""
    )
    named = OffsetCommitRequestTopic(name=topic, partitions=[part])
    return OffsetCommitRequest(group_id="g", topics=[named])


def _txn_commit(identity: Any) -> TxnOffsetCommitRequest:
    part = TxnOffsetCommitRequestPartition(
        partition_index=0, committed_offset=2, committed_metadata=""
    )
    return TxnOffsetCommitRequest(
        transactional_id="x",
        group_id="g",
        producer_id=identity.producer_id,
        producer_epoch=identity.producer_epoch,
        topics=[TxnOffsetCommitRequestTopic(name=NAME, partitions=[part])],
    )
