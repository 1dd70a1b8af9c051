"""EDGE: a real Apache Kafka on this machine, as the foreign broker of interop tests and benchmarks.

    with RealKafka(nodes=3, settings={"min.insync.replicas": "2"}) as kafka:
        connect(kafka.bootstrap_servers)

Maven fetches the jars once into a cache directory of the user; each cluster has its own data in a
temporary directory, ports of its own, and is gone after the block. Nodes are KRaft brokers and
controllers in one, numbered from 1. Every wait is bounded and ends in a `RealKafkaError` that
quotes Kafka. By hand: `python -m tests.support.processes.kafka --nodes 3 num.partitions=8`.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

VERSION = "4.3.1"
JAVA_MIN = 17
FETCH_TIMEOUT_S = 600
FORMAT_TIMEOUT_S = 60
START_TIMEOUT_S = 180  # where many tests share the machine
STOP_TIMEOUT_S = 60
QUICK = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")  # starts sooner, and is never fast
CLUSTER_ID = "5L6g3nShT-eMCtK--X86sw"
# Below the range from which systems take ports for outgoing connections (32768 on Linux), so that
# a node that was stopped finds its port still free.
PORTS = range(20_000, 32_000)

POM = f"""<project><modelVersion>4.0.0</modelVersion>
<groupId>minibroker</groupId><artifactId>real-kafka</artifactId><version>1</version><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId>
<version>{VERSION}</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
<version>{VERSION}</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId>
<version>1.7.36</version></dependency>
</dependencies></project>
"""


class RealKafkaError(Exception):
    """Kafka could not be fetched, started or stopped; the text quotes what it said."""


@cache  # every module that needs one asks, and java takes its time
def missing_tools() -> str | None:
    """Why a real Kafka cannot run here, in words for a skip; None when it can."""
    java = shutil.which("java")
    if java is None:
        return f"needs java {JAVA_MIN} or newer, which is not on the PATH"
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found.group(1)) < JAVA_MIN:
        return f"needs java {JAVA_MIN} or newer; `java -version` says {said.strip()[:100]!r}"
    if not _jars().is_dir() and shutil.which("mvn") is None:
        return "needs mvn to fetch Apache Kafka, which is not on the PATH"
    return None


def fetch() -> Path:
    """Return the directory of Kafka's jars, fetching them on first use (about 15 s).

    Raises:
        RealKafkaError: Maven could not get them.
    """
    jars = _jars()
    if jars.is_dir():
        return jars
    jars.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=jars.parent, prefix="fetch-") as scratch:
        Path(scratch, "pom.xml").write_text(POM, encoding="utf-8")
        goal = ["dependency:copy-dependencies", "-DoutputDirectory=jars", "-DincludeScope=runtime"]
        _run(["mvn", "-q", "-B", *goal], "Maven", timeout_s=FETCH_TIMEOUT_S, cwd=scratch)
        try:
            Path(scratch, "jars").rename(jars)
        except OSError:  # another test run was quicker: its jars are as good
            if not jars.is_dir():
                raise
    return jars


def run_tool(
    java_class: str, *args: str, timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run one of Kafka's own command line tools against any broker.

    Args and returns: as RealKafka.tool().
    """
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
    command = ["java", "-Xmx256m", *QUICK, quiet, "-cp", f"{fetch()}/*", java_class, *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)


class Secured(Protocol):
    """What listeners beside PLAINTEXT need."""

    listeners: Sequence[str]

    @property
    def scram_credentials(self) -> Sequence[str]:
        """As kafka-storage takes them."""

    def settings(self, home: Path) -> Mapping[str, str]:
        """Lines for server.properties; files that they name are written below `home`."""


