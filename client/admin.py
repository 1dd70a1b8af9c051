"""EDGE: Admin, the asyncio API to look after a cluster.

    async with Admin("127.0.0.1:9092") as admin:
        await admin.create_topic("orders", num_partitions=12)
        print(await admin.describe_topics(["orders"]))
        await admin.alter_group_offsets("billing", {TopicPartition("orders", 0): 0})

Topics, partitions, configurations and records are in administer/topics.py, groups and their offsets
in administer/groups.py, how the right broker is found and asked in administer/asking.py.
Tests: tests/system/client/test_client_groups.py
"""

from __future__ import annotations

from ..protocol.configs import ConfigSource
from .administer.groups import GroupCalls
from .administer.results import (
    BrokerNode,
    ClusterDescription,
    ConfigEntry,
    ConfigResource,
    GroupDescription,
    GroupListing,
    GroupMemberDescription,
    PartitionDescription,
    TopicDescription,
)
from .administer.topics import TopicCalls

__all__ = [
    "Admin",
    "BrokerNode",
    "ClusterDescription",
    "ConfigEntry",
    "ConfigResource",
    "ConfigSource",
    "GroupDescription",
    "GroupListing",
    "GroupMemberDescription",
    "PartitionDescription",
    "TopicDescription",
]


class Admin(TopicCalls, GroupCalls):
    """Looks after topics, configurations, records and groups; made inside a running loop.

    Args:
        bootstrap_servers: "host:port,host:port", or a sequence of "host:port".
        timeout_ms: bound of every call, with all that is asked again within it; what does not
            succeed raises Retriable with the newest reason.
        request_timeout_ms: bound of one answer.

    Raises:
        ValueError: an option that cannot work, or a server that is no HOST:PORT.
    """
