"""SaslHandshake (key 17), v0-v1. Source: SaslHandshakeRequest.json; KIP-43.

Here it comes where there is nothing to log in to: at a listener without SASL, or behind a login
that need not be repeated.
"""

from __future__ import annotations

from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse
from ..broker import Broker
from ..security.rights.access import Free
from ..session import Session

# For who has not said yet who he is.
ACCESS = (Free(),)


def handle(broker: Broker, request: Request, session: Session) -> SaslHandshakeResponse:
    """Nobody logs in here; the connection goes on."""
    return refusal(request.message, ErrorCode.ILLEGAL_SASL_STATE, "")


def refusal(message: SaslHandshakeRequest, code: ErrorCode, why: str) -> SaslHandshakeResponse:
    """The response that begins no login."""
    return SaslHandshakeResponse(error_code=code, mechanisms=[])
