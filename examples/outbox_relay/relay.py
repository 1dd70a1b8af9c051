"""An outbox relay: rows of a database become records of a topic, each once, with confluent-kafka.

An application writes its change and an outbox row in one transaction; the relay publishes the rows
in order and marks those that are acknowledged.
"""

import sqlite3

from confluent_kafka import KafkaError, Message, Producer

TABLE = "CREATE TABLE outbox (id INTEGER PRIMARY KEY, payload BLOB, sent INTEGER DEFAULT 0)"
FLUSH_S = 30.0


class Relay:
    """Publishes what waits in the table `outbox`."""

    def __init__(
        self, database: sqlite3.Connection, servers: str, topic: str, *, idempotent: bool = True
    ) -> None:
        self._database = database
        self._topic = topic
        self._producer = Producer(
            {
                "bootstrap.servers": servers,
                "acks": "all",
                "enable.idempotence": idempotent,
                "retry.backoff.ms": 10,
                "log_level": 2,
            }
        )

    def publish(self) -> int:
        """Publish every waiting row; returns how many still wait."""
        rows = self._database.execute("SELECT id, payload FROM outbox WHERE NOT sent ORDER BY id")
        for number, payload in rows.fetchall():
            self._producer.produce(self._topic, payload, on_delivery=self._marking(number))
            self._producer.flush(FLUSH_S)
        (waiting,) = self._database.execute("SELECT count(*) FROM outbox WHERE NOT sent").fetchone()
        return waiting

    def _marking(self, number: int):
        def mark(error: KafkaError | None, message: Message) -> None:
            if error is None:
                with self._database:
                    self._database.execute("UPDATE outbox SET sent = 1 WHERE id = ?", (number,))

        return mark
