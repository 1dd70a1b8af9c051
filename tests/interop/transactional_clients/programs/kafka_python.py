"""kafka-python as a transactional program; how it is spoken to: conversation.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kafka
from kafka.errors import InvalidProducerEpochError, ProducerFencedError

from tests.interop.transactional_clients.programs.conversation import (
    PARTITIONS,
    TIMEOUT_MS,
    Place,
    Record,
    run,
)

ANSWER_S = 60


class KafkaPython:
    """Implements Producer."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._producer: Any = None

    def start(self) -> None:
        """Raises NoBrokersAvailable while there is none."""
        self._producer = kafka.KafkaProducer(
            bootstrap_servers=self._place.bootstrap,
            transactional_id=self._place.transactional_id,
            transaction_timeout_ms=TIMEOUT_MS,
            reconnect_backoff_max_ms=200,
        )
        self._producer.init_transactions()

    def write(self, values: list[bytes], offset: int) -> None:
        """Sends, waits, and sends the offset."""
        self._producer.begin_transaction()
        sent = [
            self._producer.send(self._place.topic, value, partition=partition)
            for partition, value in enumerate(values)
        ]
        for each in sent:
            each.get(timeout=ANSWER_S)
        place = kafka.TopicPartition(self._place.source, 0)
        offsets = {place: kafka.structs.OffsetAndMetadata(offset, "", -1)}
        self._producer.send_offsets_to_transaction(offsets, self._place.group)

    def commit(self) -> None:
        """It sends EndTxn again by itself."""
        self._producer.commit_transaction()

    def abort(self) -> None:
        """As `commit`."""
        self._producer.abort_transaction()

    def close(self) -> None:
        """Does not wait for what is on its way."""
        if self._producer is not None:
            self._producer.close(timeout=0)

    def is_fenced(self, error: Exception) -> bool:
        """An error that comes late is the argument of a KafkaError."""
        errors = [error, *error.args]
        return any(
            isinstance(each, ProducerFencedError | InvalidProducerEpochError) for each in errors
        )

    def may_abort(self, error: Exception) -> bool:
        """It tells by refusing to."""
        return True


def read(bootstrap: str, topic: str) -> Iterator[Record]:
    """KafkaConsumer with assign()."""
    places = [kafka.TopicPartition(topic, each) for each in range(PARTITIONS)]
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        reconnect_backoff_max_ms=200,
    )
    consumer.assign(places)
    while True:
        for place, records in consumer.poll(timeout_ms=500).items():
            for each in records:
                yield place.partition, each.offset, each.value


if __name__ == "__main__":
    run(KafkaPython, read)
