"""Foreign clients, secured in each way, through lost answers: once, in order, read in a group."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from minibroker.testing import ChildBroker
from minibroker.testing.security.broker_security import MECHANISMS

from tests.interop.matrix.catalogue import CLIENTS, LIBRDKAFKA, Client
from tests.interop.matrix.environments import EnvironmentMissing, Runnable, go_module
from tests.interop.matrix.records import Written, as_line, from_line
from tests.interop.secured.bearers import SIGNED, UNSIGNED, Bearers, shortened

PROGRAMS = Path(__file__).with_name("programs")
SARAMA = Client(
    "sarama",
    "sarama",
    partial(go_module, "sarama-secured", str(PROGRAMS / "sarama.go"), str(PROGRAMS / "sarama.mod")),
)
NAMES = (
    *("kafka-python-3", "aiokafka-newest", "confluent-kafka-newest", "kcat", "kafkajs"),
    *("java-client", "franz-go"),
)
SECURED = [each for each in CLIENTS if each.name in NAMES] + [SARAMA]
RECORDS = 500
BATCH_BYTES = 2_000
LOSE_EVERY = 3
TIMEOUT_S = 180
WAYS = [
    ("SSL", MECHANISMS[0]),
    *((protocol, each) for protocol in ("SASL_PLAINTEXT", "SASL_SSL") for each in MECHANISMS),
    ("SASL_PLAINTEXT", UNSIGNED),
    ("SASL_SSL", SIGNED),
]
GAPS = {("kcat", SIGNED): "its librdkafka is built without OIDC: it has tokens of its own only"}
pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def bearers(tmp_path_factory: pytest.TempPathFactory) -> Bearers:
    return Bearers(tmp_path_factory.mktemp("tokens"))


@pytest.fixture(scope="module")
def brokers(bearers: Bearers) -> Iterator[dict[str, ChildBroker]]:
    protocols: list[Any] = ["SSL", "SASL_PLAINTEXT", "SASL_SSL"]
    made = {each: ChildBroker(security=each, settings=bearers.settings(each)) for each in protocols}
    try:
        for broker in made.values():
            broker.start()
        yield made
    finally:
        for broker in made.values():
            broker.close()


@cache
def runnable(name: str) -> Runnable:
    (client,) = [each for each in SECURED if each.name == name]
    return client.environment()


def options(client: Client, broker: ChildBroker, mechanism: Any, bearers: Bearers) -> Any:
    """What the program of a client takes for its own."""
    security = broker.security
    if mechanism in (UNSIGNED, SIGNED):
        return bearers.options(client, security, mechanism)
    if client.library == "java":
        return security.properties(mechanism)
    if client.library == LIBRDKAFKA:
        return security.confluent_kafka(mechanism)
    given = security.options(mechanism)
    return given if client.library in ("kafka-python", "aiokafka") else shortened(given)


@pytest.mark.parametrize(("protocol", "mechanism"), WAYS)
@pytest.mark.parametrize("client", SECURED, ids=lambda each: each.name)
def test_client(
    client: Client,
    protocol: str,
    mechanism: str,
    brokers: dict[str, ChildBroker],
    bearers: Bearers,
) -> None:
    if reason := GAPS.get((client.name, mechanism)):
        pytest.skip(reason)
    try:
        program = runnable(client.name)
    except EnvironmentMissing as missing:
        pytest.skip(str(missing))
    broker = brokers[protocol]
    if client.name == "kcat" and mechanism.startswith("SCRAM"):
        expect_its_nonce(broker, mechanism)
    topic = f"{client.name}-{mechanism}"
    broker.create_topic(topic)
    variables = {
        "SECURITY": json.dumps(options(client, broker, mechanism, bearers)),
        "GROUP": f"group-{topic}",
        "JAVA_TOOL_OPTIONS": bearers.java_options,
    }
    sent = [Written(None, b"%d" % number, ()) for number in range(RECORDS)]
    lost = broker.faults.lose_reply("Produce", topic=topic, every=LOSE_EVERY)
    lines = "".join(f"{as_line(each)}\n" for each in sent)
    where = broker.bootstrap_servers
    run(program, variables, "write", where, topic, "none", str(BATCH_BYTES), stdin=lines)
    assert lost.fired > 0
    lost.release()
    assert [each.value for each in broker.records(topic)] == [each.value for each in sent]
    told = run(program, variables, "read", where, topic, str(RECORDS))
    assert [from_line(line)[1].value for line in told.splitlines()] == [each.value for each in sent]


def expect_its_nonce(broker: ChildBroker, mechanism: Any) -> None:
    """Older ones of its library say the client's nonce twice; Kafka refuses that since 3.8.1."""
    words = ["kcat", "-L", "-b", broker.bootstrap_servers, "-m", "10"]
    for name, value in broker.security.confluent_kafka(mechanism).items():
        words += ["-X", f"{name}={value}"]
    done = subprocess.run(words, capture_output=True, timeout=TIMEOUT_S, check=False)
    if done.returncode and "the nonce is not the one of this login" in broker.logged:
        pytest.xfail("this kcat's librdkafka repeats its nonce in SCRAM (CVE-2024-56128)")


def run(program: Runnable, variables: dict[str, str], *words: str, stdin: str = "") -> str:
    environment = {**os.environ, **program.environment, **variables}
    done = subprocess.run(
        [*program.command, *words],
        input=stdin,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return done.stdout
