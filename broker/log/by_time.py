"""Which record of a log belongs to a time: its segments, oldest first, are asked in turn.

Batches are chosen by the max_timestamp of their header, which producers set. All of this is long
work (waiting/long_work.py): a megabyte of gzip may hold a million records. It is unpacked off the
loop.
Tests: tests/unit/broker/log/test_timestamps.py
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial
from typing import Any

from ...protocol.batch.header import HEADER_BYTES, BatchError, read_header
from ...protocol.batch.times import record_times
from ...protocol.compression import Codec, decompress
from ..limits import SEARCHED_BYTES_MAX
from ..waiting.long_work import Aside
from .segment import NO_TIMESTAMP, Segment, TimestampedOffset

Search = Generator[Aside | None, Any, TimestampedOffset | None]
"""Long work that returns what it found; it raises StorageError, and BatchError if the records of a
batch cannot be read."""


def first_since(
    segments: Sequence[Segment], timestamp: int, log_start_offset: int, end_offset: int
) -> Search:
    """The first record between two offsets (the second exclusive) with at least this timestamp."""
    for segment in [*segments]:
        if segment.base_offset >= end_offset:
            break
        if segment.max_timestamp < timestamp:
            continue
        for batch in segment.batches_reaching(timestamp, end_offset):
            found = None
            if batch is not None:
                found = yield from _first_in(batch, timestamp, log_start_offset)
            if found is not None:
                return found
            yield None
    return None


def newest(segments: Sequence[Segment], log_start_offset: int, end_offset: int) -> Search:
    """The first record between two offsets (the second exclusive) with the largest timestamp.

    None if no batch has a timestamp. Source: KIP-734.
    """
    newest_at, found, newest_offset = NO_TIMESTAMP, None, 0
    for segment in [*segments]:
        if segment.base_offset >= end_offset:
            break
        if segment.next_offset <= log_start_offset:
            continue
        timestamp, offset = segment.newest_timestamp(end_offset)
        if timestamp > newest_at:
            newest_at, found, newest_offset = timestamp, segment, offset
        yield None
    if found is None:
        return None
    return (yield from _newest_in(found.batch_at(newest_offset)))


def _first_in(batch: bytes, timestamp: int, start_offset: int) -> Search:
    header = read_header(batch)
    body = yield from _opened(batch, header.codec)
    for portion in record_times(body, header):
        for offset, at_ms in portion:
            if at_ms >= timestamp and offset >= start_offset:
                return TimestampedOffset(at_ms, offset, header.partition_leader_epoch)
        yield None
    return None


def _newest_in(batch: bytes) -> Search:
    header = read_header(batch)
    body = yield from _opened(batch, header.codec)
    newest: tuple[int, int] | None = None
    for portion in record_times(body, header):
        for offset, at_ms in portion:
            if newest is None or at_ms > newest[0]:
                newest = at_ms, offset
        yield None
    return None if newest is None else TimestampedOffset(*newest, header.partition_leader_epoch)


def _opened(batch: bytes, codec: int) -> Generator[Aside | None, Any, bytes]:
    """The records of a batch. Raises BatchError, MissingCodecError."""
    body = batch[HEADER_BYTES:]
    if codec == Codec.NONE:
        return body
    try:
        unpacked: bytes = yield Aside(
            partial(decompress, Codec(codec), body, size_max=SEARCHED_BYTES_MAX)
        )
    except ValueError as error:
        raise BatchError(str(error)) from None
    return unpacked
