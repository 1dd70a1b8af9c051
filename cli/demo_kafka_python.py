"""EDGE: the demo's producer, as a process of its own: kafka-python's KafkaProducer as it comes.

Reads one JSON object from standard input: bootstrap_servers, topic, idempotent, lines. Sends every
line as one record, one after the other, and prints the offset of each once it is acknowledged.
Whatever is retried is retried by kafka-python itself. Started by demo.py.
"""

from __future__ import annotations

import json
import sys

from kafka import KafkaProducer

DELIVERY_TIMEOUT_S = 30


def main() -> None:
    """Send the lines."""
    task = json.load(sys.stdin)
    producer = KafkaProducer(
        bootstrap_servers=task["bootstrap_servers"],
        enable_idempotence=task["idempotent"],
        acks="all",
        linger_ms=0,
        reconnect_backoff_max_ms=200,  # the broker is away for a moment only
    )
    for line in task["lines"]:
        sent = producer.send(task["topic"], line.encode(), partition=0)
        print(sent.get(timeout=DELIVERY_TIMEOUT_S).offset, flush=True)
    producer.close()


if __name__ == "__main__":
    main()
