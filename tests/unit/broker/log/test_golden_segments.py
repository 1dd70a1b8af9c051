"""Segments that a real Apache Kafka wrote: we read them, and make the same indexes."""

from __future__ import annotations

from pathlib import Path

import pytest
from minibroker.broker.log.identity import read_topic_id
from minibroker.broker.log.log import LogConfig
from minibroker.broker.storage.port import Storage
from minibroker.broker.waiting.long_work import finished
from minibroker.protocol.batch.reading import records_in

from tests.support.records.logs import DIRECTORY, open_log, read_all

GOLDEN = Path(__file__).parents[3] / "golden" / "kafka-segments"
CONFIG = LogConfig(segment_bytes=3000, index_interval_bytes=300)


@pytest.fixture
def copied(storage: Storage) -> Storage:
    """The two `.log` files and the metadata, without any index."""
    storage.make_dirs(DIRECTORY)
    for path in [*GOLDEN.glob("*.log"), GOLDEN / "partition.metadata"]:
        storage.create_file(f"{DIRECTORY}/{path.name}").append([path.read_bytes()])
    return storage


def test_every_record_of_kafka_is_found(copied: Storage) -> None:
    log = open_log(copied, CONFIG)
    values = [record.value for batch in read_all(log) for record in records_in(batch)]
    assert values == [b"line-%d" % number for number in range(1000, 1061)]
    assert log.recovery is None
    assert log.epoch_end_offset(0) == (0, 61)
    topic_id = read_topic_id(copied, DIRECTORY)
    assert topic_id is not None
    assert len(topic_id) == 16


@pytest.mark.parametrize("suffix", [".index", ".timeindex"])
def test_indexes_made_anew_are_those_of_kafka(copied: Storage, suffix: str) -> None:
    open_log(copied, CONFIG)
    name = f"{0:020d}{suffix}"
    ours = copied.read_bytes(f"{DIRECTORY}/{name}")
    assert ours == (GOLDEN / name).read_bytes()
    assert len(ours) > 50


def test_records_are_found_by_kafkas_timestamps(copied: Storage) -> None:
    log = open_log(copied, CONFIG)
    for batch in read_all(log):
        for record in records_in(batch):
            found = finished(log.find_timestamp(record.timestamp, 61))
            assert found is not None
            assert (found.timestamp, found.offset <= record.offset) == (record.timestamp, True)
    newest = finished(log.max_timestamp(61))
    assert newest is not None
    assert newest.offset == 60
