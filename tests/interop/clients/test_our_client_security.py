"""Our client with TLS and SASL against a real Apache Kafka, one node and three."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from minibroker.client import (
    Admin,
    AuthenticationFailed,
    ClientError,
    ConnectionFailed,
    Consumer,
    Fatal,
    Producer,
)

from tests.support.processes.kafka import RealKafka, missing_tools
from tests.support.processes.secure_kafka import (
    LOGINS,
    RENEW_MS,
    Secured,
    SecureListeners,
    unsecured_token,
)

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
PASSWORD = "do-not-show-me"  # of nobody
BOUND_S = 60
NAMES = count()


@pytest.fixture(scope="module", params=[1, 3])
def secured(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Secured]:
    listeners = SecureListeners()
    with RealKafka(nodes=request.param, secured=listeners, heap="384m") as kafka:
        yield Secured.of(kafka, listeners, tmp_path_factory.mktemp("certificates"))


WAYS = [("SSL", ""), ("MTLS", "")] + [
    (listener, mechanism) for listener in ("SASL_PLAINTEXT", "SASL_SSL") for mechanism in LOGINS
]


@pytest.mark.parametrize(("listener", "mechanism"), WAYS)
async def test_what_is_sent_is_read_in_a_group(
    listener: str, mechanism: str, secured: Secured
) -> None:
    options = secured.options(listener, mechanism)
    topic = f"t{next(NAMES)}"
    sent = [b"%d" % number for number in range(2_000)]
    async with asyncio.timeout(BOUND_S):
        async with Admin(**options) as admin:
            await admin.create_topic(topic, num_partitions=3)
        async with Producer(**options) as producer:
            await producer.send_many(topic, sent)
        group: dict[str, Any] = {"group_id": topic, "auto_offset_reset": "earliest"}
        async with Consumer(topic, **group, **options) as consumer:
            read = [(await anext(consumer)).value for _ in sent]
    assert sorted(read) == sorted(sent)


@pytest.mark.parametrize("mechanism", LOGINS)
async def test_a_login_is_renewed_and_nothing_is_disturbed(
    mechanism: str, secured: Secured
) -> None:
    topic, sent = f"t{next(NAMES)}", 0
    loop = asyncio.get_running_loop()
    async with (
        asyncio.timeout(BOUND_S),
        Producer(**secured.options("RENEW", mechanism)) as producer,
    ):
        await producer.send_and_wait(topic, b"first")
        connections = producer.metrics()["connection-creation-total"]
        until = loop.time() + 2.5 * RENEW_MS / 1000
        while loop.time() < until:
            for _ in range(50):
                await producer.send(topic, b"%d" % sent)
                sent += 1
            await producer.send_and_wait(topic, b"%d" % sent)
            sent += 1
        assert producer.metrics()["connection-creation-total"] == connections
    async with Consumer(
        topic, auto_offset_reset="earliest", **secured.options("RENEW", mechanism)
    ) as consumer:
        read = [(await anext(consumer)).value for _ in range(sent + 1)]
    assert read == [b"first", *(b"%d" % number for number in range(sent))]


async def sending_on(producer: Producer) -> None:
    while True:
        await producer.send_and_wait("changing", b"v")


async def test_credentials_that_changed_end_the_client_when_it_logs_in_anew(
    secured: Secured,
) -> None:
    """The session goes on until it must be renewed; then whoever waits is told, within seconds."""
    token = unsecured_token("eve")
    options = secured.options("RENEW", "OAUTHBEARER")
    options["sasl_oauth_token_provider"] = lambda: token
    async with asyncio.timeout(BOUND_S):
        producer = Producer(**options)
        await producer.start()
        await producer.send_and_wait("changing", b"v")
        token = unsecured_token("eve", lifetime_s=-100)
        with pytest.raises(Fatal, match="refused the login by OAUTHBEARER"):
            await sending_on(producer)
        with pytest.raises(AuthenticationFailed):
            await producer.send("changing", b"v")
        await producer.stop()


REFUSALS: list[tuple[str, str, dict[str, Any], type[ClientError], str]] = [
    ("SASL_SSL", "PLAIN", {"sasl_plain_password": PASSWORD}, AuthenticationFailed, "'alice'"),
    (
        *("SASL_SSL", "SCRAM-SHA-256", {"sasl_plain_password": PASSWORD}, AuthenticationFailed),
        "refused the login by SCRAM-SHA-256 as 'carol'",
    ),
    (
        *("SASL_PLAINTEXT", "SCRAM-SHA-512", {"sasl_plain_username": "x"}, AuthenticationFailed),
        "refused the login by SCRAM-SHA-512 as 'x'",
    ),
    (
        *("SASL_SSL", "OAUTHBEARER"),
        {"sasl_oauth_token_provider": lambda: unsecured_token("eve", -100)},
        *(AuthenticationFailed, "invalid_token"),
    ),
    ("MTLS", "", {"ssl_certfile": None, "ssl_keyfile": None}, AuthenticationFailed, "certificate?"),
    ("SSL", "", {"ssl_cafile": None}, AuthenticationFailed, "signed by nobody known here"),
    (
        *("SSL", "", {"security_protocol": "PLAINTEXT", "ssl_cafile": None}, ConnectionFailed),
        "take security_protocol='SSL' or 'SASL_SSL'",
    ),
    ("SASL_SSL", "", {"security_protocol": "SSL"}, ConnectionFailed, "if it asks for a login"),
]


@pytest.mark.parametrize(("listener", "mechanism", "other", "kind", "why"), REFUSALS)
async def test_a_refusal_is_told_at_once_in_words(
    listener: str,
    mechanism: str,
    other: dict[str, Any],
    kind: type[ClientError],
    why: str,
    secured: Secured,
    caplog: pytest.LogCaptureFixture,
) -> None:
    options = secured.options(listener, mechanism) | other
    async with asyncio.timeout(5):
        for face in (Producer(**options), Consumer("t", **options), Admin(**options)):
            with pytest.raises(kind) as caught:
                await face.start()
            assert why in str(caught.value)
            assert PASSWORD not in str(caught.value) + caplog.text
