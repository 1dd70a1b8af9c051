"""The outbox relay against a Kafka that loses an answer on purpose."""

import sqlite3

import pytest
from relay import TABLE, Relay

PAYLOADS = [b"change %d" % number for number in range(5)]


@pytest.fixture
def database():
    connection = sqlite3.connect(":memory:")
    connection.execute(TABLE)
    connection.executemany(
        "INSERT INTO outbox (payload) VALUES (?)", [(each,) for each in PAYLOADS]
    )
    yield connection
    connection.close()


def test_every_row_is_published_and_marked(database, kafka_broker, kafka_topic):
    relay = Relay(database, kafka_broker.bootstrap_servers, kafka_topic)
    assert relay.publish() == 0
    assert relay.publish() == 0
    kafka_broker.assert_stored_once(kafka_topic, PAYLOADS)


def test_a_row_is_published_once_although_its_answer_is_lost(
    database, kafka_broker, kafka_topic, kafka_faults
):
    kafka_faults.lose_reply("Produce", topic=kafka_topic, nth=3)
    assert Relay(database, kafka_broker.bootstrap_servers, kafka_topic).publish() == 0
    kafka_broker.assert_stored_once(kafka_topic, PAYLOADS)
    kafka_faults.assert_all_fired()


def test_without_idempotence_a_row_is_published_twice(
    database, kafka_broker, kafka_topic, kafka_faults
):
    kafka_faults.lose_reply("Produce", topic=kafka_topic, nth=3)
    relay = Relay(database, kafka_broker.bootstrap_servers, kafka_topic, idempotent=False)
    assert relay.publish() == 0
    with pytest.raises(AssertionError, match="stored too often, by 1"):
        kafka_broker.assert_stored_once(kafka_topic, PAYLOADS)
