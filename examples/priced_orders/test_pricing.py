"""A worker is killed again and again in the middle of its work; every order is priced once."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from minibroker.client import blocking
from pricing import invoice

ORDERS = 400
KILLS = 4
BOUND_S = 30
ITEMS = ("apple", "pear", "melon", "unicorn")


def order(number: int) -> bytes:
    """Every fourth cannot be priced."""
    return json.dumps({"order": number, "item": ITEMS[number % 4]}).encode()


@pytest.fixture
def worker(kafka_broker, kafka_topic):
    """Starts the worker; the one that runs at the end is killed."""
    started = []

    def start():
        program = Path(__file__).with_name("pricing.py")
        servers, invoices = kafka_broker.bootstrap_servers, f"{kafka_topic}.invoices"
        command = [sys.executable, str(program), servers, kafka_topic, invoices, "worker-1"]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.communicate()


def committed(servers, topic):
    """Everything that read_committed shows."""
    with blocking.Consumer(
        topic,
        bootstrap_servers=servers,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        consumer_timeout_ms=1_000,
    ) as consumer:
        return sorted(record.value for record in consumer)


def test_every_order_is_priced_once_although_the_worker_is_killed(
    kafka_broker, kafka_topic, worker
):
    orders = [order(number) for number in range(ORDERS)]
    with blocking.Producer(kafka_broker.bootstrap_servers) as producer:
        for part in range(KILLS + 1):
            producer.send_many(kafka_topic, orders[part :: KILLS + 1])
            running = worker()
            assert running.stdout.readline().startswith("priced")  # it is in the middle
            if part < KILLS:
                running.kill()
                running.wait(BOUND_S)
    while "behind 0" not in running.stdout.readline():
        assert running.poll() is None
    running.send_signal(signal.SIGTERM)
    assert running.wait(BOUND_S) == 0
    priced = [each for each in orders if b"unicorn" not in each]
    servers = kafka_broker.bootstrap_servers
    assert committed(servers, f"{kafka_topic}.invoices") == sorted(map(invoice, priced))
    assert committed(servers, f"{kafka_topic}.dead") == sorted(set(orders) - set(priced))
