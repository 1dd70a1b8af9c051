"""Partition: bad input is refused as Kafka refuses it, and nothing of it is stored.

The codes are what an Apache Kafka 4.3.1 answered to the same bytes, except where a row says "ours".
"""

from collections.abc import Callable, Sequence

import pytest
from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.config.topic import topic_config
from minibroker.broker.log.log import Log, LogConfig
from minibroker.broker.partitions.partition import Appended, Partition
from minibroker.broker.partitions.producers import Producers
from minibroker.broker.partitions.sequences import Duplicate
from minibroker.broker.partitions.verdicts import explained
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.broker.storage.port import Buffer, StorageError
from minibroker.protocol.batch.header import crc_is_valid, headers_in, read_header
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.batch.writing import build_batch, resealed
from minibroker.protocol.compression import Codec
from minibroker.protocol.errors import ErrorCode, Refused

from tests.support.answers.record_shapes import Shape, batch_of, fields, malformed, record_bytes

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000


def make_partition(flushed: bool = False, **overrides: str) -> Partition:
    texts = {name.replace("_", "."): text for name, text in overrides.items()}
    log = Log.open(MemoryStorage(), "t-0", LogConfig(), lambda header: None)
    return Partition(
        "t",
        0,
        log,
        Producers(),
        config=topic_config(texts, BrokerConfig()),
        flushed=flushed,
        leader_epoch=3,
    )


def batch(
    values: Sequence[bytes] = (b"value",),
    *,
    timestamp: int = NOW_MS,
    producer_id: int = -1,
    epoch: int = -1,
    sequence: int = -1,
    codec: Codec = Codec.NONE,
) -> bytes:
    return build_batch(
        [(None, value, (), timestamp) for value in values],
        codec=codec,
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
    )


def patched(position: int, new: bytes, of: bytes | None = None) -> bytes:
    """A batch with other bytes at a place, and the CRC made right again."""
    changed = bytearray(batch() if of is None else of)
    changed[position : position + len(new)] = new
    return resealed(bytes(changed))


def with_records(records: bytes, count: int) -> bytes:
    whole = batch([b"x"] * count)[:61] + records
    length = (len(whole) - 12).to_bytes(4, "big")
    return patched(8, length, whole)


