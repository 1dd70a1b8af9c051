"""Requests that are too much: refused before their objects take memory."""

import tracemalloc

import pytest
from minibroker.protocol.codec.compiler import REQUEST_ELEMENTS_MAX, decoder
from minibroker.protocol.errors import DecodeError
from minibroker.protocol.messages.metadata import MetadataRequest
from minibroker.protocol.messages.produce import ProduceRequest


def metadata_frame(count: int) -> bytes:
    """A Metadata v0 request for `count` topics without a name: two bytes each."""
    return count.to_bytes(4, "big") + bytes(2 * count)


def test_as_many_elements_as_are_allowed_are_read() -> None:
    request, _ = decoder(MetadataRequest, 0)(metadata_frame(REQUEST_ELEMENTS_MAX))
    assert request.topics is not None
    assert len(request.topics) == REQUEST_ELEMENTS_MAX


def test_one_element_more_is_refused_before_any_is_made() -> None:
    frame = metadata_frame(REQUEST_ELEMENTS_MAX + 1)
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match="more than 131072 elements"):
            decoder(MetadataRequest, 0)(frame)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_elements_of_nested_arrays_are_counted_together() -> None:
    partitions = 1000
    topic = b"\0\1t" + partitions.to_bytes(4, "big") + bytes(8) * partitions
    topics = REQUEST_ELEMENTS_MAX // partitions + 1
    frame = b"\xff\xff\0\1\0\0\0\1" + topics.to_bytes(4, "big") + topic * topics
    with pytest.raises(DecodeError, match="elements in all"):
        decoder(ProduceRequest, 3)(frame)
