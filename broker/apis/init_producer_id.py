"""InitProducerId (key 22), v0-v5. Source: InitProducerIdRequest.json, ...Response.json; KIP-98.

v2 flexible · v3 producer_id and epoch of before (KIP-360) · v4 90 instead of 47
Ours: without a transactional id always a new id at epoch 0, whatever was sent of before, as Kafka
    does; answered at once, for nothing is written (cluster/producer_ids.py).
    While the transaction of an id is Ongoing, whoever names another epoch than the present one is
    fenced, where Kafka lets it abort the living producer's transaction. Who may have it aborted is
    answered when it has ended, or with 51 after a moment; in Kafka always with 51 first.
Left out: v6 (transactions in two phases, KIP-939), which Kafka 4.3 does not call stable.
"""

from __future__ import annotations

from typing import Any

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from ..broker import Broker
from ..groups.requests import coordinator_code
from ..security.rights.access import Admitting, Gate, Rule, refuse
from ..session import Session
from ..transactions.initialising import initialise
from ..transactions.outcomes import Answer, told
from ..transactions.transaction import NONE
from ..waiting.promise import then


class Rights(Rule):
    """Write on the id; without one IdempotentWrite on the cluster, or Write on any topic."""

    def admit(self, gate: Gate, message: InitProducerIdRequest) -> Admitting:
        """Refuse all or nothing."""
        yield from ()
        name = message.transactional_id
        if name is not None:
            if not gate.may(AclOperation.WRITE, AclResourceType.TRANSACTIONAL_ID, name):
                raise refuse(AclResourceType.TRANSACTIONAL_ID)
        elif not gate.may_on_any(
            AclOperation.WRITE, AclResourceType.TOPIC
        ) and not gate.may_cluster(AclOperation.IDEMPOTENT_WRITE):
            raise refuse(AclResourceType.CLUSTER)
        return message, ()


ACCESS = (Rights(),)


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Give out a producer id, or the next epoch of one."""
    message: InitProducerIdRequest = request.message
    name, version = message.transactional_id, request.route.version
    if name is None:
        if (message.producer_id == NONE) != (message.producer_epoch == NONE):
            return refusal(message, ErrorCode.INVALID_REQUEST, "")
        return _response(broker.new_producer_id(), 0)

    def decided(answer: Answer) -> Any:
        if answer.code:
            broker.figures.told_fenced("InitProducerId", answer.code)
            return refusal(message, told("InitProducerId", version, answer.code), "")
        return broker.transactions.when_durable(
            _response(answer.producer_id, answer.producer_epoch),
            lambda: refusal(message, ErrorCode.NOT_COORDINATOR, ""),
        )

    asked = broker.transactions.ask(
        name,
        lambda now: initialise(
            broker.transactions.coordinator,
            name,
            timeout_ms=message.transaction_timeout_ms,
            producer_id=message.producer_id,
            producer_epoch=message.producer_epoch,
            now=now,
        ),
    )
    return then(asked, decided)


def refusal(message: InitProducerIdRequest, code: ErrorCode, why: str) -> InitProducerIdResponse:
    """The response that gives out nothing."""
    refused = coordinator_code(code)
    return InitProducerIdResponse(error_code=refused, producer_id=NONE, producer_epoch=NONE)


def _response(producer_id: int, producer_epoch: int) -> InitProducerIdResponse:
    return InitProducerIdResponse(
        error_code=0, producer_id=producer_id, producer_epoch=producer_epoch
    )
