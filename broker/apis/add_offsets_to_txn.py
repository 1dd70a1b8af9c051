"""AddOffsetsToTxn (key 25), v0-v4. Source: AddOffsetsToTxnRequest.json; KIP-98, KIP-447.

v2 90 instead of 47 · v3 flexible
Ours: what is added is the partition of `__consumer_offsets` that the group has in Kafka, as tools
    show it; there is no such topic here, and no group need exist. An empty group is no error, as
    in Kafka. Where an ending of the same id is under way it is waited for; Kafka answers 51.
"""

from __future__ import annotations

from typing import Any

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse
from ..broker import Broker
from ..groups.requests import coordinator_code
from ..security.rights.access import Whole
from ..session import Session
from ..transactions.offsets_partition import offsets_place
from ..transactions.outcomes import Answer, told
from ..waiting.promise import then

ACCESS = (
    Whole(AclOperation.WRITE, AclResourceType.TRANSACTIONAL_ID, "transactional_id"),
    Whole(AclOperation.READ, AclResourceType.GROUP, "group_id"),
)


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Take the offsets of a group into the transaction."""
    message: AddOffsetsToTxnRequest = request.message
    name, version = message.transactional_id, request.route.version
    place = offsets_place(message.group_id)

    def decided(answer: Answer) -> Any:
        if answer.code:
            broker.figures.told_fenced("AddOffsetsToTxn", answer.code)
            return refusal(message, told("AddOffsetsToTxn", version, answer.code), "")
        return broker.transactions.when_durable(
            AddOffsetsToTxnResponse(error_code=0),
            lambda: refusal(message, ErrorCode.NOT_COORDINATOR, ""),
        )

    asked = broker.transactions.ask(
        name,
        lambda now: broker.transactions.coordinator.add(
            name, message.producer_id, message.producer_epoch, [place], client_version=0, now=now
        ),
    )
    return then(asked, decided)


def refusal(message: AddOffsetsToTxnRequest, code: ErrorCode, why: str) -> AddOffsetsToTxnResponse:
    """The response that adds nothing."""
    return AddOffsetsToTxnResponse(error_code=coordinator_code(code))
