"""EDGE: docker-compose.yml played for real: built, used from two sides, killed, started, stopped.

Runs with `make docker`; skips, saying why, where no Docker engine or no compose answers. Project,
port and volume are its own, and are removed at the end; the image `minibroker` stays.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml
from confluent_kafka import KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient

from tests.support.records.stored import read_records

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "examples" / "send_and_read_back.py"
BASE, IMAGE = "python:3.11-slim", "minibroker"
ABOVE_BASE_BYTES_MAX = 100_000_000
STOP_S_MAX = 2.0
HEALTHY_S_MAX = 60.0
KILLED_TOPIC = "killed"
LINES_WHILE_AWAY = 1000
FLUSH_S_MAX = 60.0
LOGIN_S_MAX = 10.0
SCRAPED_S_MAX = 60.0  # it looks every ten
PASSWORD = re.compile(r"password: (\S+)")


def run(*command: str, **variables: str) -> str:
    """Standard output of a command that must succeed."""
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


def compose_command() -> list[str]:
    """`docker compose` or docker-compose; skips without either, or without an engine."""
    if shutil.which("docker") is None:
        pytest.skip("no docker command on this machine")
    engine = subprocess.run(["docker", "version"], capture_output=True, text=True, check=False)
    if engine.returncode != 0:
        pytest.skip(f"no Docker engine answers: {engine.stderr.strip()}")
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is not None:
            if subprocess.run([*command, "version"], capture_output=True, check=False).returncode:
                continue
            return command
    pytest.skip("neither `docker compose` nor docker-compose is installed")


def free_port(above: int = 0) -> int:
    """Below the ports that outgoing connections get, so that it stays free while nobody listens."""
    for port in range(max(20_000 + os.getpid() % 10_000, above + 1), 32_768):
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("no free port")


class Composed:
    """The project of docker-compose.yml under a name and a port of its own."""

    def __init__(self, command: Sequence[str]) -> None:
        self.port = free_port()
        self.secure_port = free_port(above=self.port)
        self.bootstrap_servers = f"127.0.0.1:{self.port}"
        self.prometheus_port = free_port(above=self.secure_port)
        profiles = ("--profile", "secure", "--profile", "watch")
        self._command = [*command, "-p", f"minibroker-test-{os.getpid()}", *profiles]
        self._variables = {
            "PROMETHEUS_PORT": str(self.prometheus_port),
            "MINIBROKER_PORT": str(self.port),
            "MINIBROKER_SECURE_PORT": str(self.secure_port),
        }

    def __call__(self, *arguments: str) -> str:
        return run(*self._command, *arguments, **self._variables)

    def started(self, *arguments: str) -> subprocess.Popen[bytes]:
        """The same without waiting for its end."""
        environment = os.environ | self._variables
        return subprocess.Popen([*self._command, *arguments], cwd=ROOT, env=environment)

    @property
    def broker_id(self) -> str:
        return self.container("broker")

    def container(self, service: str) -> str:
        return self("ps", "-q", "-a", service)

    def inspect(self, template: str) -> str:
        return run("docker", "inspect", "-f", template, self.broker_id)

    def up(self, service: str = "broker") -> float:
        """Start a broker; returns the seconds until Docker called it healthy."""
        self("up", "-d", service)
        return self.healthy(service)

    def healthy(self, service: str) -> float:
        """Wait until Docker calls it so; returns the seconds."""
        began = time.monotonic()
        container = self.container(service)
        health = "{{.State.Health.Status}}"
        while run("docker", "inspect", "-f", health, container) != "healthy":
            assert time.monotonic() - began < HEALTHY_S_MAX, self("logs", service)
        return time.monotonic() - began


def stored(composed: Composed) -> list[bytes | None]:
    """The lines of the test that kills, as the broker holds them."""
    return [record.value for record in read_records(composed.port, KILLED_TOPIC)]


@pytest.fixture(scope="module")
def composed() -> Iterator[Composed]:
    project = Composed(compose_command())
    try:
        project("build")
        print(f"\nhealthy {project.up():.1f} s after `up` returned")
        yield project
    finally:
        project("down", "--volumes")


def test_the_image_is_small(composed: Composed) -> None:
    size, base = (
        int(run("docker", "image", "inspect", "-f", "{{.Size}}", name)) for name in (IMAGE, BASE)
    )
    print(f"image: {(size - base) / 1e6:.0f} MB above {BASE}")
    assert size - base < ABOVE_BASE_BYTES_MAX


def test_the_broker_is_not_root(composed: Composed) -> None:
    assert composed("exec", "-T", "broker", "id", "-u") == "10001"


def test_a_client_on_the_host_produces_and_reads(composed: Composed) -> None:
    print(run(sys.executable, str(SCRIPT), BOOTSTRAP_SERVERS=composed.bootstrap_servers))


def test_a_client_in_another_container_produces_and_reads(composed: Composed) -> None:
    print(composed("run", "--rm", "-T", "client"))


def test_sigkill_under_load_loses_nothing_acknowledged(composed: Composed) -> None:
    lines: list[bytes] = []
    refused: list[object] = []
    acknowledged: list[int | None] = []

    def delivered(error: object, message: Message) -> None:
        refused.append(error) if error else acknowledged.append(message.offset())

    def send_next() -> None:
        lines.append(b"line %d" % len(lines))
        producer.produce(KILLED_TOPIC, lines[-1], on_delivery=delivered)
        producer.poll(0.001)

    producer = Producer(
        {"bootstrap.servers": composed.bootstrap_servers, "enable.idempotence": True}
    )
    with composed.started("kill", "-s", "SIGKILL", "broker") as kill:
        while kill.poll() is None:
            send_next()
    assert composed.inspect("{{.State.ExitCode}}") == "137"
    assert acknowledged, "nothing was acknowledged before the kill"
    for _ in range(LINES_WHILE_AWAY):
        send_next()
    print(f"SIGKILL with {len(acknowledged)} of {len(lines)} lines acknowledged")
    composed.up()
    assert producer.flush(FLUSH_S_MAX) == 0
    assert not refused
    assert len(acknowledged) == len(lines)
    assert stored(composed) == lines


def test_sigterm_stops_it_at_once_and_keeps_everything(composed: Composed) -> None:
    before = stored(composed)
    began = time.monotonic()
    run("docker", "stop", composed.broker_id)
    took = time.monotonic() - began
    print(f"SIGTERM: stopped in {took:.2f} s")
    assert took < STOP_S_MAX
    assert composed.inspect("{{.State.ExitCode}}") == "0"
    composed.up()
    assert stored(composed) == before


def test_sigterm_while_it_starts_stops_it_at_once(composed: Composed) -> None:
    container = composed.broker_id
    run("docker", "stop", container)
    run("docker", "start", container)
    began = time.monotonic()
    run("docker", "stop", container)
    assert time.monotonic() - began < STOP_S_MAX


class LoggedIn:
    """How a client on the host reaches the secured broker."""

    def __init__(self, composed: Composed, authority: Path) -> None:
        copied = f"{composed.container('secure')}:/var/lib/minibroker/secure/ca.crt"
        run("docker", "cp", copied, str(authority))
        self._settings: dict[str, Any] = {
            "bootstrap.servers": f"127.0.0.1:{composed.secure_port}",
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(authority),
        }

    def topics(self, mechanism: str, user: str, password: str) -> set[str]:
        """What is seen by who logs in. Raises KafkaException."""
        login = {"sasl.mechanisms": mechanism, "sasl.username": user, "sasl.password": password}
        return set(AdminClient(self._settings | login).list_topics(timeout=LOGIN_S_MAX).topics)


def test_the_secured_broker_tells_its_password_once_and_lets_nobody_else_in(
    composed: Composed, tmp_path: Path
) -> None:
    print(f"\nhealthy {composed.up('secure'):.1f} s after `up` returned")
    passwords = PASSWORD.findall(composed("logs", "secure"))
    assert len(passwords) == 1
    client = LoggedIn(composed, tmp_path / "ca.crt")
    composed("exec", "-T", "secure", "minibroker", "topics", "create", "seen")
    assert client.topics("PLAIN", "admin", passwords[0]) == {"seen"}
    with pytest.raises(KafkaException):
        client.topics("PLAIN", "admin", "another")
    told = composed("exec", "-T", "secure", "minibroker", "users", "add", "orders", "--generate")
    (password,) = PASSWORD.findall(told)
    assert client.topics("SCRAM-SHA-512", "orders", password) == {"seen"}
    run("docker", "restart", composed.container("secure"))
    composed.healthy("secure")
    assert PASSWORD.findall(composed("logs", "secure")) == passwords
    assert client.topics("SCRAM-SHA-512", "orders", password) == {"seen"}


def have_image(service: str) -> None:
    """Skips, saying why, where the image of a service is not here and cannot be had."""
    composed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    image = composed["services"][service]["image"]
    for command in (["image", "inspect"], ["pull", "--quiet"]):
        done = subprocess.run(
            ["docker", *command, image], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return
    pytest.skip(f"{image} cannot be had: {done.stderr.strip()}")


def asked(composed: Composed, path: str) -> Any:
    """What Prometheus tells; None while it does not listen yet."""
    try:
        at = f"http://127.0.0.1:{composed.prometheus_port}/api/v1/{path}"
        with urlopen(at, timeout=SCRAPED_S_MAX) as answer:
            return json.load(answer)["data"]
    except OSError:
        return None


def test_the_prometheus_of_the_profile_watch_scrapes_the_broker(composed: Composed) -> None:
    have_image("prometheus")
    composed("up", "-d", "broker", "prometheus")
    ends_at = time.monotonic() + SCRAPED_S_MAX
    while not (found := asked(composed, "query?query=kafka_brokers")) or not found["result"]:
        assert time.monotonic() < ends_at, composed("logs", "prometheus")
        time.sleep(0.5)
    assert [each["value"][1] for each in found["result"]] == ["1"]
    groups = yaml.safe_load((ROOT / "docs" / "watch" / "alerts.yml").read_text())["groups"]
    alerts = [rule["alert"] for group in groups for rule in group["rules"]]
    loaded = asked(composed, "rules")["groups"]
    assert [rule["name"] for group in loaded for rule in group["rules"]] == alerts
