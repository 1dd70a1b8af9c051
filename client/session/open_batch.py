"""What a journal knows of batches that are not confirmed, and of where they may lie. Values only.

Shared by the journal, which keeps them, by the session, which sends them, and by what settles,
which finds out after a death what has become of them.
Source: DefaultRecordBatch.java; KIP-98 (sequences), KIP-320 (leader epochs), KIP-516 (topic ids).
Tests: tests/unit/client/session/test_open_batch.py
"""

from __future__ import annotations

from dataclasses import dataclass

from ...protocol import sequence
from ...protocol.codec.schema import ZERO_UUID
from ..partitions import NO_EPOCH, TopicPartition

NO_SEQUENCE = -1


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """One journaled batch of which no broker has said that it is stored.

    Attributes:
        number: unique in the journal, rising in the order of journaling.
        topic_id: 16 bytes; ZERO_UUID where brokers tell none.
        base_sequence: of its first record, 0 to 2147483647.
        count: of its records, 1 or more.
        leader_epoch: of the partition when it was journaled; -1 if it was not known.
        wire: the batch (v2) as it was sent, or would have been. These bytes never change.
    """

    number: int
    topic: str
    topic_id: bytes
    partition: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    count: int
    leader_epoch: int
    wire: bytes

    @property
    def place(self) -> TopicPartition:
        """The partition it is for."""
        return TopicPartition(self.topic, self.partition)

    @property
    def last_sequence(self) -> int:
        """Of its last record, inclusive."""
        return sequence.last_of(self.base_sequence, self.count)

    def describe(self) -> str:
        """Topic-partition, producer id, epoch and sequences, for texts."""
        return (
            f"{self.count} record{'s' if self.count > 1 else ''} for "
            f"{self.topic}-{self.partition} (producer id {self.producer_id}, epoch "
            f"{self.producer_epoch}, sequences {self.base_sequence} to {self.last_sequence})"
        )


@dataclass(frozen=True, slots=True)
class Floor:
    """Where the batches of one producer id in one partition begin, at the earliest.

    Attributes:
        topic_id: of the incarnation in which `offset` was seen; ZERO_UUID where brokers tell none.
        producer_epoch: the newest journaled epoch of the producer id in this partition.
        offset: the partition's end before the first batch of the producer id was sent, or the
            offset behind its newest confirmed batch. No open batch lies before it. -1: not known.
        leader_epoch: of the leader that said so; -1 if it was not known.
        confirmed_sequence: the last sequence of the newest confirmed batch of this epoch;
            NO_SEQUENCE if none is.
        last_sequence: the last sequence of the newest journaled batch of this epoch, confirmed or
            not; NO_SEQUENCE if there is none.
    """

    topic: str
    partition: int
    producer_id: int
    producer_epoch: int
    offset: int
    topic_id: bytes = ZERO_UUID
    leader_epoch: int = NO_EPOCH
    confirmed_sequence: int = NO_SEQUENCE
    last_sequence: int = NO_SEQUENCE

    @property
    def place(self) -> TopicPartition:
        """The partition it is of."""
        return TopicPartition(self.topic, self.partition)
