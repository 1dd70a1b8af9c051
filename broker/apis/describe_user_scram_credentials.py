"""DescribeUserScramCredentials (key 50), v0. Source: DescribeUserScramCredentialsRequest.json;
KIP-554.

v0 flexible
"""

from __future__ import annotations

from collections import Counter
from functools import partial

from ...protocol.acls import AclOperation
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode, shortened
from ...protocol.messages.describe_user_scram_credentials import (
    CredentialInfo,
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
)
from ...protocol.sasl.scram_credentials import NUMBERS
from ..broker import Broker
from ..security.rights.access import Cluster
from ..session import Session
from ..waiting.long_work import Steps, made_of

ACCESS = (Cluster(AclOperation.DESCRIBE),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Say of each user which credentials it has, never what they are."""
    message: DescribeUserScramCredentialsRequest = request.message
    named = Counter(each.name for each in message.users or ())
    listed = named or dict.fromkeys(broker.state.scram, 1)
    results = yield from made_of(partial(_result, broker), sorted(listed.items()))
    return DescribeUserScramCredentialsResponse(error_code=0, error_message="", results=results)


def refusal(
    message: DescribeUserScramCredentialsRequest, code: ErrorCode, why: str
) -> DescribeUserScramCredentialsResponse:
    """The response that describes nothing."""
    return DescribeUserScramCredentialsResponse(error_code=code, error_message=why, results=[])


def _result(broker: Broker, listed: tuple[str, int]) -> DescribeUserScramCredentialsResult:
    name, times = listed
    kept = broker.state.scram.get(name, {})
    if times > 1:
        kept, code = {}, ErrorCode.DUPLICATE_RESOURCE
        why = (
            f"Cannot describe SCRAM credentials for the same user twice in a single request: {name}"
        )
    elif not kept:
        code = ErrorCode.RESOURCE_NOT_FOUND
        why = f"Attempt to describe a user credential that does not exist: {name}"
    else:
        code, why = ErrorCode.NONE, ""
    infos = [
        CredentialInfo(mechanism=NUMBERS[each], iterations=credential.iterations)
        for each, credential in sorted(kept.items())
    ]
    return DescribeUserScramCredentialsResult(
        user=name, error_code=code, error_message=shortened(why), credential_infos=infos
    )
