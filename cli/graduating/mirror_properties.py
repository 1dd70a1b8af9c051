"""The configuration of MirrorMaker 2 for one way, `old` to `new`, and how it is run.

Pure. Names stay as they are (IdentityReplicationPolicy); what MirrorMaker keeps for itself lies in
`new`, so that nothing of `old` changes; what is copied is copied exactly once, by transactions in
`new`, and only what is committed is read. Secrets stand in a file of their own, that the mirror
reads for itself: it writes its configuration, as it is, into a topic of `new`.
Source: MirrorMakerConfig, MirrorSourceConfig, MirrorCheckpointConfig.java; KIP-297, 382, 618.
Tests: tests/unit/cli/graduating/test_mirror_properties.py
"""

from __future__ import annotations

import shlex
import string
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ..asking.client_properties import ENDPOINT
from .java_security import is_secret

ALIASES: Final = ("old", "new")
REFRESHED_EVERY_S: Final = 5
TASKS_MAX: Final = 4
# What a producer of Java's keeps in memory, and so the longest record that it could send; by
# default it sends none of more than a megabyte, whatever a topic takes.
BUFFER_BYTES: Final = 33_554_432
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
# What the mirror keeps for itself in `new`: a right to make these is needed, too.
OWN_TOPICS: Final = (
    *(f"mm2-{kind}.old.internal" for kind in ("configs", "offsets", "status", "offset-syncs")),
    *("old.checkpoints.internal", "heartbeats"),
)
SECRETS_READER: Final = (
    "config.providers = file",
    "config.providers.file.class = org.apache.kafka.common.config.provider.FileConfigProvider",
)
MATCHES_NOTHING: Final = "(?!)"
ALWAYS: Final = (
    f"old->new.topics.exclude = {MATCHES_NOTHING}",
    f"old->new.groups.exclude = {MATCHES_NOTHING}",
    "old->new.enabled = true",
    "new->old.enabled = false",
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
    "# Whatever was stored goes over: also what is longer than a megabyte before it is packed.",
    "new.producer.compression.type = gzip",
)
PLAIN: Final = frozenset(string.ascii_letters + string.digits + "_-")


class MirrorFiles(NamedTuple):
    """What is written for MirrorMaker.

    Attributes:
        secrets: the text of the file that the other one names; "" where nothing is secret.
    """

    mirror: str
    secrets: str


def mirror_properties(
    servers: tuple[str, str],
    security: tuple[Mapping[str, str], Mapping[str, str]],
    topics: Sequence[str],
    groups: Sequence[str],
    *,
    replication_factor: int,
    secrets_path: str,
    longest_bytes: int = 0,
) -> MirrorFiles:
    """Both files.

    Args:
        servers, security: of old and new; security as Java's clients are told it.
        topics, groups: all that are to be mirrored, by name.
        secrets_path: where the secrets will stand, from the root on.
        longest_bytes: the longest batch that a topic of these takes.
    """
    own = [
        (f"{alias}.{name}", value)
        for alias, properties in zip(ALIASES, security, strict=True)
        for name, value in properties.items()
    ]
    is_hidden = {name: is_secret(name.partition(".")[2]) for name, _ in own}
    secrets = [f"{name} = {escaped(value)}" for name, value in own if is_hidden[name]]
    longest = max(longest_bytes, BUFFER_BYTES)
    lines = [
        "# MirrorMaker 2: copies old to new, and keeps all its own topics in new.",
        "clusters = old, new",
        f"old.bootstrap.servers = {servers[0]}",
        f"new.bootstrap.servers = {servers[1]}",
        *(
            f"{name} = {f'${{file:{secrets_path}:{name}}}' if is_hidden[name] else escaped(value)}"
            for name, value in own
        ),
        *(SECRETS_READER if secrets else ()),
        f"old->new.topics = {_listed(topics)}",
        f"old->new.groups = {_listed(groups)}",
        *ALWAYS,
        f"new.producer.max.request.size = {longest}",
        f"new.producer.buffer.memory = {longest}",
        "",
        *(f"{name} = {replication_factor}" for name in REPLICATED),
    ]
    return MirrorFiles(*("".join(f"{each}\n" for each in text) for text in (lines, secrets)))


def commands(path: str, security: Sequence[Mapping[str, str]] = ()) -> list[str]:
    """How the mirror is run, with what a distribution of Apache Kafka has."""
    urls = sorted({each[ENDPOINT] for each in security if ENDPOINT in each})
    # Java asks an issuer for tokens only where its address is allowed beforehand.
    allowed = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={','.join(urls)}"
    before = f"KAFKA_OPTS={shlex.quote(allowed)} " if urls else ""
    return [f"{before}bin/connect-mirror-maker.sh {shlex.quote(path)}"]


def _listed(names: Sequence[str]) -> str:
    """Names as MirrorMaker's regular expressions, separated by commas.

    Ids of groups may have any characters: commas and blanks are the list's own, and Java reads a
    file as Latin-1. So whatever is not plain stands there as its number.
    """
    return ", ".join(escaped("".join(map(_pattern, name))) for name in names) or MATCHES_NOTHING


def _pattern(character: str) -> str:
    if character in PLAIN:
        return character
    return "\\." if character == "." else f"\\x{{{ord(character):x}}}"


def escaped(value: str) -> str:
    """A value of a .properties file, in ASCII alone."""
    text = value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    text = text.replace("\t", "\\t").replace("\f", "\\f")
    if text.startswith(" "):
        text = f"\\{text}"
    units = text.encode("utf-16-be")
    codes = [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
    return "".join(chr(code) if code < 0x7F else f"\\u{code:04x}" for code in codes)
