"""What rows of rights ask, what is looked at in the answers, and rules of access for bob."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from minibroker.broker.cluster.acls import Acl
from minibroker.protocol.acls import (
    CLUSTER_NAME,
    WILDCARD,
    AclOperation,
    AclPermission,
    AclResourceType,
    PatternType,
)
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.codec.schema import declaration_of
from minibroker.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from minibroker.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from minibroker.protocol.messages.create_acls import AclCreation
from minibroker.protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from minibroker.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from minibroker.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from minibroker.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from minibroker.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
)
from minibroker.protocol.messages.end_txn import EndTxnRequest
from minibroker.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from minibroker.protocol.messages.find_coordinator import FindCoordinatorRequest
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest
from minibroker.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from minibroker.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from minibroker.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from minibroker.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from minibroker.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
)
from minibroker.protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from minibroker.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)

from tests.support.security.talk import CLOSED

TOPICS = ("a", "b", "c")
TOPIC, GROUP = AclResourceType.TOPIC, AclResourceType.GROUP
CLUSTER, TRANSACTION = AclResourceType.CLUSTER, AclResourceType.TRANSACTIONAL_ID
OP = AclOperation
NOBODYS_ID = bytes([7]) * 16
NOT_TOLD = -(2**31)
Told = Callable[[Any], object]


def codes(answer: Any) -> object:
    """The error codes of an answer, in the order in which they stand in it."""
    return CLOSED if answer == CLOSED else [*codes_in(answer)]


def codes_in(part: Any) -> Iterator[int]:
    """The error codes of an answer, in the order in which they stand in it."""
    for name in declaration_of(type(part)).fields:
        value = getattr(part, name)
        if name.endswith("error_code"):
            yield int(value)
        elif isinstance(value, list):
            for each in value:
                if hasattr(type(each), "__wire__"):
                    yield from codes_in(each)


def allow(
    operation: AclOperation,
    kind: AclResourceType,
    name: str = CLUSTER_NAME,
    *,
    pattern_type: PatternType = PatternType.LITERAL,
    permission: AclPermission = AclPermission.ALLOW,
    principal: str = "User:bob",
    host: str = WILDCARD,
) -> Acl:
    """A rule for bob."""
    return Acl(kind, name, pattern_type, principal, host, operation, permission)


def deny(operation: AclOperation, kind: AclResourceType, name: str) -> Acl:
    """A rule against bob."""
    return allow(operation, kind, name, permission=AclPermission.DENY)


def produce(*topics: str, acks: int = -1, transactional_id: str | None = None) -> ProduceRequest:
    batch = build_batch([(None, b"x", (), 1_700_000_000_000)])
    data = [
        TopicProduceData(name=name, partition_data=[PartitionProduceData(index=0, records=batch)])
        for name in topics
    ]
    return ProduceRequest(
        transactional_id=transactional_id, acks=acks, timeout_ms=5000, topic_data=data
    )


def fetch(*topics: str) -> FetchRequest:
    partition = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1000)
    return FetchRequest(
        max_wait_ms=0,
        min_bytes=0,
        topics=[FetchTopic(topic=name, partitions=[partition]) for name in topics],
    )


def fetched(answer: Any) -> object:
    return {
        topic.topic: (each.error_code, each.high_watermark, each.last_stable_offset)
        for topic in answer.responses
        for each in topic.partitions
    }


def metadata(*topics: str, creates: bool = False, operations: bool = False) -> MetadataRequest:
    return MetadataRequest(
        topics=[MetadataRequestTopic(name=name) for name in topics],
        allow_auto_topic_creation=creates,
        include_topic_authorized_operations=operations,
    )


def topics_told(answer: Any) -> object:
    return [
        (each.name, each.error_code, len(each.partitions), each.topic_authorized_operations)
        for each in answer.topics
    ]


def list_offsets(*topics: str) -> ListOffsetsRequest:
    partition = ListOffsetsPartition(partition_index=0, timestamp=-1)
    return ListOffsetsRequest(
        topics=[ListOffsetsTopic(name=name, partitions=[partition]) for name in topics]
    )


def offset_commit(*topics: str) -> OffsetCommitRequest:
    partition = OffsetCommitRequestPartition(
        partition_index=0, committed_offset=1, committed_metadata=""
    )
    return OffsetCommitRequest(
        group_id="g",
        topics=[OffsetCommitRequestTopic(name=name, partitions=[partition]) for name in topics],
    )


def offset_fetch(*topics: str) -> OffsetFetchRequest:
    asked = [OffsetFetchRequestTopic(name=name, partition_indexes=[0]) for name in topics]
    return OffsetFetchRequest(group_id="g", topics=asked)


def offsets_fetch(*topics: str) -> OffsetFetchRequest:
    asked = [OffsetFetchRequestTopic(name=name, partition_indexes=[0]) for name in topics]
    return OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=asked)])


def init(transactional_id: str | None = None) -> InitProducerIdRequest:
    return InitProducerIdRequest(transactional_id=transactional_id, transaction_timeout_ms=60_000)


def add_partitions(*topics: str) -> AddPartitionsToTxnRequest:
    return AddPartitionsToTxnRequest(
        v3_and_below_transactional_id="t",
        v3_and_below_producer_id=1,
        v3_and_below_producer_epoch=0,
        v3_and_below_topics=[AddPartitionsToTxnTopic(name=name, partitions=[0]) for name in topics],
    )


def txn_offset_commit(*topics: str) -> TxnOffsetCommitRequest:
    partition = TxnOffsetCommitRequestPartition(
        partition_index=0, committed_offset=1, committed_metadata=""
    )
    return TxnOffsetCommitRequest(
        transactional_id="t",
        group_id="g",
        producer_id=1,
        producer_epoch=0,
        topics=[TxnOffsetCommitRequestTopic(name=name, partitions=[partition]) for name in topics],
    )


def create_topics(*topics: str) -> CreateTopicsRequest:
    made = [
        CreatableTopic(
            name=name, num_partitions=1, replication_factor=1, assignments=[], configs=[]
        )
        for name in topics
    ]
    return CreateTopicsRequest(topics=made, timeout_ms=5000)


def describe_configs(kind: int, name: str) -> DescribeConfigsRequest:
    resource = DescribeConfigsResource(
        resource_type=kind, resource_name=name, configuration_keys=None
    )
    return DescribeConfigsRequest(resources=[resource])


def coordinator(kind: int) -> FindCoordinatorRequest:
    return FindCoordinatorRequest(key="k", key_type=kind)


def coordinators(kind: int) -> FindCoordinatorRequest:
    return FindCoordinatorRequest(key_type=kind, coordinator_keys=["k"])


def join() -> JoinGroupRequest:
    return JoinGroupRequest(
        group_id="g",
        session_timeout_ms=6000,
        rebalance_timeout_ms=6000,
        member_id="",
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
    )


ANY_ACL: dict[str, Any] = {"operation": 1, "permission_type": 1}
FILTER: dict[str, Any] = ANY_ACL | {
    "resource_type_filter": 1,
    "resource_name_filter": None,
    "pattern_type_filter": 1,
    "principal_filter": None,
    "host_filter": None,
}
NEW_ACL = AclCreation(
    resource_type=2,
    resource_name="x",
    resource_pattern_type=3,
    principal="User:zed",
    host="*",
    operation=3,
    permission_type=3,
)
LEADER_EPOCHS = OffsetForLeaderEpochRequest(
    topics=[
        OffsetForLeaderTopic(
            topic="a", partitions=[OffsetForLeaderPartition(partition=0, leader_epoch=0)]
        )
    ]
)
DELETE_RECORDS = DeleteRecordsRequest(
    topics=[
        DeleteRecordsTopic(
            name="a", partitions=[DeleteRecordsPartition(partition_index=0, offset=0)]
        )
    ],
    timeout_ms=5000,
)
END = EndTxnRequest(transactional_id="t", producer_id=1, producer_epoch=0, committed=True)
ADD_OFFSETS = AddOffsetsToTxnRequest(
    transactional_id="t", producer_id=1, producer_epoch=0, group_id="g"
)
GROW = CreatePartitionsRequest(
    topics=[CreatePartitionsTopic(name="a", count=2, assignments=None)],
    timeout_ms=5000,
    validate_only=True,
)
DELETE = DeleteTopicsRequest(
    topics=[DeleteTopicState(name="a"), DeleteTopicState(name="missing")], timeout_ms=5000
)
