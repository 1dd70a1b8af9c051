"""EDGE: rights that are taken away in the middle of a transaction, scene by scene.

What Apache Kafka 4.3.1 was seen to say stands in SCENES. Read next: rights_stage.py.
"""

from __future__ import annotations

from typing import NamedTuple

from minibroker.protocol.batch.header import TRANSACTIONAL_BIT
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from minibroker.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from minibroker.protocol.messages.end_txn import EndTxnRequest
from minibroker.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic
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

from tests.support.in_loop.looking import pause
from tests.support.security.rights_requests import (
    GROUP,
    OP,
    TOPIC,
    TRANSACTION,
    allow,
    coordinator,
    fetch,
    fetched,
    init,
)
from tests.support.security.rights_stage import Scene, Stage

ID, TEAM = "taken", "taken-from"
LATER = (14, 15, 16, 51)  # the coordinator, or the transaction before, is not ready yet
WRITE_A, READ_B = allow(OP.WRITE, TOPIC, "a"), allow(OP.READ, TOPIC, "b")
WRITE_T, WRITE_C = allow(OP.WRITE, TRANSACTION, ID), allow(OP.WRITE, TOPIC, "c")
READ_TEAM = allow(OP.READ, GROUP, TEAM)
TRANSACTIONAL = (WRITE_A, WRITE_C, READ_B, WRITE_T, READ_TEAM)


class Begun(NamedTuple):
    """A transaction of bob's."""

    producer_id: int
    producer_epoch: int


def add(begun: Begun, *topics: str) -> AddPartitionsToTxnRequest:
    return AddPartitionsToTxnRequest(
        v3_and_below_transactional_id=ID,
        v3_and_below_producer_id=begun.producer_id,
        v3_and_below_producer_epoch=begun.producer_epoch,
        v3_and_below_topics=[AddPartitionsToTxnTopic(name=name, partitions=[0]) for name in topics],
    )


def produce_in(begun: Begun, sequence: int, topic: str = "a") -> ProduceRequest:
    batch = build_batch(
        [(None, b"x", (), 1_700_000_000_000)],
        producer_id=begun.producer_id,
        producer_epoch=begun.producer_epoch,
        base_sequence=sequence,
        attributes=TRANSACTIONAL_BIT,
    )
    data = [PartitionProduceData(index=0, records=batch)]
    return ProduceRequest(
        transactional_id=ID,
        acks=-1,
        timeout_ms=5000,
        topic_data=[TopicProduceData(name=topic, partition_data=data)],
    )


def add_offsets(begun: Begun) -> AddOffsetsToTxnRequest:
    return AddOffsetsToTxnRequest(
        transactional_id=ID,
        producer_id=begun.producer_id,
        producer_epoch=begun.producer_epoch,
        group_id=TEAM,
    )


def offsets_in(begun: Begun, *topics: str) -> TxnOffsetCommitRequest:
    partition = TxnOffsetCommitRequestPartition(
        partition_index=0, committed_offset=1, committed_metadata=""
    )
    return TxnOffsetCommitRequest(
        transactional_id=ID,
        group_id=TEAM,
        producer_id=begun.producer_id,
        producer_epoch=begun.producer_epoch,
        topics=[TxnOffsetCommitRequestTopic(name=name, partitions=[partition]) for name in topics],
    )


def end(begun: Begun) -> EndTxnRequest:
    return EndTxnRequest(
        transactional_id=ID,
        producer_id=begun.producer_id,
        producer_epoch=begun.producer_epoch,
        committed=True,
    )


async def begin(stage: Stage, version: int) -> Begun:
    """A producer id and epoch, when there is a coordinator, and the scene before has ended."""
    await stage.admin.answer(coordinator(1), 3)
    while True:
        answer = await stage.bob.answer(init(ID), version)
        if answer.error_code not in LATER:
            stage.note("InitProducerId", answer)
            return Begun(answer.producer_id, answer.producer_epoch)


async def write_is_taken_in_an_old_transaction(stage: Stage) -> None:
    await stage.may(*TRANSACTIONAL)
    begun = await begin(stage, 4)
    await stage.bob_asks("AddPartitions", add(begun, "a"), 3)
    await stage.bob_asks("Produce", produce_in(begun, 0), 9)
    await stage.may(WRITE_C, READ_B, WRITE_T, READ_TEAM)
    await stage.bob_asks("without Write on a: Produce", produce_in(begun, 1), 9)
    await stage.bob_asks("AddPartitions a", add(begun, "a"), 3)
    await stage.bob_asks("AddPartitions a, c", add(begun, "a", "c"), 3)
    await stage.bob_asks("AddPartitions c", add(begun, "c"), 3)
    await stage.bob_asks("EndTxn", end(begun), 4)
    await read(stage)


