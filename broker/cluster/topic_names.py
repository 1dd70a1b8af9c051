"""Which names a topic may have.

Source: Kafka's Topic.validate and ReplicationControlManager: [a-zA-Z0-9._-], at most 249
characters, not "." or ".."; two names that differ only in '.' and '_' collide in metric names.
Tests: tests/unit/broker/test_broker.py
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Protocol

from ...protocol.errors import ErrorCode, Refused
from ..limits import TOPIC_NAME_LENGTH_MAX

# Their directories stand beside those of topics: a topic of such a name would write into them.
OFFSETS = "__consumer_offsets"
LOGS_OF_THE_BROKER = frozenset(("__cluster_metadata", OFFSETS, "__transaction_state"))
_LEGAL = re.compile(r"[a-zA-Z0-9._-]+")


def name_refusal(name: str) -> str | None:
    """Why a name is not allowed; None if it is."""
    if not name:
        return "a topic name may not be empty"
    if name in (".", ".."):
        return f"a topic may not be named {name!r}"
    if len(name) > TOPIC_NAME_LENGTH_MAX:
        return f"a topic name has at most {TOPIC_NAME_LENGTH_MAX} characters, not {len(name)}"
    if _LEGAL.fullmatch(name) is None:
        return f"topic name {name!r}: only letters, digits, '.', '_' and '-' are allowed"
    return None


def no_topic(name: str) -> Refused:
    """The answer to a request that would change a topic that cannot be, or is not there."""
    if name == OFFSETS:  # a topic to read (docs/decisions/0019)
        return Refused(ErrorCode.INVALID_TOPIC_EXCEPTION, f"{name} is kept by the broker itself")
    return Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"there is no topic {name}")


def folded(name: str) -> str:
    """What a name has in common with those that differ from it only in '.' and '_'."""
    return name.replace(".", "_")


class NamedById(Protocol):
    """A topic in a request that names it by its id alone."""

    name: str
    topic_id: bytes


def name_topics(topics: Iterable[NamedById], names: Mapping[bytes, str]) -> None:
    """Write down the name of each topic, "" for an id that is unknown.

    Args:
        names: by id, of the topics there are.
    """
    for topic in topics:
        topic.name = names.get(topic.topic_id, "")
