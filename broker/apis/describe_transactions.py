"""DescribeTransactions (key 65), v0. Source: DescribeTransactionsRequest.json; KIP-664.

v0 flexible
Ours: every id as often as it is listed, as in Kafka. Of a transaction that is decided those
    partitions are told that have no marker yet.
"""

from __future__ import annotations

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.describe_transactions import (
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
    TopicData,
    TransactionState,
)
from ..broker import Broker
from ..security.rights.access import Each, Gate, Revealing, Rule, seen
from ..session import Session
from ..transactions.coordinator import Coordinator
from ..transactions.listing import described_partitions
from ..waiting.long_work import Steps

IDS_A_STEP = 20
PARTITIONS_A_STEP = 1000


class SeenTopics(Rule):
    """Of what a transaction writes to, the topics that one may describe."""

    def reveal(
        self,
        gate: Gate,
        message: DescribeTransactionsRequest,
        response: DescribeTransactionsResponse,
    ) -> Revealing:
        """Leave out the others."""
        for each in response.transaction_states:
            each.topics = yield from seen(
                gate, AclOperation.DESCRIBE, AclResourceType.TOPIC, each.topics, "topic"
            )
        return response


ACCESS = (
    Each(
        AclOperation.DESCRIBE,
        AclResourceType.TRANSACTIONAL_ID,
        "transactional_ids",
        "transaction_states",
        name=None,
    ),
    SeenTopics(),
)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Describe each id."""
    message: DescribeTransactionsRequest = request.message
    coordinator = broker.transactions.coordinator
    made: dict[str, TransactionState] = {}
    states, left = [], PARTITIONS_A_STEP
    for number, name in enumerate(message.transactional_ids, 1):
        state = made.get(name)
        if state is None:
            state = made[name] = _described(coordinator, name)
            left -= sum(len(each.partitions) for each in state.topics)
        states.append(state)
        if not number % IDS_A_STEP or left <= 0:
            left = PARTITIONS_A_STEP
            yield None
    return DescribeTransactionsResponse(transaction_states=states)


def refusal(
    message: DescribeTransactionsRequest, code: ErrorCode, why: str
) -> DescribeTransactionsResponse:
    """The response that refuses every id."""
    return DescribeTransactionsResponse(
        transaction_states=[_refused(name, code) for name in message.transactional_ids]
    )


def _described(coordinator: Coordinator, name: str) -> TransactionState:
    if not name:
        return _refused(name, ErrorCode.INVALID_REQUEST)
    found = coordinator.state.transactions.get(name)
    if found is None:
        return _refused(name, ErrorCode.TRANSACTIONAL_ID_NOT_FOUND)
    topics = described_partitions(coordinator, name)
    return TransactionState(
        error_code=0,
        transactional_id=name,
        transaction_state=found.state.kafka_name,
        transaction_timeout_ms=found.timeout_ms,
        transaction_start_time_ms=found.start_ms,
        producer_id=found.producer_id,
        producer_epoch=found.producer_epoch,
        topics=[
            TopicData(topic=topic, partitions=partitions) for topic, partitions in topics.items()
        ],
    )


def _refused(name: str, code: ErrorCode) -> TransactionState:
    return TransactionState(
        error_code=code,
        transactional_id=name,
        transaction_state="",
        transaction_timeout_ms=0,
        transaction_start_time_ms=0,
        producer_id=0,
        producer_epoch=0,
        topics=[],
    )