BAD_INPUT: dict[str, tuple[Callable[[], bytes | None], ErrorCode]] = {
    "no records at all": (lambda: None, ErrorCode.INVALID_RECORD),
    "empty records": (lambda: b"", ErrorCode.INVALID_RECORD),
    "a CRC that is wrong": (lambda: batch()[:-1] + b"!", ErrorCode.CORRUPT_MESSAGE),
    "100 zero bytes": (lambda: bytes(100), ErrorCode.CORRUPT_MESSAGE),
    "magic 1": (lambda: patched(16, b"\x01"), ErrorCode.INVALID_RECORD),
    "a count too high": (lambda: patched(57, b"\0\0\0\2"), ErrorCode.INVALID_RECORD),
    "a last offset delta too high": (lambda: patched(23, b"\0\0\0\1"), ErrorCode.INVALID_RECORD),
    "count and delta wrong in agreement": (
        lambda: patched(57, b"\0\0\0\2", patched(23, b"\0\0\0\1")),
        ErrorCode.INVALID_RECORD,
    ),
    "bytes after the last record": (
        lambda: with_records(batch()[61:] + b"\0", 1),
        ErrorCode.INVALID_RECORD,
    ),
    "record bytes that are no records (ours: 87)": (
        lambda: with_records(b"\xff" * 40, 1),
        ErrorCode.INVALID_RECORD,
    ),
    "a timestamp two hours ahead": (
        lambda: batch(timestamp=NOW_MS + 2 * HOUR_MS),
        ErrorCode.INVALID_TIMESTAMP,
    ),
    "two batches": (lambda: batch() + batch(), ErrorCode.INVALID_RECORD),
    "two batches with a PID": (
        lambda: (
            batch(producer_id=1, epoch=0, sequence=0) + batch(producer_id=1, epoch=0, sequence=1)
        ),
        ErrorCode.INVALID_RECORD,
    ),
    "a batch cut 3 bytes short": (lambda: batch()[:-3], ErrorCode.INVALID_RECORD),
    "a control batch": (lambda: patched(21, b"\0\x20"), ErrorCode.INVALID_RECORD),
    "compression code 7 (ours: 87)": (lambda: patched(21, b"\0\x07"), ErrorCode.INVALID_RECORD),
    "a PID without a sequence": (
        lambda: batch(producer_id=1, epoch=0, sequence=-1),
        ErrorCode.INVALID_RECORD,
    ),
    "a base offset other than 0": (
        lambda: b"\0" * 7 + b"\1" + batch()[8:],
        ErrorCode.INVALID_RECORD,
    ),
    "a batch that is too large": (lambda: batch([b"x" * 2000]), ErrorCode.MESSAGE_TOO_LARGE),
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_is_refused_and_nothing_is_stored(name: str) -> None:
    make, code = BAD_INPUT[name]
    partition = make_partition(max_message_bytes="1000")
    refused = partition.produce(make(), NOW_MS)
    assert isinstance(refused, Refused), refused
    assert refused.code == code, refused
    assert partition.log.log_end_offset == 0
    assert len(partition.sequences) == 0


@pytest.mark.parametrize("size", [*range(61), 70])
def test_every_prefix_of_a_batch_is_refused(size: int) -> None:
    partition = make_partition()
    refused = partition.produce(batch([b"x" * 40])[:size], NOW_MS)
    assert isinstance(refused, Refused)
    assert refused.code == ErrorCode.INVALID_RECORD


def test_a_batch_is_stored_with_base_offset_and_leader_epoch_stamped() -> None:
    partition = make_partition()
    assert partition.produce(batch([b"a", b"b"]), NOW_MS) == Appended(0, 2, -1)
    assert partition.produce(batch([b"c"]), NOW_MS) == Appended(2, 3, -1)
    stored = partition.log.read(0, 3, 10_000)
    headers = [header for _, header in headers_in(stored)]
    assert [(each.base_offset, each.partition_leader_epoch) for each in headers] == [(0, 3), (2, 3)]


def test_a_retry_is_answered_with_the_first_offset_and_its_own_timestamp() -> None:
    partition = make_partition()
    first = batch([b"a", b"b"], producer_id=9, epoch=0, sequence=0)
    assert partition.produce(first, NOW_MS) == Appended(0, 2, -1)
    assert partition.produce(first, NOW_MS + 5) == Duplicate(0, 2, NOW_MS)
    assert partition.log.log_end_offset == 2


@pytest.mark.parametrize("timestamp_type", ["CreateTime", "LogAppendTime"])
def test_the_same_numbers_with_other_bytes_are_answered_as_a_retry_and_told(
    timestamp_type: str,
) -> None:
    partition = make_partition(message_timestamp_type=timestamp_type)
    first, other = (batch([value], producer_id=9, epoch=0, sequence=0) for value in (b"a", b"b"))
    partition.produce(first, NOW_MS)
    for sent, is_other in ((first, False), (other, True), (first, False)):
        answer = partition.produce(sent, NOW_MS)
        assert isinstance(answer, Duplicate)
        assert (answer.base_offset, answer.has_other_bytes) == (0, is_other)
    assert partition.verdicts is not None
    words = [explained(noted).reason for noted in partition.verdicts]
    assert ["same numbers, other bytes" in each for each in words] == [False, False, True, False]
    assert partition.log.log_end_offset == 1


def test_a_gap_is_refused_and_says_what_was_expected() -> None:
    partition = make_partition()
    partition.produce(batch(producer_id=9, epoch=0, sequence=0), NOW_MS)
    refused = partition.produce(batch(producer_id=9, epoch=0, sequence=5), NOW_MS)
    assert isinstance(refused, Refused)
    assert refused.code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert "1 is expected" in refused.why


def test_what_is_wrong_with_the_bytes_is_said_before_the_sequence() -> None:
    partition = make_partition()
    good = batch(producer_id=9, epoch=0, sequence=0)
    partition.produce(good, NOW_MS)
    refused = partition.produce(good[:-1] + b"!", NOW_MS)
    assert isinstance(refused, Refused)
    assert refused.code == ErrorCode.CORRUPT_MESSAGE


def test_a_producers_log_append_time_bit_is_cleared() -> None:
    partition = make_partition()
    assert isinstance(partition.produce(patched(21, b"\0\x08"), NOW_MS), Appended)
    stored = partition.log.read(0, 1, 1000)
    assert not read_header(stored).is_log_append_time
    assert records_in(stored)[0].timestamp == NOW_MS


@pytest.mark.parametrize("shape", malformed(NOW_MS), ids=lambda shape: shape.name)
def test_a_batch_of_records_that_no_consumer_gets_past_is_refused(shape: Shape) -> None:
    partition = make_partition()
    refused = partition.produce(shape.batch, NOW_MS)
    assert isinstance(refused, Refused), refused
    assert refused.code == ErrorCode.INVALID_RECORD
    assert refused.why
    assert partition.log.log_end_offset == 0


def with_stamps(*stamps: int, max_timestamp: int = NOW_MS, base_timestamp: int = NOW_MS) -> bytes:
    """A record for each timestamp, under a header that says what it likes."""
    records = [
        record_bytes(fields(index, timestamp_delta=stamp - base_timestamp))
        for index, stamp in enumerate(stamps)
    ]
    return batch_of(b"".join(records), base_timestamp, len(records), max_timestamp=max_timestamp)


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (with_stamps(NOW_MS, NOW_MS - 5, max_timestamp=NOW_MS + 2 * HOUR_MS), NOW_MS),
        (with_stamps(NOW_MS - 9, NOW_MS - 5, max_timestamp=NOW_MS), NOW_MS - 5),
        (with_stamps(NOW_MS, NOW_MS + 7, max_timestamp=-1), NOW_MS + 7),
        (with_stamps(*range(NOW_MS, NOW_MS + 400), max_timestamp=0), NOW_MS + 399),
        (with_stamps(*range(NOW_MS, NOW_MS + 40_000, 100), max_timestamp=0), NOW_MS + 39_900),
        (with_stamps(-1, -1), -1),
        (with_stamps(-2, -2), -1),
        (with_stamps(NOW_MS, NOW_MS + 1, max_timestamp=NOW_MS + 1), NOW_MS + 1),
    ],
)
def test_max_timestamp_is_stored_as_the_records_have_it(sent: bytes, stored: int) -> None:
    partition = make_partition()
    assert isinstance(partition.produce(sent, NOW_MS), Appended)
    kept = partition.log.read(0, partition.log.log_end_offset, 1 << 20)
    header = read_header(kept)
    assert header.max_timestamp == stored
    assert crc_is_valid(kept, header)
    assert bytes(kept[61:]) == sent[61:]
    assert header._replace(crc=0, max_timestamp=0, partition_leader_epoch=-1) == read_header(
        sent
    )._replace(crc=0, max_timestamp=0)


