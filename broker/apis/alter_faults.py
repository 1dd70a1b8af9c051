"""AlterFaults (key 10004), v0. Ours; Apache Kafka has no such API.

Ours: arms a rule, or releases one or all, in a broker that was started with faults. It may end the
    broker and lose answers, so it takes the right to alter the cluster; without an authorizer
    whoever started the broker with faults has said yes for everybody.
"""

from __future__ import annotations

import json

from ...protocol.acls import AclOperation
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode, shortened
from ...protocol.messages.alter_faults import AlterFaultsRequest, AlterFaultsResponse
from ..broker import Broker
from ..faults.forms import rule_of
from ..faults.rules import Faults
from ..security.rights.access import Cluster
from ..session import Session

RULES_MAX = 100  # each is tried at each instant
FORM_LETTERS_MAX = 10_000

ACCESS = (Cluster(AclOperation.ALTER),)


def handle(broker: Broker, request: Request, session: Session) -> AlterFaultsResponse:
    """Arm or release."""
    message: AlterFaultsRequest = request.message
    faults = broker.faults
    if not isinstance(faults, Faults):
        why = "this broker was started without faults: serve --faults FILE; the file may be empty"
        return refusal(message, ErrorCode.INVALID_REQUEST, why)
    if message.form is None:
        return _released(faults, message)
    if len(faults.rules) >= RULES_MAX:
        why = f"{RULES_MAX} rules are armed: release some first"
        return refusal(message, ErrorCode.INVALID_REQUEST, why)
    if len(message.form) > FORM_LETTERS_MAX:
        return refusal(message, ErrorCode.INVALID_REQUEST, "no rule is so long")
    try:
        form = json.loads(message.form)
        if not isinstance(form, dict):
            raise ValueError("a rule is {action: {fields}}")
        rule = rule_of(form)
    except (ValueError, RecursionError) as error:  # FieldError too
        return refusal(message, ErrorCode.INVALID_REQUEST, str(error))
    return AlterFaultsResponse(error_code=0, fault_id=faults.arm(rule).number)


def refusal(message: AlterFaultsRequest, code: ErrorCode, why: str) -> AlterFaultsResponse:
    """The response that has changed nothing."""
    return AlterFaultsResponse(error_code=code, error_message=shortened(why))


def _released(faults: Faults, message: AlterFaultsRequest) -> AlterFaultsResponse:
    if message.fault_id < 0:
        faults.clear()
        return AlterFaultsResponse(error_code=0)
    for each in faults.rules:
        if each.number == message.fault_id:
            faults.disarm(each)
            return AlterFaultsResponse(error_code=0, fault_id=each.number)
    why = f"no rule {message.fault_id} is armed"
    return refusal(message, ErrorCode.RESOURCE_NOT_FOUND, why)
