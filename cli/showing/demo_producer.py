"""EDGE: a producer as a process of its own, with the library it is told to take, as it comes.

Reads JSON objects from standard input, one a line: first client, bootstrap_servers, idempotent;
then topic, partition, value for each record. Each record is sent when its line has come, and its
offset printed once it is acknowledged. Whatever is retried is retried by the library itself.
Started by demo_clients.py.
Tests: tests/interop/commands/test_demo.py
"""

from __future__ import annotations

import asyncio
import json
import sys
from abc import ABC, abstractmethod
from typing import Any

DELIVERY_TIMEOUT_S = 30
RECONNECT_MS_MAX = 200  # the broker is away for a moment only


class Sender(ABC):
    """One library's producer, behind a face that waits."""

    @abstractmethod
    def send(self, topic: str, partition: int, value: bytes) -> int:
        """The offset of the record, once it is acknowledged; raises the library's errors."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections."""


class _Asyncio(Sender):
    """A producer that lives in an event loop, which runs while something is sent."""

    def __init__(self, servers: str, *, idempotent: bool) -> None:
        self._runner = asyncio.Runner()
        self._producer = self._runner.run(self.started(servers, idempotent))

    @abstractmethod
    async def started(self, servers: str, idempotent: bool) -> Any:
        """The library's producer, with send_and_wait and stop."""

    def send(self, topic: str, partition: int, value: bytes) -> int:
        offset: int = self._runner.run(self._sent(topic, partition, value))
        return offset

    def close(self) -> None:
        self._runner.run(self._producer.stop())
        self._runner.close()

    async def _sent(self, topic: str, partition: int, value: bytes) -> Any:
        async with asyncio.timeout(DELIVERY_TIMEOUT_S):
            return (await self._producer.send_and_wait(topic, value, partition=partition)).offset


class Ours(_Asyncio):
    """minibroker.client."""

    async def started(self, servers: str, idempotent: bool) -> Any:
        from ...client.producer import Producer

        producer: Producer = Producer(
            servers,
            enable_idempotence=idempotent,
            linger_ms=0,
            reconnect_backoff_max_ms=RECONNECT_MS_MAX,
        )
        await producer.start()
        return producer


class AioKafka(_Asyncio):
    """aiokafka."""

    async def started(self, servers: str, idempotent: bool) -> Any:
        from aiokafka import AIOKafkaProducer

        producer = AIOKafkaProducer(
            bootstrap_servers=servers, enable_idempotence=idempotent, acks="all"
        )
        await producer.start()
        return producer


class KafkaPython(Sender):
    """kafka-python."""

    def __init__(self, servers: str, *, idempotent: bool) -> None:
        from kafka import KafkaProducer

        self._producer = KafkaProducer(
            bootstrap_servers=servers,
            enable_idempotence=idempotent,
            acks="all",
            linger_ms=0,
            reconnect_backoff_max_ms=RECONNECT_MS_MAX,
        )

    def send(self, topic: str, partition: int, value: bytes) -> int:
        sent = self._producer.send(topic, value, partition=partition)
        offset: int = sent.get(timeout=DELIVERY_TIMEOUT_S).offset
        return offset

    def close(self) -> None:
        self._producer.close()


class Confluent(Sender):
    """confluent-kafka, that is librdkafka."""

    def __init__(self, servers: str, *, idempotent: bool) -> None:
        from confluent_kafka import Producer

        self._producer = Producer(
            {
                "bootstrap.servers": servers,
                "enable.idempotence": idempotent,
                "acks": "all",
                "linger.ms": 0,
                "delivery.timeout.ms": DELIVERY_TIMEOUT_S * 1000,
                "reconnect.backoff.max.ms": RECONNECT_MS_MAX,
                "log_level": 0,
            }
        )

    def send(self, topic: str, partition: int, value: bytes) -> int:
        outcomes: list[tuple[Any, Any]] = []
        self._producer.produce(
            topic,
            value,
            partition=partition,
            on_delivery=lambda error, message: outcomes.append((error, message)),
        )
        self._producer.flush(DELIVERY_TIMEOUT_S)
        ((error, message),) = outcomes
        if error is not None:
            raise RuntimeError(str(error))
        offset: int = message.offset()
        return offset

    def close(self) -> None:
        self._producer.flush(DELIVERY_TIMEOUT_S)


SENDERS: dict[str, type[Ours | KafkaPython | AioKafka | Confluent]] = {
    "ours": Ours,
    "kafka-python": KafkaPython,
    "aiokafka": AioKafka,
    "confluent": Confluent,
}


def main() -> None:
    """Send what is asked for until standard input ends."""
    task = json.loads(sys.stdin.readline())
    sender = SENDERS[task["client"]](task["bootstrap_servers"], idempotent=task["idempotent"])
    for line in iter(sys.stdin.readline, ""):
        record = json.loads(line)
        offset = sender.send(record["topic"], record["partition"], record["value"].encode())
        print(offset, flush=True)
    sender.close()


if __name__ == "__main__":
    main()
