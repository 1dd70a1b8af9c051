"""Batches and records as they are shown: what a batch says of itself, and whether it holds. Pure.

Tests: tests/unit/console/reading/test_batches.py
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ...client.fetch.isolation import Visibility
from ...protocol import sequence
from ...protocol.batch.control import read_marker
from ...protocol.batch.header import BatchError, BatchHeader, crc_is_valid, headers_in
from ...protocol.batch.reading import records_in
from ...protocol.batch.runs import Record
from ...protocol.compression import Codec, MissingCodecError

UNPACKED_BYTES_MAX = 32 * 1024 * 1024  # of one batch: what is larger is not opened for a page


@dataclass(frozen=True, slots=True)
class BatchView:
    """One batch as it lies in the log.

    Attributes:
        codec: its name, or its number if it has none.
        trouble: why its records cannot be shown; "" if they can.
        marker: "commit" or "abort" of a transaction's marker, else "".
        is_hidden: whether readers of committed records do not get it.
    """

    partition: int
    header: BatchHeader
    codec: str
    crc_is_valid: bool
    trouble: str
    marker: str
    is_hidden: bool = False

    @property
    def has_producer(self) -> bool:
        """Whether it bears a producer id, and is told from its retry by it."""
        return self.header.producer_id >= 0


@dataclass(frozen=True, slots=True)
class RecordView:
    """One record and the batch it came in."""

    record: Record
    batch: BatchView

    @property
    def partition(self) -> int:
        """Where it lies."""
        return self.batch.partition

    @property
    def sequence(self) -> int:
        """Its producer's number for it; -1 without a producer id."""
        first = self.batch.header.base_sequence
        if first < 0:
            return -1
        return sequence.add(first, self.record.offset - self.batch.header.base_offset)

    @property
    def size_bytes(self) -> int:
        """Of key and value."""
        return len(self.record.key or b"") + len(self.record.value or b"")


def views_in(
    data: bytes, partition: int, visibility: Visibility | None = None
) -> Iterator[tuple[BatchView, list[RecordView]]]:
    """Each whole batch with its records; a batch that cannot be opened has none, and says why.

    Args:
        visibility: leaves out what readers of committed records do not get.
    Raises: ValueError: these are no batches.
    """
    whole = memoryview(data)
    try:
        for position, header in headers_in(whole):
            bytes_of = whole[position : position + header.size_bytes]
            view, records = _viewed(bytes_of, header, partition)
            if visibility is None or visibility.shows(header, bytes_of):
                yield view, records
            else:
                yield replace(view, is_hidden=not view.marker), []
    except BatchError as error:
        raise ValueError(f"the broker sent no batches: {error}") from None


def _viewed(
    data: memoryview, header: BatchHeader, partition: int
) -> tuple[BatchView, list[RecordView]]:
    records: list[Record] = []
    trouble = marker = ""
    try:
        if header.is_control:
            found = read_marker(data)
            marker = "commit" if found is not None and found.is_commit else "abort"
        else:
            records = records_in(data, decompressed_bytes_max=UNPACKED_BYTES_MAX)
    except (BatchError, MissingCodecError) as error:
        trouble = str(error)
    known = header.codec in list(Codec)
    view = BatchView(
        partition,
        header,
        Codec(header.codec).name.lower() if known else str(header.codec),
        crc_is_valid(data, header),
        trouble,
        marker,
    )
    return view, [RecordView(each, view) for each in records]
