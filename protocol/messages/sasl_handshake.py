"""SaslHandshake (key 17), v0–v1. Source: SaslHandshakeRequest.json, SaslHandshakeResponse.json;
KIP-43, KIP-152.

Never flexible. After v0 the tokens of the mechanism come as bare frames (a length, the bytes),
after v1 in SaslAuthenticate.
"""

from ..apis import APIS
from ..codec.schema import ArrayOf, Int16, String, request, response, wire

SASL_HANDSHAKE = APIS[17]


@request(SASL_HANDSHAKE)
class SaslHandshakeRequest:
    mechanism: str = wire(String)


@response(SASL_HANDSHAKE)
class SaslHandshakeResponse:
    error_code: int = wire(Int16)
    mechanisms: list[str] = wire(ArrayOf(String))
