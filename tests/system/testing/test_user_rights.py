"""Test brokers hand out users with rights, and take rights away again."""

from __future__ import annotations

import pytest
from minibroker.client import ErrorCode, Fatal, Producer
from minibroker.testing import ChildBroker, TestBroker
from minibroker.testing.security.user_rights import rules_of


async def test_a_right_is_given_and_taken_while_it_is_used() -> None:
    async with TestBroker(security="SASL_PLAINTEXT") as broker:
        broker.create_topic("orders")
        options = broker.user("shop", allow=["WRITE topic ord*", "DESCRIBE topic orders"])
        async with Producer(broker.bootstrap_servers, **options) as producer:
            await producer.send_and_wait("orders", b"1")
            broker.user("shop", allow=["DESCRIBE topic orders"])
            with pytest.raises(Fatal, match="this user needs WRITE on the topic") as refused:
                await producer.send_and_wait("orders", b"2")
            assert refused.value.code is ErrorCode.TOPIC_AUTHORIZATION_FAILED
        broker.assert_stored_once("orders", [b"1"])


def test_in_a_child_it_outlives_a_restart() -> None:
    from minibroker.client.blocking import Admin

    with ChildBroker(security="SASL_PLAINTEXT") as broker:
        broker.create_topic("orders")
        broker.create_topic("secrets")
        options = broker.user("auditor", allow=["READ topic *"], deny=["ALL topic secrets"])
        broker.restart()
        with Admin(broker.bootstrap_servers, **options) as admin:
            assert admin.list_topics() == ["orders"]
        with Admin(broker.bootstrap_servers, **broker.security.options()) as admin:
            assert admin.list_topics() == ["orders", "secrets"]


async def test_who_may_do_everything_has_no_rights_to_give() -> None:
    async with TestBroker(security="SASL_PLAINTEXT") as broker:
        with pytest.raises(ValueError, match="alice may do everything"):
            broker.user("alice", allow=["READ topic a"])
    async with TestBroker() as broker:
        with pytest.raises(RuntimeError, match="without security"):
            broker.user("shop")


def test_words_are_rules() -> None:
    told = [tuple(each) for each in rules_of("a", ["write topic t*", "Describe cluster"], [])]
    assert told == [
        (2, "t", 4, "User:a", "*", 4, 3),
        (4, "kafka-cluster", 3, "User:a", "*", 8, 3),
    ]


@pytest.mark.parametrize("words", ["WRITE", "WRITE topics t", "ANY topic t", "topic t WRITE"])
def test_words_that_mean_nothing_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match="expected an operation"):
        rules_of("a", [words], [])


def test_one_right_alone_is_no_list() -> None:
    with pytest.raises(ValueError, match="is a list of rights"):
        rules_of("a", "WRITE topic t", [])
