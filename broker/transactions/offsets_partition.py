"""Which partition of `__consumer_offsets` a group's offsets are in, as Kafka's clients see it.

DescribeTransactions tells it, and the records of a transaction hold it.
Source: Utils.abs and String.hashCode, by GroupMetadataManager.partitionFor of Kafka.
Tests: tests/unit/broker/transactions/test_adding.py
"""

from __future__ import annotations

from typing import Final

from .transaction import TopicPartition

OFFSETS_TOPIC: Final = "__consumer_offsets"
OFFSETS_PARTITIONS: Final = 50  # offsets.topic.num.partitions, by default in Kafka, always here


def offsets_partition(group_id: str, partition_count: int) -> int:
    """The partition of a group, among `offsets.topic.num.partitions`."""
    hashed = 0
    units = group_id.encode("utf-16-be", "surrogatepass")
    for high, low in zip(units[::2], units[1::2], strict=True):
        hashed = (31 * hashed + (high << 8 | low)) & 0xFFFFFFFF
    signed = hashed - 2**32 if hashed >= 2**31 else hashed
    return 0 if signed == -(2**31) else abs(signed) % partition_count


def offsets_place(group_id: str) -> TopicPartition:
    """The partition that a transaction with offsets of a group has, as clients and tools see it."""
    return TopicPartition(OFFSETS_TOPIC, offsets_partition(group_id, OFFSETS_PARTITIONS))
