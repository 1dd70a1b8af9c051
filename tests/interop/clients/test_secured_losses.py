"""Our client at a real Apache Kafka with TLS and SASL, one node and three, through lost answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
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
PARTITIONS = 3
RECORDS = 1_000  # in each
LOSE_EVERY = 4
BOUND_S = 60
WAYS = [("SSL", "")] + [
    (listener, mechanism) for listener in ("SASL_PLAINTEXT", "SASL_SSL") for mechanism in LOGINS
]
LISTENERS = SecureListeners()


@pytest.fixture(scope="module", params=[1, 3])
def secured(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Secured]:
    with RealKafka(nodes=request.param, secured=LISTENERS, heap="384m") as kafka:
        yield Secured.of(kafka, LISTENERS, tmp_path_factory.mktemp("certificates"))


@asynccontextmanager
async def proxies(
    listener: str, secured: Secured, tmp_path: Path
) -> AsyncIterator[Sequence[Proxy]]:
    """One in front of each node; each loses every LOSE_EVERY-th answer to a Produce."""
    between = behind = None
    if listener.endswith("SSL"):
        behind = ssl.create_default_context(cafile=secured.authority)
        between = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        between.load_cert_chain(*LISTENERS.certificates.write(tmp_path, "server"))
    rule = Rule(action=LoseReply(), api="Produce", every=LOSE_EVERY)
    async with AsyncExitStack() as all_of_them:
        found: dict[tuple[str, int], Proxy] = {}
        for server in secured.kafka.servers(listener).split(","):
            proxy = Proxy(server, [rule], ssl_context=between, upstream_ssl_context=behind)
            host, _, port = server.rpartition(":")
            found[host, int(port)] = await all_of_them.enter_async_context(proxy)
        for proxy in found.values():
            proxy.neighbours = {at: (other.host, other.port) for at, other in found.items()}
        yield tuple(found.values())


@pytest.mark.parametrize(("listener", "mechanism"), WAYS)
async def test_lost_answers_store_every_record_once(
    listener: str, mechanism: str, secured: Secured, tmp_path: Path
) -> None:
    options = secured.options(listener, mechanism)
    topic = f"{listener}-{mechanism}"
    sent = [[b"%d-%d" % (n, number) for number in range(RECORDS)] for n in range(PARTITIONS)]
    async with asyncio.timeout(BOUND_S), proxies(listener, secured, tmp_path) as between:
        options["bootstrap_servers"] = ",".join(each.bootstrap_servers for each in between)
        async with Admin(**options) as admin:
            await admin.create_topic(topic, num_partitions=PARTITIONS)
        async with Producer(batch_size=2_000, **options) as producer:
            for at_once in zip(*sent, strict=True):
                for partition, value in enumerate(at_once):
                    await producer.send(topic, value, partition=partition)
        for proxy in between:  # each leads a partition
            assert proxy.rules[0].fired > 1
            assert proxy.outcomes["Produce", Outcome.LOST] > 1
        read: list[list[bytes | None]] = [[] for _ in sent]
        group: dict[str, Any] = {"group_id": topic, "auto_offset_reset": "earliest"}
        async with Consumer(topic, **group, **options) as consumer:
            for _ in range(PARTITIONS * RECORDS):
                record = await anext(consumer)
                read[record.partition].append(record.value)
    assert read == sent


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
