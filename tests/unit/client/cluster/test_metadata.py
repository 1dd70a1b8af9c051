"""What is known of topics: epochs that lag behind, topics that were deleted and made again."""

from __future__ import annotations

from minibroker.client.cluster.metadata import NO_NODE, Metadata
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.metadata import (
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)

OLD, NEW = b"o" * 16, b"n" * 16


def answer(topic_id: bytes, *leaders: int, epoch: int = 0, error: int = 0) -> MetadataResponse:
    """One topic, with a partition for each leader."""
    partitions = [
        MetadataResponsePartition(
            error_code=0, partition_index=index, leader_id=leader, leader_epoch=epoch,
            replica_nodes=[], isr_nodes=[],
        )
        for index, leader in enumerate(leaders)
    ]  # fmt: skip
    return MetadataResponse(
        brokers=[MetadataResponseBroker(node_id=n, host="h", port=n) for n in (1, 2)],
        topics=[
            MetadataResponseTopic(
                error_code=error, name="t", topic_id=topic_id, partitions=partitions
            )
        ],
    )


def told(*answers: MetadataResponse) -> Metadata:
    metadata = Metadata()
    for number, each in enumerate(answers):
        metadata.update(each, asked_at_ms=number, now_ms=number)
    return metadata


def test_an_older_epoch_of_the_same_topic_is_ignored() -> None:
    metadata = told(answer(OLD, 1, epoch=5), answer(OLD, 2, epoch=4))
    assert (metadata.leader_of("t", 0), metadata.epoch_of("t", 0)) == (1, 5)
    assert metadata.take_made_again() == set()


def test_the_epochs_of_a_topic_made_again_begin_anew() -> None:
    metadata = told(answer(OLD, 1, epoch=5), answer(NEW, 2, epoch=0))
    assert (metadata.leader_of("t", 0), metadata.epoch_of("t", 0)) == (2, 0)
    assert metadata.take_made_again() == {"t"}
    assert metadata.take_made_again() == set()


def test_fewer_partitions_than_before() -> None:
    metadata = told(answer(OLD, 1, 1, epoch=5), answer(NEW, 2))
    assert metadata.leader_of("t", 1) == NO_NODE


def test_a_broker_that_lags_behind_does_not_bring_a_dead_topic_back() -> None:
    metadata = told(answer(OLD, 1, epoch=5), answer(NEW, 2), answer(OLD, 1, epoch=6))
    assert (metadata.leader_of("t", 0), metadata.epoch_of("t", 0)) == (2, 0)
    assert metadata.take_made_again() == {"t"}


def test_while_a_topic_is_gone_the_old_one_is_remembered() -> None:
    gone = answer(bytes(16), error=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    metadata = told(answer(OLD, 1, epoch=5), gone)
    assert metadata.leader_of("t", 0) == 1
    assert metadata.seen_at_ms("t") == 0, "the newest answer was that it is not there"
    metadata.update(answer(NEW, 2), asked_at_ms=7, now_ms=8)
    assert metadata.seen_at_ms("t") == 7
    assert metadata.take_made_again() == {"t"}


def test_brokers_without_topic_ids_are_believed_by_epoch() -> None:
    none = bytes(16)
    metadata = told(answer(none, 1, epoch=5), answer(none, 2, epoch=4), answer(none, 2, epoch=6))
    assert metadata.leader_of("t", 0) == 2
    assert metadata.take_made_again() == set()
