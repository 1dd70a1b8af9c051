"""ElectLeaders (key 43), v0-v2. Source: ElectLeadersRequest.json, ...Response.json; KIP-460.

v1 election_type · v2 flexible
Ours: this node leads every partition, so no election is needed: 84, as on one node of Kafka.
"""

from __future__ import annotations

from functools import partial

from ...protocol.acls import AclOperation
from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode, shortened
from ...protocol.messages.elect_leaders import (
    ElectLeadersRequest,
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
)
from ..broker import Broker
from ..security.rights.access import Cluster
from ..session import Session
from ..waiting.long_work import Steps, made_of
from .create_topics import refuse_in_no_time

PREFERRED, UNCLEAN = 0, 1

ACCESS = (Cluster(AclOperation.ALTER),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Say of each partition that its leader stays; asked for all, only their topics are named."""
    message: ElectLeadersRequest = request.message
    refuse_in_no_time(message.timeout_ms)
    if message.election_type not in (PREFERRED, UNCLEAN):
        why = f"Unknown election type {message.election_type}"
        raise ApiError(ErrorCode.INVALID_REQUEST, why)
    if message.topic_partitions is None:
        names = [*broker.state.topics]  # others may come and go meanwhile
        results = yield from made_of(_nothing_to_elect, names)
    else:
        results = []
        for each in message.topic_partitions:
            made = yield from made_of(partial(_result, broker, each.topic), each.partitions)
            results.append(ReplicaElectionResult(topic=each.topic, partition_result=made))
            yield None
    return ElectLeadersResponse(error_code=0, replica_election_results=results)


def refusal(message: ElectLeadersRequest, code: ErrorCode, why: str) -> ElectLeadersResponse:
    """The response that elects nobody."""
    return ElectLeadersResponse(
        error_code=code,
        replica_election_results=[
            ReplicaElectionResult(
                topic=each.topic,
                partition_result=[
                    PartitionResult(partition_id=index, error_code=code, error_message=why)
                    for index in each.partitions
                ],
            )
            for each in message.topic_partitions or ()
        ],
    )


def _nothing_to_elect(topic: str) -> ReplicaElectionResult:
    return ReplicaElectionResult(topic=topic, partition_result=[])


def _result(broker: Broker, topic: str, index: int) -> PartitionResult:
    known = broker.state.topics.get(topic)
    code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if known is None:
        why = f"No such topic as {topic}"
    elif not 0 <= index < known.partition_count:
        why = f"No such partition as {topic}-{index}"
    else:
        code = ErrorCode.ELECTION_NOT_NEEDED
        why = "Leader election not needed for topic partition."
    return PartitionResult(partition_id=index, error_code=code, error_message=shortened(why))
