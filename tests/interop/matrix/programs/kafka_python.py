"""kafka-python as a matrix program, from 2.0.2 (which has no idempotence) to 3.x."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import kafka

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


class KafkaPython:
    """Implements Program."""

    def version(self) -> str:
        """As installed."""
        return str(kafka.__version__)

    def runs_on(self) -> str:
        """This interpreter."""
        return PYTHON

    def write(self, target: Target, records: list[Written]) -> Sequence[int]:
        """KafkaProducer; where it cannot be idempotent, one request in flight keeps the order."""
        settings: dict[str, Any] = {"max_in_flight_requests_per_connection": 1}
        if "enable_idempotence" in kafka.KafkaProducer.DEFAULT_CONFIG:
            settings = {"enable_idempotence": True, "reconnect_backoff_max_ms": 200}
        producer = kafka.KafkaProducer(
            bootstrap_servers=target.bootstrap,
            acks="all",
            compression_type=None if target.codec == "none" else target.codec,
            batch_size=target.batch_bytes,
            **settings,
            **_security(),
        )
        sent = [
            producer.send(target.topic, each.value, each.key, list(each.headers), partition=0)
            for each in records
        ]
        offsets = [each.get(timeout=DELIVERY_TIMEOUT_S).offset for each in sent]
        producer.close(timeout=5)
        return offsets

    def read(self, bootstrap: str, topic: str, count: int) -> Iterator[tuple[int, Written]]:
        """KafkaConsumer with assign()."""
        partition = kafka.TopicPartition(topic, 0)
        consumer = kafka.KafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=GROUP,
            auto_offset_reset="earliest",
            **_security(),
        )
        if GROUP is None:
            consumer.assign([partition])
            consumer.seek(partition, 0)
        else:
            consumer.subscribe([topic])
        deadline = time.monotonic() + READ_TIMEOUT_S
        while count > 0 and time.monotonic() < deadline:
            for each in consumer.poll(timeout_ms=500).get(partition, []):
                count -= 1
                yield each.offset, Written(each.key, each.value, tuple(map(tuple, each.headers)))
        consumer.close()


def _security() -> dict[str, Any]:
    options = security()
    if "token" in options:
        from kafka.net.sasl.oauth import AbstractTokenProvider

        given: str = options.pop("token")

        class Provider(AbstractTokenProvider):  # type: ignore[misc]  # untyped
            def token(self) -> str:
                return given

        options["sasl_oauth_token_provider"] = Provider()
    return options


if __name__ == "__main__":
    run(KafkaPython())
