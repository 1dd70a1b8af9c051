"""ListTransactions (key 66), v0-v2. Source: ListTransactionsRequest.json; KIP-664, 994, 1152.

v0 flexible · v1 only what has been open for so long · v2 only ids that match a pattern
Ours: the pattern is one of RE2, and has to match the whole id, as in Kafka.
"""

from __future__ import annotations

from collections.abc import Callable

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode
from ...protocol.messages.list_transactions import (
    ListTransactionsRequest,
    ListTransactionsResponse,
    TransactionState,
)
from ..broker import Broker
from ..security.rights.access import Gate, Revealing, Rule, seen
from ..session import Session
from ..transactions.listing import listed, unknown_states
from ..waiting.long_work import Steps


class Rights(Rule):
    """None is needed; seen are the ids that one may describe."""

    def reveal(
        self, gate: Gate, message: ListTransactionsRequest, response: ListTransactionsResponse
    ) -> Revealing:
        """Leave out the others."""
        response.transaction_states = yield from seen(
            gate,
            AclOperation.DESCRIBE,
            AclResourceType.TRANSACTIONAL_ID,
            response.transaction_states,
            "transactional_id",
        )
        return response


ACCESS = (Rights(),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """List the ids that fit."""
    message: ListTransactionsRequest = request.message
    matches = _matching(message.transactional_id_pattern)
    found = []
    for each in listed(
        broker.transactions.state,
        state_names=message.state_filters,
        producer_ids=message.producer_id_filters,
        open_ms=message.duration_filter,
        matches=matches,
        now_ms=broker.clock.now_ms(),
    ):
        if each is None:
            yield None
            continue
        name, transaction = each
        found.append(
            TransactionState(
                transactional_id=name,
                producer_id=transaction.producer_id,
                transaction_state=transaction.state.kafka_name,
            )
        )
    return ListTransactionsResponse(
        error_code=0,
        unknown_state_filters=unknown_states(message.state_filters),
        transaction_states=found,
    )


def refusal(
    message: ListTransactionsRequest, code: ErrorCode, why: str
) -> ListTransactionsResponse:
    """The response that lists nothing."""
    return ListTransactionsResponse(
        error_code=code, unknown_state_filters=[], transaction_states=[]
    )


def _matching(pattern: str | None) -> Callable[[str], bool] | None:
    """Whether an id is matched as a whole. Raises ApiError for what is no pattern of RE2."""
    if not pattern:
        return None
    import re2  # here: it takes milliseconds to import, and starting must be quick

    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        raise ApiError(ErrorCode.INVALID_REGULAR_EXPRESSION, f"{error}") from error
    return lambda name: compiled.fullmatch(name) is not None
