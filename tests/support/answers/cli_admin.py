"""EDGE: what the administration commands do with any broker: a scenario for ours and for Kafka.

Kafka tells of a change a moment after it was answered, so what is told is asked for until it is as
expected, for SETTLED_S at most.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

Command = Callable[..., str]
"""Runs `minibroker WORDS --bootstrap-server ...`; returns standard output, raises unless code 0."""


SETTLED_S = 5.0


def administer(command: Command) -> None:
    """Create, describe, alter and delete over the command line; raises AssertionError."""
    command("topics", "create", "orders", "--partitions", "2", "--config", "retention.ms=5000")
    _until(lambda: _topic(command), (2, {"retention.ms": "5000"}))
    assert "altered orders" in command(
        *("topics", "alter", "orders", "--partitions", "3", "--config", "cleanup.policy=compact"),
        *("--delete-config", "retention.ms"),
    )
    _until(lambda: _topic(command), (3, {"cleanup.policy": "compact"}))
    shown = command("topics", "describe", "orders")
    assert "configs=cleanup.policy=compact" in shown
    assert "PARTITION  LEADER  REPLICAS  ISR" in shown
    here = ("--entity-type", "topics", "--entity-name", "orders")
    lists = "segment.ms=7,cleanup.policy=[delete,compact]"
    command("configs", "alter", *here, "--add-config", lists)
    both = {"cleanup.policy": "delete,compact", "segment.ms": "7"}
    _until(lambda: _dynamic(command, *here), [("orders", both)])
    command("configs", "alter", *here, "--delete-config", "segment.ms,cleanup.policy")
    _until(lambda: _dynamic(command, *here), [("orders", {})])
    ((_, everything),) = _configs(command, *here, "--all")
    assert everything["segment.bytes"] == "1073741824"
    lines = command("configs", "describe", *here, "--all").splitlines()
    assert lines[0] == "topic orders:"
    assert lines[1].split() == ["NAME", "VALUE", "SOURCE"]
    assert any(line.endswith("DEFAULT_CONFIG") for line in lines)
    _administer_brokers(command)
    assert [name for name, _ in _configs(command, "--entity-type", "topics")] == ["orders"]
    command("topics", "delete", "orders")
    _until(lambda: _json(command, "topics", "list"), [])


def _administer_brokers(command: Command) -> None:
    broker = ("--entity-type", "brokers", "--entity-name", "1")
    every = ("--entity-type", "brokers", "--entity-default")
    command("configs", "alter", *every, "--add-config", "message.max.bytes=3000000")
    _until(lambda: _dynamic(command, *every), [("", {"message.max.bytes": "3000000"})])
    command("configs", "alter", *broker, "--add-config", "message.max.bytes=2000000")
    _until(lambda: _dynamic(command, *broker), [("1", {"message.max.bytes": "2000000"})])
    assert [name for name, _ in _configs(command, "--entity-type", "brokers")] == ["1"]
    for which in (broker, every):
        command("configs", "alter", *which, "--delete-config", "message.max.bytes")


def _until(told: Callable[[], object], expected: object) -> None:
    deadline = time.monotonic() + SETTLED_S
    while (found := told()) != expected and time.monotonic() < deadline:
        pass  # each turn asks the broker
    assert found == expected


def _topic(command: Command) -> tuple[int, dict[str, str]]:
    (topic,) = _json(command, "topics", "describe", "orders")
    return len(topic["partitions"]), _without_replicas(topic["configs"])


def _dynamic(command: Command, *words: str) -> list[tuple[str, dict[str, str]]]:
    return [(name, _without_replicas(texts)) for name, texts in _configs(command, *words)]


def _without_replicas(texts: dict[str, str]) -> dict[str, str]:
    """Without what Kafka sets in every new cluster (cli/deviations.py)."""
    return {name: text for name, text in texts.items() if name != "min.insync.replicas"}


def _json(command: Command, *words: str) -> Any:
    return json.loads(command(*words, "--json"))


def _configs(command: Command, *words: str) -> list[tuple[str, dict[str, str]]]:
    described = _json(command, "configs", "describe", *words)
    return [
        (each["entity_name"], {one["name"]: one["value"] for one in each["configs"]})
        for each in described
    ]