async def write_is_taken_in_a_new_transaction(stage: Stage) -> None:
    await stage.may(*TRANSACTIONAL)
    begun = await begin(stage, 5)
    await stage.bob_asks("Produce", produce_in(begun, 0), 12)
    await stage.may(WRITE_C, READ_B, WRITE_T, READ_TEAM)
    await stage.bob_asks("without Write on a: Produce", produce_in(begun, 1), 12)
    await stage.bob_asks("Produce c", produce_in(begun, 0, "c"), 12)
    await stage.bob_asks("EndTxn", end(begun), 5)
    await read(stage)


async def is_stable(stage: Stage) -> bool:
    """Whether no transaction is open in a."""
    answer = await stage.admin.answer(fetch("a"), 11)
    ((code, high, stable),) = fetched(answer).values()  # type: ignore[attr-defined]
    stage.looked_at = f"code {code}, high watermark {high}, last stable offset {stable}"
    return bool(code == 0 and high == stable)


async def read(stage: Stage) -> None:
    """Markers come a moment after the answer."""
    while not await is_stable(stage):
        await pause()
    stage.seen.append("what was written is read")


async def the_id_is_taken_in_a_transaction(stage: Stage) -> None:
    await stage.may(*TRANSACTIONAL)
    begun = await begin(stage, 4)
    await stage.bob_asks("AddPartitions", add(begun, "a"), 3)
    await stage.bob_asks("Produce", produce_in(begun, 0), 9)
    await stage.may(WRITE_A, READ_B, READ_TEAM, allow(OP.DESCRIBE, TRANSACTION, ID))
    await stage.bob_asks("without Write on the id: Produce", produce_in(begun, 1), 9)
    await stage.bob_asks("AddPartitions", add(begun, "a"), 3)
    await stage.bob_asks("AddOffsets", add_offsets(begun), 3)
    await stage.bob_asks("TxnOffsetCommit", offsets_in(begun, "b"), 3)
    await stage.bob_asks("EndTxn", end(begun), 4)
    await stage.bob_asks("InitProducerId", init(ID), 4)
    while await is_stable(stage):
        await pause()  # it is still open, and seen to be
    await stage.may(*TRANSACTIONAL)
    await stage.bob_asks("with it again: EndTxn", end(begun), 4)
    await read(stage)


async def the_group_is_taken_in_a_transaction(stage: Stage) -> None:
    await stage.may(*TRANSACTIONAL)
    begun = await begin(stage, 4)
    await stage.bob_asks("AddOffsets", add_offsets(begun), 3)
    await stage.bob_asks("TxnOffsetCommit b", offsets_in(begun, "b"), 3)
    await stage.may(WRITE_A, WRITE_T, READ_TEAM)
    await stage.bob_asks("without Read on b: TxnOffsetCommit b", offsets_in(begun, "b"), 3)
    await stage.may(WRITE_A, WRITE_T, READ_B)
    await stage.bob_asks("without Read on the group: AddOffsets", add_offsets(begun), 3)
    await stage.bob_asks("TxnOffsetCommit b", offsets_in(begun, "b"), 3)
    await stage.bob_asks("EndTxn", end(begun), 4)
    asked = OffsetFetchRequest(
        group_id=TEAM, topics=[OffsetFetchRequestTopic(name="b", partition_indexes=[0])]
    )
    while (await stage.admin.answer(asked, 5)).topics[0].partitions[0].committed_offset < 0:
        await pause()
    stage.seen.append("what was committed is told")


TRANSACTION_SCENES = [
    Scene(
        write_is_taken_in_an_old_transaction,
        [
            "InitProducerId: 0",
            "AddPartitions: 0 0",
            "Produce: 0",
            "without Write on a: Produce: 29",
            "AddPartitions a: 0 29",
            "AddPartitions a, c: 0 29 55",
            "AddPartitions c: 0 0",
            "EndTxn: 0",
            "what was written is read",
        ],
    ),
    Scene(
        write_is_taken_in_a_new_transaction,
        [
            "InitProducerId: 0",
            "Produce: 0",
            "without Write on a: Produce: 29",
            "Produce c: 0",
            "EndTxn: 0",
            "what was written is read",
        ],
    ),
    Scene(
        the_id_is_taken_in_a_transaction,
        [
            "InitProducerId: 0",
            "AddPartitions: 0 0",
            "Produce: 0",
            "without Write on the id: Produce: 53",
            "AddPartitions: 0 53",
            "AddOffsets: 53",
            "TxnOffsetCommit: 53",
            "EndTxn: 53",
            "InitProducerId: 53",
            "with it again: EndTxn: 0",
            "what was written is read",
        ],
    ),
    Scene(
        the_group_is_taken_in_a_transaction,
        [
            "InitProducerId: 0",
            "AddOffsets: 0",
            "TxnOffsetCommit b: 0",
            "without Read on b: TxnOffsetCommit b: 29",
            "without Read on the group: AddOffsets: 30",
            "TxnOffsetCommit b: 30",
            "EndTxn: 0",
            "what was committed is told",
        ],
    ),
]
