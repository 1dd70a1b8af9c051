"""The fault proxy before a real Apache Kafka: clients stay behind it, nothing is doubled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.clients import READERS, WRITERS
from tests.support.kafka import RealKafka, missing_tools
from tests.support.proxy import losing_proxy
from tests.support.stored import read_batches, read_records

COUNT = 1_000
LOSE_EVERY = 5

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]


@pytest.fixture(scope="module")
def kafka() -> Iterator[RealKafka]:
    with RealKafka() as running:
        yield running


@pytest.mark.parametrize("client", WRITERS)
def test_lost_answers_store_nothing_twice_in_apache_kafka(kafka: RealKafka, client: str) -> None:
    values = [f"{client} {number:06}".encode().ljust(100, b".") for number in range(COUNT)]
    port = int(kafka.bootstrap_servers.rpartition(":")[2])
    with losing_proxy(kafka.bootstrap_servers, lose_every=LOSE_EVERY) as proxy:
        offsets = WRITERS[client](proxy.bootstrap_servers, client, values, batch_bytes=2_000)
        for reader, read in READERS.items():
            assert read(proxy.bootstrap_servers, client, COUNT) == values, reader
    assert [record.value for record in read_records(port, client)] == values
    assert offsets == list(range(COUNT))
    assert proxy.lost >= len(read_batches(port, client)) // LOSE_EVERY > 0
    assert proxy.counts["requests"]["Fetch"] >= len(READERS)  # all went by the proxy
