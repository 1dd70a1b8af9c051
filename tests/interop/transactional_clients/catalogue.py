"""The transactional clients, how each is run, and who reads after whom.

The Python ones are those of the development environment; all versions: tests/interop/matrix.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.interop.matrix.environments import Runnable, go_module, java_class, node_packages

PROGRAMS = Path(__file__).with_name("programs")
READERS = 3  # of each client's work


def _python(module: str) -> Runnable:
    package = "tests.interop.transactional_clients.programs"
    return Runnable((sys.executable, "-m", f"{package}.{module}"), {})


def _go(name: str, program: str, module: str) -> Runnable:
    return go_module(name, str(PROGRAMS / program), module)


CLIENTS: dict[str, Callable[[], Runnable]] = {
    "kafka-python": partial(_python, "kafka_python"),
    "aiokafka": partial(_python, "aiokafka_client"),
    "confluent-kafka": partial(_python, "confluent"),
    "java": partial(java_class, "java-transactions", str(PROGRAMS / "Transacting.java")),
    "franz-go": partial(_go, "franz-go-transactions", "franz_go.go", "franz_go.mod"),
    "sarama": partial(_go, "sarama-transactions", "sarama.go", str(PROGRAMS / "sarama.mod")),
    "kafkajs": partial(
        node_packages,
        "kafkajs-transactions",
        str(PROGRAMS / "kafkajs.js"),
        "kafkajs.package.json",
    ),
    "ours": partial(_python, "ours"),
}


def readers_of(client: str) -> list[str]:
    """Three others, so that each client reads after three."""
    names = [*CLIENTS]
    first = names.index(client) + 1
    return [names[(first + number) % len(names)] for number in range(READERS)]
