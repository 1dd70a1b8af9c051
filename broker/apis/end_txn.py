"""EndTxn (key 26), v0-v5. Source: EndTxnRequest.json, EndTxnResponse.json; KIP-98, KIP-890.

v2 90 instead of 47 · v3 flexible · v5 every ending begins the next epoch, which is answered
Ours: answered when the decision is durable and every marker is appended, so that whoever looks next
    finds the transaction ended; Kafka answers before the first marker. Where another ending of the
    same id is under way it is waited for; Kafka answers 51 at once.
"""

from __future__ import annotations

from typing import Any

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.end_txn import EndTxnRequest, EndTxnResponse
from ..broker import Broker
from ..groups.requests import coordinator_code
from ..security.rights.access import Whole
from ..session import Session
from ..transactions.ending_requests import end, end_bumping
from ..transactions.outcomes import Answer, told
from ..waiting.promise import then

BUMPS_SINCE = 5

ACCESS = (Whole(AclOperation.WRITE, AclResourceType.TRANSACTIONAL_ID, "transactional_id"),)


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Commit or abort the transaction of an id."""
    message: EndTxnRequest = request.message
    name, version = message.transactional_id, request.route.version
    decide = end_bumping if version >= BUMPS_SINCE else end

    def decided(answer: Answer) -> EndTxnResponse:
        broker.figures.told_fenced("EndTxn", answer.code)
        # Nothing more to wait for: a decision is durable before the answer is made, and a retry is
        # told of one that was.
        return EndTxnResponse(
            error_code=told("EndTxn", version, answer.code),
            producer_id=answer.producer_id,
            producer_epoch=answer.producer_epoch,
        )

    asked = broker.transactions.ask(
        name,
        lambda now: decide(
            broker.transactions.coordinator,
            name,
            message.producer_id,
            message.producer_epoch,
            is_commit=message.committed,
            now=now,
        ),
    )
    return then(asked, decided)


def refusal(message: EndTxnRequest, code: ErrorCode, why: str) -> EndTxnResponse:
    """The response that ends nothing."""
    return EndTxnResponse(error_code=coordinator_code(code))
