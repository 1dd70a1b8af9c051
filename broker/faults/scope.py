"""What requests are about, as fault rules and histories ask: topics, partitions, producer, keys.

Reads decoded requests; changes and performs nothing.
Tests: tests/unit/broker/faults/test_rules.py
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ...protocol.batch.header import HEADER_BYTES, MAGIC, MAGIC_AT, Buffer, read_header
from ...protocol.batch.reading import records_in
from ...protocol.errors import DecodeError

# Where requests name topics and partitions: (field, its topic, field in it, partition number).
TOPIC_FIELDS = {
    "Produce": ("topic_data", "name", "partition_data", "index"),
    "Fetch": ("topics", "topic", "partitions", "partition"),
    "ListOffsets": ("topics", "name", "partitions", "partition_index"),
    "Metadata": ("topics", "name", "", ""),
    "CreateTopics": ("topics", "name", "", ""),
    "OffsetForLeaderEpoch": ("topics", "topic", "partitions", "partition"),
}


class Part(NamedTuple):
    """One topic or partition a request names.

    Attributes:
        partition: None where the request names topics only.
        batch: what Produce brings for it.
    """

    topic: str
    partition: int | None = None
    batch: Buffer | None = None

    @property
    def producer_id(self) -> int | None:
        """Of the batch; -1 if its producer is not idempotent, None without a batch."""
        batch = self.batch
        if batch is None or len(batch) < HEADER_BYTES or batch[MAGIC_AT] != MAGIC:
            return None
        return read_header(batch).producer_id

    @property
    def record_keys(self) -> frozenset[bytes | None]:
        """The keys of the batch's records; none if it cannot be read."""
        if self.producer_id is None or self.batch is None:
            return frozenset()
        try:
            return frozenset(record.key for record in records_in(self.batch))
        except DecodeError:
            return frozenset()


def parts_of(api: str, message: Any) -> tuple[Part, ...]:
    """What a request message names; nothing for APIs outside TOPIC_FIELDS."""
    if api not in TOPIC_FIELDS:
        return ()
    entries, topic_name, partitions, number = TOPIC_FIELDS[api]
    found: list[Part] = []
    for entry in getattr(message, entries) or ():
        topic = getattr(entry, topic_name) or ""
        if not partitions:
            found.append(Part(topic))
            continue
        for partition in getattr(entry, partitions):
            records = partition.records if api == "Produce" else None
            found.append(Part(topic, getattr(partition, number), records))
    return tuple(found)
