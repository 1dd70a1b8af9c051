"""Other people's clients at our listeners with TLS and SASL; the broker is one as users have."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from minibroker.client.cluster.connection import Connection

from tests.support.processes.broker import ForkedBroker
from tests.support.processes.kafka import free_ports
from tests.support.security.listeners import PROTOCOLS, Authority, scram_users, settings

# of kafka-python's own reading of its schemas
pytestmark = pytest.mark.filterwarnings("ignore:.*_text is deprecated:DeprecationWarning")
RECORDS = 50
VALUE = b"v" * 20_000
LOGINS = {
    "SSL": {},
    "SASL_SSL": {"mechanism": "SCRAM-SHA-512", "user": "carol", "password": "carol-secret"},
    "SASL_PLAINTEXT": {"mechanism": "PLAIN", "user": "alice", "password": "alice-secret"},
}


class Running:
    """A broker, the port of each listener, and what its clients trust."""

    def __init__(self, ports: dict[str, int], authority_file: Path) -> None:
        self.ports = ports
        self.authority_file = authority_file


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("broker")
    authority = Authority(home)
    texts = settings(authority)
    ports = dict(zip(PROTOCOLS, free_ports(len(PROTOCOLS)), strict=True))
    listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
    with ForkedBroker(settings=texts, options=["--listeners", listeners]) as broker:
        asyncio.run(_add_users(broker.port))
        yield Running(ports, authority.write_authority())


async def _add_users(port: int) -> None:
    admin = await Connection.open("127.0.0.1", port)
    for request in scram_users():
        assert (await admin.request(request)).results[0].error_code == 0
    await admin.close()


def kafka_python(running: Running, listener: str, topic: str) -> int:
    """Records written and read."""
    from kafka import KafkaConsumer, KafkaProducer

    login = LOGINS[listener]
    options: dict[str, Any] = {
        "bootstrap_servers": f"127.0.0.1:{running.ports[listener]}",
        "security_protocol": listener,
        "ssl_cafile": str(running.authority_file),
    }
    if login:
        options |= {
            "sasl_mechanism": login["mechanism"],
            "sasl_plain_username": login["user"],
            "sasl_plain_password": login["password"],
        }
    producer = KafkaProducer(**options)
    for _ in range(RECORDS):
        producer.send(topic, VALUE)
    producer.flush()
    producer.close()
    consumer = KafkaConsumer(
        topic, auto_offset_reset="earliest", consumer_timeout_ms=20_000, **options
    )
    found = 0
    for _ in consumer:
        found += 1
        if found == RECORDS:
            break
    consumer.close()
    return found


def confluent(running: Running, listener: str, topic: str) -> int:
    """Records written and read."""
    from confluent_kafka import Consumer, Producer

    login = LOGINS[listener]
    options: dict[str, Any] = {
        "bootstrap.servers": f"127.0.0.1:{running.ports[listener]}",
        "security.protocol": listener,
        "ssl.ca.location": str(running.authority_file),
    }
    if login:
        options |= {
            "sasl.mechanism": login["mechanism"],
            "sasl.username": login["user"],
            "sasl.password": login["password"],
        }
    producer = Producer({**options, "enable.idempotence": True})
    for _ in range(RECORDS):
        producer.produce(topic, VALUE)
    assert producer.flush(30) == 0
    consumer = Consumer({**options, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    found = 0
    while found < RECORDS:
        message = consumer.poll(30)
        assert message is not None
        assert message.error() is None, message.error()
        found += 1
    consumer.close()
    return found


def aiokafka(running: Running, listener: str, topic: str) -> int:
    """Records written and read."""
    return asyncio.run(_aiokafka(running, listener, topic))


async def _aiokafka(running: Running, listener: str, topic: str) -> int:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    login = LOGINS[listener]
    options: dict[str, Any] = {
        "bootstrap_servers": f"127.0.0.1:{running.ports[listener]}",
        "security_protocol": listener,
    }
    if "SSL" in listener:
        options["ssl_context"] = ssl.create_default_context(cafile=str(running.authority_file))
    if login:
        options |= {
            "sasl_mechanism": login["mechanism"],
            "sasl_plain_username": login["user"],
            "sasl_plain_password": login["password"],
        }
    async with AIOKafkaProducer(enable_idempotence=True, **options) as producer:
        for _ in range(RECORDS):
            await producer.send(topic, VALUE)
    found = 0
    async with AIOKafkaConsumer(topic, auto_offset_reset="earliest", **options) as consumer:
        async with asyncio.timeout(30):
            while found < RECORDS:
                batches = await consumer.getmany(timeout_ms=1000)
                found += sum(map(len, batches.values()))
    return found


@pytest.mark.parametrize("client", [kafka_python, confluent, aiokafka])
@pytest.mark.parametrize("listener", LOGINS)
def test_records_go_there_and_back(
    running: Running, listener: str, client: Callable[[Running, str, str], int]
) -> None:
    topic = f"{listener}-{client.__name__}"
    assert client(running, listener, topic) == RECORDS
