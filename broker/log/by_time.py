"""Which record of a log belongs to a time: its segments, oldest first, are asked in turn.

Batches are chosen by the max_timestamp of their header, which producers set.
"""

from __future__ import annotations

from collections.abc import Sequence

from .segment import NO_TIMESTAMP, Segment, TimestampedOffset


def first_since(
    segments: Sequence[Segment], timestamp: int, log_start_offset: int, end_offset: int
) -> TimestampedOffset | None:
    """The first record between two offsets (the second exclusive) with at least this timestamp.

    Raises: StorageError; BatchError if the records of its batch cannot be read.
    """
    for segment in segments:
        if segment.base_offset >= end_offset:
            break
        if segment.max_timestamp >= timestamp:
            found = segment.find_timestamp(timestamp, log_start_offset, end_offset)
            if found is not None:
                return found
    return None


def newest(
    segments: Sequence[Segment], log_start_offset: int, end_offset: int
) -> TimestampedOffset | None:
    """The first record between two offsets (the second exclusive) with the largest timestamp.

    None if no batch has a timestamp. Raises like first_since(). Source: KIP-734.
    """
    newest_at, found, newest_offset = NO_TIMESTAMP, None, 0
    for segment in segments:
        if segment.base_offset >= end_offset:
            break
        if segment.next_offset <= log_start_offset:
            continue
        timestamp, offset = segment.newest_timestamp(end_offset)
        if timestamp > newest_at:
            newest_at, found, newest_offset = timestamp, segment, offset
    return None if found is None else found.newest_record_in(newest_offset)
