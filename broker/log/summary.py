"""What is known of a whole segment without reading it: `<base offset>.summary`, 1 a segment.

Written when a segment is left for a new one, and into the mark of a clean stop for the last one.
A summary is believed if its checksum holds, the segment's file has its size and the next segment
begins where it says; else the segment is read. It holds the checksums of the index files too:
Kafka's format has none, and a flipped bit in a time index would be a wrong answer. Version 1 is of
before there were transactions.
Tests: tests/unit/broker/log/test_checkpoints.py
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from crc32c import crc32c

from .aborted_index import NONE_ABORTED, AbortedSum

SUFFIX: Final = ".summary"
_MAGIC: Final = b"MBSS"
_VERSION: Final = 2
_HEAD: Final = struct.Struct(">4sHI")  # magic, version, CRC-32C of all that follows
_BODIES: Final = {1: struct.Struct(">10qH"), 2: struct.Struct(">12qH")}  # by version
_EPOCH: Final = struct.Struct(">iq")


class IndexSums(NamedTuple):
    """How many entries the two index files have, and the CRC-32C of each file."""

    offset_count: int = 0
    offset_crc: int = 0
    time_count: int = 0
    time_crc: int = 0


NO_INDEXES: Final = IndexSums()


class Summary(NamedTuple):
    """One segment; `epochs` are those that began in it: (leader epoch, start offset).

    last_position is where its last batch begins, the timestamps are those of Segment.
    """

    next_offset: int
    size: int
    last_position: int
    first_timestamp: int
    max_timestamp: int
    max_timestamp_offset: int
    indexes: IndexSums
    epochs: tuple[tuple[int, int], ...]
    aborted: AbortedSum = NONE_ABORTED


def encode(summary: Summary) -> bytes:
    """Return the content of a summary file."""
    *numbers, indexes, epochs, aborted = summary
    body = _BODIES[_VERSION].pack(*numbers, *indexes, *aborted, len(epochs))
    body += b"".join(_EPOCH.pack(*each) for each in epochs)
    return _HEAD.pack(_MAGIC, _VERSION, crc32c(body)) + body


def decode(data: bytes) -> Summary | None:
    """Read a summary file; None if it is damaged or of another version."""
    if len(data) < _HEAD.size:
        return None
    magic, version, crc = _HEAD.unpack_from(data)
    body, layout = data[_HEAD.size :], _BODIES.get(version)
    if magic != _MAGIC or layout is None or len(body) < layout.size or crc != crc32c(body):
        return None
    *numbers, epochs_count = layout.unpack_from(body)
    if len(body) != layout.size + epochs_count * _EPOCH.size:
        return None
    end, size, last, first_at, max_at, max_at_offset = numbers[:6]
    epochs = tuple((epoch, start) for epoch, start in _EPOCH.iter_unpack(body[layout.size :]))
    indexes, aborted = IndexSums(*numbers[6:10]), AbortedSum(*numbers[10:])
    return Summary(end, size, last, first_at, max_at, max_at_offset, indexes, epochs, aborted)
