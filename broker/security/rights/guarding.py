"""The guard of a broker, if its configuration names an authorizer.

Tests: tests/property/test_rights.py
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from ...cluster.metadata import ClusterMetadata, Topic
from ...config.broker import BrokerConfig
from ...world import Clock
from .audit import Audit
from .authorizer import Authorizer
from .guard import Guard


class Seen(Protocol):
    """The topics that clients see."""

    def topic(self, name: str) -> Topic | None:
        """One by its name."""

    def topics(self) -> list[Topic]:
        """All of them."""

    def name_of(self, topic_id: bytes) -> str | None:
        """The name of one."""


class Guarded(Protocol):
    """What is asked of a broker."""

    state: ClusterMetadata
    clock: Clock
    config: BrokerConfig

    @property
    def seen(self) -> Seen:
        """Its topics."""


class TopicsThere:
    """The topics of a broker, as rights and quotas ask for them."""

    def __init__(self, broker: Guarded) -> None:
        self._broker = broker

    def name_of(self, topic_id: bytes) -> str | None:
        """The name of a topic; None for an id that nobody has."""
        return self._broker.seen.name_of(topic_id)

    def is_there(self, name: str) -> bool:
        """Whether there is a topic of that name."""
        return self._broker.seen.topic(name) is not None

    def names(self) -> Iterable[str]:
        """All there are."""
        return [each.name for each in self._broker.seen.topics()]

    def count_of(self, name: str | None, topic_id: bytes) -> int:
        """How many partitions a topic has; 0 if there is none."""
        known = name if name is not None else self.name_of(topic_id)
        topic = None if known is None else self._broker.seen.topic(known)
        return 0 if topic is None else topic.partition_count

    @property
    def default_count(self) -> int:
        """How many partitions a topic gets that names no number."""
        return self._broker.config.num_partitions

    @property
    def creates(self) -> bool:
        """Whether one that is asked for and is not there is created."""
        return self._broker.config.auto_create_topics_enable


def guard_of(broker: Guarded) -> Guard | None:
    """None: everybody may do everything."""
    config = broker.config
    if not config.authorizer_class_name:
        return None
    authorizer = Authorizer(
        broker.state.acls,
        [each.strip() for each in config.super_users.split(";") if each.strip()],
        allows_without_acl=config.allow_everyone_if_no_acl_found,
    )
    return Guard(authorizer, TopicsThere(broker), Audit(broker.clock))
