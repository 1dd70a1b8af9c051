"""Which aborted transactions concern a reader: the indexes of the segments, oldest first, in turn.

A transaction may end many segments behind the records that a reader gets. Each index tells where
nothing further can concern it. Source: LocalLog.addAbortedTransactions, collectAbortedTransactions.
Tests: tests/unit/broker/partitions/test_transactions.py
"""

from __future__ import annotations

from collections.abc import Sequence

from .aborted_index import AbortedTransaction
from .segment import Segment


def aborted_in(
    segments: Sequence[Segment], offset: int, end_offset: int
) -> list[AbortedTransaction]:
    """Those with a marker at `offset` or behind it that began before `end_offset`.

    Args:
        segments: from that of `offset` on.
    Returns: in the order of their markers.
    """
    found: list[AbortedTransaction] = []
    for segment in segments:
        some, is_all = segment.aborted.aborted(offset, end_offset)
        found += some
        if is_all:
            break
    return found


def told_to_readers(
    segments: Sequence[Segment], offset: int, count_bytes: int, log_end_offset: int
) -> list[AbortedTransaction]:
    """What Kafka tells a reader of commits who gets so many bytes from `offset` on.

    It takes the end of what the reader gets from the offset index, which has an entry for some
    kilobytes; so a transaction may be told that begins a little behind it. Nobody minds.

    Args:
        segments: from that of `offset` on; the bytes are of the first one.
    Raises: StorageError.
    """
    if not any(segment.aborted for segment in segments):
        return []
    end_offset = segments[0].upper_bound(offset, count_bytes)
    if end_offset is None:
        end_offset = segments[1].base_offset if len(segments) > 1 else log_end_offset
    return aborted_in(segments, offset, end_offset)
