"""The files of a journal: head, frames and note, and what may be cut from a journal's end.

    journal := head frame*          head  := "MBSESSN\\n" format u32, generation u64, crc u32
    frame   := "MBFR" crc u32, length u32, generation u64, position u64, flushed u64, body
    flushed := generation u64, position u64, crc u32         (the note, a file of its own)

A CRC is CRC-32C of what stands behind it, in head and note of what stands before it; `length` is
the body's. Each frame names the byte at which it begins, so that a journal inside of a record is
not taken for one, and up to which byte the journal had been flushed when the frame was written.
What does not hold is cut only where nothing says that it had been flushed: no valid frame behind
it, and not the note, which is written in place after each flush. Power loss may tear what was
written last in any order; it never takes what had been flushed: then something else went wrong.
Read next: journal_recovery.py.
Tests: tests/unit/client/session/test_journal_recovery.py
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from crc32c import crc32c

FORMAT_VERSION: Final = 1
HEAD_MAGIC: Final = b"MBSESSN\n"
FRAME_MAGIC: Final = b"MBFR"
_HEAD: Final = struct.Struct(">8sIQ")
_FRAME: Final = struct.Struct(">IQQQ")  # behind magic and CRC
_NOTE: Final = struct.Struct(">QQ")
_CRC: Final = struct.Struct(">I")
HEAD_BYTES: Final = _HEAD.size + _CRC.size
_CRC_END: Final = len(FRAME_MAGIC) + _CRC.size
FRAME_HEADER_BYTES: Final = _CRC_END + _FRAME.size
NOTE_BYTES: Final = _NOTE.size + _CRC.size
BODY_BYTES_MAX: Final = 2**32 - 1


class Note(NamedTuple):
    """Up to where a journal had been flushed, in the file beside it.

    Args:
        generation: of the journal it speaks of; a rewritten one has the next.
        position: exclusive.
    """

    generation: int
    position: int


class Damage(ValueError):
    """A journal is not what had been flushed."""

    def __init__(self, position: int, why: str) -> None:
        super().__init__(why)
        self.position = position
        self.why = why


class NewerVersion(ValueError):
    """A journal of a format that is not known yet."""

    def __init__(self, version: int) -> None:
        super().__init__(f"format {version}")
        self.version = version


class Frame(NamedTuple):
    """One frame of a journal, valid.

    Args:
        position, end: where it begins and ends in the file.
        flushed: the journal had been flushed up to here when it was written.
    """

    position: int
    end: int
    flushed: int
    body: memoryview


def head(generation: int) -> bytes:
    """What a journal begins with."""
    return _with_crc(_HEAD.pack(HEAD_MAGIC, FORMAT_VERSION, generation))


def frame(body: Sequence[bytes], generation: int, position: int, flushed: int) -> list[bytes]:
    """A frame for the byte `position` of a journal; it and the body are given in buffers."""
    size = sum(map(len, body))
    assert size <= BODY_BYTES_MAX, "a group of entries has less than 4 GiB"
    fields = _FRAME.pack(size, generation, position, flushed)
    crc = crc32c(fields)
    for buffer in body:
        crc = crc32c(buffer, crc)
    return [b"".join((FRAME_MAGIC, _CRC.pack(crc), fields)), *body]


def note(generation: int, position: int) -> bytes:
    """The note of a flush."""
    return _with_crc(_NOTE.pack(generation, position))


def read_note(data: bytes) -> Note | None:
    """The note in a file; None for one that does not hold: then it says nothing."""
    if len(data) < NOTE_BYTES or data[:NOTE_BYTES] != _with_crc(data[: _NOTE.size]):
        return None
    return Note(*_NOTE.unpack_from(data))


def read_head(data: bytes) -> int:
    """The generation of a journal. Raises Damage, NewerVersion."""
    if len(data) < HEAD_BYTES or not data.startswith(HEAD_MAGIC):
        raise Damage(0, "it does not begin as a journal does")
    _, version, generation = _HEAD.unpack_from(data)
    if version > FORMAT_VERSION:
        raise NewerVersion(version)
    if data[:HEAD_BYTES] != _with_crc(data[: _HEAD.size]):
        raise Damage(0, "the CRC of its head is wrong")
    return int(generation)


def frames(data: bytes, generation: int) -> Iterator[Frame]:
    """The valid frames of a journal, from the first on, up to the first that does not hold."""
    view, position = memoryview(data), HEAD_BYTES
    while (found := _frame_at(view, generation, position)) is not None:
        yield found
        position = found.end


def check_tail(data: bytes, generation: int, end: int, noted: Note | None) -> None:
    """Raise Damage unless all that stands at `end` and behind may be cut.

    Args:
        end: where the valid frames end.
        noted: what the note says, if there is one.
    """
    if end == HEAD_BYTES:
        raise Damage(end, "its first frame does not hold")
    if noted is not None and noted.generation > generation:
        raise Damage(0, "it is older than the note beside it says: an earlier copy was put back")
    if noted is not None and noted.generation == generation and noted.position > end:
        raise Damage(end, f"the frame there does not hold, and {_flushed(noted.position)}")
    view, at = memoryview(data), end
    while (at := data.find(FRAME_MAGIC, at)) >= 0:
        later = _frame_at(view, generation, at)
        if later is not None and later.flushed > end:
            why = f"the frame there does not hold, and one at byte {at} says that"
            raise Damage(end, f"{why} {_flushed(later.flushed)}")
        at += 1


def _flushed(position: int) -> str:
    return f"all before byte {position} had been flushed"


def _frame_at(view: memoryview, generation: int, position: int) -> Frame | None:
    begin = position + FRAME_HEADER_BYTES
    if begin > len(view) or bytes(view[position : position + 4]) != FRAME_MAGIC:
        return None
    length, of, at, flushed = _FRAME.unpack_from(view, position + _CRC_END)
    end = begin + length
    if of != generation or at != position or end > len(view):
        return None
    (crc,) = _CRC.unpack_from(view, position + len(FRAME_MAGIC))
    if crc32c(view[position + _CRC_END : end]) != crc:
        return None
    return Frame(position, end, flushed, view[begin:end])


def _with_crc(data: bytes) -> bytes:
    return data + _CRC.pack(crc32c(data))
