"""A log whose content is a state: records are appended, one batch a decision, and applied.

What is known is a fold over the log, at the start and while running. A batch is whole or absent, so
a decision is never half done; what it looks like, and whether it belongs to a transaction or ends
one, is the state's to say. A log that holds much more than its live state is rewritten:
1. roll  2. append what must come first, in one go, then what else the state consists of, in
portions  3. flush  4. remove the older segments, oldest first. A crash before 4 is harmless: what
stands in the portions is what the records before them came to, and newer records follow after it.
While running, portions go between decisions. Behind it: cluster/metadata.py (`__cluster_metadata`),
groups/offsets.py (`__consumer_offsets`), transactions/fold.py (`__transaction_state`).
Tests: tests/unit/broker/groups/test_ledger.py, tests/unit/broker/groups/test_rewrites.py
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from ...protocol.batch.header import Buffer, crc_is_valid, headers_in, read_header
from ...protocol.batch.reading import records_in
from ...protocol.batch.writing import build_batch
from ..storage.flushable import Mark
from ..storage.port import DamagedLog, File, FlushFailed, NoSpace, Storage, StorageError
from .log import Log, LogConfig
from .recovery import NOTHING_KNOWN, Known
from .segment import POSITION_MAX

LEADER_EPOCH = 0
READ_BYTES = 1024 * 1024
REWRITE_SLACK = 1000  # records of history that are never worth a rewrite
REWRITE_FACTOR = 4
WHOLE_SEGMENT = POSITION_MAX

R = TypeVar("R")


def _nobody(*args: object) -> None:
    """Who reads this log like a partition would hear of it."""


class State(Protocol[R]):
    """What a log's records add up to."""

    def pack(self, records: Sequence[R], now_ms: int) -> bytes:
        """Records as one batch, written at `now_ms`."""

    def unpack(self, batch: Buffer) -> Sequence[R]:
        """The records of a batch. Raises MetadataError for what is not known."""

    def apply(self, record: R) -> None:
        """Take one record into the state."""

    def live_count(self) -> int:
        """How many records `leading` and `snapshot` would give, about."""

    def leading(self) -> Iterable[Sequence[R]]:
        """What a rewrite writes before anything else can be committed; each is one batch.

        A crash may leave any part of it behind what the log held before: that must change nothing.
        """

    def snapshot(self) -> Iterator[Sequence[R]]:
        """The rest as records, in portions; each is one batch, asked for when it is its turn."""


class PlainState(ABC, Generic[R]):
    """A state whose log knows no transactions: a batch is its records. Part of a State."""

    @abstractmethod
    def encode(self, record: R) -> tuple[bytes | None, bytes | None]:
        """Key and value of a record, as they are stored."""

    @abstractmethod
    def decode(self, key: bytes | None, value: bytes | None) -> R:
        """The record of a stored key and value. Raises MetadataError for what is not known."""

    def pack(self, records: Sequence[R], now_ms: int) -> bytes:
        """Records as one batch."""
        return build_batch([(*self.encode(record), (), now_ms) for record in records])

    def unpack(self, batch: Buffer) -> Sequence[R]:
        """The records of a batch."""
        return [self.decode(record.key, record.value) for record in records_in(batch)]

    def leading(self) -> Iterable[Sequence[R]]:
        """Nothing is in a hurry: the newest record of a key counts, wherever it stands."""
        return ()


