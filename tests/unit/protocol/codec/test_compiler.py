"""What compiled decoders and encoders take, refuse and say."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from construct import ConstructError
from minibroker.protocol.codec import compiler
from minibroker.protocol.codec.compiler import decoder, decoder_in_steps, encoder
from minibroker.protocol.codec.schema import wire_at
from minibroker.protocol.errors import DecodeError, EncodeError, ErrorCode
from minibroker.protocol.header import response_header
from minibroker.protocol.messages.api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
)
from minibroker.protocol.messages.create_topics import CreateTopicsRequest, CreateTopicsResponse
from minibroker.protocol.messages.fetch import FetchableTopicResponse, FetchResponse, PartitionData
from minibroker.protocol.messages.find_coordinator import FindCoordinatorRequest
from minibroker.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)


def produce_request(records: Any = b"batch", **changes: Any) -> ProduceRequest:
    partition = PartitionProduceData(index=1, records=records)
    topic = TopicProduceData(name="orders", partition_data=[partition])
    message = ProduceRequest(acks=-1, timeout_ms=30_000, topic_data=[topic])
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def fetch_response(*records: Any) -> FetchResponse:
    partitions = [
        PartitionData(partition_index=index, error_code=0, high_watermark=9, records=each)
        for index, each in enumerate(records)
    ]
    return FetchResponse(responses=[FetchableTopicResponse(topic="t", partitions=partitions)])


def written(message: Any, version: int) -> bytes:
    return b"".join(encoder(type(message), version)(message))


def refusal(cls: type[Any], version: int, frame: str) -> DecodeError:
    data = bytes.fromhex(frame)
    with pytest.raises(DecodeError) as caught:
        decoder(cls, version)(data)
    with pytest.raises(ConstructError):
        wire_at(cls, version).parse(data)
    return caught.value


def test_the_second_call_finds_the_function_made_by_the_first() -> None:
    assert decoder(ProduceRequest, 9) is decoder(ProduceRequest, 9)
    assert encoder(ProduceRequest, 9) is encoder(ProduceRequest, 9)
    assert decoder(ProduceRequest, 8) is not decoder(ProduceRequest, 9)


def test_api_versions_v3_as_clients_send_it() -> None:
    message = ApiVersionsRequest(client_software_name="probe", client_software_version="1.0")
    assert written(message, 3) == bytes.fromhex("0670726f626504312e3000")


def test_the_answer_to_an_unsupported_api_versions_request() -> None:
    ours = ApiVersion(api_key=18, min_version=0, max_version=4)
    answer = ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=[ours])
    frame = response_header(18, 0, 7) + written(answer, 0)
    assert frame == bytes.fromhex("00000007 0023 00000001 0012 0000 0004")
    assert len(frame) == 0x10


@pytest.mark.parametrize("version", [8, 9])
def test_records_are_a_view_of_the_frame(version: int) -> None:
    frame = bytearray(written(produce_request(b"0123456789"), version))
    for buffer in (memoryview(frame), memoryview(bytes(frame)), bytes(frame)):
        message, _ = decoder(ProduceRequest, version)(buffer)
        records = message.topic_data[0].partition_data[0].records
        assert isinstance(records, memoryview)
        assert bytes(records) == b"0123456789"
    view = decoder(ProduceRequest, version)(memoryview(frame))[0]
    frame[frame.index(b"0123")] = ord("X")
    assert view.topic_data[0].partition_data[0].records == b"X123456789"


@pytest.mark.parametrize("version", [4, 12])
def test_record_bytes_are_buffers_of_their_own_and_never_copied(version: int) -> None:
    first, second = b"first batch", memoryview(b"second batch")
    buffers = encoder(FetchResponse, version)(fetch_response(first, None, b"", second))
    assert len(buffers) == 5
    assert buffers[1] is first
    assert buffers[3] is second
    assert b"".join(buffers) == wire_at(FetchResponse, version).build(
        fetch_response(first, None, b"", second)
    )


def test_without_record_bytes_there_is_one_buffer() -> None:
    assert len(encoder(FetchResponse, 12)(fetch_response(None, b""))) == 1
    assert len(encoder(ProduceResponse, 9)(ProduceResponse(responses=[]))) == 1


@pytest.mark.parametrize(
    ("cls", "version", "frame", "path", "why"),
    [
        (ProduceRequest, 3, "ffff 0001", "timeout_ms", "stream read"),
        (ProduceRequest, 3, "ffff 0001 00000001 ffffffff", "topic_data", "is null"),
        (ProduceRequest, 3, "ffff 0001 00000001 fffffffe", "topic_data", "length is -2"),
        (ProduceRequest, 3, "fffe 0001 00000001 00000000", "transactional_id", "length is -2"),
        (ProduceRequest, 3, "ffff 0001 00000001 00000001 ffff", "topic_data", "claims 1 elements"),
        (
            ProduceRequest,
            3,
            "ffff 0001 00000001 00000001 ffff 00000000",
            "topic_data[0].name",
            "is null",
        ),
        (
            ProduceRequest,
            3,
            "ffff 0001 00000001 00000001 0001 61 00000001 00000005 00000009 aa",
            "topic_data[0].partition_data[0].records",
            "claims 9 bytes, 1 bytes are left",
        ),
        (ProduceRequest, 9, "00 0001 00000001 00", "topic_data", "is null"),
        (ProduceRequest, 9, "00 0001 00000001 818080808000", "topic_data", "longer than 5 bytes"),
        (ProduceRequest, 9, "00 0001 00000001 ffffffff1f", "topic_data", "exceeds 32 bits"),
        (ProduceRequest, 9, "00 0001 00000001 ffffffff0f", "topic_data", "claims 4294967294"),
        (
            FindCoordinatorRequest,
            1,
            "7fff" + "ff" * 32_767 + "00",
            "key",
            "takes more than 32767 bytes when mended",
        ),
    ],
)
def test_a_refusal_names_the_field_and_the_reason(
    cls: type[Any], version: int, frame: str, path: str, why: str
) -> None:
    error = refusal(cls, version, frame)
    assert (error.api, error.version, error.path) == (cls.__name__, version, path)
    assert why in error.why


def test_a_refusal_counts_positions_from_the_start_of_the_buffer() -> None:
    with pytest.raises(DecodeError) as caught:
        decoder(ApiVersionsRequest, 3)(b"ten bytes." + bytes.fromhex("0670726f6265"), 10)
    assert (caught.value.path, caught.value.at) == ("client_software_version", 16)


@pytest.mark.parametrize(
    ("cls", "version", "head"),
    [(MetadataRequest, 0, "7fffffff"), (MetadataRequest, 9, "ffffffff0f")],
)
def test_a_false_count_is_refused_before_the_first_element_is_made(
    cls: type[Any], version: int, head: str
) -> None:
    frame = bytes.fromhex(head) + bytes(200_000)
    decode = decoder(cls, version)
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match="claims"):
            decode(frame)
        assert tracemalloc.get_traced_memory()[1] < 50_000
    finally:
        tracemalloc.stop()


def test_explaining_a_long_message_ends() -> None:
    topics = [MetadataRequestTopic(name="") for _ in range(compiler.EXPLANATION_READS_MAX)]
    frame = written(MetadataRequest(topics=topics), 0)
    with pytest.raises(DecodeError) as caught:
        decoder(MetadataRequest, 0)(frame[:-2] + b"\xff\xff")
    assert "after the first 10000 reads" in caught.value.why


EMPTY = "01 0000ea60 00"  # CreateTopicsRequest v5: no topics, 60 s, not only validate


@pytest.mark.parametrize("tags", ["00", "01 07 00", "02 00 01 aa 05 02 bbbb", "01 ffffffff0f 00"])
def test_unknown_tags_are_skipped(tags: str) -> None:
    frame = bytes.fromhex(EMPTY + tags)
    message, end = decoder(CreateTopicsRequest, 5)(frame)
    assert (message, end) == (CreateTopicsRequest(topics=[]), len(frame))
    assert wire_at(CreateTopicsRequest, 5).parse(frame) == message


@pytest.mark.parametrize("tags", ["02 05 00 05 00", "02 05 00 04 00", "01 00 02 aa", "ffffffff0f"])
def test_tag_sections_that_repeat_descend_or_overrun_are_refused(tags: str) -> None:
    assert refusal(CreateTopicsRequest, 5, EMPTY + tags).path == "tags"


TOPIC = "00000000 02 02 61 0000 00 00000001 0001 01"  # CreateTopicsResponse v5, one topic


@pytest.mark.parametrize(
    ("tags", "code"),
    [("00", 0), ("01 00 02 0007", 7), ("02 00 02 0007 09 01 aa", 7), ("01 03 01 aa", 0)],
)
def test_known_tags_are_read_among_unknown_ones(tags: str, code: int) -> None:
    message, _ = decoder(CreateTopicsResponse, 5)(bytes.fromhex(TOPIC + tags + "00"))
    assert message.topics[0].topic_config_error_code == code


@pytest.mark.parametrize(
    "tags", ["01 00 01 00 07", "01 00 03 0007 00", "01 00 7f 0007", "02 00 02 0007 00 02 0007"]
)
def test_a_known_tag_of_the_wrong_size_or_twice_is_refused(tags: str) -> None:
    error = refusal(CreateTopicsResponse, 5, TOPIC + tags + "00")
    assert error.path in ("topics[0].tags", "topics[0].topic_config_error_code")


@pytest.mark.parametrize("version", [8, 9])
def test_strings_end_at_32767_bytes(version: int) -> None:
    longest = produce_request(transactional_id="x" * 32767)
    assert decoder(ProduceRequest, version)(written(longest, version))[0] == longest
    for name in ("transactional_id", "topic_data[0].name"):
        too_long = produce_request(transactional_id=None)
        if name == "transactional_id":
            too_long.transactional_id = "ü" * 16384
        else:
            too_long.topic_data[0].name = "x" * 32768
        with pytest.raises(EncodeError) as caught:
            written(too_long, version)
        assert caught.value.path == name


def test_a_compact_string_of_32768_bytes_is_refused() -> None:
    frame = "818002" + "61" * 32768 + "01 00"
    error = refusal(ApiVersionsRequest, 3, frame)
    assert "at most 32767" in error.why


BREAK: list[tuple[str, Callable[[ProduceRequest], None]]] = [
    ("acks", lambda message: setattr(message, "acks", 2**15)),
    ("acks", lambda message: setattr(message, "acks", None)),
    ("timeout_ms", lambda message: setattr(message, "timeout_ms", "soon")),
    ("topic_data", lambda message: setattr(message, "topic_data", None)),
    ("transactional_id", lambda message: setattr(message, "transactional_id", "\ud800")),
    ("topic_data[0].name", lambda message: setattr(message.topic_data[0], "name", None)),
    (
        "topic_data[0].partition_data[0].index",
        lambda message: setattr(message.topic_data[0].partition_data[0], "index", -(2**31) - 1),
    ),
    ("topic_data[1]", lambda message: message.topic_data.append(None)),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("version", [8, 9])
@pytest.mark.parametrize(("path", "breaks"), BREAK)
def test_a_value_that_does_not_fit_is_refused_by_name(
    path: str, breaks: Callable[[ProduceRequest], None], version: int
) -> None:
    message = produce_request()
    breaks(message)
    with pytest.raises(EncodeError) as caught:
        written(message, version)
    assert (caught.value.api, caught.value.version) == ("ProduceRequest", version)
    assert caught.value.path == path


@pytest.mark.parametrize("topic_id", [b"", bytes(15), bytes(17)])
def test_a_uuid_has_16_bytes(topic_id: bytes) -> None:
    message = MetadataRequest(topics=[MetadataRequestTopic(topic_id=topic_id, name=None)])
    with pytest.raises(EncodeError) as caught:
        written(message, 10)
    assert caught.value.path == "topics[0].topic_id"


def test_tree_and_source_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert compiler.main(["Produce", "9"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("def decode(") == shown.count("def encode(") == 2
    assert "records: nullable RecordBytes[compact]" in shown
    assert "current_leader: absent, None, another value is dropped" in shown


@pytest.mark.parametrize("arguments", [[], ["Produce"], ["Produce", "2"], ["Nothing", "0"]])
def test_printing_what_does_not_exist_says_what_does(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compiler.main(arguments) == 2
    assert "Produce 3-13" in capsys.readouterr().err


# As a real Kafka 4.3.1 echoed them: what is not UTF-8 becomes U+FFFD, a surrogate one of them.
MENDED = [
    (b"a\xffb", "a\ufffdb"),
    (b"\xed\xa0\x80x", "\ufffdx"),
    (b"\xed\xa0\x80\xed\xb0\x80", "\ufffd\ufffd"),
    (b"\xf0\x9f\x98", "\ufffd"),
    (b"\xf0\x9f\xff", "\ufffd\ufffd"),
    (b"\xc0\x80", "\ufffd\ufffd"),
    (b"\xe0\x80\x80", "\ufffd\ufffd\ufffd"),
    (b"\xf5\x80\x80\x80", "\ufffd\ufffd\ufffd\ufffd"),
    (b"\xe2(\xa1", "\ufffd(\ufffd"),
]


@pytest.mark.parametrize(("sent", "read"), MENDED)
def test_text_that_is_not_utf_8_is_read_as_java_reads_it(sent: bytes, read: str) -> None:
    frame = b"\0\2" + bytes([len(sent) + 1]) + sent + b"\0"
    expected = FindCoordinatorRequest(key_type=0, coordinator_keys=[read])
    assert decoder(FindCoordinatorRequest, 4)(frame) == (expected, len(frame))
    assert wire_at(FindCoordinatorRequest, 4).parse(frame) == expected
    assert in_steps(FindCoordinatorRequest, 4, frame) == (expected, len(frame))
    written(expected, 4)


def in_steps(cls: type[Any], version: int, frame: bytes) -> Any:
    """What decoder_in_steps() comes to."""
    steps = decoder_in_steps(cls, version)(frame, 0)
    try:
        while True:
            next(steps)
    except StopIteration as ended:
        return ended.value
