"""The pytest plugin: a Kafka for tests of any client. Nothing is imported until a fixture is used.

    def test_orders(kafka_broker, kafka_topic):
        KafkaProducer(bootstrap_servers=kafka_broker.bootstrap_servers).send(kafka_topic, b"a")

kafka_broker (one for the session), fresh_kafka_broker (one for the test), kafka_topic (a new one,
of one partition, in kafka_broker), kafka_faults (of kafka_broker, cleared after the test). Each
broker is a child process (child_broker.py), so async and blocking tests are alike, and each
worker of xdist has its own. A failed test's report shows what was asked and which faults acted.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .child_broker import ChildBroker, RemoteFaults

BROKERS = ("kafka_broker", "fresh_kafka_broker")
TOPIC_LENGTH_MAX = 100
REQUESTS_SHOWN = 100
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9._-]+")


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[ChildBroker]:
    """A broker for all tests of this session; records survive its `kill` and `restart`."""
    from .child_broker import ChildBroker

    with ChildBroker() as broker:
        yield broker


@pytest.fixture
def fresh_kafka_broker() -> Iterator[ChildBroker]:
    """A broker for this test alone."""
    from .child_broker import ChildBroker

    with ChildBroker() as broker:
        yield broker


@pytest.fixture
def kafka_topic(kafka_broker: ChildBroker, request: pytest.FixtureRequest) -> str:
    """The name of a new topic of one partition in kafka_broker, which runs."""
    _revive(kafka_broker)
    name = _NOT_IN_NAMES.sub("-", request.node.name).strip("-.")[:TOPIC_LENGTH_MAX]
    return kafka_broker.create_new_topic(name or "topic")


@pytest.fixture
def kafka_faults(kafka_broker: ChildBroker) -> Iterator[RemoteFaults]:
    """The faults of kafka_broker: none are armed at the start, all are gone at the end."""
    _revive(kafka_broker)
    kafka_broker.faults.clear()
    yield kafka_broker.faults
    kafka_broker.faults.clear()
    _revive(kafka_broker)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, object, None]:
    """Add what the brokers saw to the report of a failed test."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed and report.when != "teardown":
        for name in BROKERS:
            broker = getattr(item, "funcargs", {}).get(name)
            if broker is not None:
                report.sections.append((f"{name}: faults", _faults_text(broker)))
                report.sections.append((f"{name}: requests", _requests_text(broker)))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Let the next test's history begin here."""
    broker = getattr(item, "funcargs", {}).get("kafka_broker")
    if broker is not None and broker.is_running:
        broker.forget_history()


def _revive(broker: ChildBroker) -> None:
    """Start a broker again that a test before has ended."""
    if not broker.is_running:
        broker.start()


def _faults_text(broker: ChildBroker) -> str:
    lines = [str(fault) for fault in broker.faults.armed]
    return "\n".join(lines) or "none were armed"


def _requests_text(broker: ChildBroker) -> str:
    if not broker.is_running:
        return f"the broker has ended, and with it the history\n{broker.said}"
    exchanges = broker.history()
    lines = [
        f"{each.number:>5} connection {each.connection} {each.client_id or '-'}: "
        f"{each.api} v{each.version} {each.about}".rstrip()
        + f" -> {each.outcome}"
        for each in exchanges[-REQUESTS_SHOWN:]
    ]
    if len(exchanges) > REQUESTS_SHOWN:
        lines.insert(0, f"… {len(exchanges) - REQUESTS_SHOWN} before")
    return "\n".join(lines) or "none came"