class StateLog(Generic[R]):
    """A log and the state it keeps; a Flushable for group commit.

    Args:
        state: an empty state; the log is replayed into it.
        known: what is known of the log before it is opened.
    Raises:
        DamagedLog, StorageError: the log cannot be read.
        MetadataError: it holds records of a newer version.
    """

    def __init__(
        self,
        storage: Storage,
        directory: str,
        state: State[R],
        now_ms: int,
        known: Known = NOTHING_KNOWN,
    ) -> None:
        self._state = state
        self.log = Log.open(storage, directory, LogConfig(), lambda header: None, known=known)
        self.durable_end_offset = self.log.log_end_offset
        self.newest_at_ms: int | None = None  # when the last batch was written, by its writer
        self._record_count = 0  # in the log, or since the rewrite began that is under way
        self.on_append: Callable[[int, Buffer], None] = _nobody  # base offset, batch
        self.on_durable: Callable[[int], None] = _nobody  # end offset
        self._portions: Iterator[Sequence[R]] | None = None
        self._rewritten_from = 0
        self._rewritten_to: int | None = None  # all portions are written; to be flushed up to here
        self._replay()
        if self.rewrite_is_due:
            with suppress(NoSpace):  # what there is says the same
                self._rewrite(storage, now_ms if self.newest_at_ms is None else self.newest_at_ms)

    def _rewrite(self, storage: Storage, now_ms: int) -> None:
        self.begin_rewrite(now_ms)
        while self.append_portion(now_ms):
            pass
        self.flush()
        storage.sync_all()  # 1. an older segment has gone for good, 2. the next: no gap
        while self.log.remove_before(self._rewritten_from, WHOLE_SEGMENT):
            storage.sync_all()

    @property
    def key(self) -> str:
        """The log's name in checkpoints."""
        return self.log.key

    @property
    def is_durable(self) -> bool:
        """Whether everything committed has been flushed."""
        return self.durable_end_offset >= self.log.log_end_offset

    @property
    def rewrite_is_due(self) -> bool:
        """Whether the log holds much more than the state, and is not being rewritten."""
        return (
            self._portions is None
            and self._rewritten_to is None
            and self._record_count > REWRITE_SLACK + REWRITE_FACTOR * self._state.live_count()
        )

    @property
    def is_rewriting(self) -> bool:
        """Whether `append_portion` has something left to do."""
        return self._portions is not None

    def commit(self, records: Sequence[R], now_ms: int) -> None:
        """Append records as one batch and apply them.

        Raises:
            StorageError: nothing was written and nothing applied.
        """
        self._append(records, now_ms)
        for record in records:
            self._state.apply(record)

    def rewrite_a_little(self, now_ms: int) -> bool:
        """Go on with a rewrite if one is due or under way, after a commit.

        A full disk gives it up for now: what was committed stands, the next commit tries again.

        Returns: whether its last portion is written, and waits to be flushed.
        """
        try:
            if self.rewrite_is_due:
                self.begin_rewrite(now_ms)
            return self.is_rewriting and not self.append_portion(now_ms)
        except StorageError:
            return False

    def begin_rewrite(self, now_ms: int) -> None:
        """Begin to write the state anew. Raises StorageError: it has not begun."""
        self.log.roll()
        self._record_count = 0  # also if it is given up: or each commit would begin a segment
        rewritten_from = self.log.log_end_offset
        for portion in self._state.leading():
            self._append(portion, now_ms)
        self._rewritten_from = rewritten_from
        self._portions = self._state.snapshot()

    def append_portion(self, now_ms: int) -> bool:
        """Write the next portion of a rewrite that has begun; False when that was all.

        Older segments go when all portions have been flushed.

        Raises:
            StorageError: the rewrite is given up; nothing is lost.
        """
        assert self._portions is not None
        portion = next(self._portions, None)
        if portion is None:
            self._portions = None
            self._rewritten_to = self.log.log_end_offset
            return False
        try:
            self._append(portion, now_ms)
        except StorageError:
            self._portions = None
            raise
        return True

    def dirty_files(self) -> Sequence[File]:
        """Files written since this was asked last."""
        return self.log.dirty_files()

    def mark(self) -> Mark:
        """How far the log reaches now."""
        return self.log.log_end_offset, 0

    def made_durable(self, mark: Mark) -> None:
        """Everything up to a mark has been flushed."""
        self.durable_end_offset = max(self.durable_end_offset, mark[0])
        self.on_durable(self.durable_end_offset)
        if self._rewritten_to is not None and self.durable_end_offset >= self._rewritten_to:
            self._rewritten_to = None
            self.log.raise_start(self._rewritten_from)
            with suppress(StorageError):  # what is left goes with the next rewrite
                self.log.remove_before(self._rewritten_from, WHOLE_SEGMENT)

    def flush(self) -> None:
        """Flush here and now, for what is rare: start, topic deletion. Raises FlushFailed."""
        mark = self.mark()
        # Not only what is dirty: a round under way may have taken that, and has not ended.
        files = dict.fromkeys((*self.log.dirty_files(), *(s.file for s in self.log.segments)))
        try:
            for file in files:
                file.flush()
        except StorageError as error:
            raise FlushFailed(error.path, error.why) from error
        self.made_durable(mark)

    def _append(self, records: Sequence[R], now_ms: int) -> None:
        batch = self._state.pack(records, now_ms)
        base_offset = self.log.append(read_header(batch), batch, LEADER_EPOCH, now_ms)
        self._record_count += len(records)
        self.on_append(base_offset, batch)

    def _replay(self) -> None:
        """Apply every record. A clean stop is believed about sizes, never about what is in them."""
        for segment in self.log.segments:
            offset, position = max(segment.base_offset, self.log.log_start_offset), 0
            while offset < segment.next_offset:
                try:
                    chunk = memoryview(self.log.read(offset, segment.next_offset, READ_BYTES))
                except StorageError as error:
                    raise DamagedLog(segment.file.path, position, error.why) from error
                begin = offset
                for at, header in headers_in(chunk):
                    if (
                        header.base_offset != offset
                        or header.partition_leader_epoch != LEADER_EPOCH
                        or not crc_is_valid(chunk, header, at)
                    ):
                        break
                    for record in self._state.unpack(chunk[at : at + header.size_bytes]):
                        self._state.apply(record)
                        self._record_count += 1
                    self.newest_at_ms = header.max_timestamp
                    offset = header.next_offset
                    position += header.size_bytes
                if offset == begin:
                    why = (
                        f"no whole batch of offset {offset}, epoch {LEADER_EPOCH}, with a right CRC"
                    )
                    raise DamagedLog(segment.file.path, position, why)
