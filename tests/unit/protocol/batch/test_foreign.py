"""Batches that kafka-python and aiokafka read and write, against ours.

Their code is independent of ours. Reading what they wrote, and having them read what we wrote, is
the proof that ours is Kafka's format. kafka-python has no snappy without a further package.
"""

import importlib
from typing import Any, Final

import pytest
from minibroker.protocol.batch.header import crc_is_valid, read_header
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.batch.runs import Record
from minibroker.protocol.batch.writing import NewRecord, build_batch
from minibroker.protocol.compression import Codec, compress, decompress

from tests.support.records.batches import COMMIT_MARKER, GOLDEN, records_are_good

pytestmark = pytest.mark.filterwarnings("ignore:(read|open)_text is deprecated")  # kafka-python

NOW: Final = 1_700_000_000_000
RECORDS: Final[list[NewRecord]] = [
    (b"k1", b"v1" * 5_000, (), NOW),
    (None, b"", [("h", b"x"), ("größe", b""), ("n", None)], NOW + 5),
    *((b"", b"a" * n, (), NOW - 400 + n) for n in range(600)),
    (b"k" * 300, None, (), 0),
]
EXPECTED: Final = [
    Record(offset, timestamp, key, value, tuple(headers))
    for offset, (key, value, headers, timestamp) in enumerate(RECORDS)
]
BOTH: Final = [
    (library, codec)
    for library in ("kafka", "aiokafka")
    for codec in Codec
    if (library, codec) != ("kafka", Codec.SNAPPY)
]


def record_module(library: str) -> Any:
    return importlib.import_module(f"{library}.record.default_records")


def read_by(library: str, batch: bytes) -> list[Record]:
    foreign = record_module(library).DefaultRecordBatch(bytearray(batch))
    assert foreign.validate_crc()
    return [
        Record(
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            tuple((key, value) for key, value in record.headers),
        )
        for record in foreign
    ]


@pytest.mark.parametrize(("library", "codec"), BOTH)
def test_they_read_what_we_write(library: str, codec: Codec) -> None:
    assert read_by(library, build_batch(RECORDS, codec=codec)) == EXPECTED


@pytest.mark.parametrize(("library", "codec"), BOTH)
def test_we_read_what_they_write(library: str, codec: Codec) -> None:
    builder = record_module(library).DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=0,
        producer_id=1000,
        producer_epoch=3,
        base_sequence=40,
        batch_size=10**6,
    )
    for offset, (key, value, headers, timestamp) in enumerate(RECORDS):
        assert builder.append(
            offset, timestamp=timestamp, key=key, value=value, headers=list(headers)
        )
    batch = bytes(builder.build())
    header = read_header(batch)
    assert crc_is_valid(batch, header)
    assert header.codec == codec
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (1000, 3, 40)
    assert header.records_count == len(RECORDS)
    assert records_in(batch) == EXPECTED
    if codec == Codec.NONE:
        assert records_are_good(batch, header)
        assert batch == build_batch(
            RECORDS,
            leader_epoch=header.partition_leader_epoch,
            producer_id=1000,
            producer_epoch=3,
            base_sequence=40,
        )


@pytest.mark.parametrize("library", ["kafka", "aiokafka"])
@pytest.mark.parametrize("batch", [GOLDEN, COMMIT_MARKER], ids=["data", "marker"])
def test_they_read_the_golden_batches_as_we_do(library: str, batch: bytes) -> None:
    assert read_by(library, batch) == records_in(batch)


@pytest.mark.parametrize(("library", "codec"), [pair for pair in BOTH if pair[1]])
@pytest.mark.parametrize("size", [1, 100, 32 * 1024, 200_000])
def test_they_unpack_what_we_pack_and_we_what_they_pack(
    library: str, codec: Codec, size: int
) -> None:
    codecs = importlib.import_module(f"{library}.codec")
    data = bytes(range(256)) * (size // 512) + b"a" * (size - size // 512 * 256)
    pack = getattr(codecs, f"{codec.name.lower()}_encode")
    unpack = getattr(codecs, f"{codec.name.lower()}_decode")
    assert bytes(unpack(compress(codec, data))) == data
    assert decompress(codec, bytes(pack(data)), size_max=size) == data
