"""SaslAuthenticate (key 36), v0–v2.
Source: SaslAuthenticateRequest.json, SaslAuthenticateResponse.json; KIP-152, KIP-368.

v1 session_lifetime_ms · v2 flexible. `auth_bytes` are secrets of whoever sends them: they stand in
no repr.
"""

from ..apis import APIS
from ..codec.schema import (
    Bytes,
    Int16,
    Int64,
    NullableString,
    request,
    response,
    wire,
)

SASL_AUTHENTICATE = APIS[36]


@request(SASL_AUTHENTICATE)
class SaslAuthenticateRequest:
    auth_bytes: bytes = wire(Bytes)

    def __repr__(self) -> str:
        return f"SaslAuthenticateRequest({len(self.auth_bytes)} bytes)"


@response(SASL_AUTHENTICATE)
class SaslAuthenticateResponse:
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString)
    auth_bytes: bytes = wire(Bytes)
    session_lifetime_ms: int = wire(Int64, since=1, default=0)  # 0: for ever
