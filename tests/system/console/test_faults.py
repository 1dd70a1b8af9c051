"""Faults on the pages: armed by who may, seen to fire, released."""

from __future__ import annotations

from minibroker.client.cluster.connection import Connection
from minibroker.console.settings import Right
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.alter_faults import AlterFaultsRequest
from minibroker.protocol.messages.describe_faults import DescribeFaultsRequest
from minibroker.testing import TestBroker

from tests.support.console.browsing import console_on
from tests.support.in_loop.runtime import running_broker


async def test_a_fault_is_armed_seen_to_fire_and_released() -> None:
    async with (
        TestBroker() as broker,
        console_on(broker.bootstrap_servers, rights=[Right.FAULTS]) as browser,
    ):
        broker.create_topic("orders")
        form = {"action": "lose_reply", "api": "Produce", "topic": "orders", "times": "1"}
        assert (await browser.post("/faults/arm", from_page="/faults", **form)).status_code == 303
        await broker.produce("orders", b"x")
        text = await browser.text("/faults")
        assert "topic=orders" in text
        (armed,) = broker.rules.rules
        assert (armed.matched, armed.fired) == (2, 1)
        number = str(armed.number)
        assert (
            await browser.post("/faults/release", from_page="/faults", id=number)
        ).status_code == 303
        assert broker.rules.rules == ()


async def test_what_is_no_rule_is_refused_in_words() -> None:
    async with (
        TestBroker() as broker,
        console_on(broker.bootstrap_servers, rights=[Right.FAULTS]) as browser,
    ):
        form = {"action": "error", "code": "NO_SUCH_ERROR"}
        answer = await browser.post("/faults/arm", from_page="/faults", **form)
        assert answer.status_code == 422
        assert "Kafka has no error called" in answer.text
        assert broker.rules.rules == ()


async def test_who_may_change_may_not_arm() -> None:
    async with (
        TestBroker() as broker,
        console_on(broker.bootstrap_servers, rights=[Right.CHANGES]) as browser,
    ):
        form = {"action": "crash", "at": "append"}
        assert (await browser.post("/faults/arm", from_page="/groups", **form)).status_code == 403
        assert broker.rules.rules == ()


async def test_a_broker_without_faults_arms_none() -> None:
    async with running_broker() as runtime:
        port = runtime.bound[0].port
        connection = await Connection.open("127.0.0.1", port)
        told = await connection.request(DescribeFaultsRequest())
        assert not told.has_faults
        answer = await connection.request(AlterFaultsRequest(form='{"crash": {"at": "append"}}'))
        assert answer.error_code == ErrorCode.INVALID_REQUEST
        assert "started without faults" in answer.error_message
        await connection.close()


async def test_forms_that_are_none_are_refused() -> None:
    async with TestBroker() as broker:
        connection = await Connection.open("127.0.0.1", broker.port)
        for form in ("", "[]", "3", "null", '{"crash": 3}', "[" * 5_000, '{"a": {}, "b": {}}'):
            answer = await connection.request(AlterFaultsRequest(form=form))
            assert answer.error_code == ErrorCode.INVALID_REQUEST, form
        answer = await connection.request(AlterFaultsRequest(form=None, fault_id=77))
        assert answer.error_code == ErrorCode.RESOURCE_NOT_FOUND
        await connection.close()
