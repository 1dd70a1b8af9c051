"""What a consumer wants to read: topics by name, topics by pattern, or partitions it chose itself.

Only one of the three at a time. Who reads which partition is for the group (membership.py).
Source: SubscriptionState.java.
Tests: tests/system/client/test_client_groups.py
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Iterable

from ..cluster.metadata import Metadata
from ..door import door
from ..partitions import TopicPartition


class ConsumerRebalanceListener:
    """Derive from it and override what is of interest, as plain methods or with `async def`.

    They are called between two calls of the application, which waits for them.
    """

    def on_partitions_revoked(self, revoked: frozenset[TopicPartition]) -> Awaitable[None] | None:
        """These are about to be given up; offsets can still be committed."""
        return None

    def on_partitions_assigned(self, assigned: frozenset[TopicPartition]) -> Awaitable[None] | None:
        """These are read from now on, in addition to what was kept; seek here if need be."""
        return None

    def on_partitions_lost(self, lost: frozenset[TopicPartition]) -> Awaitable[None] | None:
        """These may have been given to somebody else already; nothing can be committed."""
        return self.on_partitions_revoked(lost)


class Subscription:
    """The wishes of one consumer.

    Attributes:
        topics: by name; empty with a pattern.
        pattern: every topic whose whole name it matches is read; those of the broker itself
            (internal topics) are not.
        is_manual: partitions were assigned by the application.
    """

    def __init__(self) -> None:
        self.topics: frozenset[str] = frozenset()
        self.pattern: re.Pattern[str] | None = None
        self.listener = ConsumerRebalanceListener()
        self.is_manual = False

    @property
    def is_set(self) -> bool:
        """Whether topics are read, by name or pattern."""
        return bool(self.topics) or self.pattern is not None

    def subscribe(
        self,
        topics: Iterable[str],
        pattern: str | re.Pattern[str] | None,
        listener: ConsumerRebalanceListener | None,
    ) -> None:
        """Read topics from now on.

        Raises:
            TypeError: a listener or a pattern of another kind.
            ValueError: both or neither of topics and pattern, or partitions are assigned; or the
                pattern is no regular expression.
        """
        names = frozenset(topics)
        compiled = None if pattern is None else _compiled(pattern)
        if listener is not None:
            door.instance("listener", listener, ConsumerRebalanceListener)
        if self.is_manual:
            raise ValueError("partitions are assigned by hand: unsubscribe() first")
        if bool(names) == (pattern is not None):
            raise ValueError("subscribe to topics or to a pattern: one of the two")
        self.topics = names
        self.pattern = compiled
        self.listener = ConsumerRebalanceListener() if listener is None else listener

    def assign(self) -> None:
        """Partitions are chosen by hand. Raises ValueError when topics are subscribed to."""
        if self.is_set:
            raise ValueError("topics are subscribed to: unsubscribe() before assign()")
        self.is_manual = True

    def clear(self) -> None:
        """Read nothing."""
        self.topics = frozenset()
        self.pattern = None
        self.is_manual = False

    def wanted_topics(self, metadata: Metadata) -> frozenset[str]:
        """Names of the topics, as far as they are known to be there."""
        if self.pattern is None:
            return self.topics
        return frozenset(name for name in metadata.names if self.pattern.fullmatch(name))

    def wanted_places(self, metadata: Metadata) -> list[TopicPartition]:
        """All partitions of those topics, in order, as far as metadata tells them."""
        return [
            TopicPartition(topic, partition)
            for topic in sorted(self.wanted_topics(metadata))
            if topic in metadata.topics
            for partition in sorted(metadata.topics[topic].leaders)
        ]


def _compiled(pattern: str | re.Pattern[str]) -> re.Pattern[str]:
    if isinstance(pattern, re.Pattern):
        door.text("pattern", pattern.pattern)
        return pattern
    try:
        return re.compile(door.text("pattern", pattern))
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"pattern {pattern!r} is no regular expression: {error}") from None
