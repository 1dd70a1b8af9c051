"""One batch on its way to a partition: its record bytes, and what has become of it.

Records are encoded as they are appended, so that sealing a batch is one header and one CRC.
`seal` stamps producer id, epoch and sequence; the bytes stay the same until it is called again,
which happens only when it is certain that no earlier bytes of this batch were stored (sender.py).
Source: DefaultRecord.writeTo, DefaultRecordBatch.writeHeader.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Final, NamedTuple

from crc32c import crc32c

from ..protocol import sequence
from ..protocol.batch import HEADER_BYTES, MAGIC, RecordHeader
from ..protocol.compression import Codec, compress
from .errors import ClientError

RECORD_OVERHEAD_MAX: Final = 32  # bytes of a record beside key, value and headers, at most
HEADER_OVERHEAD_MAX: Final = 10
NO_PRODUCER_ID: Final = -1
NO_EPOCH: Final = -1
NO_SEQUENCE: Final = -1
OFFSET_UNKNOWN: Final = -1

_HEADER: Final = Struct(">qiibIhiqqqhii")
_CRC: Final = Struct(">I")
_CRC_AT: Final = 17
_CRC_FROM: Final = 21
_BEFORE_LENGTH: Final = 12  # what batch_length does not count
_EMPTY_HEADER: Final = bytes(HEADER_BYTES)


def _varint(number: int) -> bytes:
    """`number` (64 bits at most) as a zig-zag varint."""
    zigzag = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while zigzag >= 0x80:
        encoded.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    encoded.append(zigzag)
    return bytes(encoded)


_VARINTS_KEPT: Final = 1024
_VARINTS: Final = tuple(_varint(number) for number in range(_VARINTS_KEPT))
_NULL: Final = _varint(-1)


class Stored(NamedTuple):
    """A batch the broker has acknowledged.

    base_offset is OFFSET_UNKNOWN where only the fact is known; log_append_time_ms is -1 unless
    the broker stamps records.
    """

    base_offset: int
    log_append_time_ms: int
    log_start_offset: int


class ProducerBatch:
    """Records of one partition, sent together.

    Attributes:
        created_at_ms: when its first record was handed to `send`; delivery_timeout_ms counts
            from here.
        outcome: None until it is known; then Stored or the error.
        sends: how often it was handed to a connection.
        is_unknown: an attempt was made of which nobody knows whether it was stored.
        is_on_wire: an attempt has not been answered yet.
        is_refused: the newest answer was that the sequence does not follow.
        is_passed: a later batch of the same epoch was stored.
    """

    __slots__ = (
        "_body",
        "_sealed",
        "base_sequence",
        "base_timestamp",
        "buffer",
        "codec",
        "count",
        "created_at_ms",
        "is_on_wire",
        "is_passed",
        "is_refused",
        "is_unknown",
        "max_timestamp",
        "on_done",
        "outcome",
        "partition",
        "producer_epoch",
        "producer_id",
        "sends",
        "topic",
    )

    def __init__(self, topic: str, partition: int, codec: Codec, created_at_ms: float) -> None:
        self.topic = topic
        self.partition = partition
        self.codec = codec
        self.created_at_ms = created_at_ms
        self.buffer = bytearray(_EMPTY_HEADER)
        self.count = 0
        self.base_timestamp = 0
        self.max_timestamp = 0
        self.producer_id = NO_PRODUCER_ID
        self.producer_epoch = NO_EPOCH
        self.base_sequence = NO_SEQUENCE
        self.sends = 0
        self.is_unknown = False
        self.is_on_wire = False
        self.is_refused = False
        self.is_passed = False
        self.outcome: Stored | ClientError | None = None
        self.on_done: list[Callable[[], None]] = []
        self._body: bytes | None = None  # the packed records, once they were packed
        self._sealed: bytes | bytearray | None = None

    @property
    def name(self) -> str:
        """topic-partition, for texts."""
        return f"{self.topic}-{self.partition}"

    @property
    def possibly_persisted(self) -> bool:
        """Whether the broker may hold these records without having said so."""
        return self.is_unknown or self.is_on_wire

    def append(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[RecordHeader],
        timestamp: int,
    ) -> None:
        """Encode one record behind the others."""
        count = self.count
        if count == 0:
            self.base_timestamp = self.max_timestamp = timestamp
            delta = 0
        else:
            delta = timestamp - self.base_timestamp
            self.max_timestamp = max(self.max_timestamp, timestamp)
        kept = _VARINTS
        delta_bytes = kept[delta] if 0 <= delta < _VARINTS_KEPT else _varint(delta)
        index_bytes = kept[count] if count < _VARINTS_KEPT else _varint(count)
        if key is None:
            key_length, key = _NULL, b""
        else:
            size = len(key)
            key_length = kept[size] if size < _VARINTS_KEPT else _varint(size)
        if value is None:
            value_length, value = _NULL, b""
        else:
            size = len(value)
            value_length = kept[size] if size < _VARINTS_KEPT else _varint(size)
        tail = _encoded_headers(headers) if headers else b"\0"
        record = b"".join(
            (b"\0", delta_bytes, index_bytes, key_length, key, value_length, value, tail)
        )
        size = len(record)
        buffer = self.buffer
        buffer += kept[size] if size < _VARINTS_KEPT else _varint(size)
        buffer += record
        self.count = count + 1

    def seal(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        """Stamp the batch; `wire` is what to send from now on, any number of times."""
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.base_sequence = base_sequence
        sealed = self.buffer
        if self.codec != Codec.NONE:
            if self._body is None:
                self._body = compress(self.codec, bytes(memoryview(self.buffer)[HEADER_BYTES:]))
            sealed = bytearray(HEADER_BYTES) + self._body
        elif self._sealed is not None:
            sealed = bytearray(sealed)  # the old bytes may still lie in a socket's buffer
        _HEADER.pack_into(
            sealed,
            0,
            0,
            len(sealed) - _BEFORE_LENGTH,
            -1,
            MAGIC,
            0,
            self.codec,
            self.count - 1,
            self.base_timestamp,
            self.max_timestamp,
            producer_id,
            producer_epoch,
            base_sequence,
            self.count,
        )
        _CRC.pack_into(sealed, _CRC_AT, crc32c(memoryview(sealed)[_CRC_FROM:]))
        self._sealed = sealed

    @property
    def wire(self) -> bytes | bytearray:
        """The sealed batch."""
        assert self._sealed is not None, "a batch is sealed before it is sent"
        return self._sealed

    @property
    def next_sequence(self) -> int:
        """What the batch behind this one begins with."""
        return sequence.add(self.base_sequence, self.count)

    def complete(self, outcome: Stored | ClientError) -> None:
        """Make the outcome known; the first one counts."""
        if self.outcome is not None:
            return
        self.outcome = outcome
        waiting, self.on_done = self.on_done, []
        for call in waiting:
            call()

    def describe(self) -> str:
        """Topic-partition, producer id, epoch and sequences, for texts."""
        records = f"{self.count} record{'s' if self.count > 1 else ''} for {self.name}"
        if self.base_sequence < 0:
            return records
        last = sequence.last_of(self.base_sequence, self.count)
        return (
            f"{records} (producer id {self.producer_id}, epoch {self.producer_epoch}, "
            f"sequences {self.base_sequence} to {last})"
        )


def record_bytes_max(
    key: bytes | None, value: bytes | None, headers: Sequence[RecordHeader]
) -> int:
    """How much a record may add to a batch; a little too much rather than too little."""
    size = RECORD_OVERHEAD_MAX + len(key or b"") + len(value or b"")
    for name, content in headers:
        size += HEADER_OVERHEAD_MAX + 4 * len(name) + len(content or b"")
    return size


def _encoded_headers(headers: Sequence[RecordHeader]) -> bytes:
    parts = [_varint(len(headers))]
    for name, content in headers:
        encoded = name.encode()
        parts += (_varint(len(encoded)), encoded)
        parts += (_NULL,) if content is None else (_varint(len(content)), content)
    return b"".join(parts)
