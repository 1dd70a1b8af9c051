"""Entries as bytes: the body of a frame. All numbers are big-endian.

    body    := entry*                       entry := kind u8, fields, one after another
    text    := length u32, UTF-8            bytes := length u32, bytes
    source  := u8 (0: no name, 1: text)     position := u8 (0 int, 1 text, 2 bytes), bytes
    array   := count u32, items

An int position is two's complement. What cannot be read is CodecError.
Read next: journal_frames.py.
Tests: tests/unit/client/session/test_journal_codec.py
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from .entries import (
    Confirmation,
    Confirmed,
    Cut,
    Entry,
    Identity,
    Position,
    Refused,
    RefusedBatch,
    Restamped,
    Settled,
    Snapshot,
    Source,
    Split,
    Taken,
)
from .open_batch import Floor, OpenBatch

T = TypeVar("T")

LARGE_BYTES: Final = 4_096  # of a buffer that is not copied

_U8: Final = struct.Struct(">B")
_U32: Final = struct.Struct(">I")
_IDENTITY: Final = struct.Struct(">qh")
_FLOOR: Final = struct.Struct(">iqhq16siii")
_BATCH: Final = struct.Struct(">q16siqhiii")
_BATCH_AND_LENGTH: Final = struct.Struct(">q16siqhiiiI")  # of the bytes behind it
_RESTAMPED: Final = struct.Struct(">qqhi")
_CONFIRMATION: Final = struct.Struct(">qqi")
_REFUSED: Final = struct.Struct(">qh")
_SETTLED: Final = struct.Struct(">qB")
_NUMBER: Final = struct.Struct(">q")


class CodecError(ValueError):
    """These bytes are no entries."""


def encode(entries: Sequence[Entry]) -> list[bytes]:
    """A group of entries as one body, in buffers: a large one costs less to write than to copy."""
    out: list[bytes] = []
    for entry in entries:
        kind = KINDS[type(entry)]
        out.append(_U8.pack(kind))
        _WRITERS[kind](out, entry)
    buffers: list[bytes] = []
    small: list[bytes] = []
    for each in out:
        if len(each) < LARGE_BYTES:
            small.append(each)
        else:
            buffers += (b"".join(small), each)
            small.clear()
    return [*buffers, b"".join(small)]


def decode(body: bytes | memoryview) -> list[Entry]:
    """The entries of a body. Raises CodecError."""
    reader = _Reader(memoryview(body))
    entries: list[Entry] = []
    while not reader.is_at_end:
        (kind,) = reader.take(_U8)
        read = _READERS.get(kind)
        if read is None:
            raise CodecError(f"an entry of kind {kind} is not known")
        entries.append(read(reader))
    return entries


class _Reader:
    """Takes values from the front of a body."""

    def __init__(self, body: memoryview) -> None:
        self._body = body
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._body)

    def take(self, form: struct.Struct) -> tuple[Any, ...]:
        if len(self._body) - self._at < form.size:
            raise CodecError("an entry is cut off")
        values = form.unpack_from(self._body, self._at)
        self._at += form.size
        return values

    def bytes(self) -> bytes:
        (length,) = self.take(_U32)
        if len(self._body) - self._at < length:
            raise CodecError("an entry is cut off")
        self._at += length
        return bytes(self._body[self._at - length : self._at])

    def text(self) -> str:
        try:
            return self.bytes().decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise CodecError(f"a text is not UTF-8: {error}") from error

    def source(self) -> Source:
        (is_named,) = self.take(_U8)
        return self.text() if is_named else None

    def position(self) -> Position:
        (form,) = self.take(_U8)
        if form == 0:
            return int.from_bytes(self.bytes(), "big", signed=True)
        if form == 1:
            return self.text()
        if form == 2:
            return self.bytes()
        raise CodecError(f"a position of form {form} is not known")

    def array(self, read: Callable[[_Reader], T]) -> tuple[T, ...]:
        (count,) = self.take(_U32)
        if count > len(self._body) - self._at:  # every item takes a byte at least
            raise CodecError("an array is longer than its entry")
        return tuple(read(self) for _ in range(count))


def _put_bytes(out: list[bytes], value: bytes) -> None:
    out += (_U32.pack(len(value)), value)


def _put_text(out: list[bytes], value: str) -> None:
    _put_bytes(out, value.encode("utf-8", "surrogatepass"))


def _put_source(out: list[bytes], source: Source) -> None:
    out.append(_U8.pack(source is not None))
    if source is not None:
        _put_text(out, source)


def _put_position(out: list[bytes], position: Position) -> None:
    if isinstance(position, int):
        out.append(_U8.pack(0))
        _put_bytes(out, position.to_bytes(position.bit_length() // 8 + 1, "big", signed=True))
    elif isinstance(position, str):
        out.append(_U8.pack(1))
        _put_text(out, position)
    else:
        out.append(_U8.pack(2))
        _put_bytes(out, position)


def _put_array(
    out: list[bytes], put: Callable[[list[bytes], Any], None], items: Sequence[Any]
) -> None:
    out.append(_U32.pack(len(items)))
    for item in items:
        put(out, item)


def _put_identity(out: list[bytes], entry: Identity) -> None:
    out.append(_IDENTITY.pack(entry.producer_id, entry.producer_epoch))
    _put_source(out, entry.transactional_id)


def _identity(reader: _Reader) -> Identity:
    producer_id, producer_epoch = reader.take(_IDENTITY)
    return Identity(producer_id, producer_epoch, reader.source())


def _put_floor(out: list[bytes], entry: Floor) -> None:
    _put_text(out, entry.topic)
    out.append(
        _FLOOR.pack(
            entry.partition,
            entry.producer_id,
            entry.producer_epoch,
            entry.offset,
            entry.topic_id,
            entry.leader_epoch,
            entry.confirmed_sequence,
            entry.last_sequence,
        )
    )


def _floor(reader: _Reader) -> Floor:
    return Floor(reader.text(), *reader.take(_FLOOR))


def _put_batch(out: list[bytes], batch: OpenBatch) -> None:
    _put_text(out, batch.topic)
    out.append(
        _BATCH_AND_LENGTH.pack(
            batch.number,
            batch.topic_id,
            batch.partition,
            batch.producer_id,
            batch.producer_epoch,
            batch.base_sequence,
            batch.count,
            batch.leader_epoch,
            len(batch.wire),
        )
    )
    out.append(batch.wire)


def _batch(reader: _Reader) -> OpenBatch:
    topic = reader.text()
    number, topic_id, partition, producer_id, epoch, first, count, leader_epoch = reader.take(
        _BATCH
    )
    return OpenBatch(
        number,
        topic,
        topic_id,
        partition,
        producer_id,
        epoch,
        first,
        count,
        leader_epoch,
        reader.bytes(),
    )


def _put_marks(out: list[bytes], marks: Mapping[Source, Position]) -> None:
    out.append(_U32.pack(len(marks)))
    for source, position in marks.items():
        _put_source(out, source)
        _put_position(out, position)


def _marks(reader: _Reader) -> dict[Source, Position]:
    return dict(reader.array(lambda each: (each.source(), each.position())))


def _put_cut(out: list[bytes], entry: Cut) -> None:
    _put_marks(out, entry.marks)
    _put_array(out, _put_batch, entry.batches)


def _cut(reader: _Reader) -> Cut:
    return Cut(_marks(reader), reader.array(_batch))


def _put_restamped(out: list[bytes], entry: Restamped) -> None:
    ids = (entry.producer_id, entry.producer_epoch, entry.base_sequence)
    out.append(_RESTAMPED.pack(entry.number, *ids))
    _put_bytes(out, entry.wire)


def _restamped(reader: _Reader) -> Restamped:
    number, producer_id, epoch, first = reader.take(_RESTAMPED)
    return Restamped(number, producer_id, epoch, first, reader.bytes())


def _put_split(out: list[bytes], entry: Split) -> None:
    _put_number(out, entry.number)
    _put_array(out, _put_batch, entry.pieces)


def _split(reader: _Reader) -> Split:
    return Split(_number(reader), reader.array(_batch))


def _put_confirmation(out: list[bytes], each: Confirmation) -> None:
    out.append(_CONFIRMATION.pack(*each))


def _confirmation(reader: _Reader) -> Confirmation:
    return Confirmation(*reader.take(_CONFIRMATION))


def _put_confirmed(out: list[bytes], entry: Confirmed) -> None:
    _put_array(out, _put_confirmation, entry.batches)


def _confirmed(reader: _Reader) -> Confirmed:
    return Confirmed(reader.array(_confirmation))


def _put_refused(out: list[bytes], entry: Refused) -> None:
    out.append(_REFUSED.pack(entry.number, entry.code))
    _put_text(out, entry.message)


def _refused(reader: _Reader) -> Refused:
    number, code = reader.take(_REFUSED)
    return Refused(number, code, reader.text())


def _put_number(out: list[bytes], number: int) -> None:
    out.append(_NUMBER.pack(number))


def _number(reader: _Reader) -> int:
    (number,) = reader.take(_NUMBER)
    return int(number)


def _put_taken(out: list[bytes], entry: Taken) -> None:
    _put_array(out, _put_number, entry.numbers)


def _taken(reader: _Reader) -> Taken:
    return Taken(reader.array(_number))


def _put_settled(out: list[bytes], entry: Settled) -> None:
    out.append(_SETTLED.pack(entry.number, entry.stored))


def _settled(reader: _Reader) -> Settled:
    number, stored = reader.take(_SETTLED)
    return Settled(number, bool(stored))


def _put_refused_batch(out: list[bytes], each: RefusedBatch) -> None:
    _put_batch(out, each.batch)
    out.append(_REFUSED.pack(each.batch.number, each.code))
    _put_text(out, each.message)


def _refused_batch(reader: _Reader) -> RefusedBatch:
    batch = _batch(reader)
    _, code = reader.take(_REFUSED)
    return RefusedBatch(batch, code, reader.text())


def _put_snapshot(out: list[bytes], entry: Snapshot) -> None:
    _put_number(out, entry.next_number)
    _put_array(out, _put_identity, entry.identities)
    _put_marks(out, entry.marks)
    _put_array(out, _put_floor, entry.floors)
    _put_array(out, _put_batch, entry.batches)
    _put_array(out, _put_refused_batch, entry.refused)
    _put_array(out, _put_number, entry.absent)


def _snapshot(reader: _Reader) -> Snapshot:
    return Snapshot(
        _number(reader),
        reader.array(_identity),
        _marks(reader),
        reader.array(_floor),
        reader.array(_batch),
        reader.array(_refused_batch),
        reader.array(_number),
    )


_FORMS: Final[tuple[tuple[int, type, Callable[..., None], Callable[[_Reader], Entry]], ...]] = (
    (1, Snapshot, _put_snapshot, _snapshot),
    (2, Identity, _put_identity, _identity),
    (3, Floor, _put_floor, _floor),
    (4, Cut, _put_cut, _cut),
    (5, Restamped, _put_restamped, _restamped),
    (6, Split, _put_split, _split),
    (7, Confirmed, _put_confirmed, _confirmed),
    (8, Refused, _put_refused, _refused),
    (9, Taken, _put_taken, _taken),
    (10, Settled, _put_settled, _settled),
)
KINDS: Final = {form[1]: form[0] for form in _FORMS}
_WRITERS: Final = {form[0]: form[2] for form in _FORMS}
_READERS: Final = {form[0]: form[3] for form in _FORMS}
