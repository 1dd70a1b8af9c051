"""What bob is told, who has no right or some: rows for ours and for Apache Kafka alike.

There are the topics a, b and c, no group and no transaction.
A row has rules of access, a request, and what the answer says: its error codes in the order in
which they stand there, or whatever else is named.
Measured on Apache Kafka 4.3.1 with StandardAuthorizer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from minibroker.broker.cluster.acls import Acl
from minibroker.protocol.acls import (
    WILDCARD,
    PatternType,
)
from minibroker.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
)
from minibroker.protocol.messages.api_versions import ApiVersionsRequest
from minibroker.protocol.messages.create_acls import CreateAclsRequest
from minibroker.protocol.messages.delete_acls import DeleteAclsFilter, DeleteAclsRequest
from minibroker.protocol.messages.delete_groups import DeleteGroupsRequest
from minibroker.protocol.messages.describe_acls import DescribeAclsRequest
from minibroker.protocol.messages.describe_client_quotas import DescribeClientQuotasRequest
from minibroker.protocol.messages.describe_cluster import DescribeClusterRequest
from minibroker.protocol.messages.describe_groups import DescribeGroupsRequest
from minibroker.protocol.messages.describe_log_dirs import DescribeLogDirsRequest
from minibroker.protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersTopic,
)
from minibroker.protocol.messages.describe_topic_partitions import (
    DescribeTopicPartitionsRequest,
    TopicRequest,
)
from minibroker.protocol.messages.describe_transactions import DescribeTransactionsRequest
from minibroker.protocol.messages.heartbeat import HeartbeatRequest
from minibroker.protocol.messages.list_groups import ListGroupsRequest
from minibroker.protocol.messages.list_transactions import ListTransactionsRequest
from minibroker.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic

from tests.support.security.rights_requests import (
    ADD_OFFSETS,
    CLUSTER,
    DELETE,
    DELETE_RECORDS,
    END,
    FILTER,
    GROUP,
    GROW,
    LEADER_EPOCHS,
    NEW_ACL,
    NOBODYS_ID,
    NOT_TOLD,
    OP,
    TOPIC,
    TRANSACTION,
    Told,
    add_partitions,
    allow,
    codes,
    coordinator,
    coordinators,
    create_topics,
    deny,
    describe_configs,
    fetch,
    fetched,
    init,
    join,
    list_offsets,
    metadata,
    offset_commit,
    offset_fetch,
    offsets_fetch,
    produce,
    topics_told,
    txn_offset_commit,
)
from tests.support.security.talk import CLOSED


class Row(NamedTuple):
    """One row."""

    name: str
    rules: tuple[Acl, ...]
    request: Any
    version: int
    expected: object
    told: Told = codes


NO_RIGHT = [
    Row(
        "ApiVersions",
        (),
        ApiVersionsRequest(client_software_name="t", client_software_version="1"),
        3,
        0,
        lambda answer: answer.error_code,
    ),
    Row("ListGroups", (), ListGroupsRequest(), 4, [0]),
    Row(
        "ListTransactions",
        (),
        ListTransactionsRequest(state_filters=[], producer_id_filters=[]),
        0,
        [0],
    ),
    Row(
        "DescribeCluster",
        (),
        DescribeClusterRequest(include_cluster_authorized_operations=True),
        0,
        (0, 1, 0),
        lambda answer: (
            answer.error_code,
            len(answer.brokers),
            answer.cluster_authorized_operations,
        ),
    ),
    Row("Metadata, all", (), MetadataRequest(topics=None), 12, [], topics_told),
    Row(
        "Metadata by name",
        (),
        metadata("a", "missing", creates=True, operations=True),
        12,
        [("a", 29, 0, NOT_TOLD), ("missing", 29, 0, NOT_TOLD)],
        topics_told,
    ),
    Row(
        "Metadata by an id nobody has",
        (),
        MetadataRequest(topics=[MetadataRequestTopic(topic_id=NOBODYS_ID, name=None)]),
        12,
        [(None, 100, 0, NOT_TOLD)],
        topics_told,
    ),
    Row(
        "DescribeTopicPartitions",
        (),
        DescribeTopicPartitionsRequest(
            topics=[TopicRequest(name="a"), TopicRequest(name="missing")],
            response_partition_limit=10,
        ),
        0,
        [29, 29],
    ),
    *(
        Row(f"Produce v{version}", (), produce("a", "missing"), version, [29, 29])
        for version in (3, 9, 12)
    ),
    Row("Produce, acks 0", (), produce("a", acks=0), 9, CLOSED),
    Row(
        "Fetch",
        (),
        fetch("a", "missing"),
        11,
        {"a": (29, -1, -1), "missing": (29, -1, -1)},
        fetched,
    ),
    Row("ListOffsets", (), list_offsets("a"), 6, [29]),
    Row("OffsetForLeaderEpoch", (), LEADER_EPOCHS, 3, [29]),
    Row(
        "DescribeProducers",
        (),
        DescribeProducersRequest(topics=[DescribeProducersTopic(name="a", partition_indexes=[0])]),
        0,
        [29],
    ),
    Row("InitProducerId without an id", (), init(), 4, [31]),
    Row("InitProducerId with one", (), init("t"), 4, [53]),
    Row("FindCoordinator v3 of a group", (), coordinator(0), 3, [30]),
    Row("FindCoordinator v3 of a transaction", (), coordinator(1), 3, [53]),
    Row(
        "FindCoordinator v4",
        (),
        coordinators(0),
        4,
        [(30, "")],
        lambda answer: [(each.error_code, each.error_message) for each in answer.coordinators],
    ),
    Row(
        "JoinGroup",
        (),
        join(),
        5,
        (30, -1),
        lambda answer: (answer.error_code, answer.generation_id),
    ),
    Row("Heartbeat", (), HeartbeatRequest(group_id="g", generation_id=1, member_id="m"), 4, [30]),
    Row("DescribeGroups", (), DescribeGroupsRequest(groups=["g"]), 5, [30]),
    Row("DeleteGroups", (), DeleteGroupsRequest(groups_names=["g"]), 2, [30]),
    Row("OffsetCommit", (), offset_commit("a"), 8, [30]),
    Row("TxnOffsetCommit", (), txn_offset_commit("a"), 3, [53]),
    Row("OffsetFetch v7", (), offset_fetch("a"), 7, [30]),
    Row("OffsetFetch v8", (), offsets_fetch("a"), 8, [30], lambda answer: codes(answer.groups[0])),
    Row(
        "AddPartitionsToTxn v3",
        (),
        add_partitions("a"),
        3,
        53,
        lambda answer: (
            answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
        ),
    ),
    Row("AddPartitionsToTxn v4", (), AddPartitionsToTxnRequest(transactions=[]), 4, [31]),
    Row("AddOffsetsToTxn", (), ADD_OFFSETS, 3, [53]),
    Row("EndTxn v4", (), END, 4, [53]),
    Row("EndTxn v5", (), END, 5, [53]),
    Row("DescribeTransactions", (), DescribeTransactionsRequest(transactional_ids=["t"]), 0, [53]),
    Row(
        "CreateTopics", (), create_topics("new"), 7, 29, lambda answer: answer.topics[0].error_code
    ),
    Row("DeleteTopics", (), DELETE, 6, [29, 29]),
    Row("CreatePartitions", (), GROW, 3, [29]),
    Row("DeleteRecords", (), DELETE_RECORDS, 2, [29]),
    Row("DescribeConfigs of a topic", (), describe_configs(2, "a"), 4, [29]),
    Row("DescribeConfigs of a broker", (), describe_configs(4, "1"), 4, [31]),
    Row("DescribeLogDirs", (), DescribeLogDirsRequest(topics=None), 4, [31]),
    Row("DescribeAcls", (), DescribeAclsRequest(**FILTER), 3, [31]),
    Row("CreateAcls", (), CreateAclsRequest(creations=[NEW_ACL]), 3, [31]),
    Row("DeleteAcls", (), DeleteAclsRequest(filters=[DeleteAclsFilter(**FILTER)]), 3, [31]),
    Row(
        "DescribeClientQuotas",
        (),
        DescribeClientQuotasRequest(components=[], strict=False),
        1,
        [31],
    ),
]

ON_A = (allow(OP.DESCRIBE, TOPIC, "a"),)
WRITES_A = (*ON_A, allow(OP.WRITE, TOPIC, "a"))
READS_B = (allow(OP.READ, TOPIC, "b"),)
IN_T = (allow(OP.WRITE, TRANSACTION, "t"),)
IN_G = (allow(OP.READ, GROUP, "g"),)
ALL_BUT = (allow(OP.ALL, TOPIC, WILDCARD),)
PREFIX = (allow(OP.CREATE, TOPIC, "pre-", pattern_type=PatternType.PREFIXED),)

SOME_RIGHTS = [
    Row(
        "Describe: metadata",
        ON_A,
        MetadataRequest(topics=None),
        12,
        ["a"],
        lambda answer: [each.name for each in answer.topics],
    ),
    Row("Describe: produce", ON_A, produce("a"), 9, [29]),
    Row("Describe: fetch", ON_A, fetch("a"), 11, {"a": (29, -1, -1)}, fetched),
    Row("Describe: list offsets", ON_A, list_offsets("a"), 6, [0]),
    Row("Describe: configs", ON_A, describe_configs(2, "a"), 4, [29]),
    Row("Describe: a producer id", ON_A, init(), 4, [31]),
    Row(
        "Describe: operations",
        ON_A,
        metadata("a", operations=True),
        12,
        [("a", 0, 1, 256)],
        topics_told,
    ),
    Row("Write: produce", WRITES_A, produce("a"), 9, [0]),
    Row("Write: a producer id", WRITES_A, init(), 4, [0]),
    Row(
        "Write: fetch",
        WRITES_A,
        fetch("a"),
        11,
        29,
        lambda answer: answer.responses[0].partitions[0].error_code,
    ),
    Row("Write: a, b, missing", WRITES_A, produce("a", "b", "missing"), 9, [0, 29, 29]),
    Row(
        "Write: operations",
        WRITES_A,
        metadata("a", operations=True),
        12,
        [("a", 0, 1, 272)],
        topics_told,
    ),
    Row(
        "Read: fetch, allowed ones first",
        READS_B,
        fetch("a", "b", "c", "missing"),
        11,
        [("b", 0), ("a", 29), ("c", 29), ("missing", 29)],
        lambda answer: [(each.topic, each.partitions[0].error_code) for each in answer.responses],
    ),
    Row("Read: list offsets", READS_B, list_offsets("b"), 6, [0]),
    Row("Read: metadata", READS_B, metadata("b"), 12, [("b", 0, 1, NOT_TOLD)], topics_told),
    Row(
        "Describe on an id: coordinator",
        (allow(OP.DESCRIBE, TRANSACTION, "k"),),
        coordinator(1),
        3,
        [0],
    ),
    Row(
        "Describe on an id: described",
        (allow(OP.DESCRIBE, TRANSACTION, "t"),),
        DescribeTransactionsRequest(transactional_ids=["t"]),
        0,
        [105],
    ),
    Row("Describe on an id: begun", (allow(OP.DESCRIBE, TRANSACTION, "t"),), init("t"), 4, [53]),
    Row(
        "AddPartitions: a, b, c",
        (*IN_T, *WRITES_A, *READS_B),
        add_partitions("a", "b", "c"),
        3,
        {"a": 55, "b": 29, "c": 29},
        lambda answer: {
            each.name: each.results_by_partition[0].partition_error_code
            for each in answer.results_by_topic_v3_and_below
        },
    ),
    Row("AddOffsets without the group", IN_T, ADD_OFFSETS, 3, [30]),
    Row("TxnOffsetCommit without the group", IN_T, txn_offset_commit("a"), 3, [30]),
    Row(
        "OffsetCommit: a, b, missing",
        (*IN_G, *WRITES_A, *READS_B),
        offset_commit("a", "b", "missing"),
        8,
        {"a": 29, "b": 0, "missing": 29},
        lambda answer: {each.name: each.partitions[0].error_code for each in answer.topics},
    ),
    Row(
        "OffsetFetch: a, b, c",
        (*IN_G, *WRITES_A, *READS_B),
        offset_fetch("a", "b", "c"),
        7,
        {"a": 0, "b": 0, "c": 29},
        lambda answer: {each.name: each.partitions[0].error_code for each in answer.topics},
    ),
    Row(
        "Read on a group does not delete it", IN_G, DeleteGroupsRequest(groups_names=["g"]), 2, [30]
    ),
    Row(
        "Create on a prefix",
        PREFIX,
        create_topics("pre-1", "other"),
        7,
        [("other", 29, 0, -1, -1), ("pre-1", 0, 29, -1, -1)],
        lambda answer: sorted(
            (
                each.name,
                each.error_code,
                each.topic_config_error_code,
                each.num_partitions,
                each.replication_factor,
            )
            for each in answer.topics
        ),
    ),
    Row(
        "Create on a prefix: made because asked for",
        PREFIX,
        metadata("pre-2", creates=True),
        12,
        [("pre-2", 29, 0, NOT_TOLD)],
        topics_told,
    ),
    Row(
        "Create on the cluster",
        (allow(OP.CREATE, CLUSTER),),
        create_topics("new-1"),
        7,
        0,
        lambda answer: answer.topics[0].error_code,
    ),
    Row("IdempotentWrite on the cluster", (allow(OP.IDEMPOTENT_WRITE, CLUSTER),), init(), 4, [0]),
    Row(
        "all, but Write denied: produce",
        (*ALL_BUT, deny(OP.WRITE, TOPIC, "c")),
        produce("c"),
        9,
        [29],
    ),
    Row(
        "all, but Write denied: metadata",
        (*ALL_BUT, deny(OP.WRITE, TOPIC, "c")),
        metadata("c"),
        12,
        [("c", 0, 1, NOT_TOLD)],
        topics_told,
    ),
    Row(
        "all, but Describe denied: metadata",
        (*ALL_BUT, deny(OP.DESCRIBE, TOPIC, "c")),
        metadata("c"),
        12,
        [("c", 29, 0, NOT_TOLD)],
        topics_told,
    ),
    Row(
        "all, but Describe denied: fetch",
        (*ALL_BUT, deny(OP.DESCRIBE, TOPIC, "c")),
        fetch("c"),
        11,
        0,
        lambda answer: answer.responses[0].partitions[0].error_code,
    ),
    Row(
        "all: operations",
        ALL_BUT,
        metadata("c", operations=True),
        12,
        [("c", 0, 1, 3576)],
        topics_told,
    ),
    Row(
        "from another host",
        (allow(OP.READ, TOPIC, "b", host="10.0.0.1"),),
        metadata("b"),
        12,
        [("b", 29, 0, NOT_TOLD)],
        topics_told,
    ),
    Row(
        "from this host",
        (allow(OP.READ, TOPIC, "b", host="127.0.0.1"),),
        metadata("b"),
        12,
        [("b", 0, 1, NOT_TOLD)],
        topics_told,
    ),
    Row(
        "everybody",
        (allow(OP.READ, TOPIC, "b", principal="User:*"),),
        metadata("b"),
        12,
        [("b", 0, 1, NOT_TOLD)],
        topics_told,
    ),
]
