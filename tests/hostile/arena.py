"""EDGE: where attacks take place: on a broker of ours, on our proxy before one, on a real Kafka."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fuzz.bystander import TOPIC
from tests.hostile.judge import Bounds, Judgement, UnderAttack, judge
from tests.support.processes.broker import RUN, BrokerProcess
from tests.support.processes.kafka import RealKafka
from tests.support.records.stored import create_topic

RECOVERY_S = 3.0  # for a real Kafka, between attacks
READY_S = 20.0


class Arena:
    """A new broker of ours for each attack, or one real Kafka for all.

    A JVM that has just been started is slow by itself: one goes on, and its log is not judged.
    """

    def __init__(self, kafka: RealKafka | None) -> None:
        self._kafka = RunningKafka(kafka) if kafka is not None else None
        if self._kafka is not None:
            create_topic(self._kafka.port, TOPIC)

    def judged(self, name: str, arguments: list[str]) -> Judgement:
        """One attack on the broker."""
        if self._kafka is not None:
            threading.Event().wait(RECOVERY_S)
            return judge(self._kafka, name, arguments, Bounds(log_is_ours=False))
        with _broker() as broker:
            return judge(broker, name, arguments)

    def judged_at_proxy(self, name: str, arguments: list[str]) -> Judgement:
        """One attack on our proxy, through which the good client works as well."""
        with _broker() as broker, running_proxy(broker.port) as proxy:
            return judge(proxy, name, arguments)


@contextmanager
def _broker() -> Iterator[BrokerProcess]:
    with (
        tempfile.TemporaryDirectory() as directory,
        BrokerProcess(data_dir=Path(directory) / "data", durability="page-cache") as broker,
    ):
        create_topic(broker.port, TOPIC)
        yield broker
        broker.kill()  # it may hang, and a stop would wait for it


class RunningKafka:
    """A real Kafka as what is attacked. Implements judge.UnderAttack."""

    def __init__(self, kafka: RealKafka) -> None:
        self.port = int(kafka.bootstrap_servers.rpartition(":")[2])
        self.pid = kafka.pid()

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        return Path(f"/proc/{self.pid}").exists()

    def said_from(self, position: int) -> bytes:
        """Nothing: it is not judged."""
        return b""


class RunningProxy:
    """`minibroker proxy --json`, which describes what passes. Implements judge.UnderAttack."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, said: int) -> None:
        self.port, self.pid = port, process.pid
        self._process, self._said = process, said

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def said_from(self, position: int) -> bytes:
        """Standard error."""
        return os.pread(self._said, os.fstat(self._said).st_size - position, position)


@contextmanager
def running_proxy(upstream_port: int) -> Iterator[UnderAttack]:
    """A proxy in front of a broker, until the block ends."""
    command = [sys.executable, "-c", RUN, "proxy", "--listen", "127.0.0.1:0", "--json"]
    command += ["--upstream", f"127.0.0.1:{upstream_port}"]
    with (
        tempfile.TemporaryFile() as said,
        tempfile.NamedTemporaryFile() as shown,
        subprocess.Popen(command, stdout=shown, stderr=said) as process,
    ):
        try:
            yield RunningProxy(process, _port_shown(Path(shown.name)), said.fileno())
        finally:
            process.kill()


def _port_shown(shown: Path) -> int:
    """The port that the proxy's first line names."""
    pause = threading.Event()
    for _ in range(int(READY_S / 0.05)):
        first, newline, _ = shown.read_text().partition("\n")
        if newline:
            return int(first.rpartition(":")[2])
        pause.wait(0.05)
    raise TimeoutError(f"the proxy was not ready within {READY_S:g} s")
