"""The topics that clients see: those they have made, and that of the groups, which is only read.

Requests that change something ask the metadata instead (cluster/metadata.py), where the latter is
not.
Tests: tests/system/answers/test_offsets_topic.py
"""

from __future__ import annotations

from typing import Any

from ..cluster.metadata import ClusterMetadata, Topic
from ..log.state_log import StateLog
from ..transactions.offsets_partition import OFFSETS_TOPIC
from .groups_partition import GroupsPartition, Hearing, offsets_topic
from .open_partitions import OpenPartitions
from .partition import Partition


class SeenTopics:
    """Topics and partitions for those who only read.

    Args:
        groups_log: of the groups, opened; read here once.
        hearing: who is told that there is more to read of it.

    Attributes:
        of_groups: the partition of `__consumer_offsets`.
    """

    def __init__(
        self,
        state: ClusterMetadata,
        opened: OpenPartitions,
        groups_log: StateLog[Any],
        hearing: Hearing,
    ) -> None:
        self._state = state
        self._opened = opened
        self._own = offsets_topic(hearing.cluster_id)
        self.of_groups = GroupsPartition(groups_log, hearing, opened.leader_epoch)

    def ids(self) -> set[bytes]:
        """The ids of all topics, whether there has been a group or not."""
        return {*self._state.names_by_id, self._own.topic_id}

    def partition(self, topic: str, index: int) -> Partition | None:
        """A partition, opened if need be; None if there is none of that name and number."""
        if topic == OFFSETS_TOPIC:
            return self.of_groups if index == 0 and self.of_groups.is_there else None
        return self._opened.get(topic, index)

    def topic(self, name: str) -> Topic | None:
        """A topic by its name."""
        if name == OFFSETS_TOPIC:
            return self._own if self.of_groups.is_there else None
        return self._state.topics.get(name)

    def topics(self) -> list[Topic]:
        """All of them, that of the groups last."""
        own = [self._own] if self.of_groups.is_there else []
        return [*self._state.topics.values(), *own]

    def name_of(self, topic_id: bytes) -> str | None:
        """The name of the topic with an id."""
        if topic_id == self._own.topic_id and self.of_groups.is_there:
            return OFFSETS_TOPIC
        return self._state.names_by_id.get(topic_id)
