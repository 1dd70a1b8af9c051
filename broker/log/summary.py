"""What is known of a whole segment without reading it: `<base offset>.summary`, 1 a segment.

Written when a segment is left for a new one, and into the mark of a clean stop for the last one.
A summary is believed if its checksum holds, the segment's file has its size and the next segment
begins where it says; else the segment is read. It holds the checksums of the two index files too:
Kafka's format has none, and a flipped bit in a time index would be a wrong answer.
Tests: tests/unit/broker/log/test_checkpoints.py
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from crc32c import crc32c

SUFFIX: Final = ".summary"
_MAGIC: Final = b"MBSS"
_VERSION: Final = 1
_HEAD: Final = struct.Struct(">4sHI")  # magic, version, CRC-32C of all that follows
_BODY: Final = struct.Struct(">10qH")
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


def encode(summary: Summary) -> bytes:
    """Return the content of a summary file."""
    *numbers, indexes, epochs = summary
    body = _BODY.pack(*numbers, *indexes, len(epochs))
    body += b"".join(_EPOCH.pack(*each) for each in epochs)
    return _HEAD.pack(_MAGIC, _VERSION, crc32c(body)) + body


def decode(data: bytes) -> Summary | None:
    """Read a summary file; None if it is damaged or of another version."""
    body = data[_HEAD.size :]
    if len(body) < _BODY.size or data[: _HEAD.size] != _HEAD.pack(_MAGIC, _VERSION, crc32c(body)):
        return None
    fields = _BODY.unpack_from(body)
    if len(body) != _BODY.size + fields[10] * _EPOCH.size:
        return None
    end, size, last, first_at, max_at, max_at_offset = fields[:6]
    epochs = tuple((epoch, start) for epoch, start in _EPOCH.iter_unpack(body[_BODY.size :]))
    indexes = IndexSums(*fields[6:10])
    return Summary(end, size, last, first_at, max_at, max_at_offset, indexes, epochs)
