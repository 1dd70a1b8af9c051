"""Our client at a real Apache Kafka with TLS and SASL, through a TLS proxy that loses answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from minibroker.broker.faults.rules import LoseReply, Rule
from minibroker.client import Admin, AuthenticationFailed, Consumer, Fatal, Producer
from minibroker.testing.proxy import Proxy
from minibroker.testing.proxying.rules import Outcome

from tests.support.processes.kafka import RealKafka, missing_tools
from tests.support.processes.secure_kafka import LOGINS, Secured, SecureListeners

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
RECORDS = 2_000
BOUND_S = 60
WAYS = [("SSL", "")] + [
    (listener, mechanism) for listener in ("SASL_PLAINTEXT", "SASL_SSL") for mechanism in LOGINS
]
LISTENERS = SecureListeners()


@pytest.fixture(scope="module")
def secured(tmp_path_factory: Any) -> Iterator[Secured]:
    with RealKafka(secured=LISTENERS, heap="384m") as kafka:
        yield Secured.of(kafka, LISTENERS, tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize(("listener", "mechanism"), WAYS)
async def test_lost_answers_store_every_record_once(
    listener: str, mechanism: str, secured: Secured, tmp_path: Any
) -> None:
    options = secured.options(listener, mechanism)
    between = behind = None
    if listener.endswith("SSL"):
        behind = ssl.create_default_context(cafile=secured.authority)
        between = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        between.load_cert_chain(*LISTENERS.certificates.write(tmp_path, "server"))
    topic = f"{listener}-{mechanism}"
    sent = [b"%d" % number for number in range(RECORDS)]
    rule = Rule(action=LoseReply(), api="Produce", every=4)
    async with asyncio.timeout(BOUND_S):
        async with Proxy(
            options.pop("bootstrap_servers"),
            [rule],
            ssl_context=between,
            upstream_ssl_context=behind,
        ) as proxy:
            here = proxy.bootstrap_servers
            async with Producer(here, batch_size=2_000, **options) as producer:
                for value in sent:
                    await producer.send(topic, value, partition=0)
            assert proxy.rules[0].fired > 2
            assert proxy.outcomes["Produce", Outcome.LOST] > 2
            read_options = {"group_id": topic, "auto_offset_reset": "earliest", **options}
            async with Consumer(topic, bootstrap_servers=here, **read_options) as consumer:
                assert [(await anext(consumer)).value for _ in sent] == sent


async def test_users_come_and_go_at_a_real_kafka(secured: Secured) -> None:
    options = secured.options("SASL_SSL", "PLAIN")
    own = secured.options("SASL_SSL", "SCRAM-SHA-512") | {
        "sasl_plain_username": "erin=,",
        "sasl_plain_password": "erin, her own",
    }
    async with asyncio.timeout(BOUND_S), Admin(**options) as admin:
        await admin.upsert_user_scram_credential(
            "erin=,", "SCRAM-SHA-512", "erin, her own", iterations=8192
        )
        (info,) = (await admin.describe_user_scram_credentials(["erin=,"]))["erin=,"]
        assert (info.mechanism, info.iterations) == ("SCRAM-SHA-512", 8192)
        async with Admin(**own) as hers:
            assert "erin=," in await hers.describe_user_scram_credentials()
        await admin.delete_user_scram_credential("erin=,", "SCRAM-SHA-512")
        with pytest.raises(Fatal, match="does not exist"):
            await admin.delete_user_scram_credential("erin=,", "SCRAM-SHA-512")
        with pytest.raises(Fatal, match="Too few iterations"):
            await admin.upsert_user_scram_credential("erin", "SCRAM-SHA-256", "x", iterations=7)
        with pytest.raises(AuthenticationFailed):
            await Admin(**own).start()
