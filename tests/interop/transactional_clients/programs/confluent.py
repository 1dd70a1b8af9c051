"""confluent-kafka (librdkafka) as a transactional program; spoken to as conversation.py says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import confluent_kafka

from tests.interop.transactional_clients.programs.conversation import (
    PARTITIONS,
    TIMEOUT_MS,
    Place,
    Record,
    run,
)

ANSWER_S = 60.0
FENCED = (
    confluent_kafka.KafkaError._FENCED,
    confluent_kafka.KafkaError.PRODUCER_FENCED,
    confluent_kafka.KafkaError.INVALID_PRODUCER_EPOCH,
)


class Confluent:
    """Implements Producer."""

    def __init__(self, place: Place) -> None:
        settings: dict[str, Any] = {
            "bootstrap.servers": place.bootstrap,
            "reconnect.backoff.max.ms": 200,
            # 1. one lost connection is all there are: it forgets its brokers and begins anew with
            #    bootstrap.servers, as it does by itself from 2.11 on
            # 2. which coordinator a group has is still known, as one of the forgotten brokers
            # 3. TxnOffsetCommit waits for that one, and send_offsets_to_transaction for ever
            "metadata.recovery.strategy": "none",
        }
        self._place = place
        # Only a consumer can make the group's metadata; it never joins.
        self._consumer = confluent_kafka.Consumer({**settings, "group.id": place.group})
        self._producer = confluent_kafka.Producer(
            {
                **settings,
                "transactional.id": place.transactional_id,
                "transaction.timeout.ms": TIMEOUT_MS,
                "linger.ms": 0,
            }
        )

    def start(self) -> None:
        """Waits for a broker, for a while."""
        _retried(lambda: self._producer.init_transactions(ANSWER_S))

    def write(self, values: list[bytes], offset: int) -> None:
        """Sends, waits, and sends the offset."""
        self._producer.begin_transaction()
        failed: list[Any] = []

        def told(error: Any, _: Any) -> None:
            if error is not None:
                failed.append(error)

        for partition, value in enumerate(values):
            self._producer.produce(self._place.topic, value, partition=partition, on_delivery=told)
        self._producer.flush(ANSWER_S)
        if failed:
            raise confluent_kafka.KafkaException(failed[0])
        place = confluent_kafka.TopicPartition(self._place.source, 0, offset)
        metadata = self._consumer.consumer_group_metadata()
        _retried(lambda: self._producer.send_offsets_to_transaction([place], metadata, ANSWER_S))

    def commit(self) -> None:
        """Again while it says that this may help."""
        _retried(lambda: self._producer.commit_transaction(ANSWER_S))

    def abort(self) -> None:
        """As `commit`."""
        _retried(lambda: self._producer.abort_transaction(ANSWER_S))

    def close(self) -> None:
        """The producer has no close() that would not wait: it ends when it is collected."""
        self._consumer.close()

    def is_fenced(self, error: Exception) -> bool:
        """Its own code, or the broker's."""
        return isinstance(error, confluent_kafka.KafkaException) and error.args[0].code() in FENCED

    def may_abort(self, error: Exception) -> bool:
        """A failed delivery does not say so of itself; whether it may be, abort says."""
        is_fatal = isinstance(error, confluent_kafka.KafkaException) and error.args[0].fatal()
        return not is_fatal


def _retried(call: Callable[[], Any]) -> None:
    """As the documentation of the client says: again while the error is retriable."""
    deadline = time.monotonic() + ANSWER_S
    while True:
        try:
            call()
            return
        except confluent_kafka.KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > deadline:
                raise


def read(bootstrap: str, topic: str) -> Iterator[Record]:
    """confluent_kafka.Consumer with assign(); the group id is required and never used."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "unused",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "reconnect.backoff.max.ms": 200,
        }
    )
    places = [confluent_kafka.TopicPartition(topic, each, 0) for each in range(PARTITIONS)]
    consumer.assign(places)
    while True:
        messages: list[Any] = consumer.consume(1_000, timeout=0.2)
        for each in messages:
            if each.error() is None:  # errors are transient ones, such as a broker that is away
                yield each.partition(), each.offset(), each.value()


if __name__ == "__main__":
    run(Confluent, read)
