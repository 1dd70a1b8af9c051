"""The configuration of MirrorMaker 2 for one way, `old` to `new`, and how it is run.

Pure. Names stay as they are (IdentityReplicationPolicy); what MirrorMaker keeps for itself lies in
`new`, so that nothing of `old` changes; what is copied is copied exactly once, by transactions in
`new`, and only what is committed is read.
Source: MirrorMakerConfig, MirrorSourceConfig, MirrorCheckpointConfig.java; KIP-382, KIP-618.
Tests: tests/unit/cli/graduating/test_mirror_properties.py
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

REFRESHED_EVERY_S: Final = 5
TASKS_MAX: Final = 4
REPLICATED: Final = (
    *("replication.factor", "checkpoints.topic.replication.factor"),
    *("heartbeats.topic.replication.factor", "offset-syncs.topic.replication.factor"),
    *("offset.storage.replication.factor", "status.storage.replication.factor"),
    "config.storage.replication.factor",
)
EVERY: Final = (
    *("refresh.topics.interval.seconds", "refresh.groups.interval.seconds"),
    *("sync.topic.configs.interval.seconds", "sync.group.offsets.interval.seconds"),
    "emit.checkpoints.interval.seconds",
)


def mirror_properties(
    servers: tuple[str, str],
    security: tuple[Mapping[str, str], Mapping[str, str]],
    topics: Sequence[str],
    groups: Sequence[str],
    replication_factor: int,
) -> str:
    """The file as a text.

    Args:
        servers, security: of old and new; security by Kafka's names.
        topics, groups: all that are to be mirrored, by name.
    """
    lines = [
        "# MirrorMaker 2: copies old to new, and keeps all its own topics in new.",
        "clusters = old, new",
        f"old.bootstrap.servers = {servers[0]}",
        f"new.bootstrap.servers = {servers[1]}",
        *(
            f"{alias}.{name} = {_escaped(value)}"
            for alias, properties in zip(("old", "new"), security, strict=True)
            for name, value in properties.items()
        ),
        "old->new.enabled = true",
        "new->old.enabled = false",
        f"old->new.topics = {_listed(topics)}",
        f"old->new.groups = {_listed(groups)}",
        f"tasks.max = {TASKS_MAX}",
        "",
        "# Topics keep their names, their configurations and their order.",
        "replication.policy.class = org.apache.kafka.connect.mirror.IdentityReplicationPolicy",
        "sync.topic.configs.enabled = true",
        "sync.topic.acls.enabled = false",
        "sync.group.offsets.enabled = true",
        "emit.heartbeats.enabled = false",
        "offset-syncs.topic.location = target",
        *(f"{name} = {REFRESHED_EVERY_S}" for name in EVERY),
        "",
        "# Exactly once: what is read is committed, what is written is one transaction with the",
        "# place it was read at. A mirror that is killed goes on where it was.",
        "new.exactly.once.source.support = enabled",
        "old.consumer.isolation.level = read_committed",
        "old.consumer.auto.offset.reset = earliest",
        "dedicated.mode.enable.internal.rest = true",
        "listeners = http://127.0.0.1:0",
        "",
        *(f"{name} = {replication_factor}" for name in REPLICATED),
    ]
    return "\n".join(lines) + "\n"


def commands(path: str) -> list[str]:
    """How the mirror is run, with what a distribution of Apache Kafka has."""
    return [f"bin/connect-mirror-maker.sh {path}"]


def _listed(names: Sequence[str]) -> str:
    """Names as MirrorMaker's regular expressions, separated by commas; `-` matches nothing."""
    return ", ".join(re.escape(name).replace("\\", "\\\\") for name in names) or "-"


def _escaped(value: str) -> str:
    """A value of a .properties file."""
    return value.replace("\\", "\\\\").replace("\n", "\\n")
