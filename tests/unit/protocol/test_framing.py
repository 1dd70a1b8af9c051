"""FrameBuffer: whole frames whatever the cuts, bounded memory whatever is claimed."""

import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from minibroker.protocol.framing import (
    BUFFER_BYTES_MAX,
    GROWN_QUICKLY_BYTES,
    GROWTH,
    FrameBuffer,
    frame,
)

FRAME_BYTES_MAX = 100 * 1024 * 1024


def framed(body: bytes) -> bytes:
    return struct.pack(">i", len(body)) + body


@given(
    bodies=st.lists(st.binary(max_size=300) | st.integers(5000, 9000).map(bytes), max_size=8),
    cuts=st.lists(st.integers(1, 5000), max_size=40),
)
def test_frames_come_out_as_they_went_in_whatever_the_cuts(
    bodies: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(map(framed, bodies))
    buffer = FrameBuffer(FRAME_BYTES_MAX)
    found: list[memoryview] = []
    for cut in cuts:
        found += buffer.feed(stream[:cut])
        stream = stream[cut:]
    found += buffer.feed(stream)
    assert [bytes(each) for each in found] == bodies
    assert buffer.pending_bytes == 0


def test_a_frame_is_never_changed_by_what_comes_after_it() -> None:
    buffer = FrameBuffer(FRAME_BYTES_MAX)
    kept = [each for n in range(5000) for each in buffer.feed(framed(b"%08d" % n))]
    assert [bytes(each) for each in kept] == [b"%08d" % n for n in range(5000)]


def test_a_large_frame_is_read_into_its_own_buffer_without_a_copy() -> None:
    body = bytes(range(256)) * 4096
    stream = memoryview(framed(body))
    buffer = FrameBuffer(FRAME_BYTES_MAX)
    found: list[memoryview] = []
    reads = 0
    while stream:
        room = buffer.get_buffer()
        count = min(len(room), len(stream))
        room[:count] = stream[:count]
        stream = stream[count:]
        found += buffer.received(count)
        reads += 1
    assert found == [body]
    assert reads < 10


@pytest.mark.parametrize("size", [-1, -(2**31), FRAME_BYTES_MAX + 1, 2**31 - 1])
def test_an_impossible_size_stops_the_stream_after_the_frames_before_it(size: int) -> None:
    buffer = FrameBuffer(FRAME_BYTES_MAX)
    found = buffer.feed(framed(b"good") + struct.pack(">i", size) + framed(b"never seen"))
    assert found == [b"good"]
    assert buffer.error is not None
    assert str(size) in str(buffer.error)


def test_an_empty_frame_is_a_frame() -> None:
    assert FrameBuffer(FRAME_BYTES_MAX).feed(framed(b"")) == [b""]


def test_memory_follows_what_was_sent_not_what_was_claimed() -> None:
    claim = struct.pack(">i", FRAME_BYTES_MAX)
    tracemalloc.start()
    try:
        buffers = [FrameBuffer(FRAME_BYTES_MAX) for _ in range(200)]
        for buffer in buffers:
            buffer.feed(claim + b"x" * 100)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200 * 16 * 1024


def test_a_claimed_size_takes_memory_only_as_its_bytes_come() -> None:
    buffer = FrameBuffer(FRAME_BYTES_MAX)
    buffer.feed(struct.pack(">i", FRAME_BYTES_MAX))
    sent = 4
    while sent < 4 * 1024 * 1024:
        room = buffer.get_buffer()
        quickly = min(sent * GROWTH, GROWN_QUICKLY_BYTES)
        assert len(room) <= max(BUFFER_BYTES_MAX, quickly, sent)
        assert buffer.held_bytes <= max(BUFFER_BYTES_MAX, quickly, 2 * sent)
        buffer.received(len(room))
        sent += len(room)


def test_a_buffer_is_let_go_of_unless_something_is_pending_in_it() -> None:
    buffer = FrameBuffer(FRAME_BYTES_MAX)
    (first,) = buffer.feed(framed(b"first"))
    buffer.let_go()
    assert buffer.held_bytes == 0
    assert buffer.feed(framed(b"second") + b"\0\0") == [b"second"]
    buffer.let_go()
    assert buffer.feed(framed(b"third")[2:]) == [b"third"], "half of its size was pending"
    assert bytes(first) == b"first", "whoever holds a frame keeps it"


def test_framing_a_message_puts_its_size_in_front() -> None:
    assert b"".join(frame([b"ab", memoryview(b"cde")])) == framed(b"abcde")
    assert frame([b"abc"]) == [framed(b"abc")]
