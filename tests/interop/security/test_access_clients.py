"""Rights and quotas through what others have made: their tools, and four clients' Admin.

What kafka-acls and kafka-configs print stands in tests/golden; clients must be told the same by
ours and by a real Kafka.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes.broker import BrokerProcess
from tests.support.processes.kafka import RealKafka, missing_tools
from tests.support.security.access_tools import ACCESS_SAID, SETTINGS, access_transcript

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of foreign clients
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
PROGRAM = Path(__file__).parents[1] / "java" / "AccessAdmin.java"
BOUND_S = 120
TELLING_S = 30.0  # the machine may be busy


@pytest.fixture(scope="module")
def kafka() -> Iterator[RealKafka]:
    with RealKafka(settings=SETTINGS, heap="512m") as running:
        yield running


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[BrokerProcess]:
    with BrokerProcess(data_dir=tmp_path, settings=SETTINGS) as broker:
        yield broker


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory, kafka: RealKafka) -> str:
    """A class path with the program."""
    directory = tmp_path_factory.mktemp("classes")
    command = ["javac", "-cp", kafka.classpath, "-d", str(directory), str(PROGRAM)]
    subprocess.run(command, check=True, timeout=BOUND_S)
    return f"{directory}:{kafka.classpath}"


def test_kafkas_tools_print_of_us_what_is_written_down(ours: BrokerProcess) -> None:
    assert access_transcript(ours.bootstrap_servers) == ACCESS_SAID.read_text(encoding="utf-8")


def test_kafkas_tools_print_of_kafka_what_is_written_down() -> None:
    with RealKafka(settings=SETTINGS, heap="512m") as fresh:
        said = access_transcript(fresh.bootstrap_servers)
    assert said == ACCESS_SAID.read_text(encoding="utf-8")


def test_javas_admin_is_told_the_same(ours: BrokerProcess, kafka: RealKafka, classes: str) -> None:
    def play(servers: str) -> list[str]:
        quick = ["-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
        done = subprocess.run(
            ["java", *quick, quiet, "-cp", classes, "AccessAdmin", servers],
            capture_output=True,
            text=True,
            timeout=BOUND_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return sorted(done.stdout.splitlines())  # maps are told in any order

    told = play(kafka.bootstrap_servers)
    assert len(told) > 15
    assert play(ours.bootstrap_servers) == told


def settled(ask: Callable[[], list[str]], count: int) -> list[str]:
    """What is told, when it is as many lines as it must come to."""
    until = time.monotonic() + TELLING_S
    found = ask()
    while len(found) < count and time.monotonic() < until:
        found = ask()
    return found


def kafka_python_plays(servers: str) -> list[str]:
    from kafka.admin import (
        ACL,
        ACLFilter,
        ACLOperation,
        ACLPermissionType,
        ACLResourcePatternType,
        KafkaAdminClient,
        ResourcePattern,
        ResourcePatternFilter,
        ResourceType,
    )

    def rule(name: str, pattern: Any, kind: Any = ResourceType.TOPIC) -> Any:
        resource = ResourcePattern(kind, name, pattern)
        return ACL("User:py", "*", ACLOperation.READ, ACLPermissionType.ALLOW, resource)

    def about(pattern: Any) -> Any:
        resource = ResourcePatternFilter(ResourceType.TOPIC, "orders", pattern)
        return ACLFilter(
            principal="User:py",
            host=None,
            operation=ACLOperation.ANY,
            permission_type=ACLPermissionType.ANY,
            resource_pattern=resource,
        )

    kinds = ACLResourcePatternType
    wrong = rule("other", kinds.LITERAL, ResourceType.CLUSTER)
    admin = KafkaAdminClient(bootstrap_servers=servers)
    try:
        rules = [rule("orders", kinds.LITERAL), rule("ord", kinds.PREFIXED), wrong]
        told = [f"created {admin.create_acls(rules)}"]

        def described(pattern: Any) -> list[str]:
            found, error = admin.describe_acls(about(pattern))
            return [f"{error}", *sorted(map(str, found))]

        for pattern, count in ((kinds.MATCH, 3), (kinds.LITERAL, 2), (kinds.ANY, 2)):
            told += settled(partial(described, pattern), count)
        for _, found, error in admin.delete_acls([about(kinds.MATCH)]):
            told.append(f"deleted {sorted(map(str, found))} {error}")
        return told
    finally:
        admin.close()


def confluent_plays(servers: str) -> list[str]:
    from confluent_kafka import KafkaException

    rd: Any = import_module("confluent_kafka.admin")  # its stubs do not export all that it has

    def rule(name: str, pattern: Any, kind: Any = rd.ResourceType.TOPIC) -> Any:
        how = (rd.AclOperation.READ, rd.AclPermissionType.ALLOW)
        return rd.AclBinding(kind, name, pattern, "User:rd", "*", *how)

    def about(pattern: Any) -> Any:
        how = (rd.AclOperation.ANY, rd.AclPermissionType.ANY)
        kind = rd.ResourceType.TOPIC
        return rd.AclBindingFilter(kind, "orders", pattern, "User:rd", None, *how)

    def outcome(future: Any) -> str:
        try:
            found = future.result(BOUND_S)
        except KafkaException as error:
            return f"{error.args[0].code()} {error.args[0].str()}"
        return "nothing" if found is None else f"{sorted(map(str, found))}"

    admin = rd.AdminClient({"bootstrap.servers": servers})
    kinds = rd.ResourcePatternType
    wrong = rule("other", kinds.LITERAL, rd.ResourceType.BROKER)
    rules = [rule("orders", kinds.LITERAL), rule("ord", kinds.PREFIXED), wrong]
    told = [f"created {outcome(each)}" for each in admin.create_acls(rules).values()]

    def described(pattern: Any) -> list[str]:
        return [str(each) for each in admin.describe_acls(about(pattern)).result(BOUND_S)]

    for pattern, count in ((kinds.MATCH, 2), (kinds.LITERAL, 1), (kinds.ANY, 1)):
        told += sorted(settled(partial(described, pattern), count))
    told += [
        f"deleted {outcome(each)}" for each in admin.delete_acls([about(kinds.MATCH)]).values()
    ]
    return told


@pytest.mark.parametrize("plays", [kafka_python_plays, confluent_plays])
def test_pythons_clients_are_told_the_same(
    plays: Callable[[str], list[str]], ours: BrokerProcess, kafka: RealKafka
) -> None:
    told = plays(kafka.bootstrap_servers)
    assert len(told) > 5
    assert plays(ours.bootstrap_servers) == told
