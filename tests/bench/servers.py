"""EDGE: what is measured: our broker from installed wheels, a real Kafka.

Each wheel goes into an environment of its own below build/, since an editable install starts
several times slower than what users get.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from minibroker.client.cluster.connection import Connection
from minibroker.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from minibroker.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from minibroker.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)

from tests.support.processes.kafka import RealKafka, Secured

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / "build" / "bench"
LEADERS_S = 30.0
_PLACE = re.compile(r"(\w+)://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Args:
        pid: of its process; 0 where neither memory nor processor time are asked for.
        tls_port: of a listener with TLS; 0 without one.
    """

    name: str
    host: str
    port: int
    pid: int = 0
    tls_port: int = 0

    @property
    def memory_mb(self) -> float:
        """Resident memory now, in 10^6 bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise RuntimeError(f"no VmRSS for process {self.pid}")


def install_wheel(name: str = "now", what: Path = ROOT) -> Path:
    """Install a wheel, or a checkout as one; returns the directory of its commands.

    Args:
        name: of its environment, which is used again by the next run.
    """
    commands = ENVIRONMENTS / name / "bin"
    if not commands.exists():
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENTS / name], check=True)
    with tempfile.TemporaryDirectory() as scratch:
        source = what
        if what.is_dir():  # a copy, so that nothing is built inside somebody's checkout
            source = Path(scratch) / "source"
            ignored = shutil.ignore_patterns("build", ".*", "*.egg-info")
            shutil.copytree(what, source, ignore=ignored)
        pip = [str(commands / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--disable-pip-version-check", str(source)], check=True)
        subprocess.run([*pip, "--force-reinstall", "--no-deps", str(source)], check=True)
    return commands


@contextmanager
def our_broker(name: str, commands: Path, options: Sequence[str]) -> Iterator[Server]:
    """Our broker on a fresh data directory."""
    with tempfile.TemporaryDirectory() as data:
        command = [str(commands / "minibroker"), "serve", "--listeners", "PLAINTEXT://127.0.0.1:0"]
        process = subprocess.Popen(
            [*command, "--log-dirs", data, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            ports = {each: int(port) for each, port in _PLACE.findall(ready)}
            yield Server(name, "127.0.0.1", ports["PLAINTEXT"], process.pid, ports.get("SSL", 0))
        finally:
            process.kill()
            process.wait()


@contextmanager
def real_kafka(
    name: str, settings: dict[str, str], secured: Secured | None = None
) -> Iterator[Server]:
    """A real Apache Kafka on a fresh data directory.

    Args:
        secured: a listener SSL beside the usual one.
    """
    settings = {"log.segment.delete.delay.ms": "0", **settings}
    with RealKafka(settings=settings, secured=secured) as kafka:
        host, port = kafka.bootstrap_servers.split(":")
        tls_port = int(kafka.servers("SSL").split(":")[1]) if secured is not None else 0
        yield Server(name, host, int(port), kafka.pid(), tls_port)


async def create_topics(server: Server, partitions: Mapping[str, int]) -> None:
    """Topics by name, with so many partitions each; waits until they can be written to."""
    topics = [
        CreatableTopic(
            name=name, num_partitions=count, replication_factor=1, assignments=[], configs=[]
        )
        for name, count in partitions.items()
    ]
    connection = await Connection.open(server.host, server.port)
    try:
        response = await connection.request(CreateTopicsRequest(topics=topics))
        for topic in response.topics:
            if topic.error_code:
                raise RuntimeError(f"{server.name}: {topic.name}: {topic.error_message}")
        await _await_leaders(connection, partitions)
    finally:
        await connection.close()


async def _await_leaders(connection: Connection, partitions: Mapping[str, int]) -> None:
    """Kafka answers CreateTopics before each partition has a leader that knows of it."""
    asked = [
        ListOffsetsTopic(
            name=name,
            partitions=[
                ListOffsetsPartition(partition_index=n, timestamp=-1) for n in range(count)
            ],
        )
        for name, count in partitions.items()
    ]
    until = time.monotonic() + LEADERS_S
    while time.monotonic() < until:
        found = await connection.request(ListOffsetsRequest(topics=asked))
        if not any(each.error_code for topic in found.topics for each in topic.partitions):
            return
    raise RuntimeError(f"partitions without a leader after {LEADERS_S:g} s")


async def renew_topic(server: Server, name: str, partitions: int) -> None:
    """Delete a topic and create it again: gigabytes that wait for their write-back to the disk
    would slow whoever is measured next."""
    connection = await Connection.open(server.host, server.port)
    gone = DeleteTopicState(name=name, topic_id=bytes(16))
    request = DeleteTopicsRequest(topics=[gone], topic_names=[], timeout_ms=30_000)
    response = await connection.request(request)
    await connection.close()
    if response.responses[0].error_code:
        raise RuntimeError(f"{server.name}: {response.responses[0].error_message}")
    await create_topics(server, {name: partitions})
