"""Brokers of tests with TLS and SASL: options for four clients, wrong certificates, refusals."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from minibroker.cli.asking.tokens import unsecured_token
from minibroker.client import Admin, AuthenticationFailed, Consumer, Fatal, Producer
from minibroker.testing import BrokerSecurity, ChildBroker, TestBroker
from minibroker.testing.security.broker_security import MECHANISMS

PROTOCOLS = ("SSL", "SASL_PLAINTEXT", "SASL_SSL")
WRONG = "do-not-show-me"
BOUND_S = 30


def ours_sends(broker: ChildBroker, mechanism: Any) -> None:
    from minibroker.client.blocking import Producer as BlockingProducer

    with BlockingProducer(broker.bootstrap_servers, **broker.security.options(mechanism)) as own:
        own.send_and_wait("t", b"v")


def kafka_python_sends(broker: ChildBroker, mechanism: Any) -> None:
    from kafka import KafkaProducer

    options = broker.security.options(mechanism)
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers, **options)
    producer.send("t", b"v").get(BOUND_S)
    producer.close()


def aiokafka_sends(broker: ChildBroker, mechanism: Any) -> None:
    from aiokafka import AIOKafkaProducer

    async def send() -> None:
        options = broker.security.aiokafka(mechanism)
        producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers, **options)
        await producer.start()
        try:
            await producer.send_and_wait("t", b"v")
        finally:
            await producer.stop()

    asyncio.run(send())


def confluent_kafka_sends(broker: ChildBroker, mechanism: Any) -> None:
    from confluent_kafka import Producer as ConfluentProducer

    options = broker.security.confluent_kafka(mechanism)
    producer = ConfluentProducer({"bootstrap.servers": broker.bootstrap_servers, **options})
    producer.produce("t", b"v")
    assert producer.flush(BOUND_S) == 0


def command_sends(broker: ChildBroker, mechanism: Any) -> None:
    config = broker.security.write_properties(mechanism)
    here = ["--bootstrap-server", broker.bootstrap_servers, "--command-config", config]
    command = [sys.executable, "-m", "minibroker", "produce", "t", *here]
    subprocess.run(command, input=b"v\n", check=True, timeout=BOUND_S)


CLIENTS = (ours_sends, kafka_python_sends, aiokafka_sends, confluent_kafka_sends, command_sends)


@pytest.mark.interop  # tests/system/security/test_foreign_clients.py has a part of it
@pytest.mark.filterwarnings("ignore:(read|open)_text is deprecated")  # kafka-python
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_options_fit_every_client(protocol: Any) -> None:
    with ChildBroker(security=protocol) as broker:
        sent = 0
        for mechanism in MECHANISMS if protocol.startswith("SASL") else MECHANISMS[:1]:
            for send in CLIENTS:
                send(broker, mechanism)
                sent += 1
        broker.produce("t", b"v")
        broker.assert_stored_once("t", [b"v"] * (sent + 1))


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_broker_in_the_loop(protocol: Any) -> None:
    async with TestBroker(security=protocol) as broker:
        await broker.produce("t", b"a", b"b")
        await broker.restart()
        options = broker.security.options()
        async with Consumer(
            "t", bootstrap_servers=broker.bootstrap_servers, group_id="g",
            auto_offset_reset="earliest", **options,
        ) as consumer:  # fmt: skip
            assert [(await anext(consumer)).value for _ in range(2)] == [b"a", b"b"]


@asynccontextmanager
async def refused(security: BrokerSecurity, **options: Any) -> AsyncIterator[str]:
    """What a client is told that such a broker, or who refuses it, lets not in."""
    async with TestBroker(security=security) as broker:
        given = broker.security.options() | options
        producer = Producer(broker.bootstrap_servers, **given)
        async with asyncio.timeout(5):
            with pytest.raises(AuthenticationFailed) as caught:
                await producer.start()
        assert WRONG not in str(caught.value)
        yield str(caught.value)


async def test_wrong_certificates() -> None:
    async with refused(BrokerSecurity("SSL", certificate="expired")) as told:
        assert "its certificate has expired" in told
    async with refused(BrokerSecurity("SASL_SSL", certificate="wrong_host")) as told:
        assert "its certificate is for another name than 127.0.0.1" in told


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_a_refused_login(mechanism: str) -> None:
    by: dict[str, Any] = {"sasl_mechanism": mechanism, "sasl_plain_password": WRONG}
    async with refused(BrokerSecurity("SASL_PLAINTEXT"), **by) as told:
        assert f"refused the login by {mechanism} as 'alice'" in told


async def test_a_client_that_is_asked_for_its_certificate() -> None:
    async with TestBroker(security=BrokerSecurity("SSL", client_auth="required")) as broker:
        await broker.produce("t", b"known")
        with pytest.raises(Exception, match="ssl_certfile and ssl_keyfile name one"):
            await Producer(broker.bootstrap_servers, **broker.security.options()).start()


async def test_a_certificate_that_is_replaced_while_the_broker_runs() -> None:
    async with TestBroker(security="SSL") as broker:
        options = broker.security.options()
        async with Producer(broker.bootstrap_servers, **options) as producer:
            await producer.send_and_wait("t", b"before")
            broker.security.use_certificate("expired")
            async with asyncio.timeout(BOUND_S):
                await until_refused(broker, options)
            await producer.send_and_wait("t", b"after")  # who is in stays in


async def until_refused(broker: TestBroker, options: dict[str, Any]) -> None:
    """Come again and again until the new certificate is shown."""
    while True:
        try:
            async with Admin(broker.bootstrap_servers, **options) as admin:
                await admin.list_topics()
        except AuthenticationFailed as error:
            assert "expired" in str(error)  # noqa: PT017  what other attempts end with is not told
            return


async def test_a_password_that_changes_while_somebody_is_logged_in() -> None:
    async with TestBroker(
        security="SASL_PLAINTEXT", settings={"connections.max.reauth.ms": 1500}
    ) as broker:
        options = broker.security.options("SCRAM-SHA-256")
        producer = Producer(broker.bootstrap_servers, **options)
        await producer.start()
        await producer.send_and_wait("t", b"before")
        broker.change_password("alice", "another")
        async with asyncio.timeout(BOUND_S):
            with pytest.raises(Fatal, match="refused the login by SCRAM-SHA-256 as 'alice'"):
                await sending_on(producer)
            with pytest.raises(AuthenticationFailed):
                await producer.send("t", b"later")
        await producer.stop()
        options["sasl_plain_password"] = "another"
        async with Producer(broker.bootstrap_servers, **options) as producer:
            await producer.send_and_wait("t", b"after")
        await broker.restart()
        async with Producer(broker.bootstrap_servers, **options) as producer:
            await producer.send_and_wait("t", b"after a restart")


async def sending_on(producer: Producer) -> None:
    while True:
        await producer.send_and_wait("t", b"v")


async def test_a_login_is_renewed_while_records_are_sent() -> None:
    """The session lasts 1.5 s; within 4 s of sending nothing is lost, doubled or out of order."""
    async with TestBroker(
        security="SASL_SSL", settings={"connections.max.reauth.ms": 1500}
    ) as broker:
        loop, sent = asyncio.get_running_loop(), 0
        options = broker.security.options()
        async with Producer(broker.bootstrap_servers, **options) as producer:
            await producer.send_and_wait("t", b"0")
            connections = producer.metrics()["connection-creation-total"]
            until = loop.time() + 4
            while loop.time() < until:
                sent += 1
                await producer.send("t", b"%d" % sent)
                if sent % 20 == 0:
                    sent += 1
                    await producer.send_and_wait("t", b"%d" % sent)
            await producer.flush()
            assert producer.metrics()["connection-creation-total"] == connections
        stored = [record.value for record in broker.records("t")]
    assert stored == [b"%d" % number for number in range(sent + 1)]


async def test_what_there_is_not_is_told() -> None:
    with pytest.raises(ValueError, match="expected one of SSL, SASL_PLAINTEXT, SASL_SSL"):
        TestBroker(security="TLS")
    with pytest.raises(RuntimeError, match="made without security"):
        _ = TestBroker().security
    assert "secret" not in repr(BrokerSecurity()) + repr(BrokerSecurity().prepared)


BEARER = "listener.name.sasl_plaintext.oauthbearer.sasl"
CLASSES = "org.apache.kafka.common.security.oauthbearer"
UNSECURED = f"{CLASSES}.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"


async def test_tokens_that_nobody_signed_where_a_setting_takes_them() -> None:
    settings = {
        "sasl.enabled.mechanisms": "OAUTHBEARER",
        f"{BEARER}.jaas.config": f"{CLASSES}.OAuthBearerLoginModule required;",
        f"{BEARER}.server.callback.handler.class": UNSECURED,
        "super.users": "User:eve",
    }
    async with TestBroker(security="SASL_PLAINTEXT", settings=settings) as broker:
        options: dict[str, Any] = {
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "OAUTHBEARER",
            "sasl_oauth_token_provider": lambda: unsecured_token("eve", time.time()),
        }
        async with Producer(broker.bootstrap_servers, **options) as producer:
            await producer.send_and_wait("t", b"v")
        options["sasl_oauth_token_provider"] = lambda: unsecured_token("eve", time.time(), -100)
        with pytest.raises(AuthenticationFailed, match=r"OAUTHBEARER: .*invalid_token"):
            await Producer(broker.bootstrap_servers, **options).start()
        broker.assert_stored_once("t", [b"v"])