@pytest.mark.parametrize(
    "sent",
    [
        with_stamps(NOW_MS, NOW_MS + 2 * HOUR_MS),
        with_stamps(NOW_MS, -(2**63), base_timestamp=0),
        with_stamps(2**63 + 5, base_timestamp=NOW_MS),
        patched(21, b"\0\x08", with_stamps(NOW_MS, max_timestamp=-1)),
        patched(21, b"\0\x08", with_stamps(NOW_MS, max_timestamp=NOW_MS + 2 * HOUR_MS)),
    ],
)
def test_a_record_whose_time_is_out_of_range_is_refused(sent: bytes) -> None:
    partition = make_partition()
    refused = partition.produce(sent, NOW_MS)
    assert isinstance(refused, Refused), refused
    assert refused.code == ErrorCode.INVALID_TIMESTAMP


@pytest.mark.parametrize(
    ("stamps", "code"),
    [
        ((-1, -1), 0),
        ((-1, NOW_MS), 0),
        ((-1, NOW_MS - 999), 0),
        ((-1, NOW_MS - 1001, NOW_MS), 32),
        ((-2, NOW_MS), 32),
        ((NOW_MS - 1001,), 32),
    ],
)
def test_records_without_a_timestamp_are_in_any_range(stamps: Sequence[int], code: int) -> None:
    partition = make_partition(message_timestamp_before_max_ms="1000")
    outcome = partition.produce(with_stamps(*stamps), NOW_MS)
    assert (outcome.code if isinstance(outcome, Refused) else 0) == code


