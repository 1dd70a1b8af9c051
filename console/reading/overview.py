"""EDGE: what there is in a cluster, in numbers.

Tests: tests/system/console/test_pages.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from ...client.admin import BrokerNode, ClusterDescription, ConfigResource
from ...client.errors import ClientError
from ...protocol.errors import ErrorCode
from .kafka import Kafka

CONFIGS_KEPT_S = 10.0
DISKS_KEPT_S = 10.0
# What decides what an acknowledgement is worth, of a broker that is none of ours.
PROMISES = ("min.insync.replicas", "unclean.leader.election.enable", "log.flush.interval.messages")


@dataclass(frozen=True, slots=True)
class Overview:
    """A cluster at a glance.

    Attributes:
        replicas: the commonest count of replicas of its partitions.
        trouble: partitions without a leader, or with fewer replicas in sync than they have.
        configs: some properties of the controller, by name; what is not told is left out.
    """

    cluster: ClusterDescription
    topics: int
    internal: int
    partitions: int
    replicas: int
    trouble: Sequence[str]
    groups: int
    configs: dict[str, str]


@dataclass(frozen=True, slots=True)
class Disk:
    """A data directory of a broker; -1 where the broker does not tell."""

    node_id: int
    path: str
    error: ErrorCode
    total_bytes: int
    usable_bytes: int
    logs_bytes: int
    largest: Sequence[tuple[str, int]]


async def overview(kafka: Kafka) -> Overview:
    """What there is."""
    cluster, topics, groups = await asyncio.gather(
        kafka.cluster(), kafka.all_topics(), kafka.all_groups()
    )
    parts = [(t, p) for t in topics.values() for p in t.partitions]
    trouble = [
        f"{t.name}-{p.partition} has no leader"
        if p.leader < 0
        else f"{t.name}-{p.partition}: {len(p.isr)} of {len(p.replicas)} replicas in sync"
        for t, p in parts
        if p.leader < 0 or len(p.isr) < len(p.replicas)
    ]
    counts = [len(p.replicas) for t, p in parts if not t.is_internal]
    return Overview(
        cluster,
        sum(not each.is_internal for each in topics.values()),
        sum(each.is_internal for each in topics.values()),
        len(parts),
        max(set(counts), key=counts.count, default=0),
        trouble,
        len(groups),
        await _configs(kafka, cluster),
    )


async def _configs(kafka: Kafka, cluster: ClusterDescription) -> dict[str, str]:
    node_id = cluster.brokers[0].node_id if cluster.brokers else 0

    async def ask() -> dict[str, str]:
        try:
            found = await kafka.describe_configs(ConfigResource.broker(node_id))
        except ClientError as error:
            if error.code is ErrorCode.CLUSTER_AUTHORIZATION_FAILED:
                return {}
            raise
        wanted = {*PROMISES, "durability", "auto.create.topics.enable", "log.retention.hours"}
        return {name: found[name].value or "" for name in wanted if name in found}

    return await kafka.cached.get("broker configs", CONFIGS_KEPT_S, ask)


async def directories(kafka: Kafka, brokers: Sequence[BrokerNode]) -> list[Disk] | str:
    """What lies in each broker's directories; or why it is not told."""

    async def ask() -> list[Disk] | str:
        disks = []
        for broker in brokers:
            try:
                found = await kafka.describe_log_dirs(broker.node_id)
            except ClientError as error:
                if error.code is ErrorCode.CLUSTER_AUTHORIZATION_FAILED:
                    return str(error)
                raise
            for each in found.values():
                sizes: dict[str, int] = {}
                for replica in each.replicas:
                    sizes[replica.topic] = sizes.get(replica.topic, 0) + replica.size_bytes
                largest = sorted(sizes.items(), key=lambda item: -item[1])[:5]
                disks.append(
                    Disk(
                        broker.node_id,
                        each.path,
                        each.error,
                        each.total_bytes,
                        each.usable_bytes,
                        sum(sizes.values()),
                        [(name, size) for name, size in largest if size],
                    )
                )
        return disks

    return await kafka.cached.get("directories", DISKS_KEPT_S, ask)
