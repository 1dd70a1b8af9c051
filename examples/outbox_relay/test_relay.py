"""The outbox relay, killed on purpose (SIGKILL) when a batch is stored and not acknowledged."""

import sqlite3
import subprocess
import sys

import pytest
import relay

PAYLOADS = [b"change %d" % number for number in range(50)]


@pytest.fixture
def path(tmp_path):
    database = sqlite3.connect(tmp_path / "shop.db")
    database.execute(relay.TABLE)
    add(database, PAYLOADS)
    database.close()
    return tmp_path / "shop.db"


def add(database, payloads):
    with database:
        database.executemany(
            "INSERT INTO outbox (payload) VALUES (?)", [(each,) for each in payloads]
        )


@pytest.fixture
def command(path, kafka_broker, kafka_topic, tmp_path):
    words = [str(path), kafka_broker.bootstrap_servers, kafka_topic, str(tmp_path / "session")]
    return [sys.executable, relay.__file__, *words]


def test_every_row_is_published_and_deleted(path, command, kafka_broker, kafka_topic):
    for _ in range(2):
        subprocess.run(command, check=True)
    kafka_broker.assert_stored_once(kafka_topic, PAYLOADS)
    database = sqlite3.connect(path)
    assert database.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
    add(database, [b"one more"])
    database.close()
    subprocess.run(command, check=True)
    kafka_broker.assert_stored_once(kafka_topic, [*PAYLOADS, b"one more"])


def test_a_relay_that_is_killed_goes_on(command, kafka_broker, kafka_topic, kafka_faults):
    held = kafka_faults.hold("Produce", at="appended", topic=kafka_topic, nth=2)
    with subprocess.Popen(command) as first:
        held.wait_reached()  # stored, and the relay does not know
        first.kill()
    held.release()
    subprocess.run(command, check=True)
    assert [each.value for each in kafka_broker.records(kafka_topic)] == PAYLOADS


def test_without_its_session_it_publishes_twice(
    command, tmp_path, kafka_broker, kafka_topic, kafka_faults
):
    held = kafka_faults.hold("Produce", at="appended", topic=kafka_topic, nth=2)
    with subprocess.Popen(command) as first:
        held.wait_reached()
        first.kill()
    held.release()
    subprocess.run([*command[:-1], str(tmp_path / "another")], check=True)
    with pytest.raises(AssertionError, match="stored too often"):
        kafka_broker.assert_stored_once(kafka_topic, PAYLOADS)
