"""AlterUserScramCredentials (key 51), v0. Source: AlterUserScramCredentialsRequest.json; KIP-554.

v0 flexible
"""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

from ...protocol.acls import AclOperation
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode, Refused, shortened
from ...protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
    AlterUserScramCredentialsResult,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
)
from ..broker import Broker
from ..cluster.records import MetadataRecord
from ..cluster.scram_changes import TWICE, plan_deletion, plan_upsertion
from ..security.rights.access import Cluster
from ..session import Session
from ..waiting.long_work import Steps

Change: TypeAlias = ScramCredentialDeletion | ScramCredentialUpsertion

CHANGES_A_STEP = 50

ACCESS = (Cluster(AclOperation.ALTER),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Change what can be changed; each user has its own answer."""
    message: AlterUserScramCredentialsRequest = request.message
    asked: list[Change] = [*message.deletions, *message.upsertions]
    listed = Counter(each.name for each in asked)
    outcomes: dict[str, Refused | None] = {}
    records: list[MetadataRecord] = []
    for number, each in enumerate(asked, 1):
        if each.name not in outcomes:
            twice = Refused(ErrorCode.DUPLICATE_RESOURCE, TWICE)
            planned = _planned(broker, each) if listed[each.name] == 1 else twice
            if isinstance(planned, Refused):
                outcomes[each.name] = planned
            else:
                outcomes[each.name] = None
                records.append(planned)
        if records and (len(records) == CHANGES_A_STEP or number == len(asked)):
            broker.change_security(records)
            records = []
            yield None
    if all(outcomes.values()):
        return _response(outcomes)
    lost = Refused(ErrorCode.KAFKA_STORAGE_ERROR, "the change could not be made durable")
    return broker.when_durable(
        _response(outcomes), lambda: _response(dict.fromkeys(outcomes, lost))
    )


def refusal(
    message: AlterUserScramCredentialsRequest, code: ErrorCode, why: str
) -> AlterUserScramCredentialsResponse:
    """The response that changes nothing."""
    asked: list[Change] = [*message.deletions, *message.upsertions]
    return _response(dict.fromkeys((each.name for each in asked), Refused(code, why)))


def _planned(broker: Broker, asked: Change) -> MetadataRecord | Refused:
    if isinstance(asked, ScramCredentialDeletion):
        return plan_deletion(asked.name, asked.mechanism, broker.state)
    return plan_upsertion(
        asked.name, asked.mechanism, asked.iterations, asked.salt, asked.salted_password
    )


def _response(outcomes: dict[str, Refused | None]) -> AlterUserScramCredentialsResponse:
    return AlterUserScramCredentialsResponse(
        results=[
            AlterUserScramCredentialsResult(
                user=name,
                error_code=ErrorCode.NONE if refused is None else refused.code,
                error_message=None if refused is None else shortened(refused.why) or None,
            )
            for name, refused in outcomes.items()
        ]
    )
