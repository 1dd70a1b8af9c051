"""What Admin returns: frozen values, in Kafka's words.

Tests: tests/system/client/test_client_groups.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ...protocol.configs import ConfigSource, ConfigType, ResourceType
from ...protocol.errors import ErrorCode
from ..partitions import TopicPartition


@dataclass(frozen=True, slots=True)
class BrokerNode:
    """A broker as it is advertised."""

    node_id: int
    host: str
    port: int
    rack: str | None


@dataclass(frozen=True, slots=True)
class ClusterDescription:
    """The cluster as one broker sees it; controller_id is -1 where there is none."""

    cluster_id: str
    controller_id: int
    brokers: tuple[BrokerNode, ...]


@dataclass(frozen=True, slots=True)
class PartitionDescription:
    """One partition; leader -1 where there is none, leader_epoch -1 where it is not told."""

    partition: int
    leader: int
    leader_epoch: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """One topic; topic_id is 16 bytes, all zero where the broker has none."""

    name: str
    topic_id: bytes
    is_internal: bool
    partitions: tuple[PartitionDescription, ...]


@dataclass(frozen=True, slots=True)
class ConfigResource:
    """What a configuration belongs to; make one with topic() or broker()."""

    type_id: int
    name: str

    @classmethod
    def topic(cls, name: str) -> ConfigResource:
        """A topic's properties."""
        return cls(ResourceType.TOPIC.value, name)

    @classmethod
    def broker(cls, node_id: int | None) -> ConfigResource:
        """A broker's properties; None for those of all brokers."""
        return cls(ResourceType.BROKER.value, "" if node_id is None else str(node_id))


@dataclass(frozen=True, slots=True)
class ConfigSynonym:
    """One place where a property has a value; the value of a sensitive one is None. KIP-226."""

    name: str
    value: str | None
    source: ConfigSource


@dataclass(frozen=True, slots=True)
class ConfigEntry:
    """One property in force; the value of a sensitive one is None. KIP-133, KIP-226, KIP-569.

    Attributes:
        documentation: None unless it was asked for, and where the broker has none.
        synonyms: the first is what is in force, each other what would be without those before it;
            empty unless they were asked for.
        type: UNKNOWN where the broker does not tell it.
    """

    name: str
    value: str | None
    source: ConfigSource
    is_read_only: bool
    is_sensitive: bool
    documentation: str | None
    synonyms: tuple[ConfigSynonym, ...] = ()
    type: ConfigType = ConfigType.UNKNOWN


@dataclass(frozen=True, slots=True)
class ReplicaDescription:
    """What one broker has of a partition, in one of its data directories. KIP-113.

    Attributes:
        size_bytes: of its log.
        offset_lag: how many records it is behind the high watermark.
        is_future: the partition is being moved here from another directory of the broker.
    """

    topic: str
    partition: int
    size_bytes: int
    offset_lag: int
    is_future: bool


@dataclass(frozen=True, slots=True)
class LogDirDescription:
    """One data directory of a broker. KIP-113, KIP-827.

    Attributes:
        error: NONE, or why the broker cannot use it; there are no replicas then.
        total_bytes, usable_bytes: of the volume it is on; -1 where the broker does not tell.
        replicas: by topic and partition.
    """

    path: str
    error: ErrorCode
    total_bytes: int
    usable_bytes: int
    replicas: tuple[ReplicaDescription, ...]


@dataclass(frozen=True, slots=True)
class GroupListing:
    """A group as a broker lists it; state and group_type are empty where it does not tell."""

    group_id: str
    protocol_type: str
    state: str
    group_type: str


@dataclass(frozen=True, slots=True)
class GroupMemberDescription:
    """One member; the partitions are empty where the protocol is not that of consumers."""

    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    partitions: frozenset[TopicPartition]


@dataclass(frozen=True, slots=True)
class GroupDescription:
    """One group; state "Dead" where there is none of this name."""

    group_id: str
    state: str
    protocol_type: str
    protocol: str
    coordinator: int
    members: tuple[GroupMemberDescription, ...]


ScramMechanism: TypeAlias = Literal["SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True)
class ScramCredentialInfo:
    """What anybody may know of a user's password: how it is kept."""

    mechanism: str
    iterations: int


@dataclass(frozen=True, slots=True)
class TransactionListing:
    """A transactional id as its coordinator lists it, in Kafka's words for states."""

    transactional_id: str
    producer_id: int
    state: str
    coordinator: int


@dataclass(frozen=True, slots=True)
class TransactionDescription:
    """A transactional id and the transaction that is open or being ended under it, if any.

    Attributes:
        state: "Empty", "Ongoing", "PrepareCommit", "CompleteCommit", "PrepareAbort" or
            "CompleteAbort".
        timeout_ms: after which the coordinator aborts a transaction by itself.
        start_time_ms: of the newest transaction, ms since 1970; -1 before the first.
        partitions: that it has written to, or is about to; those that hold offsets of groups too.
    """

    transactional_id: str
    coordinator: int
    state: str
    producer_id: int
    producer_epoch: int
    timeout_ms: int
    start_time_ms: int
    partitions: frozenset[TopicPartition]


@dataclass(frozen=True, slots=True)
class ProducerDescription:
    """What the leader of a partition knows of a producer that has written there.

    Attributes:
        last_sequence: of its newest record; -1 if none counts, as after a transaction's end.
        last_timestamp: of its newest record or marker, ms since 1970.
        coordinator_epoch: of its newest marker; -1 before the first.
        transaction_start_offset: of its open transaction here; -1 if none is open.
    """

    producer_id: int
    producer_epoch: int
    last_sequence: int
    last_timestamp: int
    coordinator_epoch: int
    transaction_start_offset: int


@dataclass(frozen=True, slots=True)
class HangingTransaction:
    """A transaction that is open in a partition, and that no coordinator will ever end.

    Until somebody does (abort_transaction), no reader of committed records gets past its start.
    """

    partition: TopicPartition
    producer: ProducerDescription
