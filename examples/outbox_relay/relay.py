"""An outbox relay: rows of a database become records of a topic, each once, also when it is killed.

An application writes its change and an outbox row in one transaction; the relay publishes the rows
in order. It keeps a durable session: the id of a row is its mark, so a relay that was killed goes
on behind what is in its session, and what was on its way is settled. No column says what is sent.

    python relay.py DATABASE SERVERS TOPIC SESSION
"""

import sqlite3
import sys

from minibroker.client.blocking import Producer

TABLE = "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, payload BLOB)"
SOURCE = "outbox"


def publish(database: sqlite3.Connection, producer: Producer, topic: str) -> int:
    """Publish every row that is new, wait until it is stored; returns the id of the last one."""
    position = producer.session.marks.get(SOURCE, 0)
    rows = database.execute("SELECT id, payload FROM outbox WHERE id > ? ORDER BY id", (position,))
    for number, payload in rows:
        producer.send(topic, payload, mark=(SOURCE, number))
    producer.flush()
    return producer.session.marks.get(SOURCE, 0)


def tidy(database: sqlite3.Connection, position: int) -> None:
    """Delete what is published: AUTOINCREMENT never gives an id twice."""
    with database:
        database.execute("DELETE FROM outbox WHERE id <= ?", (position,))


def main(path: str, servers: str, topic: str, session: str) -> None:
    """Publish what waits."""
    with Producer(servers, session=session, batch_size=200) as producer:
        database = sqlite3.connect(path)
        tidy(database, publish(database, producer, topic))
        database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
