"""Compressed batches are opened and checked; a topic's compression.type is what is stored."""

from __future__ import annotations

import sys

import pytest
from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.config.topic import TopicConfig, topic_config
from minibroker.broker.partitions.opened import (
    Opened,
    must_open,
    open_at_once,
    open_batch,
)
from minibroker.broker.partitions.partition import Appended, Partition
from minibroker.broker.partitions.sequences import Duplicate
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.protocol.batch.header import HEADER_BYTES, crc_is_valid, read_header
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.batch.writing import build_batch, packed_anew, restamped
from minibroker.protocol.compression import Codec, compress
from minibroker.protocol.errors import ErrorCode, Refused

from tests.support.answers.record_shapes import batch_of, fields, malformed, record_bytes
from tests.support.records.partitions import OnePartition

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
CODECS = [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD]
WORDS = ["uncompressed", "gzip", "snappy", "lz4", "zstd"]
TEXT = " ".join(str(number * number) for number in range(3000)).encode()
VALUES = [b"value %d" % number for number in range(100)]


def packed(batch: bytes, codec: Codec) -> bytes:
    """The same batch with its records compressed."""
    return packed_anew(read_header(batch), codec, compress(codec, batch[HEADER_BYTES:]))


def batch_with(codec: Codec, *, producer_id: int = -1, sequence: int = -1) -> bytes:
    return build_batch(
        [(None, value, (), NOW_MS) for value in VALUES],
        codec=codec,
        producer_id=producer_id,
        producer_epoch=min(producer_id, 0),
        base_sequence=sequence,
    )


def configured(**overrides: str) -> TopicConfig:
    texts = {name.replace("_", "."): text for name, text in overrides.items()}
    return topic_config(texts, BrokerConfig())


def partition(**overrides: str) -> Partition:
    one = OnePartition(MemoryStorage(), batches_a_segment=1000, flushed=False).partition
    one.configure(configured(**overrides))
    return one


def stored(one: Partition) -> bytes:
    return bytes(one.log.read(0, one.log.log_end_offset, 1 << 24))


@pytest.mark.parametrize("codec", CODECS)
def test_a_good_compressed_batch_is_stored_byte_for_byte(codec: Codec) -> None:
    one = partition()
    sent = batch_with(codec)
    assert one.produce(sent, NOW_MS) == Appended(0, 100, -1)
    assert stored(one)[16:] == sent[16:]


@pytest.mark.parametrize("codec", CODECS)
def test_compressed_batches_of_malformed_records_are_refused(codec: Codec) -> None:
    for shape in malformed(NOW_MS):
        refused = partition().produce(packed(shape.batch, codec), NOW_MS)
        assert isinstance(refused, Refused), shape.name
        assert refused.code is ErrorCode.INVALID_RECORD, shape.name


