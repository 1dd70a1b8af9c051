"""Finding records by timestamp (ListOffsets)."""

from __future__ import annotations

import pytest
from minibroker.broker.log.log import Log, LogConfig
from minibroker.broker.log.segment import TimestampedOffset
from minibroker.broker.storage.port import Storage
from minibroker.broker.waiting.long_work import finished
from minibroker.protocol.batch.header import read_header
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.compression import Codec

from tests.support.records.logs import append, batch_of, open_log

FOUND = TimestampedOffset


def log_of(storage: Storage, *batches: tuple[int, ...], segment_bytes: int = 10**6) -> Log:
    log = open_log(storage, LogConfig(index_interval_bytes=0, segment_bytes=segment_bytes))
    for epoch, timestamps in enumerate(batches):
        append(log, batch_of(*timestamps), leader_epoch=epoch)
    return log


@pytest.mark.parametrize("segment_bytes", [10**6, 200, 1])
def test_the_first_record_with_at_least_that_timestamp_is_found(
    storage: Storage, segment_bytes: int
) -> None:
    log = log_of(storage, (100, 300), (200,), (400, 500, 450), segment_bytes=segment_bytes)
    assert finished(log.find_timestamp(0, 6)) == FOUND(100, 0, 0)
    assert finished(log.find_timestamp(101, 6)) == FOUND(300, 1, 0)
    assert finished(log.find_timestamp(300, 6)) == FOUND(300, 1, 0)
    assert finished(log.find_timestamp(301, 6)) == FOUND(400, 3, 2)
    assert finished(log.find_timestamp(451, 6)) == FOUND(500, 4, 2)
    assert finished(log.find_timestamp(501, 6)) is None


def test_records_that_readers_may_not_see_are_not_found(storage: Storage) -> None:
    log = log_of(storage, (100,), (300,), (200,), (400,), segment_bytes=160)
    assert finished(log.find_timestamp(350, 3)) is None
    assert finished(log.find_timestamp(300, 1)) is None
    assert finished(log.max_timestamp(3)) == FOUND(300, 1, 1)
    assert finished(log.max_timestamp(1)) == FOUND(100, 0, 0)
    assert finished(log.max_timestamp(0)) is None


def test_records_below_the_log_start_are_not_found(storage: Storage) -> None:
    log = log_of(storage, (100, 100, 100), (50,), (100,))
    log.log_start_offset = 2
    assert finished(log.find_timestamp(100, 5)) == FOUND(100, 2, 0)
    log.log_start_offset = 3
    assert finished(log.find_timestamp(100, 5)) == FOUND(100, 4, 2)


@pytest.mark.parametrize("segment_bytes", [10**6, 200, 1])
def test_the_largest_timestamp_is_found_where_it_came_first(
    storage: Storage, segment_bytes: int
) -> None:
    log = log_of(storage, (100,), (300, 500, 500), (500,), (400,), segment_bytes=segment_bytes)
    assert finished(log.max_timestamp(6)) == FOUND(500, 2, 1)
    assert finished(log.max_timestamp(5)) == FOUND(500, 2, 1)
    assert finished(log.max_timestamp(1)) == FOUND(100, 0, 0)


def test_records_without_timestamps_have_no_largest(storage: Storage) -> None:
    log = log_of(storage, (-1,), (-1,))
    assert finished(log.max_timestamp(2)) is None
    assert finished(log.find_timestamp(0, 2)) is None


def test_a_false_timestamp_in_the_header_leads_on_to_the_next_batch(storage: Storage) -> None:
    log = log_of(storage)
    false = batch_of(100)
    log.append(read_header(false)._replace(max_timestamp=900), false, 0, 0)
    append(log, batch_of(800))
    assert finished(log.find_timestamp(700, 2)) == FOUND(800, 1, 0)


def test_compressed_batches_are_searched_too(storage: Storage) -> None:
    log = log_of(storage)
    records = [(None, b"v", (), timestamp) for timestamp in (100, 200, 300)]
    append(log, build_batch(records, codec=Codec.GZIP))
    assert finished(log.find_timestamp(150, 3)) == FOUND(200, 1, 0)
