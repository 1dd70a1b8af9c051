"""One partition: check, append, record, note; the high watermark, and what readers may see.

    check    the batch itself (batch_check.py), then its sequence    nothing changes
    append   stamp base offset and leader epoch, one write to the active segment
    record   publish the producer's new state
    note     what was decided on which grounds, for ExplainProduce

A failed write publishes nothing. What is in a transaction is seen by readers of commits up to the
last stable offset, and ends with a marker, which the coordinator has appended.
Source: UnifiedLog.append; KIP-98.   Read next: batch_check.py, sequences.py, open_transactions.py,
admission.py, log/log.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...protocol.batch.control import Marker, marker_batch
from ...protocol.batch.header import (
    LOG_APPEND_TIME_BIT,
    TRANSACTIONAL_BIT,
    BatchHeader,
    Buffer,
    read_header,
)
from ...protocol.batch.writing import restamped
from ...protocol.errors import ErrorCode, Refused
from ..config.topic import TopicConfig
from ..log.aborted_index import AbortedTransaction
from ..log.log import Log, LogConfig
from ..storage.flushable import Mark
from ..storage.port import File, FlushFailed, StorageError
from ..waiting.parked_fetches import ParkedFetch
from .admission import Admission, aborted_before, admitted
from .batch_check import examine, header_of
from .opened import Opened, must_open
from .producers import Producers
from .sequences import APPEND, Append, Duplicate
from .verdicts import Ring, VerdictRings

_NOT_BEGUN = Refused(
    ErrorCode.KAFKA_STORAGE_ERROR, "the disk is full: not even the start could be written"
)


class Appended(NamedTuple):
    """A batch that was stored; log_append_time_ms is -1 unless the topic has LogAppendTime."""

    base_offset: int
    next_offset: int
    log_append_time_ms: int


class Committed:
    """What is committed of a partition, for parked fetches: a Readable that grows with the LSO."""

    __slots__ = ("_partition", "told_bytes", "waiting")

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
        self.told_bytes = 0
        self.waiting: dict[ParkedFetch, None] | None = None

    @property
    def readable_bytes(self) -> int:
        """Of what has been appended, the part that stands below the last stable offset."""
        partition = self._partition
        oldest = partition.transactions.oldest
        if oldest is None:
            return partition.readable_bytes
        return min(partition.readable_bytes, oldest.began_bytes)

    @property
    def has_grown(self) -> bool:
        """Whether there is something that those who wait have not been told of."""
        return self.readable_bytes > self.told_bytes


class Partition:
    """A partition of a topic; a Flushable for group commit, a Readable for parked fetches.

    It takes part in transactions. `committed` is there once somebody has waited for it. What it
    counts for metrics (figures.Counted) begins at 0 when it is opened.

    Args:
        producers: what has been folded from the log.
        flushed: whether an acknowledgement means a flush (durability fsync).
        leader_epoch: stamped into every batch appended from now on.
        is_writable: False as long as the start of this broker has not been written.
        rings: of the broker's verdicts.
    """

    __slots__ = (
        "_open",
        "_rings",
        "appended_bytes",
        "bytes_out",
        "committed",
        "config",
        "durable_end_offset",
        "fetch_count",
        "flushed",
        "index",
        "is_writable",
        "leader_epoch",
        "log",
        "opened_end_offset",
        "produce_count",
        "readable_bytes",
        "sequences",
        "told_bytes",
        "topic",
        "transactions",
        "verdicts",
        "waiting",
    )

    def __init__(
        self,
        topic: str,
        index: int,
        log: Log,
        producers: Producers,
        *,
        config: TopicConfig,
        flushed: bool,
        leader_epoch: int,
        is_writable: bool = True,
        rings: VerdictRings | None = None,
    ) -> None:
        self.topic = topic
        self.index = index
        self.log = log
        self.sequences = producers.sequences
        self.transactions = producers.transactions
        self._open = producers.transactions.by_producer
        self.config = config
        self.flushed = flushed
        self.leader_epoch = leader_epoch
        self.is_writable = is_writable
        self.durable_end_offset = self.opened_end_offset = log.log_end_offset
        self.appended_bytes = self.bytes_out = 0
        self.produce_count = self.fetch_count = 0
        self.readable_bytes = 0  # the part of them that readers may see
        self.told_bytes = 0
        self.waiting: dict[ParkedFetch, None] | None = None
        self.committed: Committed | None = None
        self.verdicts: Ring | None = None
        self._rings = rings or VerdictRings()
        for each in self.transactions:
            # Below what is appended from now on: an ending lets so many bytes be read at once.
            each.began_bytes = -log.bytes_from(max(each.first_offset, log.log_start_offset))

    @property
    def key(self) -> str:
        """The log's name in checkpoints."""
        return self.log.key

    @property
    def records_in(self) -> int:
        """Records appended since it was opened, markers among them."""
        return self.log.log_end_offset - self.opened_end_offset

    @property
    def high_watermark(self) -> int:
        """Where readers stop: the durable point under fsync, else the log end."""
        return self.durable_end_offset if self.flushed else self.log.log_end_offset

    @property
    def last_stable_offset(self) -> int:
        """Where readers of what is committed stop.

        It is the first offset of the oldest transaction that is open, or whose marker is not
        durable; but the log start, where that has been deleted, and no more than high_watermark.
        """
        oldest = self.transactions.oldest
        if oldest is None:
            return self.high_watermark
        return min(self.high_watermark, max(oldest.first_offset, self.log.log_start_offset))

    def wait_for_commits(self) -> Committed:
        """What a parked fetch of what is committed waits for."""
        if self.committed is None:
            self.committed = Committed(self)
        return self.committed

    def configure(self, config: TopicConfig) -> None:
        """Work by other values from the next batch on."""
        self.config = config
        self.log.config = log_config(config)

    def epoch_end_offset(self, leader_epoch: int) -> tuple[int, int]:
        """(epoch, end offset) of the largest epoch at or below the one asked for.

        The running epoch counts as begun at the log end although no batch carries it yet. An epoch
        above it, and -1, is unknown: (-1, -1); one older than all known ended where they begin.
        Source: LeaderEpochFileCache.endOffsetFor; KIP-320.
        """
        if leader_epoch == -1 or leader_epoch > self.leader_epoch:
            return -1, -1
        latest = self.log.latest_epoch
        if leader_epoch == self.leader_epoch or latest < 0:
            return leader_epoch, self.high_watermark
        epoch, end_offset = self.log.epoch_end_offset(min(leader_epoch, latest))
        return epoch, min(end_offset, self.high_watermark)

    def must_open(self, batch: Buffer | None) -> BatchHeader | None:
        """The header of a batch that has to be opened before produce() takes it."""
        header = header_of(batch)
        if isinstance(header, Refused) or not must_open(header, self.config):
            return None
        return header

    def produce(
        self,
        batch: Buffer | None,
        now_ms: int,
        client_id: str = "",
        opened: Opened | None = None,
        admission: Admission | None = None,
    ) -> Appended | Duplicate | Refused:
        """Store one batch, or say why not; note which, to be explained later.

        Args:
            batch: the records field of a Produce request.
            now_ms: the broker's time, ms since 1970.
            client_id: for the explanation only.
            opened: what was found in it; without it a batch that must be opened is, here and now.
            admission: the coordinator's word, for a batch that begins a transaction here.
        """
        outcome: Append | Appended | Duplicate | Refused
        self.produce_count += 1
        header, newest, opened = examine(batch, self.config, now_ms, opened)
        entry: bytes | None = None
        if isinstance(newest, Refused):
            outcome = newest
        elif header is None or header.producer_id < 0:
            outcome = APPEND
        else:
            entry = self.sequences.entry(header.producer_id)
            outcome = self._check_sequence(header, admission, is_known=entry is not None)
        if isinstance(outcome, Append):
            assert batch is not None
            assert header is not None
            assert not isinstance(newest, Refused)
            is_alone = outcome is APPEND  # and part of no transaction: one comparison for most
            outcome, stored = self._append(batch, header, newest, now_ms, opened)
            # Recorded only behind the write, because otherwise:
            #   1. batch 7 is recorded  2. the disk is full, its producer is told so  3. there is
            #   room, it sends 7 again  4. "stored before": acknowledged, and nowhere to be found.
            # And in the same turn of the loop as the check, because otherwise:
            #   1. 7 is checked and waits  2. its producer, out of patience, sends 7 again over
            #   another connection  3. both are new: both are appended.
            if header.producer_id >= 0 and isinstance(outcome, Appended):
                seen_at_ms = self.sequences.monotonic_ms()
                self.sequences.record(stored, outcome.base_offset, seen_at_ms, header.crc)
                if not is_alone:
                    began_bytes = self.appended_bytes - stored.size_bytes
                    self.transactions.wrote(*stored[9:11], *outcome[:2], began_bytes)
        rings = self._rings
        ring = self.verdicts or rings.open(self)
        ring.append((next(rings.numbers), now_ms, client_id, header, entry, outcome))
        return outcome

    def refuse(
        self, batch: Buffer | None, now_ms: int, client_id: str, refused: Refused
    ) -> Refused:
        """Note a batch that the transaction coordinator has refused; the arguments of produce()."""
        self.produce_count += 1
        header = header_of(batch)
        assert not isinstance(header, Refused), "the coordinator is asked about whole headers"
        rings = self._rings
        ring = self.verdicts or rings.open(self)
        entry = self.sequences.entry(header.producer_id)
        ring.append((next(rings.numbers), now_ms, client_id, header, entry, refused))
        return refused

    def has_open_transaction(self, producer_id: int) -> bool:
        """Whether a batch of the producer's transaction needs no word of the coordinator."""
        opened = self._open.get(producer_id)
        return opened is not None and not opened.is_closed

    def needs_word(self, producer_id: int, producer_epoch: int) -> bool:
        """Whether the coordinator is to be asked about a transactional batch of the producer.

        Not where its transaction is open, nor about an older epoch than is known here: that one is
        refused, and must not begin a transaction before it is.
        """
        if self.has_open_transaction(producer_id):
            return False
        return producer_epoch >= self.sequences.epochs_of(producer_id)[0]

    def close_transaction(self, producer_id: int) -> None:
        """Its ending has begun: of the producer's transaction nothing more is taken."""
        self.transactions.close(producer_id)

    def reopen_transaction(self, producer_id: int) -> None:
        """Its ending was withdrawn."""
        self.transactions.reopen(producer_id)

    def holds_unflushed(self, producer_id: int) -> bool:
        """Whether something that its open transaction has written is not durable yet."""
        opened = self._open.get(producer_id)
        return self.flushed and opened is not None and opened.next_offset > self.durable_end_offset

    def marker_refusal(self, marker: Marker, transaction_version: int) -> ErrorCode:
        """What is wrong with a marker that a client sends; NONE if it is to be appended.

        The coordinator's own are never refused: whatever clients have sent, its decision stands.
        Source: ProducerAppendInfo.checkProducerEpoch, checkCoordinatorEpoch; KIP-1228.
        """
        producer_epoch, coordinator_epoch = self.sequences.epochs_of(marker.producer_id)
        # A marker of KIP-890 begins the next epoch. One that bears the epoch of the open
        # transaction is late: it is of the one before.
        is_late = transaction_version >= 2 and marker.producer_id in self._open
        if marker.producer_epoch < producer_epoch + is_late:
            return ErrorCode.INVALID_PRODUCER_EPOCH
        if marker.coordinator_epoch < coordinator_epoch:
            return ErrorCode.TRANSACTION_COORDINATOR_FENCED
        return ErrorCode.NONE

    def append_marker(self, marker: Marker, now_ms: int) -> bool:
        """Append a marker, whether a transaction is open here or not; Broker.appended follows.

        Readers see it, and the last stable offset moves, when it is durable.

        Args:
            now_ms: the broker's time, ms since 1970.
        Returns: True: it was appended.
        Raises: StorageError; nothing has changed.
        """
        if not self.is_writable:
            raise StorageError(self.log.directory, _NOT_BEGUN.why)
        batch = marker_batch(
            marker,
            now_ms=now_ms,
            base_offset=self.log.log_end_offset,
            leader_epoch=self.leader_epoch,
            is_log_append_time=self.config.log_append_time,
        )
        offset = self.log.append(read_header(batch), batch, self.leader_epoch, now_ms)
        self.appended_bytes += len(batch)
        if not self.flushed:
            self.readable_bytes = self.appended_bytes
        if marker.producer_id >= 0:
            self.sequences.mark(marker, offset, now_ms, self.sequences.monotonic_ms())
            ended = self.transactions.end(marker.producer_id, offset, is_durable=not self.flushed)
            if ended is not None and not marker.is_commit:
                self.log.note_aborted(ended)
        return True

    def dirty_files(self) -> Sequence[File]:
        """Files written since this was asked last."""
        return self.log.dirty_files()

    def mark(self) -> Mark:
        """How far the log reaches now."""
        return self.log.log_end_offset, self.appended_bytes

    def made_durable(self, mark: Mark) -> None:
        """Everything up to a mark has been flushed, so readers may see it."""
        self.durable_end_offset = mark[0]
        if self.flushed:
            self.readable_bytes = mark[1]
            self.transactions.durable_up_to(mark[0])

    def told_aborted(self, offset: int, count_bytes: int) -> list[AbortedTransaction]:
        """Log.told_aborted(). Raises StorageError."""
        return self.log.told_aborted(offset, count_bytes)

    def removable_offset(self) -> int:
        """Log.removable_offset() of what is flushed. Raises StorageError."""
        return self.log.removable_offset(self.high_watermark)

    def _check_sequence(
        self, header: BatchHeader, admission: Admission | None, *, is_known: bool
    ) -> Append | Duplicate | Refused:
        """What is to become of a batch of a producer with an id; nothing changes."""
        verdict = self.sequences.check(header)
        if header.attributes & TRANSACTIONAL_BIT or (
            self._open and header.producer_id in self._open
        ):
            return self._check_transaction(header, verdict, admission, is_known=is_known)
        return verdict

    def _check_transaction(
        self,
        header: BatchHeader,
        by_sequence: Append | Duplicate | Refused,
        admission: Admission | None,
        *,
        is_known: bool,
    ) -> Append | Duplicate | Refused:
        """The verdict on a batch of a transaction, or of somebody who has one open here."""
        producer_id = header.producer_id
        if isinstance(by_sequence, Duplicate):
            # Before anything can refuse it, as always: a lost answer may be that of an accepted
            # batch whose transaction has ended since.
            if header.is_transactional and self.was_aborted(producer_id, by_sequence.base_offset):
                return aborted_before(header, by_sequence)
            return by_sequence
        return admitted(
            header,
            by_sequence,
            self._open.get(producer_id),
            admission,
            is_closed=self.transactions.is_closed(producer_id),
            is_known=is_known,
        )

    def was_aborted(self, producer_id: int, offset: int) -> bool:
        """Whether a batch of a producer's transaction is part of one that has been aborted."""
        found = self.log.aborted(offset, offset + 1)
        return any(each.producer_id == producer_id for each in found)

    def _append(
        self,
        batch: Buffer,
        header: BatchHeader,
        max_timestamp: int,
        now_ms: int,
        opened: Opened | None,
    ) -> tuple[Appended | Refused, BatchHeader]:
        """Stamp a batch and write it; the header is the one it is stored with."""
        if not self.is_writable:
            return _NOT_BEGUN, header
        log_append_time_ms = -1
        if opened is not None and opened.batch is not None:
            batch, header = opened.batch, read_header(opened.batch)
        attributes = header.attributes & ~LOG_APPEND_TIME_BIT
        if self.config.log_append_time:
            attributes |= LOG_APPEND_TIME_BIT
            log_append_time_ms = now_ms
        if header.max_timestamp != max_timestamp or header.attributes != attributes:
            batch = restamped(batch, header, attributes=attributes, max_timestamp=max_timestamp)
            header = read_header(batch)
        try:
            base_offset = self.log.append(header, batch, self.leader_epoch, now_ms)
        except FlushFailed:
            raise  # of its topic, before the first batch: the broker ends
        except StorageError as error:
            return Refused(ErrorCode.KAFKA_STORAGE_ERROR, str(error)), header
        self.appended_bytes += len(batch)
        if not self.flushed:
            self.readable_bytes = self.appended_bytes
        fields = (base_offset, base_offset + header.records_count, log_append_time_ms)
        return tuple.__new__(Appended, fields), header


def log_config(config: TopicConfig) -> LogConfig:
    """The part of a topic's configuration that its logs go by."""
    return LogConfig(
        segment_bytes=config.segment_bytes,
        segment_ms=config.segment_ms,
        index_interval_bytes=config.index_interval_bytes,
        segment_index_bytes=config.segment_index_bytes,
    )