@pytest.mark.parametrize("codec", CODECS)
def test_what_cannot_be_unpacked_is_refused(codec: Codec) -> None:
    good = read_header(batch_with(codec))
    body = compress(codec, batch_with(Codec.NONE)[HEADER_BYTES:])
    for damaged in (b"", b"garbage-garbage", body[:-4], body[: len(body) // 2]):
        refused = partition().produce(packed_anew(good, codec, damaged), NOW_MS)
        assert isinstance(refused, Refused), damaged
        assert refused.code is ErrorCode.INVALID_RECORD


@pytest.mark.parametrize("codec", CODECS)
def test_the_times_inside_count(codec: Codec) -> None:
    def with_stamps(*deltas: int, said: int) -> bytes:
        records = [
            record_bytes(fields(at, timestamp_delta=delta)) for at, delta in enumerate(deltas)
        ]
        plain = batch_of(b"".join(records), NOW_MS, len(deltas), max_timestamp=said)
        return packed(plain, codec)

    ahead = partition().produce(with_stamps(0, 2 * HOUR_MS, said=NOW_MS), NOW_MS)
    assert isinstance(ahead, Refused)
    assert ahead.code is ErrorCode.INVALID_TIMESTAMP
    one = partition()
    said_ahead = with_stamps(0, -5, said=NOW_MS + 2 * HOUR_MS)
    assert isinstance(one.produce(said_ahead, NOW_MS), Appended)
    kept = stored(one)
    assert read_header(kept).max_timestamp == NOW_MS
    assert crc_is_valid(kept, read_header(kept))
    assert kept[HEADER_BYTES:] == said_ahead[HEADER_BYTES:]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("codec", list(Codec))
def test_a_topic_stores_batches_as_its_compression_type_says(codec: Codec, word: str) -> None:
    one = partition(compression_type=word)
    wanted = Codec.NONE if word == "uncompressed" else Codec[word.upper()]
    sent = batch_with(codec, producer_id=9, sequence=0)
    assert one.produce(sent, NOW_MS) == Appended(0, 100, -1)
    kept = stored(one)
    header = read_header(kept)
    assert header.codec == wanted
    assert crc_is_valid(kept, header)
    assert [record.value for record in records_in(kept)] == VALUES
    same = ("producer_id", "producer_epoch", "base_sequence", "records_count", "max_timestamp")
    assert all(getattr(header, name) == getattr(read_header(sent), name) for name in same)
    if wanted == codec:
        assert kept[HEADER_BYTES:] == sent[HEADER_BYTES:]
    again = one.produce(sent, NOW_MS)
    assert isinstance(again, Duplicate)
    assert not again.has_other_bytes  # a retry is known by the bytes that came, not those kept


def test_log_append_time_and_another_codec_go_together() -> None:
    one = partition(compression_type="gzip", message_timestamp_type="LogAppendTime")
    assert one.produce(batch_with(Codec.LZ4), NOW_MS + 7) == Appended(0, 100, NOW_MS + 7)
    kept = stored(one)
    assert read_header(kept).codec == Codec.GZIP
    assert crc_is_valid(kept, read_header(kept))
    assert {record.timestamp for record in records_in(kept)} == {NOW_MS + 7}


@pytest.mark.parametrize(("codec", "low", "high"), [("gzip", "1", "9"), ("zstd", "-100", "19")])
def test_a_level_is_obeyed(codec: str, low: str, high: str) -> None:
    sizes = []
    for level in (low, high):
        one = partition(compression_type=codec, **{f"compression_{codec}_level": level})
        one.produce(build_batch([(None, TEXT, (), NOW_MS)]), NOW_MS)
        sizes.append(len(stored(one)))
    assert sizes[0] > sizes[1]


def test_uncompressed_a_batch_may_be_too_large() -> None:
    sent = build_batch([(None, bytes(20_000), (), NOW_MS)], codec=Codec.GZIP)
    refused = partition(compression_type="uncompressed", max_message_bytes="10000").produce(
        sent, NOW_MS
    )
    assert isinstance(refused, Refused)
    assert refused.code is ErrorCode.MESSAGE_TOO_LARGE


def test_what_is_wrong_with_the_crc_or_the_size_is_said_first() -> None:
    sent = batch_with(Codec.GZIP)
    wrong = partition().produce(sent[:-1] + bytes([sent[-1] ^ 1]), NOW_MS)
    assert isinstance(wrong, Refused)
    assert wrong.code is ErrorCode.CORRUPT_MESSAGE
    large = partition(max_message_bytes="100").produce(sent, NOW_MS)
    assert isinstance(large, Refused)
    assert large.code is ErrorCode.MESSAGE_TOO_LARGE


def test_a_batch_that_holds_too_much_is_too_large() -> None:
    for codec in CODECS:
        batch = build_batch([(None, bytes(200_000), (), NOW_MS)], codec=codec)
        found = open_batch(batch, read_header(batch), configured(), 100_000)
        assert found.refused is not None
        assert found.refused.code is ErrorCode.MESSAGE_TOO_LARGE
        assert open_batch(batch, read_header(batch), configured(), 300_000).deltas == (0, 0)


def test_only_small_batches_are_opened_at_once() -> None:
    small, large = (
        batch_with(Codec.GZIP),
        build_batch([(None, bytes(10**6), (), 0)], codec=Codec(1)),
    )
    plain, config = batch_with(Codec.NONE), configured()
    assert open_at_once(small, read_header(small), config) == Opened((0, 0))
    assert open_at_once(large, read_header(large), config) is None
    assert must_open(read_header(small), config)
    assert not must_open(read_header(plain), config)
    assert must_open(read_header(plain), configured(compression_type="lz4"))
    assert not must_open(read_header(plain), configured(compression_type="uncompressed"))


@pytest.fixture
def no_codecs(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("lz4", "cramjam", "zstandard"):
        monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.usefixtures("no_codecs")
@pytest.mark.parametrize("codec", [Codec.SNAPPY, Codec.LZ4, Codec.ZSTD])
def test_a_batch_without_its_codec_is_kept(codec: Codec) -> None:
    header = read_header(batch_with(Codec.NONE))
    sent = packed_anew(header, codec, b"packed by somebody who can")
    one = partition()
    assert isinstance(one.produce(sent, NOW_MS), Appended)
    assert stored(one)[16:] == sent[16:]
    refused = partition(compression_type="gzip").produce(sent, NOW_MS)
    assert isinstance(refused, Refused)
    assert refused.code is ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    assert "minibroker[compression]" in refused.why


def test_a_bit_of_the_broker_does_not_disturb_what_is_opened() -> None:
    sent = batch_with(Codec.ZSTD)
    bit = restamped(sent, read_header(sent), attributes=Codec.ZSTD | 8, max_timestamp=NOW_MS)
    one = partition()
    assert isinstance(one.produce(bit, NOW_MS), Appended)
    assert not read_header(stored(one)).is_log_append_time


def test_a_large_batch_of_few_records_is_checked_at_once_and_one_of_many_parts_is_not() -> None:
    config = configured(max_message_bytes=str(10**7))
    few = build_batch([(None, bytes(10**6), (), 0)])
    assert must_open(read_header(few), config)
    assert open_at_once(few, read_header(few), config) == Opened((0, 0))
    many_records = build_batch([(None, bytes(10 + at % 7), (), 0) for at in range(5_000)])
    alike = build_batch([(None, bytes(20), (), 0)] * 10_000)
    assert open_at_once(alike, read_header(alike), config) == Opened((0, 0))
    many_headers = build_batch([(None, bytes(70_000), [("", None)] * 5_000, 0)])
    for batch in (many_records, many_headers):
        assert must_open(read_header(batch), config)
        assert open_at_once(batch, read_header(batch), config) is None
        assert open_batch(batch, read_header(batch), config) == Opened((0, 0))
