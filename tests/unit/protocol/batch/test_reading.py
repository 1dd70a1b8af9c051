"""Reading and building records: what comes out, and that nothing malformed does."""

from typing import Final

import pytest
from minibroker.protocol.batch.header import (
    BATCH_HEADER,
    LOG_APPEND_TIME_BIT,
    BatchError,
    read_header,
)
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.batch.runs import Record
from minibroker.protocol.batch.writing import NewRecord, build_batch
from minibroker.protocol.compression import Codec, compress

NOW: Final = 1_700_000_000_000
RECORDS: Final[list[NewRecord]] = [
    (b"k1", b"v1", (), NOW),
    (None, b"v2", [("h", b"x"), ("n", None)], NOW + 5),
    (b"", None, [("größe", b""), ("", b"1")], NOW - 70_000),
    (b"k" * 300, b"v" * 20_000, (), 0),
]


def batch_around(body: bytes, count: int = 1, **fields: int) -> bytes:
    """A batch of magic 2 whose records are `body`; `fields` change its header."""
    header = read_header(build_batch([(None, b"", (), NOW)]))._replace(
        batch_length=49 + len(body), records_count=count, last_offset_delta=count - 1
    )
    return bytes(BATCH_HEADER.build(header._replace(**fields)._asdict())) + body


@pytest.mark.parametrize("codec", Codec)
def test_records_come_out_as_they_went_in(codec: Codec) -> None:
    batch = build_batch(RECORDS, codec=codec, base_offset=100)
    assert read_header(batch).codec == codec
    assert read_header(batch).max_timestamp == NOW + 5
    assert records_in(memoryview(batch)) == [
        Record(100 + delta, timestamp, key, value, tuple(headers))
        for delta, (key, value, headers, timestamp) in enumerate(RECORDS)
    ]


def test_under_log_append_time_the_brokers_time_stands_for_every_record() -> None:
    batch = build_batch(RECORDS, attributes=LOG_APPEND_TIME_BIT)
    assert {record.timestamp for record in records_in(batch)} == {NOW + 5}


def test_offsets_may_have_holes_where_records_were_compacted_away() -> None:
    body = bytes.fromhex("0c0000 02 010100 0c0000 08 010100")
    batch = batch_around(body, 2, base_offset=50, last_offset_delta=9)
    assert [record.offset for record in records_in(batch)] == [51, 54]


def test_a_batch_emptied_by_compaction_has_no_records() -> None:
    assert records_in(batch_around(b"", 0, last_offset_delta=3)) == []


def test_a_header_key_that_is_no_utf8_is_read_as_java_reads_it() -> None:
    body = bytes.fromhex("14 00 00 00 01 01 02 04 ff41 01")
    assert records_in(batch_around(body))[0].headers == (("\ufffdA", None),)


CUT: Final = "the last record is cut short"
MALFORMED: Final = {
    "": CUT,
    "0c": "a record of 6 bytes, and 0 are left",
    "8c": CUT,
    "0d 000000010100": "a record of -7 bytes",
    "0a 0000000101": "a record of 5 bytes",
    "0e 000000010100": "a record of 7 bytes, and 6 are left",
    "0e 00000001010000": "ends at byte 7 of the records, not at 8",
    "0c 000000 0241 0100": "ends at byte 8 of the records, not at 7",
    "0c 000000 010100 00": "1 bytes left over",
    "0c 0000 01 010100": "offset delta -1",
    "0c 0000 02 010100": "offset delta 1",
    "0c 000000 06 0100": "3 bytes announced, and 2 are left",
    "0c 000000 03 0100": "a length of -2",
    "0c 000000 01 0400": "2 bytes announced, and 1 are left",
    "0c 000000 01 0300": "a length of -2",
    "0c 000000 0101 01": "-1 headers",
    "0c 000000 0101 08": "4 headers in 0 bytes",
    "14 000000 0101 feffffff0f": "2147483647 headers in 0 bytes",
    "10 000000 0101 02 0101": "a header without a key",
    "10 000000 0101 02 0401": "2 bytes announced, and 1 are left",
    "10 000000 0101 02 0004": "2 bytes announced, and 0 are left",
    "8c8080808080808080 8000 000000010100": "more than 64 bits",
    "ffffffffffffffffff7f 000000010100": "more than 64 bits",
    "0e 00 ffffffffffff": CUT,
    "1e 00 feffffffffffffffff01 00010100": "timestamp 9223373736854775807",
}


@pytest.mark.parametrize(("body", "why"), MALFORMED.items())
@pytest.mark.parametrize("codec", [Codec.NONE, Codec.GZIP])
def test_malformed_records_are_refused(body: str, why: str, codec: Codec) -> None:
    records = bytes.fromhex(body)
    packed = compress(codec, records) if codec else records
    with pytest.raises(BatchError, match=why):
        records_in(batch_around(packed, attributes=codec))


def test_offsets_that_do_not_rise_are_refused() -> None:
    body = bytes.fromhex("0c000000010100") * 2
    with pytest.raises(BatchError, match="offset delta 0 after 0"):
        records_in(batch_around(body, 2))


def test_a_count_of_records_that_is_false_is_refused() -> None:
    one = bytes.fromhex("0c000000010100")
    for count in (-1, 0, 2, 2**31 - 1):
        with pytest.raises(BatchError):
            records_in(batch_around(one, count, last_offset_delta=5))
    with pytest.raises(BatchError, match="-1 records"):
        records_in(batch_around(b"", -1, last_offset_delta=5))


@pytest.mark.parametrize("codec", [5, 6, 7])
def test_a_codec_that_is_none_is_refused(codec: int) -> None:
    with pytest.raises(BatchError, match=f"{codec} is not a valid Codec"):
        records_in(batch_around(b"", attributes=codec))


def test_another_magic_is_refused() -> None:
    with pytest.raises(BatchError, match="magic 1"):
        records_in(batch_around(b"", magic=1))


@pytest.mark.parametrize("codec", list(Codec)[1:])
def test_records_that_would_take_too_much_memory_are_refused(codec: Codec) -> None:
    batch = build_batch([(None, bytes(1_000_000), (), NOW)], codec=codec)
    assert len(records_in(batch, decompressed_bytes_max=1_000_100)) == 1
    with pytest.raises(BatchError, match="unpacked"):
        records_in(batch, decompressed_bytes_max=1_000_000)


@pytest.mark.parametrize("codec", Codec)
def test_every_cut_of_a_batch_is_refused(codec: Codec) -> None:
    batch = build_batch(RECORDS[:3], codec=codec)
    for cut in range(len(batch)):
        with pytest.raises(BatchError):
            records_in(batch[:cut])
    with pytest.raises(BatchError):
        records_in(batch + b"\x00")


@pytest.mark.parametrize("codec", Codec)
def test_every_cut_of_the_records_alone_is_refused(codec: Codec) -> None:
    body = build_batch(RECORDS[:3], codec=codec)[61:]
    for cut in range(len(body)):
        try:
            records = records_in(batch_around(body[:cut], 3, attributes=codec))
        except BatchError:
            continue
        assert codec == Codec.ZSTD  # whose last bytes may hold no data
        assert len(records) == 3
