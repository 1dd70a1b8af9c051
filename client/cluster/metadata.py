"""What the client knows of the cluster: brokers, partitions, leaders. Facts in, lookups out.

Knows no connections (cluster.py has them). A partition's leader of an older epoch than one seen
before is ignored: an answer from a broker that lags behind must not undo a newer one. Names are no
identities: a topic whose id has changed was deleted and made again, and its epochs begin anew.
Source: Metadata.java, MetadataCache.java; KIP-320, KIP-516, KAFKA-12257.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...protocol.codec.schema import ZERO_UUID
from ...protocol.errors import ErrorCode, error_code
from ...protocol.messages.metadata import (
    MetadataResponse,
    MetadataResponsePartition,
    MetadataResponseTopic,
)

NO_NODE = -1
NO_EPOCH = -1
DEAD_IDS_MAX = 16  # of one topic, that are remembered


@dataclass(slots=True)
class TopicMetadata:
    """The partitions of one topic.

    Attributes:
        leaders: node id by partition, NO_NODE where there is none.
        epochs: the leader's epoch by partition, NO_EPOCH where it is not told.
        available: partitions that have a leader, ascending.
        error: what the broker said instead.
        topic_id: of this incarnation; ZERO_UUID where brokers do not tell.
        dead_ids: of earlier ones: an answer that names them comes from a broker that lags behind.
        seen_at_ms: when the newest question was asked to which the answer was that it is there.
    """

    leaders: dict[int, int] = field(default_factory=dict)
    epochs: dict[int, int] = field(default_factory=dict)
    available: list[int] = field(default_factory=list)
    error: ErrorCode = ErrorCode.NONE
    topic_id: bytes = ZERO_UUID
    dead_ids: tuple[bytes, ...] = ()
    seen_at_ms: float = float("-inf")


class Metadata:
    """The newest view of the cluster.

    Attributes:
        brokers: (host, port) by node id, as advertised.
        topics: what is known of each topic asked for.
        wanted: names of the topics to ask for.
        wants_all: ask for all topics instead.
        names: of all topics that are not internal, as of the last time all were asked for.
        updated_at_ms: when the newest answer came; minus infinity before the first.
        made_again: topics whose id has changed, until somebody takes note (take_made_again).
    """

    def __init__(self) -> None:
        self.brokers: dict[int, tuple[str, int]] = {}
        self.topics: dict[str, TopicMetadata] = {}
        self.wanted: set[str] = set()
        self.wants_all = False
        self.names: frozenset[str] = frozenset()
        self.controller_id = NO_NODE
        self.cluster_id: str | None = None
        self.updated_at_ms = float("-inf")
        self.made_again: set[str] = set()

    def update(self, response: MetadataResponse, asked_at_ms: float, now_ms: float) -> None:
        """Take in an answer to what was asked at `asked_at_ms`."""
        self.brokers = {each.node_id: (each.host, each.port) for each in response.brokers}
        self.cluster_id = response.cluster_id
        self.controller_id = response.controller_id
        self.updated_at_ms = now_ms
        for answer in response.topics:
            if answer.name is not None:
                self._update_topic(answer.name, answer, asked_at_ms)

    def take_made_again(self) -> set[str]:
        """The topics that were deleted and made again since this was last asked."""
        taken, self.made_again = self.made_again, set()
        return taken

    def forget(self, topic: str) -> None:
        """Know nothing of a topic, and ask for it no more."""
        self.wanted.discard(topic)
        self.topics.pop(topic, None)

    def leader_of(self, topic: str, partition: int) -> int:
        """Node id of the leader; NO_NODE if there is none, or none is known."""
        known = self.topics.get(topic)
        return NO_NODE if known is None else known.leaders.get(partition, NO_NODE)

    def epoch_of(self, topic: str, partition: int) -> int:
        """The leader's epoch, NO_EPOCH if it is not known."""
        known = self.topics.get(topic)
        return NO_EPOCH if known is None else known.epochs.get(partition, NO_EPOCH)

    def seen_at_ms(self, topic: str) -> float:
        """Since when a topic is known to have been there; minus infinity if it is not."""
        known = self.topics.get(topic)
        return float("-inf") if known is None else known.seen_at_ms

    def is_usable(self, topic: str) -> bool:
        """Whether a topic is known and every partition of it has a leader."""
        known = self.topics.get(topic)
        return (
            known is not None
            and not known.error
            and bool(known.available)
            and len(known.available) == len(known.leaders)
        )

    def _update_topic(self, name: str, answer: MetadataResponseTopic, asked_at_ms: float) -> None:
        before = self.topics.get(name) or TopicMetadata()
        error = error_code(answer.error_code)
        if error.retriable and before.available:
            return  # brokers that start up know less for a while
        if answer.topic_id in before.dead_ids:
            return
        topic = TopicMetadata(error=error, topic_id=answer.topic_id, dead_ids=before.dead_ids)
        if answer.topic_id == ZERO_UUID:
            topic.topic_id = before.topic_id
        is_other = before.topic_id not in (ZERO_UUID, topic.topic_id)
        if is_other:
            topic.dead_ids = (*before.dead_ids, before.topic_id)[-DEAD_IDS_MAX:]
            self.made_again.add(name)
        topic.seen_at_ms = before.seen_at_ms if error else asked_at_ms
        for partition in answer.partitions:
            index = partition.partition_index
            leader, epoch = _leader_of(partition), partition.leader_epoch
            if not is_other and 0 <= epoch < before.epochs.get(index, NO_EPOCH):
                leader, epoch = before.leaders[index], before.epochs[index]
            topic.leaders[index] = leader
            topic.epochs[index] = epoch
        topic.available = sorted(
            index for index, leader in topic.leaders.items() if leader in self.brokers
        )
        self.topics[name] = topic


def _leader_of(partition: MetadataResponsePartition) -> int:
    return NO_NODE if partition.error_code and partition.leader_id < 0 else partition.leader_id
