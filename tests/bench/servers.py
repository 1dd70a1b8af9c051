"""EDGE: what is measured: our broker from an installed wheel, a real Kafka, the echo server.

The wheel goes into an environment of its own below build/, since an editable install starts
several times slower than what users get.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from minibroker.client.network import Connection
from minibroker.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from minibroker.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState

from tests.support.kafka import RealKafka

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / "build" / "bench"
TOPIC = "bench"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Args:
        pid: of its process; 0 where memory is not asked for.
    """

    name: str
    host: str
    port: int
    pid: int = 0

    @property
    def memory_mb(self) -> float:
        """Resident memory now, in 10^6 bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise RuntimeError(f"no VmRSS for process {self.pid}")


def install_wheel() -> Path:
    """Install the checkout as a wheel; returns the directory of its commands."""
    commands = ENVIRONMENT / "bin"
    if not ENVIRONMENT.exists():
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "source"
        shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns("build", ".*", "*.egg-info"))
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
            port = int(ready.split("127.0.0.1:")[1].split()[0])
            yield Server(name, "127.0.0.1", port, process.pid)
        finally:
            process.kill()
            process.wait()


@contextmanager
def real_kafka(name: str, settings: dict[str, str]) -> Iterator[Server]:
    """A real Apache Kafka on a fresh data directory."""
    with RealKafka(settings={"log.segment.delete.delay.ms": "0", **settings}) as kafka:
        host, port = kafka.bootstrap_servers.split(":")
        yield Server(name, host, int(port))


@contextmanager
def echo_server(name: str) -> Iterator[Server]:
    """The limit of asyncio here."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.echo_server"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        yield Server(name, "127.0.0.1", int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()


async def create_topic(server: Server) -> None:
    """The one-partition topic that is written to."""
    topic = CreatableTopic(
        name=TOPIC, num_partitions=1, replication_factor=1, assignments=[], configs=[]
    )
    connection = await Connection.open(server.host, server.port)
    response = await connection.request(CreateTopicsRequest(topics=[topic]))
    await connection.close()
    if response.topics[0].error_code:
        raise RuntimeError(f"{server.name}: {response.topics[0].error_message}")


async def renew_topic(server: Server) -> None:
    """Delete the topic and create it again: gigabytes that wait for their write-back to the disk
    would slow whoever is measured next."""
    connection = await Connection.open(server.host, server.port)
    gone = DeleteTopicState(name=TOPIC, topic_id=bytes(16))
    request = DeleteTopicsRequest(topics=[gone], topic_names=[], timeout_ms=30_000)
    response = await connection.request(request)
    await connection.close()
    if response.responses[0].error_code:
        raise RuntimeError(f"{server.name}: {response.responses[0].error_message}")
    await create_topic(server)
