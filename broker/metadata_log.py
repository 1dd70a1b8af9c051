"""The log behind metadata.py: JSON records in ordinary record batches, one batch a decision.

A batch is whole or absent, so a decision is never half done. What a commit writes is applied at
once and answered when it is durable, in every durability that has a disk: a producer id given out
twice would turn somebody's new batch into a "duplicate".
At open, a log that holds much more than its live state is rewritten:
1. roll  2. append one batch that says everything  3. flush  4. remove the older segments.
A crash before 4 is harmless: the batch begins with a record that voids what stands before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ..protocol.batch import build_batch, headers_in, read_header, records_in
from .group_commit import Mark
from .log.log import Log, LogConfig
from .log.recovery import NOTHING_KNOWN, Known
from .log.segment import POSITION_MAX
from .log.storage import File, Storage
from .metadata import ClusterMetadata, Record

DIRECTORY = "__cluster_metadata-0"
LEADER_EPOCH = 0
READ_BYTES = 1024 * 1024
REWRITE_SLACK = 1000  # records of history that are never worth a rewrite
REWRITE_FACTOR = 4
WHOLE_SEGMENT = POSITION_MAX


class MetadataLog:
    """The cluster's metadata and the log that keeps it; a Flushable for group commit.

    Raises:
        DamagedLog, StorageError: the log cannot be read.
        MetadataError: it was written by a newer version.
    """

    def __init__(self, storage: Storage, now_ms: int, known: Known = NOTHING_KNOWN) -> None:
        self.state = ClusterMetadata()
        self._storage = storage
        self.log = Log.open(storage, DIRECTORY, LogConfig(), lambda header: None, known=known)
        self.durable_end_offset = self.log.log_end_offset
        self._record_count = 0
        self._replay()
        if self._record_count > REWRITE_SLACK + REWRITE_FACTOR * self.state.live_count():
            self._rewrite(now_ms)

    @property
    def key(self) -> str:
        """The log's name in checkpoints."""
        return self.log.key

    @property
    def is_durable(self) -> bool:
        """Whether everything committed has been flushed."""
        return self.durable_end_offset >= self.log.log_end_offset

    def commit(self, records: Sequence[Record], now_ms: int) -> None:
        """Append records as one batch and apply them.

        Raises:
            StorageError: nothing was written and nothing applied.
        """
        self._append(records, now_ms)
        for record in records:
            self.state.apply(record)

    def dirty_files(self) -> Sequence[File]:
        """Files written since this was asked last."""
        return self.log.dirty_files()

    def mark(self) -> Mark:
        """How far the log reaches now."""
        return self.log.log_end_offset, 0

    def made_durable(self, mark: Mark) -> None:
        """Everything up to a mark has been flushed."""
        self.durable_end_offset = max(self.durable_end_offset, mark[0])

    def flush(self) -> None:
        """Flush here and now, for what is rare: start, topic deletion. Raises StorageError."""
        for file in self.log.dirty_files():
            file.flush()
        self.durable_end_offset = self.log.log_end_offset

    def _append(self, records: Iterable[Record], now_ms: int) -> None:
        values = [(None, _encoded(record), (), now_ms) for record in records]
        batch = build_batch(values)
        self.log.append(read_header(batch), batch, LEADER_EPOCH, now_ms)
        self._record_count += len(values)

    def _replay(self) -> None:
        offset, end_offset = self.log.log_start_offset, self.log.log_end_offset
        while offset < end_offset:
            chunk = memoryview(self.log.read(offset, end_offset, READ_BYTES))
            for position, header in headers_in(chunk):
                for record in records_in(chunk[position : position + header.size_bytes]):
                    self.state.apply(json.loads(record.value or b""))
                    self._record_count += 1
                offset = header.next_offset

    def _rewrite(self, now_ms: int) -> None:
        self.log.roll()
        base_offset = self.log.log_end_offset
        self._record_count = 0
        self._append(self.state.snapshot(), now_ms)
        self.flush()
        self.log.raise_start(base_offset)
        while self.log.remove_below_start(WHOLE_SEGMENT, base_offset):
            self._storage.sync_all()  # 1. older one gone for good, 2. next: no gap after a crash


def _encoded(record: Record) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode()
