"""The few requests that tests of a running broker ask again and again."""

from minibroker.client.cluster.connection import Connection
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from minibroker.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)


def produce(value: bytes = b"v", *, topic: str = "t", acks: int = -1) -> ProduceRequest:
    """One record for partition 0."""
    records = build_batch([(None, value, (), 1_700_000_000_000)])
    part = PartitionProduceData(index=0, records=records)
    return ProduceRequest(
        acks=acks,
        timeout_ms=1000,
        topic_data=[TopicProduceData(name=topic, partition_data=[part])],
    )


def fetch(
    offset: int = 0, *, wait_ms: int = 0, min_bytes: int = 1, topic: str = "t"
) -> FetchRequest:
    """Partition 0 from an offset on."""
    part = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=2**20)
    return FetchRequest(
        max_wait_ms=wait_ms,
        min_bytes=min_bytes,
        max_bytes=2**24,
        topics=[FetchTopic(topic=topic, partitions=[part])],
        forgotten_topics_data=[],
    )


async def create(connection: Connection, topic: str = "t") -> None:
    """A topic of one partition."""
    new = CreatableTopic(
        name=topic, num_partitions=1, replication_factor=1, assignments=[], configs=[]
    )
    response = await connection.request(CreateTopicsRequest(topics=[new]))
    assert response.topics[0].error_code == 0


async def stored_values(connection: Connection, offset: int = 0) -> list[bytes | None]:
    """The values that partition 0 of `t` holds, from an offset on."""
    response = await connection.request(fetch(offset))
    records = response.responses[0].partitions[0].records
    return [record.value for record in records_in(records)] if records else []
