"""AddPartitionsToTxn (key 24), v0-v5. Source: AddPartitionsToTxnRequest.json; KIP-98, KIP-890.

v2 90 instead of 47 · v3 flexible · v4 many transactions in a request, and asking without adding:
what brokers send each other, and any client may where there is no authorizer
Ours: all partitions of a transaction are added or none: 3 for those that are not there and 29 for
    Kafka's own topics, then 55 for the others. Where an ending of the same id is under way it is
    waited for; Kafka answers 51. v4 without a transaction is answered; Kafka never answers it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTopicResult,
    AddPartitionsToTxnTransaction,
)
from ..broker import Broker
from ..cluster.topic_names import LOGS_OF_THE_BROKER
from ..groups.requests import coordinator_code
from ..security.rights.access import (
    ITEMS_A_STEP,
    REFUSALS,
    WHOLE,
    Admitting,
    Gate,
    Part,
    Rule,
    refuse,
    with_field,
)
from ..session import Session
from ..transactions.offsets_partition import OFFSETS_PARTITIONS, OFFSETS_TOPIC
from ..transactions.outcomes import Answer, Outcome, told
from ..transactions.transaction import BUMPING, Now, TopicPartition
from ..waiting.long_work import Steps, awaited, finished

MANY_SINCE = 4
PARTITIONS_A_STEP = 200
ASKED, ANSWERED = "v3_and_below_topics", "results_by_topic_v3_and_below"
CLIENT_VERSION = 0  # of who adds what it is going to write to, as all did before KIP-890

Codes = Mapping[TopicPartition, ErrorCode]


class Rights(Rule):
    """Write on the id and on each topic; the new form is for brokers: ClusterAction."""

    def admit(self, gate: Gate, message: AddPartitionsToTxnRequest) -> Admitting:
        """Refuse all or nothing, as no part of a transaction is added alone."""
        if gate.version >= MANY_SINCE:
            if gate.may_cluster(AclOperation.CLUSTER_ACTION):
                return message, ()
            code, why = REFUSALS[AclResourceType.CLUSTER]
            return None, (Part(with_field(message, "transactions", []), WHOLE, code, why),)
        name = message.v3_and_below_transactional_id
        if not gate.may(AclOperation.WRITE, AclResourceType.TRANSACTIONAL_ID, name):
            raise refuse(AclResourceType.TRANSACTIONAL_ID)
        by_code: dict[ErrorCode, list[AddPartitionsToTxnTopic]] = {}
        for number, each in enumerate(message.v3_and_below_topics, 1):
            is_allowed = gate.may(AclOperation.WRITE, AclResourceType.TOPIC, each.name)
            code = REFUSALS[AclResourceType.TOPIC][0]
            code = ErrorCode.OPERATION_NOT_ATTEMPTED if is_allowed else code
            by_code.setdefault(code, []).append(each)
            if not number % ITEMS_A_STEP:
                yield
        if by_code.keys() <= {ErrorCode.OPERATION_NOT_ATTEMPTED}:
            return message, ()
        return None, [
            Part(with_field(message, ASKED, topics), ANSWERED, code, "")
            for code, topics in by_code.items()
        ]


ACCESS = (Rights(),)


class _Asked(NamedTuple):
    """A transaction of a request.

    Attributes:
        codes: of its partitions, if the coordinator need not be asked.
        answer: else what it says, or a promise of that.
    """

    transactional_id: str
    places: list[TopicPartition]
    codes: Codes | None
    answer: Any


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Take partitions into transactions, or look whether they are in them."""
    message: AddPartitionsToTxnRequest = request.message
    version = request.route.version
    asked: list[_Asked] = []
    for transaction in message.transactions if version >= MANY_SINCE else [_old(message)]:
        asked.append((yield from _ask(broker, transaction, version)))
        yield None
    results, is_yes = [], False
    for each in asked:
        codes = each.codes or {}
        # All were asked before any is waited for: they wait at the same time.
        answer: Answer | None = yield from awaited(each.answer)
        if answer is not None:
            is_yes = is_yes or not answer.code
            broker.figures.told_fenced("AddPartitionsToTxn", answer.code)
            codes = _told(each.places, answer, version)
        results.append((yield from _result(each.transactional_id, each.places, codes)))
    response = _response(results)
    if not is_yes:
        return response
    return broker.transactions.when_durable(
        response, lambda: refusal(message, ErrorCode.NOT_COORDINATOR, "")
    )


