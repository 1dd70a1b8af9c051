"""Request and response headers, and their three quirks.

1. client_id keeps its two-byte length in every version, also where the body is compact.
2. Header v2 (request) and v1 (response) end in a tag section; an API's flexible versions use
   them. Nobody has defined a header tag that matters here, so all are skipped.
3. The ApiVersions response header is always v0: the client does not know yet what we speak.

Frames exclude the four size bytes. Written by hand, because every request passes here.
Source: RequestHeader.json, ResponseHeader.json, ApiMessageTypeGenerator.java; KIP-482, KIP-511.
"""

import struct
from typing import NamedTuple

from .apis import APIS
from .codec.text import read_text
from .errors import DecodeError, EncodeError
from .varint import skip_tags

_API_VERSIONS = 18

_REQUEST = struct.Struct(">hhih")  # api_key, api_version, correlation_id, length of client_id
_RESPONSE_V0 = struct.Struct(">i")
_RESPONSE_V1 = struct.Struct(">ix")  # no tags


class RequestHeader(NamedTuple):
    """What precedes a request's body.

    Attributes:
        api_key, api_version: int16 as sent; the version may be one nobody serves.
        correlation_id: int32, chosen by the client, returned in the response.
        client_id: "" also where the client sent null.
    """

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str


def decode_request_header(frame: bytes | memoryview) -> tuple[RequestHeader, int]:
    """Read the header of a request.

    Args:
        frame: the whole request without its size bytes.

    Returns:
        The header and the position of the body.

    Raises:
        DecodeError: cut off, malformed, or of an API unknown to the registry (whose header
            version therefore cannot be known). Close the connection.
    """
    try:
        api_key, api_version, correlation_id, length = _REQUEST.unpack_from(frame)
    except struct.error:
        raise _bad_request(0, "", len(frame), "cut off") from None
    api = APIS.get(api_key)
    if api is None:
        raise _bad_request(api_version, "api_key", 0, f"no API has key {api_key}")
    position = _REQUEST.size
    client_id = ""
    if length > 0:
        end = position + length
        if end > len(frame):
            why = f"claims {length} bytes, {len(frame) - position} are left"
            raise _bad_request(api_version, "client_id", position, why)
        try:
            client_id = str(frame[position:end], "utf-8")
        except UnicodeDecodeError:
            client_id = _mended(bytes(frame[position:end]), api_version, position)
        position = end
    elif length < -1:
        raise _bad_request(api_version, "client_id", position - 2, f"length is {length}")
    if api.flexible is not None and api_version >= api.flexible:
        if position < len(frame) and frame[position] == 0:
            position += 1
        else:
            try:
                position = skip_tags(frame, position, len(frame))
            except ValueError as error:
                raise _bad_request(api_version, "tags", position, str(error)) from None
    fields = (api_key, api_version, correlation_id, client_id)
    return tuple.__new__(RequestHeader, fields), position


def encode_request_header(header: RequestHeader) -> bytes:
    """Write the header of a request; the body follows it directly.

    Raises:
        EncodeError: a number that does not fit, or a client id of more than 32767 bytes.
    """
    api_key, api_version, correlation_id, client_id = header
    name = client_id.encode()
    try:
        fixed = _REQUEST.pack(api_key, api_version, correlation_id, len(name))
    except struct.error as error:
        raise EncodeError("RequestHeader", api_version, "", str(error)) from None
    return fixed + name + (b"\0" if APIS[api_key].is_flexible(api_version) else b"")


def response_header(api_key: int, api_version: int, correlation_id: int) -> bytes:
    """Write the header of the response to a request of this API and version."""
    if _response_has_tags(api_key, api_version):
        return _RESPONSE_V1.pack(correlation_id)
    return _RESPONSE_V0.pack(correlation_id)


def decode_response_header(
    frame: bytes | memoryview, api_key: int, api_version: int
) -> tuple[int, int]:
    """Read the header of a response to a request of this API and version.

    Returns:
        The correlation id and the position of the body.

    Raises:
        DecodeError: cut off or malformed.
    """
    try:
        correlation_id: int = _RESPONSE_V0.unpack_from(frame)[0]
        position = _RESPONSE_V0.size
        if _response_has_tags(api_key, api_version):
            position = skip_tags(frame, position, len(frame))
    except (struct.error, ValueError) as error:
        raise DecodeError("ResponseHeader", api_version, "", len(frame), str(error)) from None
    return correlation_id, position


def _mended(client_id: bytes, version: int, position: int) -> str:
    try:
        return read_text(client_id)
    except ValueError as error:
        raise _bad_request(version, "client_id", position, str(error)) from None


def _response_has_tags(api_key: int, api_version: int) -> bool:
    return api_key != _API_VERSIONS and APIS[api_key].is_flexible(api_version)


def _bad_request(version: int, path: str, at: int, why: str) -> DecodeError:
    return DecodeError("RequestHeader", version, path, at, why)
