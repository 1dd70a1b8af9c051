"""What the administration commands do with any broker: a scenario for ours and for Kafka."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Command = Callable[..., str]
"""Runs `minibroker WORDS --bootstrap-server ...`; returns standard output, raises unless code 0."""


def administer(command: Command) -> None:
    """Create, describe, alter and delete over the command line; raises AssertionError."""
    command("topics", "create", "orders", "--partitions", "2", "--config", "retention.ms=5000")
    (topic,) = _json(command, "topics", "describe", "orders")
    assert (len(topic["partitions"]), topic["configs"]) == (2, {"retention.ms": "5000"})
    assert "altered orders" in command(
        *("topics", "alter", "orders", "--partitions", "3", "--config", "cleanup.policy=compact"),
        *("--delete-config", "retention.ms"),
    )
    (topic,) = _json(command, "topics", "describe", "orders")
    assert (len(topic["partitions"]), topic["configs"]) == (3, {"cleanup.policy": "compact"})
    shown = command("topics", "describe", "orders")
    assert "configs=cleanup.policy=compact" in shown
    assert "PARTITION  LEADER  REPLICAS  ISR" in shown
    here = ("--entity-type", "topics", "--entity-name", "orders")
    command(
        "configs", "alter", *here, "--add-config", "segment.ms=7,cleanup.policy=[delete,compact]"
    )
    ((_, configs),) = _configs(command, *here)
    assert configs == {"cleanup.policy": "delete,compact", "segment.ms": "7"}
    command("configs", "alter", *here, "--delete-config", "segment.ms,cleanup.policy")
    assert "topic orders: nothing is set" in command("configs", "describe", *here)
    ((_, everything),) = _configs(command, *here, "--all")
    assert everything["segment.bytes"] == "1073741824"
    shown = command("configs", "describe", *here, "--all")
    assert "NAME" in shown.splitlines()[1]
    assert "DEFAULT_CONFIG" in shown
    _administer_brokers(command)
    assert [name for name, _ in _configs(command, "--entity-type", "topics")] == ["orders"]
    command("topics", "delete", "orders")
    assert _json(command, "topics", "list") == []


def _administer_brokers(command: Command) -> None:
    broker = ("--entity-type", "brokers", "--entity-name", "1")
    every = ("--entity-type", "brokers", "--entity-default")
    command("configs", "alter", *broker, "--add-config", "message.max.bytes=2000000")
    command("configs", "alter", *every, "--add-config", "message.max.bytes=3000000")
    ((name, configs),) = _configs(command, *broker)
    assert (name, configs["message.max.bytes"]) == ("1", "2000000")
    ((name, configs),) = _configs(command, *every)
    assert (name, configs["message.max.bytes"]) == ("", "3000000")
    assert [name for name, _ in _configs(command, "--entity-type", "brokers")] == ["1"]
    for which in (broker, every):
        command("configs", "alter", *which, "--delete-config", "message.max.bytes")


def _json(command: Command, *words: str) -> Any:
    return json.loads(command(*words, "--json"))


def _configs(command: Command, *words: str) -> list[tuple[str, dict[str, str]]]:
    described = _json(command, "configs", "describe", *words)
    return [
        (each["entity_name"], {one["name"]: one["value"] for one in each["configs"]})
        for each in described
    ]
