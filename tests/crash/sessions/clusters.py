"""EDGE: what is sent to, and how it is hurt: our broker, one Kafka, three of them.

All are killed with SIGKILL and come back; of three one at a time, so that its leaders move.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Protocol

from tests.support.processes.broker import BrokerProcess, ForkedBroker
from tests.support.processes.kafka import RealKafka

# A node that comes back is not let in before the one that was killed is missed.
SOON_MISSED = {"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500"}


class Cluster(Protocol):
    """Something that can be killed and started again.

    Attributes:
        replicas: of a topic.
    """

    replicas: int

    @property
    def servers(self) -> str:
        """For clients."""

    def kill(self) -> None:
        """SIGKILL, to one of them."""

    def start(self) -> None:
        """That one again; returns when it answers."""


class Ours:
    """One broker of ours."""

    replicas = 1

    def __init__(self, broker: BrokerProcess) -> None:
        self._broker = broker

    @property
    def servers(self) -> str:
        return self._broker.bootstrap_servers

    def kill(self) -> None:
        self._broker.kill()

    def start(self) -> None:
        self._broker.start()


class Kafka:
    """A real one, of one node or three."""

    def __init__(self, kafka: RealKafka, nodes: int) -> None:
        self.replicas = nodes
        self._kafka = kafka
        self._victims = cycle(range(1, nodes + 1))
        self._victim = 1

    @property
    def servers(self) -> str:
        return self._kafka.bootstrap_servers

    def kill(self) -> None:
        self._victim = next(self._victims)
        self._kafka.kill(self._victim)

    def start(self) -> None:
        self._kafka.start(self._victim)


@contextmanager
def cluster(kind: str, durability: str = "page-cache") -> Iterator[Cluster]:
    """A running one of this kind: ours, kafka or kafka-3."""
    if kind == "ours":
        with (
            tempfile.TemporaryDirectory() as directory,
            ForkedBroker(data_dir=Path(directory), durability=durability) as broker,
        ):
            yield Ours(broker)
        return
    nodes = {"kafka": 1, "kafka-3": 3}[kind]
    settings = {**SOON_MISSED, **({"min.insync.replicas": "2"} if nodes > 1 else {})}
    with RealKafka(nodes=nodes, settings=settings, heap="512m", is_quick=True) as kafka:
        yield Kafka(kafka, nodes)
