"""EDGE: what the files of a log directory say, row by row: Kafka's own and ours.

A row is a dict with "kind" and, for what has a place, "position". Reading stops at what cannot be
read: that row's kind is "damaged". Which file is read how: READERS, by the end of its name.
Source: DumpLogSegments.java; the formats stand in broker/log/ and in ProducerStateManager.java.
Tests: tests/unit/cli/commands/test_log.py
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...broker.log import snapshots, summary
from ...broker.log.checkpoints import decode_points, read_clean_stop
from ...broker.partitions.producers import Producers
from ...broker.storage.names import CLEAN_STOP, RECOVERY_POINTS
from ...protocol.batch.header import (
    HEADER_BYTES,
    MAGIC,
    BatchError,
    BatchHeader,
    crc_is_valid,
    read_header,
)
from ...protocol.batch.reading import records_in
from ...protocol.compression import Codec, MissingCodecError

Row = dict[str, Any]
Reader = Callable[[Path, bool], Iterator[Row]]
_OFFSET_ENTRY = struct.Struct(">ii")
_TIME_ENTRY = struct.Struct(">qi")
_ABORTED = struct.Struct(">hqqqq")
_KAFKA_SNAPSHOT_HEAD = struct.Struct(">hIi")
_KAFKA_PRODUCER = struct.Struct(">qhiqiqiq")


def rows_of(path: Path, with_records: bool) -> Iterator[Row]:
    """Read one file, whose name ends as one of READERS."""
    reader = next(reader for end, reader in READERS.items() if path.name.endswith(end))
    return reader(path, with_records)


def _damaged(position: int, why: str) -> Row:
    return {"kind": "damaged", "position": position, "why": why}


def _batches(path: Path, with_records: bool) -> Iterator[Row]:
    size = path.stat().st_size
    if not size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        position = 0
        while position < size:
            if size - position < HEADER_BYTES:
                yield _damaged(position, f"{size - position} bytes, too few for a batch header")
                return
            header = read_header(data, position)  # type: ignore[arg-type]
            if header.magic != MAGIC:
                yield _damaged(position, f"magic {header.magic}; only {MAGIC} can be read")
                return
            if not HEADER_BYTES <= header.size_bytes <= size - position:
                yield _damaged(
                    position, f"a batch of {header.size_bytes} bytes, {size - position} are left"
                )
                return
            batch = data[position : position + header.size_bytes]
            row = _batch(header, position, crc_is_valid(batch, header))
            yield row
            if with_records:
                yield from _records(batch, position)
            position += header.size_bytes


def _batch(header: BatchHeader, position: int, is_valid: bool) -> Row:
    codecs = [each.name.lower() for each in Codec if int(each) == header.codec]
    return {
        "kind": "batch",
        "position": position,
        "base_offset": header.base_offset,
        "last_offset": header.last_offset,
        "records": header.records_count,
        "size_bytes": header.size_bytes,
        "leader_epoch": header.partition_leader_epoch,
        "producer_id": header.producer_id,
        "producer_epoch": header.producer_epoch,
        "base_sequence": header.base_sequence,
        "last_sequence": header.last_sequence,
        "max_timestamp": header.max_timestamp,
        "codec": codecs[0] if codecs else header.codec,
        "transactional": header.is_transactional,
        "control": header.is_control,
        "crc": "ok" if is_valid else "wrong",
    }


def _records(batch: bytes, position: int) -> Iterator[Row]:
    try:
        records = records_in(batch)
    except (BatchError, MissingCodecError) as error:
        yield _damaged(position, str(error))
        return
    for record in records:
        yield {
            "kind": "record",
            "offset": record.offset,
            "timestamp": record.timestamp,
            "key": _text(record.key),
            "value": _text(record.value),
            "headers": {name: _text(value) for name, value in record.headers},
        }


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace")


def _entries(path: Path, form: struct.Struct) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield position and fields of each entry; an active segment of Kafka's ends in zeros."""
    data = path.read_bytes()
    end = len(data.rstrip(b"\0"))
    for position in range(0, len(data) - form.size + 1, form.size):
        if position and position >= end:
            return
        yield position, form.unpack_from(data, position)


def _offset_index(path: Path, _: bool) -> Iterator[Row]:
    base_offset = int(path.name[:20])
    for at, (relative, position) in _entries(path, _OFFSET_ENTRY):
        yield {
            "kind": "index",
            "position": at,
            "offset": base_offset + relative,
            "batch_position": position,
        }


