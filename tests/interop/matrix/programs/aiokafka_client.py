"""aiokafka as a matrix program, from 0.10 on."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence
from typing import Any

import aiokafka
from aiokafka.abc import AbstractTokenProvider

from tests.interop.matrix.programs.command_line import (
    GROUP,
    PYTHON,
    READ_TIMEOUT_S,
    Target,
    run,
    security,
)
from tests.interop.matrix.records import Written


class AioKafka:
    """Implements Program."""

    def version(self) -> str:
        """As installed."""
        return str(aiokafka.__version__)

    def runs_on(self) -> str:
        """This interpreter."""
        return PYTHON

    def write(self, target: Target, records: list[Written]) -> Sequence[int]:
        """AIOKafkaProducer, idempotent."""
        return asyncio.run(_write(target, records))

    def read(self, bootstrap: str, topic: str, count: int) -> list[tuple[int, Written]]:
        """AIOKafkaConsumer with assign()."""
        return asyncio.run(_read(bootstrap, topic, count))


def _security() -> dict[str, Any]:
    options = security()
    if "ssl_cafile" in options:
        options["ssl_context"] = ssl.create_default_context(cafile=options.pop("ssl_cafile"))
    if "token" in options:
        options["sasl_oauth_token_provider"] = _Provider(options.pop("token"))
    return options


class _Provider(AbstractTokenProvider):  # type: ignore[misc]  # untyped
    def __init__(self, given: str) -> None:
        self._given = given

    async def token(self) -> str:
        return self._given


async def _write(target: Target, records: list[Written]) -> list[int]:
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=target.bootstrap,
        enable_idempotence=True,
        compression_type=None if target.codec == "none" else target.codec,
        max_batch_size=target.batch_bytes,
        **_security(),
    )
    await producer.start()
    sent = [
        await producer.send(
            target.topic, each.value, each.key, partition=0, headers=list(each.headers)
        )
        for each in records
    ]
    offsets = [(await each).offset for each in sent]
    await producer.stop()
    return offsets


async def _read(bootstrap: str, topic: str, count: int) -> list[tuple[int, Written]]:
    partition = aiokafka.TopicPartition(topic, 0)
    consumer = aiokafka.AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=GROUP, auto_offset_reset="earliest", **_security()
    )
    await consumer.start()
    if GROUP is None:
        consumer.assign([partition])
        consumer.seek(partition, 0)
    else:
        consumer.subscribe([topic])
    found: list[tuple[int, Written]] = []
    deadline = time.monotonic() + READ_TIMEOUT_S
    while len(found) < count and time.monotonic() < deadline:
        for each in (await consumer.getmany(timeout_ms=500)).get(partition, []):
            headers = tuple((name, value) for name, value in each.headers)
            found.append((each.offset, Written(each.key, each.value, headers)))
    await consumer.stop()
    return found


if __name__ == "__main__":
    run(AioKafka())
