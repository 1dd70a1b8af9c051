"""Send numbered lines to any Kafka broker and read them back; exit 0 if each is there exactly once.

    BOOTSTRAP_SERVERS=127.0.0.1:9092 LINES=1000 TOPIC=demo python examples/send_and_read_back.py

Needs kafka-python 3 only. Every run marks its lines, so that it can be repeated on the same topic.
"""

import os
import sys
import uuid
from collections import Counter

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

SERVERS = os.environ.get("BOOTSTRAP_SERVERS", "127.0.0.1:9092")
TOPIC = os.environ.get("TOPIC", "demo")
LINES = int(os.environ.get("LINES", "1000"))


def send(lines: list[bytes]) -> None:
    """Return once every line is acknowledged. Raises KafkaError if one is not."""
    producer = KafkaProducer(
        bootstrap_servers=SERVERS,
        bootstrap_timeout_ms=120_000,  # a broker may just be starting
        enable_idempotence=True,
        acks="all",
    )
    for sent in [producer.send(TOPIC, line) for line in lines]:
        sent.get(timeout=60)
    producer.close()


def read_back() -> Counter[bytes]:
    """How often each line is in the topic, from its beginning to its present end."""
    consumer = KafkaConsumer(bootstrap_servers=SERVERS, auto_offset_reset="earliest")
    partitions = [TopicPartition(TOPIC, number) for number in consumer.partitions_for_topic(TOPIC)]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    found: Counter[bytes] = Counter()
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        for records in consumer.poll(timeout_ms=1000).values():
            found.update(record.value for record in records)
    consumer.close()
    return found


def main() -> int:
    """Send, read back, compare."""
    run = uuid.uuid4().hex[:8]
    lines = [b"%s %d" % (run.encode(), number) for number in range(LINES)]
    send(lines)
    found = read_back()
    wrong = [line.decode() for line in lines if found[line] != 1]
    print(f"{SERVERS}: {LINES} lines sent to {TOPIC}, {LINES - len(wrong)} there exactly once")
    if wrong:
        print(f"lost or stored twice: {', '.join(wrong[:10])} …", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
