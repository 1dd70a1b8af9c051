"""InitProducerId (key 22), v0-v5. Source: InitProducerIdRequest.json, ...Response.json; KIP-98.

v2 flexible · v3 producer_id and epoch of before (KIP-360)
Ours: without a transactional id always a new id at epoch 0, whatever was sent of before, as Kafka
    does; answered at once, for nothing is written (cluster/producer_ids.py).
Left out: transactions. A transactional id gets 53, which every client reports as final.
"""

from __future__ import annotations

from typing import Any

from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from ..broker import Broker
from ..session import Session

NONE = -1


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Give out a producer id."""
    message: InitProducerIdRequest = request.message
    if (message.producer_id == NONE) != (message.producer_epoch == NONE):
        return refusal(message, ErrorCode.INVALID_REQUEST, "")
    if message.transactional_id is not None:
        if not message.transactional_id:
            return refusal(message, ErrorCode.INVALID_REQUEST, "")
        return refusal(message, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "")
    return InitProducerIdResponse(
        error_code=0, producer_id=broker.new_producer_id(), producer_epoch=0
    )


def refusal(message: InitProducerIdRequest, code: ErrorCode, why: str) -> InitProducerIdResponse:
    """The response that gives out nothing."""
    return InitProducerIdResponse(error_code=code, producer_id=NONE, producer_epoch=NONE)
