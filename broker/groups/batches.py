"""How the records of groups stand in batches, and are read from them.

Plain records are a plain batch. Offsets that are pending are a transactional batch of their
producer id and epoch, without a sequence; a marker is a control batch, byte for byte Kafka's.
What a rewrite writes again bears a record header, which tells what its place in the log no longer
does: of a pending offset where that was, and whether it is superseded; of a committed one that it
supersedes nothing. `kafka-dump-log --offsets-decoder` reads all of it.
Source: CoordinatorPartitionWriter of Kafka.
Tests: tests/unit/broker/groups/test_batches.py, tests/interop/groups/test_groups_dump_log.py
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from ...protocol.batch.control import Marker, marker_batch, read_marker
from ...protocol.batch.header import TRANSACTIONAL_BIT, BatchHeader, Buffer, read_header
from ...protocol.batch.reading import records_in
from ...protocol.batch.runs import Record
from ...protocol.batch.writing import NewRecord, build_batch
from .records import (
    CopiedOffset,
    GroupRecord,
    OffsetRecord,
    PendingRecord,
    StateRecord,
    UnknownRecord,
    decode,
    encode,
)

COPY: Final = "copy"
_PLACE: Final = struct.Struct(">q?")  # at, is_superseded


def pack(records: Sequence[StateRecord], now_ms: int) -> bytes:
    """Records as one batch: plain ones, or pending ones of one producer, or one marker."""
    first = records[0]
    if isinstance(first, Marker):
        assert len(records) == 1, "a marker stands alone"
        return marker_batch(first, now_ms=now_ms, base_offset=0, leader_epoch=0)
    if not isinstance(first, PendingRecord):
        return build_batch([_plain(record, now_ms) for record in records])
    return build_batch(
        [_pending(record, first, now_ms) for record in records],
        attributes=TRANSACTIONAL_BIT,
        producer_id=first.producer_id,
        producer_epoch=first.producer_epoch,
    )


def unpack(batch: Buffer) -> list[StateRecord]:
    """The records of a batch. Raises UnknownRecord, DecodeError, BatchError."""
    header = read_header(batch)
    if header.is_control:
        marker = read_marker(batch)
        return [] if marker is None else [marker]
    return [_read(record, header) for record in records_in(batch)]


def _plain(record: StateRecord, now_ms: int) -> NewRecord:
    if isinstance(record, CopiedOffset):
        return (*encode(record.offset), ((COPY, b""),), now_ms)
    assert isinstance(record, OffsetRecord | GroupRecord), "nothing is mixed"
    return (*encode(record), (), now_ms)


def _pending(record: StateRecord, first: PendingRecord, now_ms: int) -> NewRecord:
    assert isinstance(record, PendingRecord), "nothing is mixed"
    assert record[:2] == first[:2], "a transactional batch is of one producer"
    headers = ((COPY, _PLACE.pack(record.at, record.is_superseded)),) if record.is_copy else ()
    return (*encode(record.offset), headers, now_ms)


def _read(record: Record, header: BatchHeader) -> StateRecord:
    read = decode(record.key or b"", record.value)
    copied = dict(record.headers).get(COPY)
    if isinstance(read, GroupRecord):
        return read
    if not header.is_transactional:
        return read if copied is None else CopiedOffset(read)
    at, is_superseded = record.offset, False
    if copied is not None:
        if len(copied) != _PLACE.size:
            raise UnknownRecord("__consumer_offsets holds a copy of something newer; start that")
        at, is_superseded = _PLACE.unpack(copied)
    is_copy = copied is not None
    return PendingRecord(
        header.producer_id, header.producer_epoch, at, read, is_superseded, is_copy
    )
