"""What a simulated broker is asked by those who judge it, here and now, flushes included."""

from __future__ import annotations

from collections.abc import Mapping

from minibroker.protocol.batch.header import LENGTH_AT
from minibroker.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from minibroker.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from minibroker.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from minibroker.protocol.messages.metadata import MetadataRequest
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)

from tests.support.worlds.log_history import Place, StoredBatch, StoredLog
from tests.support.worlds.machine import Machine
from tests.support.worlds.simulated_clients import batches_in

FETCH_BYTES = 20_000
EARLIEST = -2


def create_topic(machine: Machine, topic: str, partitions: int, configs: Mapping[str, str]) -> None:
    """Create a topic, durably."""
    wanted = CreatableTopic(
        name=topic,
        num_partitions=partitions,
        replication_factor=1,
        configs=[CreatableTopicConfig(name=name, value=value) for name, value in configs.items()],
    )
    answer = machine.ask(CreateTopicsRequest(topics=[wanted]))
    assert not answer.topics[0].error_code, answer.topics[0].error_message


def topic_names(machine: Machine) -> list[str]:
    """Every topic there is."""
    return [each.name for each in machine.ask(MetadataRequest(topics=None)).topics]


def read_log(machine: Machine, place: Place) -> StoredLog:
    """A whole partition. AssertionError for an error code; BatchError if it holds no batches."""
    topic, index = place
    earliest = ListOffsetsPartition(partition_index=index, timestamp=EARLIEST)
    topics = [ListOffsetsTopic(name=topic, partitions=[earliest])]
    (found,) = machine.ask(ListOffsetsRequest(topics=topics)).topics[0].partitions
    assert not found.error_code, f"{place}: ListOffsets: {found.error_code}"
    batches: list[StoredBatch] = []
    offset = found.offset
    high_watermark = offset + 1
    while offset < high_watermark:
        wanted = FetchPartition(
            partition=index, fetch_offset=offset, partition_max_bytes=FETCH_BYTES
        )
        asked = [FetchTopic(topic=topic, partitions=[wanted])]
        message = FetchRequest(max_wait_ms=0, min_bytes=0, topics=asked)
        (part,) = machine.ask(message).responses[0].partitions
        assert not part.error_code, f"{place}: Fetch from {offset}: {part.error_code}"
        if offset >= part.high_watermark:
            break
        more = batches_in(part.records or b"")
        assert more, f"{place}: nothing at {offset}, below the high watermark"
        batches += more
        offset, high_watermark = more[-1].values[-1][0] + 1, part.high_watermark
    return StoredLog(found.offset, batches)


def send_again(machine: Machine, place: Place, batch: StoredBatch) -> list[str]:
    """Send a stored batch once more; what is wrong with the answer, if anything."""
    sent = (
        bytes(LENGTH_AT) + batch.wire[LENGTH_AT:]
    )  # producers send base offset 0; it is not in the CRC
    data = PartitionProduceData(index=place[1], records=sent)
    topics = [TopicProduceData(name=place[0], partition_data=[data])]
    answer = machine.ask(ProduceRequest(acks=-1, timeout_ms=1_000, topic_data=topics))
    (part,) = answer.responses[0].partition_responses
    if (part.error_code, part.base_offset) == (0, batch.base_offset):
        return []
    answered = f"was answered {part.error_code}, {part.base_offset}"
    return [f"{place}: the retry of what is stored at {batch.base_offset} {answered}"]