def refusal(
    message: AddPartitionsToTxnRequest, code: ErrorCode, why: str
) -> AddPartitionsToTxnResponse:
    """The response that adds nothing, in the old form and the new."""
    refused = coordinator_code(code)
    results = []
    for each in (*message.transactions, _old(message)):
        places = finished(_places(each))
        codes = dict.fromkeys(places, refused)
        results.append(finished(_result(each.transactional_id, places, codes)))
    response = _response(results)
    response.error_code = refused
    return response


def _ask(broker: Broker, each: AddPartitionsToTxnTransaction, version: int) -> Steps:
    places: list[TopicPartition] = yield from _places(each)
    refused = yield from _refused(broker, places, version)
    name, producer_id, epoch = each.transactional_id, each.producer_id, each.producer_epoch
    if refused or not places:
        return _Asked(name, places, refused, None)
    coordinator = broker.transactions.coordinator
    client_version = BUMPING if version >= MANY_SINCE else CLIENT_VERSION

    def decide(now: Now) -> Outcome:
        if each.verify_only:
            return coordinator.verify(name, producer_id, epoch, places)
        return coordinator.add(
            name, producer_id, epoch, places, client_version=client_version, now=now
        )

    return _Asked(name, places, None, broker.transactions.ask(name, decide))


def _refused(broker: Broker, places: list[TopicPartition], version: int) -> Steps:
    """The codes, if a partition is not there or not for clients to write to; else nothing."""
    codes: dict[TopicPartition, ErrorCode] = {}
    for number, place in enumerate(places, 1):
        if version < MANY_SINCE and place.topic in LOGS_OF_THE_BROKER:
            codes[place] = ErrorCode.TOPIC_AUTHORIZATION_FAILED
        elif not _is_there(broker, place):
            codes[place] = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        if not number % PARTITIONS_A_STEP:
            yield None
    if not codes:
        return {}
    return {place: codes.get(place, ErrorCode.OPERATION_NOT_ATTEMPTED) for place in places}


def _is_there(broker: Broker, place: TopicPartition) -> bool:
    if place.topic == OFFSETS_TOPIC:  # no topic here, but brokers add it on behalf of a group
        return 0 <= place.partition < OFFSETS_PARTITIONS
    found = broker.state.topics.get(place.topic)
    return found is not None and 0 <= place.partition < found.partition_count


def _told(places: list[TopicPartition], answer: Answer, version: int) -> Codes:
    return {
        place: told(
            "AddPartitionsToTxn",
            version,
            answer.code or answer.by_partition.get(place, answer.code),
        )
        for place in places
    }


def _old(message: AddPartitionsToTxnRequest) -> AddPartitionsToTxnTransaction:
    """The transaction of a request before v4."""
    return AddPartitionsToTxnTransaction(
        transactional_id=message.v3_and_below_transactional_id,
        producer_id=message.v3_and_below_producer_id,
        producer_epoch=message.v3_and_below_producer_epoch,
        topics=message.v3_and_below_topics,
    )


def _places(each: AddPartitionsToTxnTransaction) -> Steps:
    """The partitions of a transaction as they are listed; who is listed twice is told twice."""
    places: list[TopicPartition] = []
    left = PARTITIONS_A_STEP
    for topic in each.topics:
        for index in topic.partitions:
            places.append(TopicPartition(topic.name, index))
            left -= 1
            if not left:
                left = PARTITIONS_A_STEP
                yield None
    return places


def _result(transactional_id: str, places: list[TopicPartition], codes: Codes) -> Steps:
    topics: dict[str, AddPartitionsToTxnTopicResult] = {}
    for number, place in enumerate(places, 1):
        topic = topics.get(place.topic)
        if topic is None:
            topic = topics[place.topic] = AddPartitionsToTxnTopicResult(
                name=place.topic, results_by_partition=[]
            )
        topic.results_by_partition.append(
            AddPartitionsToTxnPartitionResult(
                partition_index=place.partition, partition_error_code=codes[place]
            )
        )
        if not number % PARTITIONS_A_STEP:
            yield None
    return AddPartitionsToTxnResult(
        transactional_id=transactional_id, topic_results=list(topics.values())
    )


def _response(results: list[AddPartitionsToTxnResult]) -> AddPartitionsToTxnResponse:
    """In the new form, and in the old one, which has room for the last result alone."""
    return AddPartitionsToTxnResponse(
        results_by_transaction=results,
        results_by_topic_v3_and_below=results[-1].topic_results if results else [],
    )
