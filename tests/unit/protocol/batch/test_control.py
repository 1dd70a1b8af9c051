"""Transaction markers: the bytes of Apache Kafka 4.3.1, both ways, and what is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from minibroker.protocol.batch.control import (
    ABORT,
    COMMIT,
    MARKER_BYTES,
    Marker,
    marker_batch,
    read_marker,
)
from minibroker.protocol.batch.header import (
    CONTROL_BIT,
    TRANSACTIONAL_BIT,
    BatchError,
    crc_is_valid,
    headers_in,
    read_header,
)
from minibroker.protocol.batch.writing import build_batch

GOLDEN = Path(__file__).parents[3] / "golden" / "transactions" / "00000000000000000002.log"
# Captured from a fetch: COMMIT at offset 5, ABORT at offset 7, producer id 83.
COMMITTED = (
    "0000000000000005000000420000000002 92a8550e 003000000000000001a21ecc129e000001a21ecc129e"
    "00000000000000530001ffffffff000000012000000008000000010c000000000000 00"
)
ABORTED = (
    "0000000000000007000000420000000002 24ff1422 003000000000000001a21ecc12b5000001a21ecc12b5"
    "00000000000000530002ffffffff000000012000000008000000000c000000000000 00"
)


@pytest.mark.parametrize(
    ("kafkas", "marker", "base_offset", "now_ms"),
    [
        (COMMITTED, Marker(83, 1, True, 0), 5, 0x1A21ECC129E),
        (ABORTED, Marker(83, 2, False, 0), 7, 0x1A21ECC12B5),
    ],
)
def test_a_marker_is_the_one_of_kafka(
    kafkas: str, marker: Marker, base_offset: int, now_ms: int
) -> None:
    batch = marker_batch(marker, now_ms=now_ms, base_offset=base_offset, leader_epoch=0)
    assert batch == bytes.fromhex(kafkas)
    assert len(batch) == MARKER_BYTES
    assert read_marker(batch) == marker


def test_every_marker_in_a_log_of_kafka_is_read_and_written_alike() -> None:
    log, seen = GOLDEN.read_bytes(), []
    for position, header in headers_in(log):
        batch = log[position : position + header.size_bytes]
        if header.is_control:
            marker = read_marker(batch)
            assert marker is not None
            assert batch == marker_batch(
                marker,
                now_ms=header.base_timestamp,
                base_offset=header.base_offset,
                leader_epoch=header.partition_leader_epoch,
            )
            seen.append((header.base_offset, marker.producer_epoch, marker.is_commit))
    assert seen == [
        *((2, 0, True), (4, 0, False), (8, 1, False), (10, 4, False), (14, 0, False)),
        *((15, 1, False), (16, 32766, True)),
    ]


def test_a_marker_on_a_topic_with_append_time_says_so() -> None:
    marker = Marker(1, 2, True, 3)
    batch = marker_batch(marker, now_ms=5, base_offset=0, leader_epoch=0, is_log_append_time=True)
    header = read_header(batch)
    assert header.attributes == 0x38
    assert header.max_timestamp == 5
    assert crc_is_valid(batch, header)
    assert read_marker(batch) == marker


CONTROL = TRANSACTIONAL_BIT | CONTROL_BIT
KEY, VALUE = bytes((0, 0, 0, COMMIT)), bytes(6)


def control(key: bytes | None, value: bytes | None, attributes: int = CONTROL) -> bytes:
    return build_batch([(key, value, (), 0)], attributes=attributes, producer_id=1)


@pytest.mark.parametrize("kind", range(2, 7))
def test_other_kinds_of_control_records_are_no_markers(kind: int) -> None:
    assert read_marker(control(bytes((0, 0, 0, kind)), b"x")) is None


def test_a_newer_version_is_read_as_far_as_it_is_known() -> None:
    batch = control(bytes((0, 1, 0, ABORT)) + b"more", b"\0\1" + bytes((0, 0, 0, 7)) + b"more")
    assert read_marker(batch) == Marker(1, -1, False, 7)


@pytest.mark.parametrize(
    "batch",
    [
        control(KEY, VALUE, TRANSACTIONAL_BIT),
        control(None, VALUE),
        control(KEY[:3], VALUE),
        control(KEY, None),
        control(KEY, VALUE[:5]),
        control(b"\xff\xff\0\1", VALUE),
        control(KEY, b"\xff\xff" + VALUE[2:]),
        build_batch([(KEY, VALUE, (), 0)] * 2, attributes=CONTROL),
    ],
)
def test_what_is_no_control_batch_is_refused(batch: bytes) -> None:
    with pytest.raises(BatchError):
        read_marker(batch)