class RealKafka:
    """One cluster: started by `with`, killed and deleted at the end of the block.

    Args:
        nodes: how many brokers, 1 or more.
        settings: lines for server.properties of every node, by Kafka's names.
        features: finalized levels other than Kafka's own, such as {"transaction.version": 1}.
        heap: the Java heap of each node.
        secured: further listeners, users and certificates (secure_kafka.py).
        is_quick: it is started often, and what it can do in a second does not matter.
    """

    def __init__(
        self,
        *,
        nodes: int = 1,
        settings: Mapping[str, str] | None = None,
        features: Mapping[str, int] | None = None,
        heap: str = "1g",
        secured: Secured | None = None,
        is_quick: bool = False,
    ) -> None:
        names = ("PLAINTEXT", "CONTROLLER", *(secured.listeners if secured else ()))
        ports = iter(free_ports(len(names) * nodes))
        self._secured = secured
        self._settings = dict(settings or {})
        self._features = dict(features or {})
        self._java_options = (f"-Xmx{heap}", *(QUICK if is_quick else ()))
        self._home = Path()
        self._nodes = {
            number: _Node(number, {name: next(ports) for name in names})
            for number in range(1, nodes + 1)
        }

    @property
    def bootstrap_servers(self) -> str:
        """HOST:PORT of every node, comma separated, running or not."""
        return ",".join(f"127.0.0.1:{node.port}" for node in self._nodes.values())

    def servers(self, listener: str) -> str:
        """As bootstrap_servers, of another listener."""
        return ",".join(f"127.0.0.1:{node.ports[listener]}" for node in self._nodes.values())

    @property
    def classpath(self) -> str:
        """Kafka's jars, kafka-clients among them, as java's -cp takes them."""
        return f"{fetch()}/*"

    def data_dir(self, node: int = 1) -> Path:
        """Where a node keeps its logs: one `<topic>-<partition>` directory each."""
        return self._home / str(node) / "data"

    def __enter__(self) -> Self:
        fetch()
        self._home = Path(tempfile.mkdtemp(prefix="minibroker-kafka-"))
        try:
            for node in self._nodes.values():
                self._format(node)
            for node in self._nodes.values():  # each waits for a quorum: launch all, then wait
                node.launch(self._java(), self._home)
            for node in self._nodes.values():
                node.wait_until_started()
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._discard()

    def pid(self, node: int = 1) -> int:
        """Process id of a running node."""
        return self._nodes[node].pid

    def start(self, node: int = 1) -> None:
        """Start a killed or stopped node again on the same port and data."""
        self._nodes[node].launch(self._java(), self._home)
        self._nodes[node].wait_until_started()

    def stop(self, node: int = 1) -> None:
        """Stop a node cleanly (SIGTERM) and wait until it is gone."""
        self._nodes[node].end(signal.SIGTERM)

    def kill(self, node: int = 1) -> None:
        """Kill a node (SIGKILL) and wait until it is gone."""
        self._nodes[node].end(signal.SIGKILL)

    def tool(
        self, java_class: str, *args: str, timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run one of Kafka's own command line tools, such as org.apache.kafka.tools.TopicCommand.

        Args:
            java_class: the class with `main`.
            args: its arguments; most tools want `--bootstrap-server` among them.
            timeout_s: seconds until subprocess.TimeoutExpired.

        Returns: the finished process with its output as text, whatever its exit code.
        """
        return run_tool(java_class, *args, timeout_s=timeout_s)

    def _java(self, log_level: str = "info") -> list[str]:
        level = f"-Dorg.slf4j.simpleLogger.defaultLogLevel={log_level}"
        return ["java", *self._java_options, level, "-cp", self.classpath]

    def _format(self, node: _Node) -> None:
        voters = ",".join(
            f"{each.number}@127.0.0.1:{each.ports['CONTROLLER']}" for each in self._nodes.values()
        )
        at = [f"{name}://127.0.0.1:{port}" for name, port in node.ports.items()]
        advertised = [each for each in at if not each.startswith("CONTROLLER")]
        replicas = str(len(self._nodes))
        properties = {
            "process.roles": "broker,controller",
            "node.id": str(node.number),
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "listeners": ",".join(at),
            "advertised.listeners": ",".join(advertised),
            "log.dirs": str(self.data_dir(node.number)),
            "default.replication.factor": replicas,
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            **(self._secured.settings(self._home) if self._secured else {}),
            **self._settings,
        }
        file = node.properties(self._home)
        file.parent.mkdir()
        file.write_text("".join(f"{k}={v}\n" for k, v in properties.items()), encoding="utf-8")
        command = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(file)]
        for name, level in self._features.items():
            command += ["--feature", f"{name}={level}"]
        for credential in self._secured.scram_credentials if self._secured else ():
            command += ["--add-scram", credential]
        _run([*self._java(), *command], "Kafka's format", timeout_s=FORMAT_TIMEOUT_S)

    def _discard(self) -> None:
        for node in self._nodes.values():
            node.discard()
        shutil.rmtree(self._home, ignore_errors=True)


class _Node:
    """One Java process; a thread copies what it says into server.log and spots the ready line."""

    def __init__(self, number: int, ports: dict[str, int]) -> None:
        self.number = number
        self.ports = ports  # by listener
        self.port = ports["PLAINTEXT"]
        self._process: subprocess.Popen[str] | None = None
        self._reader = threading.Thread()
        self._settled = threading.Event()  # the ready line was seen, or the process has ended
        self._said: list[str] = []

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RealKafkaError(f"node {self.number} is not running")
        return self._process.pid

    def properties(self, home: Path) -> Path:
        return home / str(self.number) / "server.properties"

    def launch(self, java: Sequence[str], home: Path) -> None:
        if self._process is not None:
            raise RealKafkaError(f"node {self.number} is running already")
        file = self.properties(home)
        self._settled.clear()
        self._said.clear()
        self._process = subprocess.Popen(
            [*java, "kafka.Kafka", str(file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(
            target=self._read, args=(self._process, file.with_name("server.log")), daemon=True
        )
        self._reader.start()

    def wait_until_started(self) -> None:
        in_time = self._settled.wait(START_TIMEOUT_S)
        process = self._process
        if not in_time or process is None or process.poll() is not None:
            raise RealKafkaError(f"node {self.number} did not start: {_gist(self._said)}")

    def end(self, how: signal.Signals) -> None:
        if self._process is None:
            raise RealKafkaError(f"node {self.number} is not running")
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise RealKafkaError(
                f"node {self.number} still runs {STOP_TIMEOUT_S} s after {how.name}"
            ) from None
        self._reader.join(STOP_TIMEOUT_S)
        self._process = None

    def discard(self) -> None:
        if self._process is not None:
            self.end(signal.SIGKILL)

    def _read(self, process: subprocess.Popen[str], log: Path) -> None:
        assert process.stdout is not None
        with process.stdout, log.open("a", encoding="utf-8") as file:
            for line in process.stdout:
                file.write(line)
                if not self._settled.is_set():
                    file.flush()
                    self._said.append(line)
                    if "Kafka Server started" in line:
                        self._settled.set()
        process.wait()
        self._settled.set()


def _jars() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache, "minibroker-kafka", VERSION)


def _run(command: Sequence[str], name: str, *, timeout_s: float, cwd: str | None = None) -> None:
    try:
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RealKafkaError(f"{name} failed: {error}") from error
    if done.returncode:
        said = _gist((done.stdout + done.stderr).splitlines())
        raise RealKafkaError(f"{name} failed with exit code {done.returncode}: {said}")


def _gist(said: Sequence[str]) -> str:
    """The lines of a Java program that say what went wrong, without the stack."""
    telling = [line for line in said if "ERROR" in line or "Exception" in line]
    return "\n".join(line.strip() for line in telling[:3] or said[-5:]) or "it said nothing"


def free_ports(count: int) -> list[int]:
    ports: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise RealKafkaError(f"fewer than {count} free ports between {PORTS.start} and {PORTS.stop}")


def main() -> None:
    """Run a cluster in the foreground until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.processes.kafka", description=__doc__
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("settings", nargs="*", metavar="NAME=VALUE", help="for server.properties")
    args = parser.parse_args()
    reason = missing_tools()
    if reason is not None:
        parser.exit(1, f"{reason}\n")
    settings = dict(each.split("=", 1) for each in args.settings if "=" in each)
    if len(settings) != len(args.settings):
        parser.error("settings are NAME=VALUE, each name once")
    # Set, not raised: a second signal must not break the clean-up that the first one began.
    asked_to_stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked_to_stop.set())
    try:
        with RealKafka(nodes=args.nodes, settings=settings) as kafka:
            print(kafka.bootstrap_servers, flush=True)
            asked_to_stop.wait()
    except RealKafkaError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
