"""What the log says of connections closed for what they sent."""

from __future__ import annotations

import logging
import struct

import pytest
from minibroker.broker.connections.closings import NO_FRAME, Closings, frame_facts, size_hint
from minibroker.protocol.api_names import api_name
from minibroker.protocol.apis import APIS
from minibroker.protocol.framing import FrameBuffer


def frame(key: int, version: int, client_id: bytes) -> memoryview:
    return memoryview(struct.pack(">hhih", key, version, 7, len(client_id)) + client_id + b"\0")


def test_an_unknown_api_is_named_with_version_and_client() -> None:
    assert frame_facts(frame(68, 1, b"rdkafka")) == {
        "api": "ConsumerGroupHeartbeat",
        "api_key": 68,
        "version": 1,
        "client_id": "rdkafka",
    }
    assert frame_facts(frame(999, 0, b"x"))["api"] == "no API of Kafka (999)"
    assert frame_facts(frame(-1, 0, b"x"))["api"] == "no API of Kafka (-1)"


@pytest.mark.parametrize("count", range(12))
def test_a_frame_cut_anywhere_is_looked_at_without_harm(count: int) -> None:
    assert "client_id" not in frame_facts(frame(68, 0, b"rdkafka")[:count])


def test_a_client_id_that_is_no_text_is_shown_as_far_as_it_goes() -> None:
    assert frame_facts(frame(0, 3, b"a\xff"))["client_id"] == "a\ufffd"


def test_names_of_apis_are_those_of_the_registry() -> None:
    kafkas = [api for api in APIS.values() if api.is_kafkas]
    assert [api_name(api.key) for api in kafkas] == [api.name for api in kafkas]


@pytest.mark.parametrize(
    ("sent", "hint"),
    [
        (b"\x16\x03\x01\x02\x00\x01", "TLS hello"),
        (b"\x16\x03\x03\x00\xf4\x01", "TLS hello"),
        (b"GET / HTTP/1.1\r\n", "HTTP"),
        (b"PRI * HTTP/2.0\r\n", "HTTP"),
        (b"\xff\xff\xff\xff", None),
        (b"\x7f\xff\xff\xff", None),
    ],
)
def test_other_protocols_are_recognised_by_the_size_they_seem_to_have(
    sent: bytes, hint: str | None
) -> None:
    frames = FrameBuffer(100_000_000)
    assert frames.feed(sent) == []
    assert frames.error is not None
    said = size_hint(frames.error.size)
    assert said is None if hint is None else hint in (said or "")


def test_one_peer_gets_a_line_a_second(caplog: pytest.LogCaptureFixture) -> None:
    closings, why = Closings(), ValueError("no")
    with caplog.at_level(logging.WARNING, "minibroker"):
        for number in range(2_000):
            closings.closed(f"10.0.0.1:{number}", why, NO_FRAME, 1_000)
        closings.closed("10.0.0.2:5", why, NO_FRAME, 1_000)
        closings.refused("10.0.0.1:5", 2, 1_000, "max_connections")
        closings.closed("10.0.0.1:5", why, frame(68, 1, b"c"), 2_000)
    assert [str(record.msg) for record in caplog.records] == [
        "event=connection-closed peer=10.0.0.1:0 why=no",
        "event=connection-closed peer=10.0.0.2:5 why=no",
        "event=connection-refused peer=10.0.0.1:5 max_connections=2",
        (
            "event=connection-closed peer=10.0.0.1:5 why=no api=ConsumerGroupHeartbeat api_key=68 "
            "version=1 client_id=c left_out=1999"
        ),
    ]
