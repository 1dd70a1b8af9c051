"""Request and response headers against bytes of Kafka's own rules and against kio."""

from __future__ import annotations

import io
from typing import Any

import pytest
from kio.schema.request_header.v1.header import RequestHeader as KioRequestHeaderV1
from kio.schema.request_header.v2.header import RequestHeader as KioRequestHeaderV2
from kio.serial import entity_writer
from minibroker.protocol.errors import DecodeError, EncodeError
from minibroker.protocol.header import (
    RequestHeader,
    decode_request_header,
    decode_response_header,
    encode_request_header,
    response_header,
)

# ApiVersions v3, correlation id 7, client id "test", software "probe" "1.0"; without size bytes.
API_VERSIONS_V3 = bytes.fromhex("0012000300000007000474657374000670726f626504312e3000")
V1 = RequestHeader(0, 8, 77, "producer-ü")
V2 = RequestHeader(0, 9, 77, "producer-ü")


def by_kio(header: RequestHeader, cls: Any) -> bytes:
    buffer = io.BytesIO()
    entity_writer(cls)(
        buffer,
        cls(
            request_api_key=header.api_key,
            request_api_version=header.api_version,
            correlation_id=header.correlation_id,
            client_id=header.client_id,
        ),
    )
    return buffer.getvalue()


def test_api_versions_v3_keeps_the_two_byte_client_id_and_has_tags() -> None:
    header, position = decode_request_header(memoryview(API_VERSIONS_V3))
    assert header == RequestHeader(18, 3, 7, "test")
    assert API_VERSIONS_V3[position:] == bytes.fromhex("0670726f626504312e3000")
    assert encode_request_header(header) == API_VERSIONS_V3[:position]


@pytest.mark.parametrize(("header", "cls"), [(V1, KioRequestHeaderV1), (V2, KioRequestHeaderV2)])
def test_headers_are_kios_byte_by_byte(header: RequestHeader, cls: Any) -> None:
    written = by_kio(header, cls)
    assert encode_request_header(header) == written
    assert decode_request_header(written + b"body") == (header, len(written))


def test_a_version_nobody_serves_still_has_a_readable_header() -> None:
    newer = RequestHeader(18, 99, 7, "test")
    assert decode_request_header(encode_request_header(newer)) == (newer, 15)


def test_a_null_client_id_reads_as_empty() -> None:
    assert decode_request_header(bytes.fromhex("0000 0003 00000001 ffff"))[0].client_id == ""


def test_unknown_tags_of_a_header_are_skipped() -> None:
    tags = bytes.fromhex("02 00 01 aa 07 02 bbbb")
    frame = encode_request_header(V2)[:-1] + tags
    assert decode_request_header(frame + b"body") == (V2, len(frame))


@pytest.mark.parametrize("header", [V1, V2])
def test_every_prefix_of_a_header_is_refused(header: RequestHeader) -> None:
    frame = encode_request_header(header)
    for length in range(len(frame)):
        with pytest.raises(DecodeError):
            decode_request_header(memoryview(frame)[:length])


@pytest.mark.parametrize(
    ("frame", "path"),
    [
        ("0999 0000 00000001 0000", "api_key"),
        ("0000 0003 00000001 fffe", "client_id"),
        ("0000 0003 00000001 7fff 61", "client_id"),
        ("0000 0003 00000001 7fff" + "ff" * 32_767, "client_id"),
        ("0000 0009 00000001 0000 02 05 00 05 00", "tags"),
        ("0000 0009 00000001 0000 ffffffff0f", "tags"),
        ("0000 0009 00000001 0000 01 00 ffffffff0f", "tags"),
    ],
)
def test_a_malformed_header_is_refused_with_the_field_named(frame: str, path: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_request_header(bytes.fromhex(frame))
    assert caught.value.path == path


@pytest.mark.parametrize(
    "header", [V1._replace(client_id="x" * 40_000), V1._replace(api_version=-(2**20))]
)
def test_a_header_that_does_not_fit_is_refused(header: RequestHeader) -> None:
    with pytest.raises(EncodeError):
        encode_request_header(header)


@pytest.mark.parametrize(
    ("api_key", "version", "expected"),
    [
        (0, 8, "0000002a"),
        (0, 9, "0000002a00"),
        (18, 0, "0000002a"),
        (18, 3, "0000002a"),
        (18, 4, "0000002a"),
        (60, 0, "0000002a00"),
    ],
)
def test_only_flexible_responses_but_never_api_versions_have_header_tags(
    api_key: int, version: int, expected: str
) -> None:
    written = response_header(api_key, version, 42)
    assert written == bytes.fromhex(expected)
    assert decode_response_header(written + b"body", api_key, version) == (42, len(written))


@pytest.mark.parametrize("frame", ["000000", "0000002a", "0000002a01", "0000002a0100"])
def test_a_cut_response_header_is_refused(frame: str) -> None:
    with pytest.raises(DecodeError):
        decode_response_header(bytes.fromhex(frame), 0, 9)


def test_a_client_id_that_is_not_utf_8_is_read_as_java_reads_it() -> None:
    header, position = decode_request_header(bytes.fromhex("0000 0003 00000001 0003 61 ff 62"))
    assert (header.client_id, position) == ("a\ufffdb", 13)