def test_on_a_topic_with_log_append_time_producers_may_not_say_that_they_are_the_broker() -> None:
    partition = make_partition(message_timestamp_type="LogAppendTime")
    refused = partition.produce(patched(21, b"\0\x08"), NOW_MS)
    assert isinstance(refused, Refused)
    assert refused.code == ErrorCode.INVALID_TIMESTAMP


def test_log_append_time_replaces_the_producers() -> None:
    partition = make_partition(message_timestamp_type="LogAppendTime")
    far_ahead = batch(timestamp=NOW_MS + 10 * HOUR_MS)
    assert partition.produce(far_ahead, NOW_MS) == Appended(0, 1, NOW_MS)
    assert records_in(partition.log.read(0, 1, 1000))[0].timestamp == NOW_MS


def test_a_timestamp_too_far_behind_is_refused_where_a_bound_is_set() -> None:
    partition = make_partition(message_timestamp_before_max_ms="1000")
    refused = partition.produce(batch(timestamp=NOW_MS - 2000), NOW_MS)
    assert isinstance(refused, Refused)
    assert refused.code == ErrorCode.INVALID_TIMESTAMP


def test_a_batch_larger_than_a_segment_is_refused() -> None:
    partition = make_partition(internal_segment_bytes="500")
    refused = partition.produce(batch([b"x" * 600]), NOW_MS)
    assert isinstance(refused, Refused)
    assert refused.code == ErrorCode.RECORD_LIST_TOO_LARGE


def test_a_failed_write_publishes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    partition = make_partition()
    partition.produce(batch(producer_id=9, epoch=0, sequence=0), NOW_MS)
    file = partition.log.dirty_files()[0]

    def refuse(buffers: Sequence[Buffer]) -> None:
        raise StorageError("t-0/0.log", "No space left on device")

    second = batch(producer_id=9, epoch=0, sequence=1)
    with monkeypatch.context() as patch:
        patch.setattr(type(file), "append", lambda self, buffers: refuse(buffers))
        refused = partition.produce(second, NOW_MS)
    assert isinstance(refused, Refused)
    assert refused.code == ErrorCode.KAFKA_STORAGE_ERROR
    assert partition.produce(second, NOW_MS) == Appended(1, 2, -1), "space has returned"


def test_readers_stop_at_the_durable_point_under_fsync() -> None:
    partition = make_partition(flushed=True)
    partition.produce(batch(), NOW_MS)
    assert partition.high_watermark == 0
    assert partition.readable_bytes == 0
    partition.made_durable(partition.mark())
    assert partition.high_watermark == 1
    assert partition.readable_bytes == len(batch())


def test_the_running_epoch_begins_at_the_log_end_although_no_batch_carries_it() -> None:
    partition = make_partition()
    partition.produce(batch(), NOW_MS)  # epoch 3
    partition.leader_epoch = 5
    assert partition.epoch_end_offset(5) == (5, 1)
    assert partition.epoch_end_offset(4) == (3, 1)
    assert partition.epoch_end_offset(3) == (3, 1)
    assert partition.epoch_end_offset(6) == (-1, -1)
    partition.produce(batch(), NOW_MS)
    assert partition.epoch_end_offset(3) == (3, 1)