def _time_index(path: Path, _: bool) -> Iterator[Row]:
    base_offset = int(path.name[:20])
    for at, (timestamp, relative) in _entries(path, _TIME_ENTRY):
        row = {"timestamp": timestamp, "offset": base_offset + relative}
        yield {"kind": "timeindex", "position": at, **row}


def _aborted(path: Path, _: bool) -> Iterator[Row]:
    for at, (_version, producer_id, first, last, stable) in _entries(path, _ABORTED):
        yield {
            "kind": "aborted",
            "position": at,
            "producer_id": producer_id,
            "first_offset": first,
            "last_offset": last,
            "last_stable_offset": stable,
        }


def _kafka_snapshot(path: Path, _: bool) -> Iterator[Row]:
    data = path.read_bytes()
    if len(data) < _KAFKA_SNAPSHOT_HEAD.size:
        yield _damaged(0, f"{len(data)} bytes")
        return
    count = _KAFKA_SNAPSHOT_HEAD.unpack_from(data)[2]
    body = data[_KAFKA_SNAPSHOT_HEAD.size :]
    if len(body) != count * _KAFKA_PRODUCER.size:
        yield _damaged(_KAFKA_SNAPSHOT_HEAD.size, f"{count} producers in {len(body)} bytes")
        return
    for fields in _KAFKA_PRODUCER.iter_unpack(body):
        producer_id, epoch, last_sequence, last_offset, offset_delta, timestamp, *_rest = fields
        yield {
            "kind": "producer",
            "producer_id": producer_id,
            "producer_epoch": epoch,
            "last_timestamp": timestamp,
            "batches": [[last_sequence - offset_delta, last_sequence, last_offset - offset_delta]],
        }


def _producers(path: Path, _: bool) -> Iterator[Row]:
    snapshot = snapshots.decode(path.read_bytes(), str(path))
    if snapshot is None:
        yield _damaged(0, "the checksum is wrong")
        return
    sums = {"aborted": snapshot.aborted._asdict()}
    yield {"kind": "snapshot", "offset": snapshot.offset, **snapshot.bound._asdict(), **sums}
    producers = Producers(lambda: 0)  # the time of the snapshot
    producers.unpack(snapshot.table, snapshot.version)
    for producer in producers.sequences.producers():
        yield {
            "kind": "producer",
            "producer_id": producer.producer_id,
            "producer_epoch": producer.producer_epoch,
            "idle_ms": -producer.seen_at_ms,
            "coordinator_epoch": producer.coordinator_epoch,
            "batches": [list(batch[:3]) for batch in producer.batches],
        }
    for opened in producers.transactions:
        yield {
            "kind": "open-transaction",
            "producer_id": opened.producer_id,
            "producer_epoch": opened.producer_epoch,
            "first_offset": opened.first_offset,
        }


def _summary(path: Path, _: bool) -> Iterator[Row]:
    found = summary.decode(path.read_bytes())
    yield _summary_row(found) if found else _damaged(0, "the checksum or the version is wrong")


def _summary_row(found: summary.Summary) -> Row:
    sums = {"indexes": found.indexes._asdict(), "aborted": found.aborted._asdict()}
    return {"kind": "summary", **found._asdict(), **sums}


def _recovery_points(path: Path, _: bool) -> Iterator[Row]:
    points = decode_points(path.read_bytes())
    if points is None:
        yield _damaged(0, "this is no journal of recovery points")
        return
    for key, offset in points.items():
        yield {"kind": "recovery-point", "log": key, "offset": offset}


def _clean_stop(path: Path, _: bool) -> Iterator[Row]:
    data = path.read_bytes()
    stopped = read_clean_stop(data)
    if stopped is None:
        if data:
            yield _damaged(0, "the checksum or the version is wrong")
        return
    for key, each in stopped.items():
        row = _summary_row(each.last)
        yield {**row, "kind": "clean-stop", "log": key, "no_producers": each.remembers_nothing}


def _lines(path: Path, _: bool) -> Iterator[Row]:
    for number, line in enumerate(path.read_text("utf-8", "backslashreplace").splitlines()):
        yield {"kind": "line", "number": number + 1, "text": line}


READERS: dict[str, Reader] = {
    ".log": _batches,
    ".index": _offset_index,
    ".timeindex": _time_index,
    ".txnindex": _aborted,
    ".snapshot": _kafka_snapshot,
    snapshots.SUFFIX: _producers,
    summary.SUFFIX: _summary,
    RECOVERY_POINTS: _recovery_points,
    CLEAN_STOP: _clean_stop,
    "-checkpoint": _lines,
    "partition.metadata": _lines,
    "meta.properties": _lines,
}
