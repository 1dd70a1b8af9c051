"""SaslAuthenticate (key 36), v0-v2. Source: SaslAuthenticateRequest.json; KIP-152, KIP-368.

v1 session_lifetime_ms · v2 flexible
Here it comes where there is nothing to log in to, as sasl_handshake.py says.
"""

from __future__ import annotations

from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.sasl_authenticate import (
    SaslAuthenticateRequest,
    SaslAuthenticateResponse,
)
from ..broker import Broker
from ..security.rights.access import Free
from ..session import Session

WHY = "SaslAuthenticate request received after successful authentication"

# For who is about to say who he is.
ACCESS = (Free(),)


def handle(broker: Broker, request: Request, session: Session) -> SaslAuthenticateResponse:
    """Nobody logs in here; the connection goes on."""
    return refusal(request.message, ErrorCode.ILLEGAL_SASL_STATE, WHY)


def refusal(
    message: SaslAuthenticateRequest, code: ErrorCode, why: str
) -> SaslAuthenticateResponse:
    """The response that logs nobody in."""
    return SaslAuthenticateResponse(error_code=code, error_message=why, auth_bytes=b"")
