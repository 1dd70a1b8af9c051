"""The pytest plugin: a Kafka for tests of any client. Nothing is imported until a fixture is used.

    def test_orders(kafka_broker, kafka_topic):
        KafkaProducer(bootstrap_servers=kafka_broker.bootstrap_servers).send(kafka_topic, b"a")

kafka_broker (one for the session), fresh_kafka_broker (one for the test), kafka_topic (a new one,
of one partition, in kafka_broker; kafka_class_topic and kafka_module_topic live longer),
kafka_faults (of kafka_broker, cleared after the test). kafka_settings, kafka_durability and
kafka_security in the ini file hold for all brokers, @pytest.mark.kafka(settings={...},
durability=..., security=...) for the fresh one of a test. Each broker is a child process
(child_broker.py), so async and blocking tests are alike, and each worker of xdist has its own. A
failed test's report shows what was asked, which faults acted, and what the broker logged.
Tests: tests/system/testing/test_pytest_plugin.py
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING, TypedDict

import pytest

if TYPE_CHECKING:
    from .child_broker import ChildBroker
    from .remote_faults import RemoteFaults
    from .security.broker_security import BrokerSecurity
    from .settings import Setting

BROKERS = ("kafka_broker", "fresh_kafka_broker")
TOPIC_LENGTH_MAX = 100
REQUESTS_SHOWN = 100
DURABILITY = "page-cache"
MARKER = (
    "kafka(settings={}, durability='', security=''): Kafka broker properties, what an "
    "acknowledgement means, and TLS and SASL, for this test's fresh_kafka_broker"
)
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9._-]+")


class _Asked(TypedDict):
    settings: Mapping[str, Setting]
    durability: str
    security: str | BrokerSecurity


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare what an ini file may say of all brokers."""
    parser.addini("kafka_settings", "Kafka broker properties, NAME=VALUE a line", type="linelist")
    parser.addini(
        "kafka_durability",
        "what an acknowledgement means: fsync, page-cache or memory",
        default=DURABILITY,
    )
    parser.addini("kafka_security", "SSL, SASL_PLAINTEXT or SASL_SSL", default="PLAINTEXT")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture(scope="session")
def kafka_broker(pytestconfig: pytest.Config) -> Iterator[ChildBroker]:
    """A broker for all tests of this session; records survive its `kill` and `restart`."""
    from .child_broker import ChildBroker

    durability: str = pytestconfig.getini("kafka_durability")
    security: str = pytestconfig.getini("kafka_security")
    settings = _ini_settings(pytestconfig)
    with ChildBroker(settings=settings, durability=durability, security=security) as broker:
        yield broker


@pytest.fixture
def fresh_kafka_broker(request: pytest.FixtureRequest) -> Iterator[ChildBroker]:
    """A broker for this test alone; its marker `kafka` may say how it is set up."""
    from .child_broker import ChildBroker

    asked = _marked(request.node)
    settings = {**_ini_settings(request.config), **asked["settings"]}
    durability = asked["durability"] or request.config.getini("kafka_durability")
    security = asked["security"] or request.config.getini("kafka_security")
    with ChildBroker(settings=settings, durability=durability, security=security) as broker:
        yield broker


@pytest.fixture
def kafka_topic(kafka_broker: ChildBroker, request: pytest.FixtureRequest) -> str:
    """The name of a new topic of one partition in kafka_broker, which runs."""
    return _new_topic(kafka_broker, request.node.name)


@pytest.fixture(scope="class")
def kafka_class_topic(kafka_broker: ChildBroker, request: pytest.FixtureRequest) -> str:
    """The same, one for all tests of a class."""
    return _new_topic(kafka_broker, request.node.name)


@pytest.fixture(scope="module")
def kafka_module_topic(kafka_broker: ChildBroker, request: pytest.FixtureRequest) -> str:
    """The same, one for all tests of a module."""
    return _new_topic(kafka_broker, request.node.name.rpartition("/")[2].removesuffix(".py"))


@pytest.fixture
def kafka_faults(kafka_broker: ChildBroker) -> Iterator[RemoteFaults]:
    """The faults of kafka_broker: none are armed at the start, all are gone at the end."""
    kafka_broker.ensure_running()
    kafka_broker.faults.clear()
    yield kafka_broker.faults
    kafka_broker.faults.clear()
    kafka_broker.ensure_running()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a marker that would do nothing."""
    names = getattr(item, "fixturenames", ())
    if item.get_closest_marker("kafka") is not None and "fresh_kafka_broker" not in names:
        raise pytest.UsageError(
            f"{item.nodeid}: the marker `kafka` sets up fresh_kafka_broker, which this test does "
            "not use; for kafka_broker put kafka_settings into the ini file"
        )


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
                report.sections.append((f"{name}: log", broker.logged.rstrip() or "nothing"))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Let the next test's history and log begin here."""
    broker = getattr(item, "funcargs", {}).get("kafka_broker")
    if broker is not None:
        broker.forget_history()


def _new_topic(broker: ChildBroker, test: str) -> str:
    """A topic named after a test, in a broker that a test before may have ended."""
    broker.ensure_running()
    name = _NOT_IN_NAMES.sub("-", test).strip("-.")[:TOPIC_LENGTH_MAX]
    return broker.create_new_topic(name or "topic")


def _ini_settings(config: pytest.Config) -> dict[str, str]:
    settings = {}
    for setting in config.getini("kafka_settings"):
        name, separator, value = setting.partition("=")
        if not separator:
            raise pytest.UsageError(f"kafka_settings: {setting!r}: expected NAME=VALUE")
        settings[name.strip()] = value.strip()
    return settings


def _marked(item: pytest.Item) -> _Asked:
    """What the marker `kafka` of a test asks for."""
    marker = item.get_closest_marker("kafka")
    if marker is None:
        return {"settings": {}, "durability": "", "security": ""}
    unknown = marker.kwargs.keys() - {"settings", "durability", "security"}
    if marker.args or unknown:
        raise pytest.UsageError(f"{item.nodeid}: the marker is {MARKER.partition(':')[0]}")
    nothing: _Asked = {"settings": {}, "durability": "", "security": ""}
    return {**nothing, **marker.kwargs}  # type: ignore[typeddict-item]


def _faults_text(broker: ChildBroker) -> str:
    lines = [str(fault) for fault in broker.faults.armed]
    return "\n".join(lines) or "none were armed"


def _requests_text(broker: ChildBroker) -> str:
    exchanges = broker.history()
    lines = [
        f"{each.number:>5} connection {each.connection} {each.client_id or '-'}: "
        f"{each.api} v{each.version} {each.about}".rstrip()
        + f" -> {each.outcome}"
        for each in exchanges[-REQUESTS_SHOWN:]
    ]
    if len(exchanges) > REQUESTS_SHOWN:
        lines.insert(0, f"… {len(exchanges) - REQUESTS_SHOWN} before")
    if not broker.is_running:
        lines.append("the broker has ended")
    return "\n".join(lines) or "none came"
