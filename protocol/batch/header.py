"""RecordBatch v2: the header, where its fields stand, and its CRC.

A broker stores and serves batches as they came, once check.py has seen that their records are good;
reading.py and writing.py are for those who read and write them. Rules:
- Bytes come from a socket or a disk: whatever they hold, the answer is a value or BatchError.
- base_offset, batch_length and partition_leader_epoch lie outside the CRC, so that a broker stamps
  them without reading the rest.
- `batch` is one whole batch and nothing else; `buf` may hold more.

Read next: check.py, sequence.py, compression.py, broker/partitions/sequences.py.
Source: DefaultRecordBatch.java, DefaultRecord.java; KIP-98.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

import construct
from crc32c import crc32c

from .. import sequence

Buffer: TypeAlias = bytes | bytearray | memoryview

MAGIC: Final = 2
CODEC_BITS: Final = 0x07
LOG_APPEND_TIME_BIT: Final = 0x08
TRANSACTIONAL_BIT: Final = 0x10
CONTROL_BIT: Final = 0x20

BATCH_HEADER: Final = construct.Struct(
    "base_offset" / construct.Int64sb,
    "batch_length" / construct.Int32sb,  # bytes after this field
    "partition_leader_epoch" / construct.Int32sb,
    "magic" / construct.Int8sb,
    "crc" / construct.Int32ub,  # CRC-32C of everything after this field
    "attributes" / construct.Int16sb,
    "last_offset_delta" / construct.Int32sb,
    "base_timestamp" / construct.Int64sb,
    "max_timestamp" / construct.Int64sb,
    "producer_id" / construct.Int64sb,
    "producer_epoch" / construct.Int16sb,
    "base_sequence" / construct.Int32sb,
    "records_count" / construct.Int32sb,
)
"""The format in print. _FIELDS is the same in one step; a test holds them equal."""

UP_TO_CRC: Final = struct.Struct(">qiibI")
AFTER_CRC: Final = struct.Struct(">hiqqqhii")
_FIELDS: Final = struct.Struct(UP_TO_CRC.format + AFTER_CRC.format[1:])

# Where fields stand, for those who look at one of them alone.
LENGTH_AT: Final = 8
LENGTH_END: Final = 12  # batch_length counts what follows it
MAGIC_AT: Final = 16  # what stands before it, the broker writes anew
CRC_AT: Final = 17
ATTRIBUTES_AT: Final = 21  # the CRC is of everything from here on
PRODUCER_ID_AT: Final = 43
HEADER_BYTES: Final = 61
LENGTH_MIN: Final = HEADER_BYTES - LENGTH_END  # batch_length of a batch without records


class BatchError(ValueError):
    """These bytes are no record batch, or not one that can be read; the text says why."""


class BatchHeader(NamedTuple):
    """The header of a batch, as it stands in the bytes: nothing has been checked.

    Offsets, sequences and timestamps (ms since 1970) mean what Kafka means by them; -1 is "none"
    for producer_id, producer_epoch, base_sequence and partition_leader_epoch.
    """

    base_offset: int
    batch_length: int
    partition_leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records_count: int

    @property
    def size_bytes(self) -> int:
        """The whole batch, header and all."""
        return LENGTH_END + self.batch_length

    @property
    def last_offset(self) -> int:
        """Inclusive."""
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        """The offset of whatever follows this batch."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def last_sequence(self) -> int:
        """Inclusive, on the ring; -1 when the batch has no sequence."""
        if self.base_sequence < 0:
            return -1
        return sequence.add(self.base_sequence, self.last_offset_delta)

    @property
    def codec(self) -> int:
        """0…7: a Codec, or a number that is none."""
        return self.attributes & CODEC_BITS

    @property
    def is_log_append_time(self) -> bool:
        """True when max_timestamp, the broker's, stands for every record's timestamp."""
        return bool(self.attributes & LOG_APPEND_TIME_BIT)

    @property
    def is_transactional(self) -> bool:
        """True for data and markers of a transaction."""
        return bool(self.attributes & TRANSACTIONAL_BIT)

    @property
    def is_control(self) -> bool:
        """True for a transaction marker, which no application sees."""
        return bool(self.attributes & CONTROL_BIT)


def read_header(buf: Buffer, position: int = 0) -> BatchHeader:
    """The header at `position` (≥ 0). Raises BatchError when fewer than 61 bytes are there."""
    try:
        return tuple.__new__(BatchHeader, _FIELDS.unpack_from(buf, position))
    except struct.error:
        raise BatchError(
            f"a batch header takes {HEADER_BYTES} bytes, and {len(buf) - position} are left"
        ) from None


def crc_is_valid(buf: Buffer, header: BatchHeader, position: int = 0) -> bool:
    """Whether the batch at `position` is all there and its CRC-32C holds."""
    end = position + LENGTH_END + header.batch_length
    if end > len(buf) or header.batch_length < LENGTH_MIN:
        return False
    return bool(crc32c(memoryview(buf)[position + ATTRIBUTES_AT : end]) == header.crc)


def headers_in(buf: Buffer) -> Iterator[tuple[int, BatchHeader]]:
    """The position and header of each whole batch in `buf`; a batch that is cut short ends it.

    Raises: BatchError at a batch_length that no batch can have. CRCs are not checked.
    """
    position, size = 0, len(buf)
    while position + HEADER_BYTES <= size:
        header = read_header(buf, position)
        end = position + header.size_bytes
        if end < position + HEADER_BYTES:
            raise BatchError(f"batch_length {header.batch_length} at byte {position}")
        if end > size:
            return
        yield position, header
        position = end
