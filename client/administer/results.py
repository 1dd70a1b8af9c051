"""What Admin returns: frozen values, in Kafka's words.

Tests: tests/system/client/test_client_groups.py
"""

from __future__ import annotations

from dataclasses import dataclass

from ...protocol.configs import ConfigSource, ResourceType
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
class ConfigEntry:
    """One property in force; the value of a sensitive one is None."""

    name: str
    value: str | None
    source: ConfigSource
    is_read_only: bool
    is_sensitive: bool
    documentation: str | None


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
