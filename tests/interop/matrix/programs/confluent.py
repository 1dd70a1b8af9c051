"""confluent-kafka (librdkafka) as a matrix program, from 2.0 on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import confluent_kafka

from tests.interop.matrix.programs.command_line import (
    DELIVERY_TIMEOUT_S,
    GROUP,
    PYTHON,
    READ_TIMEOUT_S,
    Target,
    run,
    security,
)
from tests.interop.matrix.records import Written

TOKEN_LIFE_S = 3_600


class Confluent:
    """Implements Program."""

    def version(self) -> str:
        """As installed, and the C library in it."""
        return f"{confluent_kafka.__version__}, librdkafka {confluent_kafka.libversion()[0]}"

    def runs_on(self) -> str:
        """This interpreter."""
        return PYTHON

    def write(self, target: Target, records: list[Written]) -> Sequence[int]:
        """confluent_kafka.Producer, idempotent."""
        producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": target.bootstrap,
                "enable.idempotence": True,
                "compression.type": target.codec,
                "batch.size": target.batch_bytes,
                "message.max.bytes": 1_048_588,
                "queue.buffering.max.kbytes": 102_400,
                "delivery.timeout.ms": DELIVERY_TIMEOUT_S * 1000,
                "reconnect.backoff.max.ms": 100,
                **_security(),
            }
        )
        offsets = [-1] * len(records)

        def delivered(index: int) -> Callable[[Any, Any], None]:
            def note(error: Any, message: Any) -> None:
                if error is not None:
                    raise RuntimeError(f"record {index}: {error}")
                offsets[index] = message.offset()

            return note

        for index, each in enumerate(records):
            producer.produce(
                target.topic,
                each.value,
                each.key,
                0,
                headers=list(each.headers),
                on_delivery=delivered(index),
            )
            producer.poll(0)
        if left := producer.flush(DELIVERY_TIMEOUT_S):
            raise RuntimeError(f"{left} records were not delivered")
        return offsets

    def read(self, bootstrap: str, topic: str, count: int) -> Iterator[tuple[int, Written]]:
        """confluent_kafka.Consumer with assign(); the group id is required and never used."""
        settings = {
            "bootstrap.servers": bootstrap,
            "group.id": GROUP or "unused",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            **_security(),
        }
        consumer = confluent_kafka.Consumer(settings)
        if GROUP is None:
            consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
        else:
            consumer.subscribe([topic])
        deadline = time.monotonic() + READ_TIMEOUT_S
        while count > 0 and time.monotonic() < deadline:
            messages: list[Any] = consumer.consume(1_000, timeout=0.5)  # typed in newer ones only
            for each in messages:
                if each.error() is not None:
                    raise RuntimeError(str(each.error()))
                count -= 1
                headers = tuple((name, value) for name, value in each.headers() or [])
                yield each.offset(), Written(each.key(), each.value(), headers)
        consumer.close()


def _security() -> dict[str, Any]:
    options = security()
    if "token" in options:
        given = options.pop("token")
        options["oauth_cb"] = lambda _config: (given, time.time() + TOKEN_LIFE_S)
    return options


if __name__ == "__main__":
    run(Confluent())
