"""What one Apache Kafka 4.3.1 node answers to requests about ACLs, replicas, leaders and quorum.

Rows as in admin_answers.py, each asked on a connection of its own; "closed" where Kafka ends it.
An answer is shown with every field, in order: topic ids as `id` or `-`, times and offsets of the
metadata log as `n`.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from minibroker.client.cluster.connection import Connection, ConnectionFailed
from minibroker.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from minibroker.protocol.messages.alter_replica_log_dirs import (
    AlterReplicaLogDir,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirTopic,
)
from minibroker.protocol.messages.create_acls import AclCreation, CreateAclsRequest
from minibroker.protocol.messages.delete_acls import DeleteAclsFilter, DeleteAclsRequest
from minibroker.protocol.messages.describe_acls import DescribeAclsRequest
from minibroker.protocol.messages.describe_quorum import (
    DescribeQuorumPartition,
    DescribeQuorumRequest,
    DescribeQuorumTopic,
)
from minibroker.protocol.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    TopicRequest,
)
from minibroker.protocol.messages.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
    UserName,
)
from minibroker.protocol.messages.elect_leaders import ElectLeadersRequest, TopicPartitions
from minibroker.protocol.messages.list_config_resources import ListConfigResourcesRequest
from minibroker.protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsTopics,
)
from minibroker.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic

from tests.support.answers.admin_answers import OTHER_ID, ZERO_ID, Row, create
from tests.support.answers.admin_answers import shown as shown_in_short

# Kafka gives these in the order of a hash table.
UNORDERED = {"replica_election_results", "config_resources", "partitions", "partition_responses"}
VARYING = {"last_fetch_timestamp", "last_caught_up_timestamp", "log_end_offset", "high_watermark"}
NOT_SHOWN = {"throttle_time_ms", "leader_epoch", "nodes"}


def shown(response: Any, hidden: Set[str] = NOT_SHOWN) -> str:
    """An answer as text."""
    if type(response).__name__ in ("CreateTopicsResponse", "MetadataResponse"):
        return shown_in_short(response)
    names = [name for name in response.__slots__ if name not in hidden]
    return " ".join(_field(name, getattr(response, name), hidden) for name in names)


def _field(name: str, value: Any, hidden: Set[str]) -> str:
    if name in VARYING:
        return "n" if value > 0 else str(value)
    if isinstance(value, list):
        elements = [_field("", each, hidden) for each in value]
        return f"[{', '.join(sorted(elements) if name in UNORDERED else elements)}]"
    if name == "records":
        return f"{len(value)} bytes"
    if isinstance(value, bytes):
        return "id" if any(value) else "-"
    if hasattr(type(value), "__wire__"):
        return f"({shown(value, hidden)})"
    return repr(value) if isinstance(value, str) else str(value)


async def answer_to(port: int, row: Row, hidden: Set[str] = NOT_SHOWN) -> str:
    """What the broker at a port of this machine says to a row."""
    connection = await Connection.open("127.0.0.1", port)
    try:
        return shown(await connection.request(row.message, version=row.version), hidden)
    except ConnectionFailed:
        return "closed"
    finally:
        await connection.close()


def acls(kind: int = 2, operation: int = 1) -> dict[str, Any]:
    """A filter that lets any principal through."""
    return {
        "resource_type_filter": kind,
        "resource_name_filter": None,
        "pattern_type_filter": 3,
        "principal_filter": None,
        "host_filter": None,
        "operation": operation,
        "permission_type": 1,
    }


def acl(kind: int = 2) -> AclCreation:
    """Reading of a topic, for a user."""
    return AclCreation(
        resource_type=kind,
        resource_name="a",
        resource_pattern_type=3,
        principal="User:x",
        host="*",
        operation=3,
        permission_type=3,
    )


def reassign(
    *parts: tuple[str, int, list[int] | None], change: bool = True
) -> AlterPartitionReassignmentsRequest:
    """Replicas of partitions, a topic for each."""
    return AlterPartitionReassignmentsRequest(
        allow_replication_factor_change=change,
        topics=[
            ReassignableTopic(
                name=name,
                partitions=[ReassignablePartition(partition_index=index, replicas=replicas)],
            )
            for name, index, replicas in parts
        ],
    )


def reassignments(*topics: str) -> ListPartitionReassignmentsRequest:
    """Those of partitions 0 and 9; of all for no topics."""
    asked = [
        ListPartitionReassignmentsTopics(name=name, partition_indexes=[0, 9]) for name in topics
    ]
    return ListPartitionReassignmentsRequest(topics=asked or None)


def elect(kind: int, *parts: tuple[str, list[int]]) -> ElectLeadersRequest:
    """Leaders of these partitions; of all for none."""
    asked = [TopicPartitions(topic=topic, partitions=indexes) for topic, indexes in parts]
    return ElectLeadersRequest(election_type=kind, topic_partitions=asked or None)


def move(path: str, topic: str, *indexes: int) -> AlterReplicaLogDirsRequest:
    """Replicas into a directory."""
    topics = [AlterReplicaLogDirTopic(name=topic, partitions=[*indexes])]
    return AlterReplicaLogDirsRequest(dirs=[AlterReplicaLogDir(path=path, topics=topics)])


def page(
    *topics: str, limit: int = 2000, cursor: tuple[str, int] | None = None
) -> DescribeTopicPartitionsRequest:
    """A page of partitions."""
    return DescribeTopicPartitionsRequest(
        topics=[TopicRequest(name=each) for each in topics],
        response_partition_limit=limit,
        cursor=Cursor(topic_name=cursor[0], partition_index=cursor[1]) if cursor else None,
    )


def quorum(topic: str, *indexes: int) -> DescribeQuorumRequest:
    """The quorum of partitions."""
    parts = [DescribeQuorumPartition(partition_index=each) for each in indexes]
    return DescribeQuorumRequest(topics=[DescribeQuorumTopic(topic_name=topic, partitions=parts)])


def scram(*users: str) -> DescribeUserScramCredentialsRequest:
    """Credentials of users."""
    return DescribeUserScramCredentialsRequest(users=[UserName(name=each) for each in users])


def resources(*kinds: int) -> ListConfigResourcesRequest:
    """Resources of these kinds; of all for none."""
    return ListConfigResourcesRequest(resource_types=[*kinds])


def by_ids(*asked: tuple[str | None, bytes]) -> MetadataRequest:
    """Topics by name and id."""
    topics = [MetadataRequestTopic(name=name, topic_id=topic_id) for name, topic_id in asked]
    return MetadataRequest(topics=topics, allow_auto_topic_creation=False)


_NO_ACL = "(54 'No Authorizer is configured.'{})"
_REASSIGN = "True 0 None [('{}' [({} {} {})])]"
_BROKERS = "'The manual partition assignment includes {}'"
_PARTITION = "(0 {} 1 [1] [1] [] [] [])"
_UNHOSTED = "({} 3 'This server does not host this topic-partition.' 0 n [] [])"


def _page(*topics: tuple[str, list[int]], cursor: str = "None") -> str:
    told = [
        f"(0 '{name}' id False [{', '.join(_PARTITION.format(each) for each in indexes)}] 3576)"
        for name, indexes in topics
    ]
    return f"[{', '.join(told)}] {cursor}"


_BAD_CURSOR = "[(42 'a' - False [] -2147483648), (42 'b' - False [] -2147483648)] None"
_NEEDLESS = "84 'Leader election not needed for topic partition.'"

ROWS = (
    Row("create a", create("a", 3), None, "0 partitions=3 factor=1"),
    Row("create b", create("b"), None, "0 partitions=1 factor=1"),
    Row(
        "describe ACLs",
        DescribeAclsRequest(**acls()),
        None,
        "54 'No Authorizer is configured on the broker' []",
    ),
    Row(
        "describe ACLs as a console does that opens with it",
        DescribeAclsRequest(**acls(kind=1)),
        1,
        "54 'No Authorizer is configured on the broker' []",
    ),
    Row("describe ACLs of UNKNOWN", DescribeAclsRequest(**acls(kind=0)), None, "closed"),
    Row(
        "describe ACLs of an operation to come",
        DescribeAclsRequest(**acls(operation=77)),
        None,
        "54 'No Authorizer is configured on the broker' []",
    ),
    Row(
        "create ACLs",
        CreateAclsRequest(creations=[acl(), acl()]),
        None,
        f"[{_NO_ACL.format('')}, {_NO_ACL.format('')}]",
    ),
    Row("create no ACLs", CreateAclsRequest(creations=[]), None, "[]"),
    Row("create ACLs of UNKNOWN", CreateAclsRequest(creations=[acl(), acl(0)]), None, "closed"),
    Row(
        "delete ACLs",
        DeleteAclsRequest(filters=[DeleteAclsFilter(**acls())]),
        None,
        f"[{_NO_ACL.format(' []')}]",
    ),
    Row(
        "delete ACLs of UNKNOWN",
        DeleteAclsRequest(filters=[DeleteAclsFilter(**acls(operation=0))]),
        None,
        "closed",
    ),
    Row("reassignments", reassignments(), None, "0 None []"),
    Row("reassignments of some", reassignments("a", "no", ""), None, "0 None []"),
    Row(
        "reassign to where it is", reassign(("a", 0, [1])), None, _REASSIGN.format("a", 0, 0, None)
    ),
    Row(
        "reassign to where it is, the factor fixed",
        reassign(("a", 0, [1]), change=False),
        None,
        _REASSIGN.format("a", 0, 0, None).replace("True", "False"),
    ),
    Row(
        "reassign to others",
        reassign(("a", 0, [7, 1, 2])),
        None,
        _REASSIGN.format(
            "a", 0, 39, _BROKERS.format("broker 2, but no such broker is registered.")
        ),
    ),
    Row(
        "reassign to one twice",
        reassign(("a", 0, [1, 1])),
        None,
        _REASSIGN.format("a", 0, 39, _BROKERS.format("the broker 1 more than once.")),
    ),
    Row(
        "reassign to none",
        reassign(("a", 0, [])),
        None,
        _REASSIGN.format("a", 0, 39, _BROKERS.format("an empty replica list.")),
    ),
    Row("cancel", reassign(("a", 0, None)), None, _REASSIGN.format("a", 0, 85, None)),
    Row(
        "reassign an unknown partition",
        reassign(("a", 9, [1])),
        None,
        _REASSIGN.format("a", 9, 3, "'Unable to find partition a:9.'"),
    ),
    Row(
        "cancel in an unknown topic",
        reassign(("no", 0, None)),
        None,
        _REASSIGN.format("no", 0, 3, "'Unable to find a topic named no.'"),
    ),
    Row("reassign nothing", reassign(), None, "True 0 '' []"),
    Row("elect everywhere", elect(0), None, "0 [('a' []), ('b' [])]"),
    Row(
        "elect",
        elect(1, ("a", [0, 9])),
        None,
        f"0 [('a' [(0 {_NEEDLESS}), (9 3 'No such partition as a-9')])]",
    ),
    Row("elect of old", elect(0, ("a", [1])), 0, f"0 [('a' [(1 {_NEEDLESS})])]"),
    Row(
        "elect in an unknown topic",
        elect(0, ("no", [0])),
        None,
        "0 [('no' [(0 3 'No such topic as no')])]",
    ),
    Row(
        "elect by lot",
        elect(2, ("a", [0])),
        None,
        "42 [('a' [(0 42 'Unknown election type 2')])]",
    ),
    Row("elect by lot everywhere", elect(2), None, "42 []"),
    Row("move elsewhere", move("/nowhere", "a", 0, 9), None, "[('a' [(0 57), (9 57)])]"),
    Row("a page of all", page(), None, _page(("a", [0, 1, 2]), ("b", [0]))),
    Row(
        "a page of some, with an unknown one",
        page("no", "a", "a"),
        None,
        _page(("a", [0, 1, 2])).replace("] None", ", (3 'no' - False [] 3576)] None"),
    ),
    Row(
        "a page with a bad name",
        page("a b", "b"),
        None,
        _page(("b", [0])).replace("[(0 'b'", "[(17 'a b' - False [] 3576), (0 'b'"),
    ),
    Row("a page of one", page("a", "b", limit=1), None, _page(("a", [0]), cursor="('a' 1)")),
    Row("a page of none", page("a", "b", limit=0), None, _page(("a", [0]), cursor="('a' 1)")),
    Row("a full page", page(limit=3), None, _page(("a", [0, 1, 2]), cursor="('b' 0)")),
    Row("the next page", page(cursor=("a", 1)), None, _page(("a", [1, 2]), ("b", [0]))),
    Row("a page behind a topic", page(cursor=("a", 3)), None, _page(("a", []), ("b", [0]))),
    Row("a page from a topic that has gone", page(cursor=("aa", 5)), None, _page(("b", [0]))),
    Row("a page from a topic not asked for", page("a", "b", cursor=("aa", 0)), None, _BAD_CURSOR),
    Row("a page from before a topic", page("a", "b", cursor=("a", -1)), None, _BAD_CURSOR),
    Row(
        "the quorum",
        quorum("__cluster_metadata", 0),
        None,
        "0 '' [('__cluster_metadata' [(0 0 '' 1 n [(1 - n n n)] [])])]",
    ),
    Row(
        "the quorum of old",
        quorum("__cluster_metadata", 0),
        0,
        "0 None [('__cluster_metadata' [(0 0 None 1 n [(1 - n -1 -1)] [])])]",
    ),
    Row(
        "the quorum of another",
        quorum("a", 0),
        None,
        f"0 '' [('a' [{_UNHOSTED.format(0).replace(' n ', ' 0 ')}])]",
    ),
    Row(
        "the quorum of two",
        quorum("__cluster_metadata", 0, 1),
        None,
        f"0 '' [('__cluster_metadata' [{_UNHOSTED.format(0)}, {_UNHOSTED.format(1)}])]".replace(
            " n ", " 0 "
        ),
    ),
    Row("credentials", scram(), None, "0 '' []"),
    Row(
        "credentials of a user",
        scram("x"),
        None,
        "0 '' [('x' 91 'Attempt to describe a user credential that does not exist: x' [])]",
    ),
    Row(
        "credentials of one user twice",
        scram("x", "x"),
        None,
        "0 '' [('x' 92 'Cannot describe SCRAM credentials for the same user twice in a single "
        "request: x' [])]",
    ),
    Row("resources of old", resources(), 0, "0 []"),
    Row("topics and brokers", resources(2, 4, 2), None, "0 [('1' 4), ('a' 2), ('b' 2)]"),
    Row("client metrics and groups", resources(16, 32), None, "0 []"),
    Row("resources of no kind", resources(2, 99), None, "35 []"),
    Row(
        "a name beside an unknown id",
        by_ids(("a", OTHER_ID)),
        12,
        "100 None partitions=0 may=-2147483648 cluster=-2147483648",
    ),
    Row(
        "a name among ids",
        by_ids(("a", ZERO_ID), (None, OTHER_ID)),
        12,
        "100 None partitions=0 may=-2147483648 cluster=-2147483648",
    ),
)
