"""aiokafka as a transactional program; how it is spoken to: conversation.py."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Iterator
from functools import partial
from typing import Any

import aiokafka
from aiokafka.errors import ProducerFenced

from tests.interop.transactional_clients.programs.conversation import (
    PARTITIONS,
    TIMEOUT_MS,
    Place,
    Record,
    run,
)

ANSWER_S = 60
CLOSE_S = 1


class Aiokafka:
    """Implements Producer. Between two calls its loop stands still, and so does its sender."""

    def __init__(self, loop: asyncio.AbstractEventLoop, place: Place) -> None:
        self._loop = loop
        self._place = place
        self._producer: Any = None

    def start(self) -> None:
        """Raises KafkaConnectionError while there is no broker."""
        self._run(self._start())

    def write(self, values: list[bytes], offset: int) -> None:
        """Sends, waits, and sends the offset."""
        self._run(self._write(values, offset))

    def commit(self) -> None:
        """It sends EndTxn again by itself."""
        self._run(self._producer.commit_transaction())

    def abort(self) -> None:
        """As `commit`."""
        self._run(self._producer.abort_transaction())

    def close(self) -> None:
        """stop() waits for batches that a fenced producer cannot send: not for long."""
        if self._producer is not None:
            with contextlib.suppress(Exception):
                self._loop.run_until_complete(asyncio.wait_for(self._producer.stop(), CLOSE_S))

    def is_fenced(self, error: Exception) -> bool:
        """One error stands for 47 and 90."""
        return isinstance(error, ProducerFenced)

    def may_abort(self, error: Exception) -> bool:
        """Not after a time-out of ours: its transaction is in the middle of something then."""
        return not isinstance(error, TimeoutError)

    def _run(self, work: Awaitable[Any]) -> None:
        self._loop.run_until_complete(asyncio.wait_for(work, ANSWER_S))

    async def _start(self) -> None:
        self._producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=self._place.bootstrap,
            transactional_id=self._place.transactional_id,
            transaction_timeout_ms=TIMEOUT_MS,
            request_timeout_ms=10_000,
        )
        await self._producer.start()

    async def _write(self, values: list[bytes], offset: int) -> None:
        await self._producer.begin_transaction()
        sent = [
            await self._producer.send(self._place.topic, value, partition=partition)
            for partition, value in enumerate(values)
        ]
        for each in sent:
            await each
        place = aiokafka.TopicPartition(self._place.source, 0)
        await self._producer.send_offsets_to_transaction({place: offset}, self._place.group)


def read(loop: asyncio.AbstractEventLoop, bootstrap: str, topic: str) -> Iterator[Record]:
    """AIOKafkaConsumer with assign()."""

    async def start() -> Any:
        consumer = aiokafka.AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
        )
        await consumer.start()
        consumer.assign([aiokafka.TopicPartition(topic, each) for each in range(PARTITIONS)])
        return consumer

    consumer = loop.run_until_complete(start())
    while True:
        fetched = loop.run_until_complete(consumer.getmany(timeout_ms=500))
        for place, records in fetched.items():
            for each in records:
                yield place.partition, each.offset, each.value


if __name__ == "__main__":
    with contextlib.closing(asyncio.new_event_loop()) as one:
        run(partial(Aiokafka, one), partial(read, one))
