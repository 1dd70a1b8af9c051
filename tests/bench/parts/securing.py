"""EDGE: the generator's loads over TLS, ours beside a real Apache Kafka's, and what TLS costs ours.

TLS 1.3 with an ECDSA certificate, for both the same; the generator's side is Go's own, and does not
look at the certificate. Each broker has a listener without TLS, too.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from rich.table import Table

from tests.bench.generator import Measured, fill, measure
from tests.bench.loads import PARTITIONS, READ_TOPIC, TOPIC, Load
from tests.bench.run import Run
from tests.bench.servers import Server, create_topics, our_broker, real_kafka, renew_topic
from tests.bench.tables import Rounds, cpu_shown, rate_shown, ratio, ratio_shown
from tests.support.security.listeners import Authority

LOADS = (
    Load("100 B, 50 in flight", 50),
    Load("100 B, one at a time", 1),
    Load("150 x 100 B, 20 in flight", 20, records=150),
    Load("16 KB, 20 in flight", 20, record_bytes=16_384),
    Load("1 MB, 5 in flight", 5, record_bytes=1_000_000),
    Load("fetch of 10 KB, 10 in flight", 10, api="fetch", fetch_bytes=10_000),
    Load("fetch of 1 MB, one at a time", 1, api="fetch", fetch_bytes=1_000_000),
)
JVM_WARM_UP_S = 3.0
PLAIN = "ours, plain"


class TlsListener:
    """One further listener, for both brokers alike."""

    listeners: Sequence[str] = ("SSL",)
    scram_credentials: Sequence[str] = ()

    def __init__(self, home: Path) -> None:
        self._file = Authority(home).write_broker()

    @property
    def ours(self) -> Mapping[str, str]:
        """Our properties."""
        return {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(self._file)}

    def settings(self, home: Path) -> Mapping[str, str]:
        """Kafka's."""
        protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL"
        return {**self.ours, "listener.security.protocol.map": protocols}


def measure_securing(run: Run) -> dict[str, float]:
    """Print the table; returns the ratios to Kafka by load."""
    measured: dict[Load, Rounds] = {load: Rounds() for load in LOADS}
    for servers in _rounds(run):
        for load in LOADS:
            for server in servers:
                measured[load].add(server.name, _measure(server, load, run.seconds, tls=True))
                if server.name == "ours":
                    plain = _measure(server, load, run.seconds, tls=False)
                    measured[load].add(PLAIN, plain)
    _show(run, measured)
    return {
        f"TLS: {load.name}": ratio(rounds)
        for load, rounds in measured.items()
        if rounds.has("Kafka")
    }


def _show(run: Run, measured: Mapping[Load, Rounds]) -> None:
    table = Table(title="requests of the generator over TLS 1.3, durability=page-cache")
    table.add_column("load")
    columns = ("CPU µs", "Kafka's", "ours", "Kafka", "ratio", "min-max", PLAIN, "TLS to plain")
    for column in columns:
        table.add_column(column, justify="right")
    for load, rounds in measured.items():
        table.add_row(
            load.name,
            cpu_shown(rounds, "ours"),
            cpu_shown(rounds, "Kafka"),
            rate_shown(rounds, "ours", load),
            rate_shown(rounds, "Kafka", load),
            *ratio_shown(rounds, "ours", "Kafka"),
            rate_shown(rounds, PLAIN, load),
            ratio_shown(rounds, "ours", PLAIN)[0],
        )
    run.console.print(table)


def _rounds(run: Run) -> Iterator[list[Server]]:
    """The servers of each round, in turning order; ours a new process in each."""
    with ExitStack() as all_rounds:
        home = Path(all_rounds.enter_context(tempfile.TemporaryDirectory()))
        listener = TlsListener(home)
        lasting = []
        if run.without_kafka is None:
            kafka = all_rounds.enter_context(real_kafka("Kafka", {}, listener))
            _prepare(kafka)
            for load in LOADS:
                _measure(kafka, load, JVM_WARM_UP_S, tls=True)
            lasting.append(kafka)
        for number in range(run.rounds):
            with _ours(run.commands, listener) as ours:
                servers = [ours, *lasting]
                yield servers if number % 2 else servers[::-1]


@contextmanager
def _ours(commands: Path, listener: TlsListener) -> Iterator[Server]:
    options = ["--durability", "page-cache"]
    options += ["--listeners", "PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0"]
    for name, value in listener.ours.items():
        options += ["--set", f"{name}={value}"]
    with our_broker("ours", commands, options) as server:
        _prepare(server)
        yield server


def _prepare(server: Server) -> None:
    asyncio.run(create_topics(server, {TOPIC: PARTITIONS, READ_TOPIC: 1}))
    fill(server)


def _measure(server: Server, load: Load, seconds: float, *, tls: bool) -> Measured:
    found = measure(
        replace(server, port=server.tls_port if tls else server.port), load, seconds, tls=tls
    )
    if load.api == "produce":
        asyncio.run(renew_topic(server, TOPIC, PARTITIONS))
    return found
