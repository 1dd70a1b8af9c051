"""EDGE: a producer as a process of its own, with the library it is told to take, as it comes.

Reads JSON objects from standard input, one a line: first client, bootstrap_servers, idempotent,
transactional_id (or null), session (a directory of ours, or null), patience_s; then topic,
partition, value for each record. Once it may send it prints the mark of its session, the count of
records, or 0. Each record is sent when its line has come, and its offset printed once it is
acknowledged. With a transactional_id "do" may be begin, commit or abort: done when a 0 is printed.
Whatever is retried is retried by the library itself.
Started by ways.py.
Tests: tests/interop/commands/test_demo.py
"""

from __future__ import annotations

import asyncio
import json
import sys
from abc import ABC, abstractmethod
from typing import Any, TypedDict

DELIVERY_TIMEOUT_S = 30
TRANSACTION_MS_MIN = 60_000
RECONNECT_MS_MAX = 200  # the broker is away for a moment only


class Sender(ABC):
    """One library's producer, behind a face that waits."""

    @abstractmethod
    def send(self, topic: str, partition: int, value: bytes) -> int:
        """The offset of the record, once it is acknowledged; raises the library's errors."""

    @abstractmethod
    def begin(self) -> None:
        """Begin a transaction; raises the library's errors, as the next two do."""

    @abstractmethod
    def commit(self) -> None:
        """Commit it."""

    @abstractmethod
    def abort(self) -> None:
        """Abort it."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections."""


class Task(TypedDict):
    """The first line."""

    client: str
    bootstrap_servers: str
    idempotent: bool
    transactional_id: str | None
    session: str | None
    patience_s: int  # for a record that is on its way; ours waits for a held answer as long, too


class _Asyncio(Sender):
    """A producer that lives in an event loop, which runs while something is sent."""

    def __init__(self, task: Task) -> None:
        self._runner = asyncio.Runner()
        self._patience_s = task["patience_s"]
        self._producer = self._runner.run(self.started(task))

    @abstractmethod
    async def started(self, task: Task) -> Any:
        """The library's producer, with send_and_wait and stop."""

    def send(self, topic: str, partition: int, value: bytes) -> int:
        offset: int = self._runner.run(self._sent(topic, partition, value))
        return offset

    def close(self) -> None:
        self._runner.run(self._producer.stop())
        self._runner.close()

    async def _sent(self, topic: str, partition: int, value: bytes) -> Any:
        async with asyncio.timeout(self._patience_s):
            return (await self._producer.send_and_wait(topic, value, partition=partition)).offset


class Ours(_Asyncio):
    """minibroker.client."""

    async def started(self, task: Task) -> Any:
        from ....client.producer import Producer

        self._has_session = task["session"] is not None
        patience_ms = self._patience_s * 1000
        producer: Producer = Producer(
            task["bootstrap_servers"],
            enable_idempotence=task["idempotent"],
            transactional_id=task["transactional_id"],
            session=task["session"],
            linger_ms=0,
            reconnect_backoff_max_ms=RECONNECT_MS_MAX,
            max_block_ms=patience_ms,
            request_timeout_ms=patience_ms,
            delivery_timeout_ms=2 * patience_ms,
            transaction_timeout_ms=max(TRANSACTION_MS_MIN, patience_ms),
        )
        await producer.start()
        self._mark = producer.session.marks.get(None, 0) if self._has_session else 0
        return producer

    @property
    def mark(self) -> int:
        """How many records the session has taken."""
        return int(self._mark)

    async def _sent(self, topic: str, partition: int, value: bytes) -> Any:
        if not self._has_session:
            return await super()._sent(topic, partition, value)
        self._mark = self.mark + 1
        async with asyncio.timeout(self._patience_s):
            sent = await self._producer.send(topic, value, partition=partition, mark=self._mark)
            return (await sent).offset

    def begin(self) -> None:
        self._transaction = self._producer.transaction()
        self._runner.run(self._transaction.begin())

    def commit(self) -> None:
        self._runner.run(self._transaction.commit())

    def abort(self) -> None:
        self._runner.run(self._transaction.abort())


class AioKafka(_Asyncio):
    """aiokafka."""

    async def started(self, task: Task) -> Any:
        from aiokafka import AIOKafkaProducer

        producer = AIOKafkaProducer(
            bootstrap_servers=task["bootstrap_servers"],
            enable_idempotence=task["idempotent"],
            transactional_id=task["transactional_id"],
            acks="all",
        )
        await producer.start()
        return producer

    def begin(self) -> None:
        self._runner.run(self._producer.begin_transaction())

    def commit(self) -> None:
        self._runner.run(self._producer.commit_transaction())

    def abort(self) -> None:
        self._runner.run(self._producer.abort_transaction())


class _Blocking(Sender):
    """A producer that waits in its calls."""

    _producer: Any

    def begin(self) -> None:
        self._producer.begin_transaction()

    def commit(self) -> None:
        self._producer.commit_transaction()

    def abort(self) -> None:
        self._producer.abort_transaction()


class KafkaPython(_Blocking):
    """kafka-python."""

    def __init__(self, task: Task) -> None:
        from kafka import KafkaProducer

        self._producer = KafkaProducer(
            bootstrap_servers=task["bootstrap_servers"],
            enable_idempotence=task["idempotent"],
            transactional_id=task["transactional_id"],
            acks="all",
            linger_ms=0,
            reconnect_backoff_max_ms=RECONNECT_MS_MAX,
        )
        if task["transactional_id"] is not None:
            self._producer.init_transactions()

    def send(self, topic: str, partition: int, value: bytes) -> int:
        sent = self._producer.send(topic, value, partition=partition)
        offset: int = sent.get(timeout=DELIVERY_TIMEOUT_S).offset
        return offset

    def close(self) -> None:
        self._producer.close()


class Confluent(_Blocking):
    """confluent-kafka, that is librdkafka."""

    def __init__(self, task: Task) -> None:
        from confluent_kafka import Producer

        name = task["transactional_id"]
        self._producer = Producer(
            {
                "bootstrap.servers": task["bootstrap_servers"],
                "enable.idempotence": task["idempotent"],
                **({} if name is None else {"transactional.id": name}),
                "acks": "all",
                "linger.ms": 0,
                "delivery.timeout.ms": DELIVERY_TIMEOUT_S * 1000,
                "reconnect.backoff.max.ms": RECONNECT_MS_MAX,
                "log_level": 0,
            }
        )
        if name is not None:
            self._producer.init_transactions(DELIVERY_TIMEOUT_S)

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


def work(task: Task) -> None:
    """Do what is asked for until standard input ends."""
    sender = SENDERS[task["client"]](task)
    print(sender.mark if isinstance(sender, Ours) else 0, flush=True)
    for line in iter(sys.stdin.readline, ""):
        asked = json.loads(line)
        match asked.get("do"):
            case "begin":
                sender.begin()
            case "commit":
                sender.commit()
            case "abort":
                sender.abort()
        is_record = "value" in asked
        print(_sent(sender, asked) if is_record else 0, flush=True)
    sender.close()


def _sent(sender: Sender, record: dict[str, Any]) -> int:
    return sender.send(record["topic"], record["partition"], record["value"].encode())


if __name__ == "__main__":
    work(json.loads(sys.stdin.readline()))
