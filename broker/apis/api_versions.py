"""ApiVersions (key 18), v0-v4. Source: ApiVersionsRequest.json, ApiVersionsResponse.json; KIP-511.

v3 flexible, client software · v4 tells of features that may be at level 0, whose minimum is 0
Ours: lists exactly what served.py names. An unknown version of this API is answered in
    protocol/connection.py. Of Kafka's features metadata.version is finalized, and by its setting
    transaction.version, as on a node whose other features are at level 0: no KIP-848 groups.
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
    FinalizedFeatureKey,
    SupportedFeatureKey,
)
from ..broker import Broker
from ..security.rights.access import Free
from ..session import Session
from .served import SERVED

SOFTWARE_SINCE = 3
ZERO_SINCE = 4  # old clients cannot read a feature whose minimum is 0
TRANSACTION_VERSION, TRANSACTIONS_MAX = "transaction.version", 2
METADATA_VERSION, OLDEST, NEWEST = "metadata.version", 7, 30  # 3.3-IV3 and 4.3-IV0
_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")

# clients ask before they have said who they are.
ACCESS = (Free(),)


def handle(broker: Broker, request: Request, session: Session) -> ApiVersionsResponse:
    """Say what is served."""
    message: ApiVersionsRequest = request.message
    supported = [SupportedFeatureKey(name=METADATA_VERSION, min_version=OLDEST, max_version=NEWEST)]
    if request.route.version >= ZERO_SINCE:
        supported.append(
            SupportedFeatureKey(
                name=TRANSACTION_VERSION, min_version=0, max_version=TRANSACTIONS_MAX
            )
        )
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
        supported_features=supported,
        finalized_features_epoch=broker.metadata_end_offset,
        finalized_features=_finalized(broker),
    )


def _finalized(broker: Broker) -> list[FinalizedFeatureKey]:
    """The features in force; one at level 0 is not listed."""
    levels = {METADATA_VERSION: NEWEST, TRANSACTION_VERSION: broker.config.transaction_version}
    return [
        FinalizedFeatureKey(name=name, max_version_level=level, min_version_level=level)
        for name, level in levels.items()
        if level
    ]


def refusal(message: ApiVersionsRequest, code: ErrorCode, why: str) -> ApiVersionsResponse:
    """The response that refuses a request."""
    return ApiVersionsResponse(error_code=code, api_keys=[])
