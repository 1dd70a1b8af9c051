"""ApiVersions (key 18), v0-v4. Source: ApiVersionsRequest.json, ApiVersionsResponse.json; KIP-511.

v3 flexible, client software
Ours: lists exactly what dispatch.py serves. An unknown version of this API is answered in
    protocol/connection.py. No features are finalized, which keeps clients on classic transactions.
    A client software name that breaks Kafka's pattern gets 42, as in Kafka.
"""

from __future__ import annotations

import re

from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
)
from ..broker import Broker
from ..dispatch import SERVED
from ..session import Session

SOFTWARE_SINCE = 3
_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")


def handle(broker: Broker, request: Request, session: Session) -> ApiVersionsResponse:
    """Say what is served."""
    message: ApiVersionsRequest = request.message
    if request.route.version >= SOFTWARE_SINCE:
        for text in (message.client_software_name, message.client_software_version):
            if _SOFTWARE.fullmatch(text) is None:
                return refusal(message, ErrorCode.INVALID_REQUEST, "")
    return ApiVersionsResponse(
        error_code=0,
        api_keys=[
            ApiVersion(
                api_key=api.key,
                min_version=api.versions[0] if api.advertised_from is None else api.advertised_from,
                max_version=api.versions[1],
            )
            for api in SERVED.values()
        ],
    )


def refusal(message: ApiVersionsRequest, code: ErrorCode, why: str) -> ApiVersionsResponse:
    """The response that refuses a request."""
    return ApiVersionsResponse(error_code=code, api_keys=[])
