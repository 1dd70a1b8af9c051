"""One batch as a reader sees it; its records are decoded only where somebody has to look at them.

Pure. Copies of a batch differ in who sent them (producer id, sequence, leader epoch), so that bytes
are compared from the records on, and of the header what gives records their meaning.
Source: DefaultRecordBatch.java.   Read next: pairing.py.
Tests: tests/unit/cli/comparing/test_pairing.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from ...client.fetch.isolation import Visibility
from ...protocol.batch.header import (
    CODEC_BITS,
    HEADER_BYTES,
    LOG_APPEND_TIME_BIT,
    BatchError,
    BatchHeader,
    Buffer,
    crc_is_valid,
    headers_in,
)
from ...protocol.batch.reading import records_in
from ...protocol.batch.runs import Record
from ...protocol.compression import MissingCodecError
from ...protocol.messages.fetch import AbortedTransaction

MEANING: Final = CODEC_BITS | LOG_APPEND_TIME_BIT


class Unreadable(Exception):
    """The bytes of a batch are no records; the text says why."""


class Piece:
    """One whole batch that is neither a marker nor part of what was aborted."""

    __slots__ = ("header", "wire")

    def __init__(self, header: BatchHeader, wire: Buffer) -> None:
        self.header = header
        self.wire = wire

    def is_copy_of(self, other: Piece) -> bool:
        """Whether both hold the same records, as far as bytes can tell; offsets aside."""
        mine, theirs = self.header, other.header
        return (
            mine.batch_length == theirs.batch_length
            and mine.records_count == theirs.records_count
            and mine.last_offset_delta == theirs.last_offset_delta
            and mine.base_timestamp == theirs.base_timestamp
            and mine.max_timestamp == theirs.max_timestamp
            and not (mine.attributes ^ theirs.attributes) & MEANING
            and memoryview(self.wire)[HEADER_BYTES:] == memoryview(other.wire)[HEADER_BYTES:]
        )

    def records(self, begin: int, end: int) -> list[Record]:
        """Its records at `begin` or behind it, before `end`.

        Raises:
            Unreadable: a wrong CRC, or bytes that are no records.
        """
        header = self.header
        where = f"the batch at offset {header.base_offset}"
        if not crc_is_valid(self.wire, header):
            raise Unreadable(f"{where}: its CRC does not match its bytes")
        try:
            records = records_in(self.wire)
        except (BatchError, MissingCodecError) as error:
            raise Unreadable(f"{where}: {error}") from error
        if header.base_offset < begin or header.next_offset > end:
            return [record for record in records if begin <= record.offset < end]
        return records


def pieces_in(
    records: Buffer, aborted: Iterable[AbortedTransaction], begin: int, end: int
) -> Iterator[Piece]:
    """What of a Fetch answer a reader sees, of offsets `begin` to `end`, exclusive.

    Raises:
        Unreadable: the bytes are no batches.
    """
    visibility = Visibility(aborted, check_crcs=True)
    view = memoryview(records)
    try:
        for at, header in headers_in(view):
            wire = view[at : at + header.size_bytes]
            is_wanted = begin < header.next_offset and header.base_offset < end
            if visibility.shows(header, wire) and header.records_count and is_wanted:
                yield Piece(header, wire)
    except BatchError as error:
        raise Unreadable(str(error)) from error
