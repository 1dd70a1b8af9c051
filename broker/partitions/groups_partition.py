"""The log of the groups as clients read it: `__consumer_offsets`, one partition, read only.

Its bytes are Kafka's own formats, written by groups/ledger.py; here is what readers need besides:
where they stop, what is in open transactions, what was aborted, and who waits. Nobody appends by
it: requests that write do not find it (Broker.partition), only those that read (seen_topics.py).
One partition, as in a Kafka with offsets.topic.num.partitions=1: docs/decisions/0019.
Tests: tests/system/answers/test_offsets_topic.py
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final, NamedTuple
from uuid import UUID

from ...protocol.batch.control import read_marker
from ...protocol.batch.header import Buffer, headers_in, read_header
from ..cluster.metadata import Topic
from ..config.broker import BrokerConfig
from ..config.topic import topic_config
from ..log.aborted_index import AbortedTransaction
from ..log.state_log import READ_BYTES, StateLog
from ..transactions.offsets_partition import OFFSETS_TOPIC
from .partition import Partition
from .producers import Producers

# What Kafka gives the topic itself, and holds here: of a key the newest record stays.
OVERRIDES: Final = {"cleanup.policy": "compact"}
RECORD_BYTES: Final = 64  # what a record takes, about; fetches that wait count in bytes


class Hearing(NamedTuple):
    """The broker, as far as this concerns it.

    Attributes:
        on_readable: called with the partition when there is more to read.
        on_wanted: called when somebody waits for what is not flushed.
    """

    config: BrokerConfig
    cluster_id: str
    on_readable: Callable[[Partition], None]
    on_wanted: Callable[[], None]


class GroupsPartition(Partition):
    """Partition 0 of `__consumer_offsets`.

    Args:
        log: of the groups, opened.

    Raises:
        StorageError: the log cannot be read.
    """

    __slots__ = ("_aborted", "_on_readable", "_on_wanted")

    def __init__(self, log: StateLog[Any], hearing: Hearing, leader_epoch: int) -> None:
        config = hearing.config
        super().__init__(
            OFFSETS_TOPIC,
            0,
            log.log,
            Producers(),
            config=topic_config(OVERRIDES, config),
            flushed=config.durability == "fsync",
            leader_epoch=leader_epoch,
            is_writable=False,
        )
        self._aborted: list[AbortedTransaction] = []
        self._on_readable, self._on_wanted = hearing.on_readable, hearing.on_wanted
        self._read_all()
        self.made_durable((log.durable_end_offset, 0))
        log.on_append, log.on_durable = self.written, self._flushed

    @property
    def is_there(self) -> bool:
        """Whether there has ever been a group; before, there is no topic, as in Kafka."""
        return self.log.log_end_offset > 0

    def written(self, base_offset: int, batch: Buffer) -> None:
        """A batch stands in the log."""
        self._take(base_offset, batch)
        has_readers = self.waiting is not None or (
            self.committed is not None and self.committed.waiting is not None
        )
        if not self.flushed:
            self._on_readable(self)
        elif has_readers:
            self._on_wanted()

    def made_durable(self, mark: tuple[int, int]) -> None:
        """Everything up to a mark has been flushed, so readers may see it."""
        super().made_durable((mark[0], mark[0] * RECORD_BYTES))

    def told_aborted(self, offset: int, count_bytes: int) -> list[AbortedTransaction]:
        """Transactions aborted at an offset or behind it, however much is read."""
        return [each for each in self._aborted if each.last_offset >= offset]

    def _flushed(self, end_offset: int) -> None:
        self.made_durable((end_offset, 0))
        if self.flushed:
            self._on_readable(self)

    def _read_all(self) -> None:
        """What is in open transactions, and what was aborted: the headers tell."""
        log = self.log
        offset = log.log_start_offset
        while offset < log.log_end_offset:
            chunk = memoryview(log.read(offset, log.log_end_offset, READ_BYTES))
            for at, header in headers_in(chunk):
                self._take(header.base_offset, chunk[at : at + header.size_bytes])
                offset = header.next_offset

    def _take(self, base_offset: int, batch: Buffer) -> None:
        header = read_header(batch)
        next_offset = base_offset + header.last_offset_delta + 1
        if header.is_control:
            marker = read_marker(batch)
            if marker is not None:
                is_seen = not self.flushed
                ended = self.transactions.end(marker.producer_id, base_offset, is_durable=is_seen)
                if ended is not None and not marker.is_commit:
                    # Not in the log's own index: the files of this log stay what they are.
                    start = self.log.log_start_offset
                    self._aborted = [e for e in self._aborted if e.last_offset >= start]
                    self._aborted.append(ended)
        elif header.is_transactional:
            self.transactions.wrote(
                *(header.producer_id, header.producer_epoch, base_offset, next_offset),
                began_bytes=base_offset * RECORD_BYTES,
            )
        self.appended_bytes = next_offset * RECORD_BYTES
        if not self.flushed:
            self.readable_bytes = self.appended_bytes


def offsets_topic(cluster_id: str) -> Topic:
    """The topic as requests about topics find it; its id is the same in every start."""
    digest = blake2b(f"{cluster_id} {OFFSETS_TOPIC}".encode(), digest_size=16).digest()
    return Topic(OFFSETS_TOPIC, UUID(bytes=digest, version=4).bytes, 1, OVERRIDES)
