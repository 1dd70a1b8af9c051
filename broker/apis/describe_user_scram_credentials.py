"""DescribeUserScramCredentials (key 50), v0. Source: DescribeUserScramCredentialsRequest.json;
KIP-554.

v0 flexible
Ours: no user has credentials here: all of them are none, and each named one gets 91.
"""

from __future__ import annotations

from collections import Counter

from ...protocol.connection import Request
from ...protocol.errors import ErrorCode, shortened
from ...protocol.messages.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
)
from ..broker import Broker
from ..session import Session
from ..waiting.long_work import Steps, made_of


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Say of each user that there is none."""
    message: DescribeUserScramCredentialsRequest = request.message
    listed = Counter(each.name for each in message.users or ())
    results = yield from made_of(_result, sorted(listed.items()))
    return DescribeUserScramCredentialsResponse(error_code=0, error_message="", results=results)


def refusal(
    message: DescribeUserScramCredentialsRequest, code: ErrorCode, why: str
) -> DescribeUserScramCredentialsResponse:
    """The response that describes nothing."""
    return DescribeUserScramCredentialsResponse(error_code=code, error_message=why, results=[])


def _result(listed: tuple[str, int]) -> DescribeUserScramCredentialsResult:
    name, times = listed
    if times > 1:
        code = ErrorCode.DUPLICATE_RESOURCE
        why = (
            f"Cannot describe SCRAM credentials for the same user twice in a single request: {name}"
        )
    else:
        code = ErrorCode.RESOURCE_NOT_FOUND
        why = f"Attempt to describe a user credential that does not exist: {name}"
    return DescribeUserScramCredentialsResult(
        user=name, error_code=code, error_message=shortened(why), credential_infos=[]
    )
