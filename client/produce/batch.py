"""One batch on its way to a partition: its records in columns, and what has become of it.

Records are collected as they come and encoded together when the batch is sealed (record_encoding).
`seal` stamps producer id, epoch and sequence; the bytes stay the same until it is called again,
which happens only when it is certain that no earlier bytes of this batch were stored (sender.py).
Source: DefaultRecordBatch.writeHeader, ProducerBatch.java.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from ...protocol import sequence
from ...protocol.batch.writing import with_header
from ...protocol.compression import Codec, compress
from ..door.record_encoding import plain_records, records
from ..errors import ClientError

RECORD_OVERHEAD_MAX: Final = 21  # bytes of a record beside key, value and headers, at most
PLAIN_OVERHEAD_MAX: Final = 16  # the same without key, with a value below PLAIN_VALUE_END
PLAIN_VALUE_END: Final = 8_192
NO_PRODUCER_ID: Final = -1
NO_EPOCH: Final = -1
NO_SEQUENCE: Final = -1
OFFSET_UNKNOWN: Final = -1
TRANSACTIONAL: Final = 0x10  # of a batch's attributes


class StoredAt(NamedTuple):
    """A batch the broker has acknowledged.

    base_offset is OFFSET_UNKNOWN where only the fact is known; log_append_time_ms is -1 unless
    the broker stamps records.
    """

    base_offset: int
    log_append_time_ms: int
    log_start_offset: int


class Split(NamedTuple):
    """A batch that was too large for the broker, and the batches that took its place, in order."""

    pieces: tuple[ProducerBatch, ...]


class Home(Protocol):
    """Where a batch belongs; it is told what may not go unnoticed."""

    def on_awaited(self, batch: ProducerBatch) -> None:
        """Somebody is about to wait for the outcome, perhaps from a place that must not."""

    def on_unheard(self, batch: ProducerBatch) -> None:
        """It has failed, and nobody waits to hear of it."""


class ProducerBatch:
    """Records of one partition, sent together.

    Attributes:
        values, timestamps: of each record; timestamps in ms, whole numbers once it is sealed.
        keys, headers: by index, of the records that have some; headers encoded.
        room: bytes that still fit into its memory; below 0 when nothing may be added any more.
        reserved_bytes: its share of buffer_memory.
        growth_bytes: by how much that may grow.
        created_at_ms: when the `send` of its first record began; delivery_timeout_ms counts
            from here.
        outcome: None until it is known; then StoredAt, the error, or Split.
        sends: how often it was handed to a connection.
        is_awaited: somebody waits for the outcome, so that lingering would only cost time.
        is_heard: somebody will be told the outcome: who waits in flush() is not.
        home: None for one that nobody looks after.
        is_unknown: an attempt was made of which nobody knows whether it was stored.
        is_on_wire: an attempt has not been answered yet.
        is_refused: the newest answer was that the sequence does not follow.
        is_passed: a later batch of the same epoch was stored.
        is_transactional: it is sealed as part of a transaction.
    """

    __slots__ = (
        "_body",
        "_filled_bytes",
        "_is_plain",
        "_is_rising",
        "_sealed",
        "base_sequence",
        "codec",
        "created_at_ms",
        "growth_bytes",
        "headers",
        "home",
        "is_awaited",
        "is_heard",
        "is_on_wire",
        "is_passed",
        "is_refused",
        "is_transactional",
        "is_unknown",
        "keys",
        "on_done",
        "outcome",
        "partition",
        "producer_epoch",
        "producer_id",
        "reserved_bytes",
        "room",
        "sends",
        "timestamps",
        "topic",
        "values",
    )

    def __init__(
        self, topic: str, partition: int, codec: Codec, created_at_ms: float, *, room: int
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.codec = codec
        self.created_at_ms = created_at_ms
        self.room = self.reserved_bytes = room
        self.growth_bytes = 0
        self.values: list[bytes | None] = []
        self.keys: dict[int, bytes] = {}
        self.headers: dict[int, bytes] = {}
        self.timestamps: list[float] = []
        self.producer_id = NO_PRODUCER_ID
        self.producer_epoch = NO_EPOCH
        self.base_sequence = NO_SEQUENCE
        self.sends = 0
        self.is_awaited = False
        self.is_heard = False
        self.is_unknown = False
        self.is_on_wire = False
        self.is_refused = False
        self.is_passed = False
        self.is_transactional = False
        self.outcome: StoredAt | Split | ClientError | None = None
        self.home: Home | None = None
        self.on_done: list[Callable[[], None]] = []
        self._filled_bytes = 0
        self._is_plain = True
        self._is_rising = False  # of the timestamps; known when it is packed
        self._body: bytes | None = None  # the packed records, once they were packed
        self._sealed: bytes | None = None

    @property
    def count(self) -> int:
        """How many records it has."""
        return len(self.timestamps)

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
        headers: bytes,
        timestamp: float,
        size_bytes: int,
    ) -> None:
        """Add one record of any kind behind the others."""
        if key is not None or headers or value is None:
            self._is_plain = False
        if key is not None:
            self.keys[len(self.values)] = key
        if headers:
            self.headers[len(self.values)] = headers
        self.values.append(value)
        self.timestamps.append(timestamp)
        self.room -= size_bytes

    def extend(self, values: Sequence[bytes], timestamp: float, size_bytes: int) -> None:
        """Add records that are values and nothing else."""
        self.values += values
        self.timestamps += [timestamp] * len(values)
        self.room -= size_bytes

    def close(self) -> None:
        """Nothing is added any more."""
        if self.room >= 0:
            self._filled_bytes = self.reserved_bytes - self.room
            self.room = -1
            self.growth_bytes = 0

    @property
    def size_bytes(self) -> int:
        """What its records take, before compression; a little too much rather than too little."""
        return self._filled_bytes if self.room < 0 else self.reserved_bytes - self.room

    def seal(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        """Stamp the batch; `wire` is what to send from now on, any number of times."""
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.base_sequence = base_sequence
        if self._body is None:
            stamps = [*map(int, self.timestamps)]
            self._body = self._packed(stamps)
            self.timestamps[:] = stamps
        after_crc = (
            self.codec | TRANSACTIONAL if self.is_transactional else self.codec,
            self.count - 1,
            int(self.timestamps[0]),
            int(self.timestamps[-1] if self._is_rising else max(self.timestamps)),
            producer_id,
            producer_epoch,
            base_sequence,
            self.count,
        )
        self._sealed = with_header(self._body, after_crc)

    def _packed(self, stamps: list[int]) -> bytes:
        first = stamps[0]
        deltas = [stamp - first for stamp in stamps]
        self._is_rising = deltas == sorted(deltas)
        if self._is_plain and self._is_rising:
            body = plain_records(self.values, deltas)  # type: ignore[arg-type]  # all are bytes
        else:
            body = records(self.values, self.keys, self.headers, deltas)
        return body if self.codec == Codec.NONE else compress(self.codec, body)

    @property
    def wire(self) -> bytes:
        """The sealed batch."""
        assert self._sealed is not None, "a batch is sealed before it is sent"
        return self._sealed

    @property
    def next_sequence(self) -> int:
        """What the batch behind this one begins with."""
        return sequence.add(self.base_sequence, self.count)

    def split(self) -> tuple[ProducerBatch, ProducerBatch]:
        """Two batches with half of the records each, sealed under the same sequences."""
        half = self.count // 2
        first, second = self._part(0, half), self._part(half, self.count)
        first.seal(self.producer_id, self.producer_epoch, self.base_sequence)
        behind = first.next_sequence if self.base_sequence >= 0 else NO_SEQUENCE
        second.seal(self.producer_id, self.producer_epoch, behind)
        return first, second

    def _part(self, first: int, end: int) -> ProducerBatch:
        part = ProducerBatch(self.topic, self.partition, self.codec, self.created_at_ms, room=0)
        part.values = self.values[first:end]
        part.keys = {n - first: each for n, each in self.keys.items() if first <= n < end}
        part.headers = {n - first: each for n, each in self.headers.items() if first <= n < end}
        part.timestamps = self.timestamps[first:end]
        part.is_awaited = self.is_awaited
        part.is_heard = self.is_heard
        part.home = self.home
        part.sends = self.sends
        part.is_unknown = self.is_unknown
        part.is_transactional = self.is_transactional
        part._is_plain = self._is_plain
        part.close()
        return part

    def complete(self, outcome: StoredAt | Split | ClientError) -> None:
        """Make the outcome known; the first one counts."""
        if self.outcome is not None:
            return
        self.outcome = outcome
        waiting, self.on_done = self.on_done, []
        for call in waiting:
            call()
        if self.home is not None and not self.is_heard and isinstance(outcome, ClientError):
            self.home.on_unheard(self)

    def forget_records(self) -> None:
        """Free what is needed no more; receipts still know their timestamps."""
        self.values = []
        self.keys, self.headers = {}, {}
        self._body = self._sealed = None

    def describe(self) -> str:
        """Topic-partition, producer id, epoch and sequences, for texts."""
        what = f"{self.count} record{'s' if self.count > 1 else ''} for {self.name}"
        if self.base_sequence < 0:
            return what
        last = sequence.last_of(self.base_sequence, self.count)
        return (
            f"{what} (producer id {self.producer_id}, epoch {self.producer_epoch}, "
            f"sequences {self.base_sequence} to {last})"
        )


def record_bytes_max(key: bytes | None, value: bytes | None, headers: bytes) -> int:
    """How much a record may add to a batch; a little too much rather than too little."""
    if key is None and not headers and value is not None and len(value) < PLAIN_VALUE_END:
        return PLAIN_OVERHEAD_MAX + len(value)
    return RECORD_OVERHEAD_MAX + len(key or b"") + len(value or b"") + len(headers)
