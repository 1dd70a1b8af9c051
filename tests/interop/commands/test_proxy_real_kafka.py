"""The fault proxy before a real Apache Kafka: clients stay behind it, and what a lost answer costs.

With an idempotent producer nothing; without, the record is there twice, in Kafka's own log.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from minibroker.broker.faults.rules import LoseReply, Rule
from minibroker.testing import Proxy

from tests.support.processes.broker import RUN
from tests.support.processes.clients import READERS, WRITERS
from tests.support.processes.kafka import RealKafka, missing_tools
from tests.support.processes.proxy import losing_proxy
from tests.support.records.stored import create_topic, read_batches, read_records

COUNT = 1_000
LOSE_EVERY = 5
VALUES = [b"x", b"y", b"z"]
LOST_NTH = 2  # the answer to y
STORED = {True: [b"x", b"y", b"z"], False: [b"x", b"y", b"y", b"z"]}  # by enable_idempotence
OUTCOMES = ["answered", "lost", "answered", "answered"]  # of x, y, y again, z
WAIT_S = 60

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]


@pytest.fixture(scope="module")
def kafka() -> Iterator[RealKafka]:
    with RealKafka() as running:
        yield running


def port_of(kafka: RealKafka) -> int:
    return int(kafka.bootstrap_servers.rpartition(":")[2])


@pytest.mark.parametrize("client", WRITERS)
def test_lost_answers_store_nothing_twice_in_apache_kafka(kafka: RealKafka, client: str) -> None:
    values = [f"{client} {number:06}".encode().ljust(100, b".") for number in range(COUNT)]
    port = port_of(kafka)
    with losing_proxy(kafka.bootstrap_servers, lose_every=LOSE_EVERY) as proxy:
        offsets = WRITERS[client](proxy.bootstrap_servers, client, values, batch_bytes=2_000)
        for reader, read in READERS.items():
            assert read(proxy.bootstrap_servers, client, COUNT) == values, reader
    assert [record.value for record in read_records(port, client)] == values
    assert offsets == list(range(COUNT))
    assert proxy.lost >= len(read_batches(port, client)) // LOSE_EVERY > 0
    assert proxy.counts["requests"]["Fetch"] >= len(READERS)  # all went by the proxy


def send_one_by_one(address: str, topic: str, *, is_idempotent: bool) -> None:
    """Send VALUES with kafka-python, which retries, each when the one before is acknowledged."""
    from kafka import KafkaProducer  # imported by tests.support.processes.clients, quietly

    producer = KafkaProducer(
        bootstrap_servers=address,
        acks="all",
        enable_idempotence=is_idempotent,
        retries=5,
        delivery_timeout_ms=WAIT_S * 1000,
        reconnect_backoff_max_ms=200,
    )
    try:
        for value in VALUES:
            producer.send(topic, value, partition=0).get(WAIT_S)
    finally:
        producer.close(timeout=5)


def send_through_the_class(upstream: str, topic: str, *, is_idempotent: bool) -> list[str]:
    """Behind a Proxy in this process; what became of each Produce."""

    async def main() -> list[str]:
        rule = Rule(action=LoseReply(), api="Produce", topic=topic, nth=LOST_NTH)
        async with Proxy(upstream, [rule]) as proxy:
            address = proxy.bootstrap_servers
            await asyncio.to_thread(send_one_by_one, address, topic, is_idempotent=is_idempotent)
            assert proxy.rules[0].fired == 1
            return [str(each.outcome) for each in proxy.history if each.api == "Produce"]

    return asyncio.run(main())


def send_through_the_command(upstream: str, topic: str, *, is_idempotent: bool) -> list[str]:
    """Behind `minibroker proxy --faults FILE --json`; what became of each Produce."""
    rules = Path(f"{topic}.yaml")
    rules.write_text(f"- lose_reply: {{api: Produce, topic: {topic}, nth: {LOST_NTH}}}\n")
    command = [sys.executable, "-c", RUN, "proxy", "--listen", "127.0.0.1:0", "--json"]
    command += ["--upstream", upstream, "--faults", str(rules)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as proxy:
        try:
            assert proxy.stdout is not None
            address = proxy.stdout.readline().strip().rpartition("//")[2]
            send_one_by_one(address, topic, is_idempotent=is_idempotent)
        finally:
            proxy.terminate()
            out, err = proxy.communicate(timeout=WAIT_S)
    assert proxy.returncode == 0, err
    assert f"nth={LOST_NTH}) fired 1 of" in err
    seen = [json.loads(line) for line in out.splitlines()]
    return [each["outcome"] for each in seen if each["api"] == "Produce"]


Sending = Callable[..., Sequence[str]]


@pytest.mark.parametrize("is_idempotent", [False, True], ids=["plain", "idempotent"])
@pytest.mark.parametrize("send", [send_through_the_command, send_through_the_class])
def test_a_lost_answer_doubles_the_record_of_a_plain_producer_only(
    kafka: RealKafka,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    send: Sending,
    is_idempotent: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    topic = f"{send.__name__}-{is_idempotent}"
    create_topic(port_of(kafka), topic)
    assert send(kafka.bootstrap_servers, topic, is_idempotent=is_idempotent) == OUTCOMES
    stored = [record.value for record in read_records(port_of(kafka), topic)]
    assert stored == STORED[is_idempotent]
