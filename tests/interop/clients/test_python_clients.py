"""kafka-python, aiokafka and confluent-kafka, unmodified and idempotent, against our broker.

What one writes, each of the three reads back without a group; the stored batches are looked at as
well. Small counts run with `make test`, 10,000 records with `make interop`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from minibroker.protocol.compression import Codec

from tests.support.processes.broker import ForkedBroker
from tests.support.processes.clients import LEAVES_SOCKETS, READERS, WRITERS, codecs_of
from tests.support.processes.proxy import losing_proxy
from tests.support.records.stored import read_batches, read_records

pytestmark = LEAVES_SOCKETS
COUNTS = [300, pytest.param(10_000, marks=pytest.mark.interop)]
LOSE_EVERY = 5
SMALL_BATCH_BYTES = 2_000  # about 18 records: enough batches for answers to be lost


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedBroker]:
    data_dir: Path = tmp_path_factory.mktemp("broker") / "data"
    with ForkedBroker(data_dir=data_dir) as running:
        yield running


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    """A fresh topic, named after the test."""
    return "".join(c if c.isalnum() else "-" for c in request.node.name)


def values_of(client: str, count: int) -> list[bytes]:
    """`count` values of about 100 bytes, no two equal."""
    return [f"{client} {number:06} ".encode().ljust(100, b".") for number in range(count)]


def assert_stored_once_in_order(
    broker: ForkedBroker, topic: str, values: list[bytes], offsets: list[int]
) -> None:
    """Every value is stored once, in order, by one PID, at the offset that was acknowledged."""
    records = read_records(broker.port, topic)
    assert [record.value for record in records] == values
    assert [record.offset for record in records] == list(range(len(values))) == offsets
    assert {record.producer_id for record in records} != {-1}
    assert [record.sequence for record in records] == list(range(len(values)))


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("client", WRITERS)
def test_what_one_client_writes_all_read(
    broker: ForkedBroker, topic: str, client: str, count: int
) -> None:
    values = values_of(client, count)
    offsets = WRITERS[client](broker.bootstrap_servers, topic, values)
    assert_stored_once_in_order(broker, topic, values, offsets)
    for reader, read in READERS.items():
        assert read(broker.bootstrap_servers, topic, count) == values, reader


@pytest.mark.parametrize("client", WRITERS)
def test_compressed_batches_stay_compressed_and_all_read_them(
    broker: ForkedBroker, topic: str, client: str
) -> None:
    expected: list[bytes] = []
    codecs: list[int] = []
    for codec in codecs_of(client):
        values = values_of(f"{client} {codec}", 50)
        WRITERS[client](broker.bootstrap_servers, topic, values, codec)
        expected += values
        headers = [header for header, _ in read_batches(broker.port, topic)[len(codecs) :]]
        assert {header.codec for header in headers} == {Codec[codec.upper()]}
        codecs += [header.codec for header in headers]
    assert [record.value for record in read_records(broker.port, topic)] == expected
    for reader, read in READERS.items():
        if {Codec[codec.upper()] for codec in codecs_of(reader)} >= set(codecs):
            assert read(broker.bootstrap_servers, topic, len(expected)) == expected, reader


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("client", WRITERS)
def test_lost_answers_store_nothing_twice(
    broker: ForkedBroker, topic: str, client: str, count: int
) -> None:
    values = values_of(client, count)
    with losing_proxy(broker.bootstrap_servers, lose_every=LOSE_EVERY) as proxy:
        write = WRITERS[client]
        offsets = write(proxy.bootstrap_servers, topic, values, batch_bytes=SMALL_BATCH_BYTES)
    assert_stored_once_in_order(broker, topic, values, offsets)
    assert proxy.lost >= len(read_batches(broker.port, topic)) // LOSE_EVERY > 0
    for reader, read in READERS.items():
        assert read(broker.bootstrap_servers, topic, count) == values, reader
