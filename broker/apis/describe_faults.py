"""DescribeFaults (key 10003), v0. Ours; Apache Kafka has no such API.

Ours: the rules that are armed, in the order in which they are tried, each with how often it matched
    and fired; has_faults is false in a broker that was not started with any (`serve --faults`).
Left out: rules that ask a function of the broker's own process (`where`): they have no form.
"""

from __future__ import annotations

import json

from ...protocol.acls import AclOperation
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode, shortened
from ...protocol.messages.describe_faults import (
    ArmedFault,
    DescribeFaultsRequest,
    DescribeFaultsResponse,
)
from ..broker import Broker
from ..faults.forms import form_of
from ..faults.rules import ArmedRule, Faults
from ..security.rights.access import Cluster
from ..session import Session

ACCESS = (Cluster(AclOperation.DESCRIBE),)


def handle(broker: Broker, request: Request, session: Session) -> DescribeFaultsResponse:
    """Tell the rules."""
    faults = broker.faults
    if not isinstance(faults, Faults):
        return DescribeFaultsResponse(error_code=0, has_faults=False, faults=[])
    wanted = request.message.fault_id
    rules = [each for each in faults.rules if wanted in (-1, each.number)]
    told = [_told(each) for each in rules if each.rule.where is None]
    return DescribeFaultsResponse(error_code=0, has_faults=True, faults=told)


def refusal(message: DescribeFaultsRequest, code: ErrorCode, why: str) -> DescribeFaultsResponse:
    """The response that tells nothing."""
    return DescribeFaultsResponse(error_code=code, error_message=shortened(why), faults=[])


def _told(armed: ArmedRule) -> ArmedFault:
    return ArmedFault(
        fault_id=armed.number,
        form=json.dumps(form_of(armed.rule)),
        matched=armed.matched,
        fired=armed.fired,
        held=armed.held,
    )
