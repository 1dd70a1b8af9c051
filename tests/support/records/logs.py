"""What tests of logs share: batches by their timestamps, and reading a log from end to end."""

from __future__ import annotations

from collections.abc import Sequence

from minibroker.broker.log.log import Log, LogConfig
from minibroker.broker.log.recovery import Known
from minibroker.broker.storage.port import Storage
from minibroker.protocol.batch.header import (
    LENGTH_AT,
    LENGTH_END,
    MAGIC_AT,
    BatchHeader,
    headers_in,
    read_header,
)
from minibroker.protocol.batch.writing import build_batch

DIRECTORY = "orders-0"
TOPIC_ID = bytes(range(16))


def batch_of(*timestamps: int, value: bytes = b"v") -> bytes:
    """One batch with a record for each timestamp."""
    return build_batch([(None, value, (), timestamp) for timestamp in timestamps])


def append(log: Log, batch: bytes, *, leader_epoch: int = 0, now_ms: int = 0) -> int:
    """Append one batch as a partition would."""
    return log.append(read_header(batch), memoryview(batch), leader_epoch, now_ms)


def open_log(
    storage: Storage,
    config: LogConfig | None = None,
    seen: list[BatchHeader] | None = None,
    log_start_offset: int = 0,
    removed_offset: int = 0,
) -> Log:
    """Open the log that these tests use; batches found go to `seen`."""
    batches: list[BatchHeader] = [] if seen is None else seen
    return Log.open(
        storage,
        DIRECTORY,
        config or LogConfig(),
        batches.append,
        TOPIC_ID,
        known=Known(log_start_offset=log_start_offset, removed_offset=removed_offset),
    )


def remove_before(log: Log, offset: int) -> None:
    """Let the log begin at `offset`, and remove what then may go."""
    log.raise_start(offset)
    while log.remove_before(log.log_start_offset, 100):
        pass


def stamped(batch: bytes, base_offset: int, leader_epoch: int = 0) -> bytes:
    """The batch as the log must have stored it."""
    length = batch[LENGTH_AT:LENGTH_END]
    return base_offset.to_bytes(8) + length + leader_epoch.to_bytes(4) + batch[MAGIC_AT:]


def read_all(log: Log, max_bytes: int = 1) -> list[bytes]:
    """Every batch of the log, read on from offset to offset."""
    batches: list[bytes] = []
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        data = log.read(offset, log.log_end_offset, max_bytes)
        for position, header in headers_in(data):
            assert offset in (header.base_offset, log.log_start_offset)
            batches.append(data[position : position + header.size_bytes])
            offset = header.next_offset
    return batches


def segment_names(storage: Storage, suffix: str = ".log") -> Sequence[str]:
    """The files of the log that end so, oldest first."""
    return [name for name in storage.list_dir(DIRECTORY) if name.endswith(suffix)]
