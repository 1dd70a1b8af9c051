"""Bodies that kio wrote: read, written back byte by byte, cut everywhere, tampered with.

A test has all frames of one message, whose versions are many; a failure names the frame.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from construct import ConstructError
from minibroker.protocol.codec.compiler import decoder, encoder
from minibroker.protocol.codec.schema import declaration_of
from minibroker.protocol.codec.wire import Lengthed, Tags
from minibroker.protocol.errors import DecodeError

from tests.golden.write_frames import FOLDER, HEAD, SHAPES, golden_lines
from tests.support.records.golden import Golden, golden_bodies
from tests.support.records.messages import KAFKAS
from tests.support.sizes import size

GOLDEN = golden_bodies()
FULL = [golden for golden in GOLDEN if golden.shape == "full"]
# Versions that change no byte need not be cut up twice.
BODIES = [*{(golden.which.message, golden.body): golden for golden in GOLDEN}.values()]
LAYOUTS = [*{(golden.which.message, golden.body): golden for golden in FULL}.values()]
# Versions of a message are much alike: each is cut and tampered with at other places.
CUT_EVERY = size(fast=5, whole=1)  # bytes
TAMPERED_EVERY = size(fast=13, whole=3)
LENGTHS_EVERY = size(fast=3, whole=1)
MESSAGES = sorted({golden.which.message.__name__ for golden in GOLDEN})
# By the bytes that the length itself takes: a varint, an int16, an int32.
HOSTILE_LENGTHS = {
    1: (b"\xff\xff\xff\xff\x07", b"\xff\xff\xff\xff\x0f", b"\x81\x80\x80\x80\x80\x00"),
    2: (b"\x7f\xff", b"\xff\xfe", b"\x80\x00"),
    4: (b"\x7f\xff\xff\xff", b"\xff\xff\xff\xfe", b"\x80\x00\x00\x00"),
}
MEMORY_MAX_BYTES = 100_000


def each_of(
    frames: Iterable[Golden],
) -> Callable[[Callable[[Golden], None]], Callable[[str], None]]:
    """Of a test of one frame, make one of all frames of a message."""

    def decorate(test: Callable[[Golden], None]) -> Callable[[str], None]:
        @pytest.mark.parametrize("message", MESSAGES)
        def test_of_all(message: str) -> None:
            for golden in frames:
                if golden.which.message.__name__ == message:
                    try:
                        test(golden)
                    except BaseException as error:
                        error.add_note(str(golden))
                        raise

        return test_of_all

    return decorate


def refused(decode: Callable[[Any], Any], frame: Any) -> DecodeError:
    """What decoding raises; a hundred thousand times, for which pytest.raises is too slow."""
    try:
        decode(frame)
    except DecodeError as error:
        return error
    raise AssertionError("it was read")


def test_there_is_a_frame_of_every_message_version_and_shape() -> None:
    found = sorted(f"{golden.which} {golden.shape}" for golden in GOLDEN)
    assert found == sorted(f"{which} {shape}" for which in KAFKAS for shape in SHAPES)


def test_kio_still_writes_these_frames() -> None:
    for name, lines in golden_lines().items():
        assert (FOLDER / name).read_text() == HEAD + "\n".join(lines) + "\n"


@each_of(GOLDEN)
def test_a_foreign_frame_is_read_whole_and_written_back_alike(golden: Golden) -> None:
    which = golden.which
    message, end = decoder(which.message, which.version)(golden.body)
    assert end == len(golden.body)
    assert b"".join(encoder(which.message, which.version)(message)) == golden.body
    assert which.tree.parse(golden.body) == message
    assert which.tree.build(message) == golden.body


@each_of(FULL)
def test_no_field_of_a_full_frame_is_left_at_its_default(golden: Golden) -> None:
    message, _ = decoder(golden.which.message, golden.which.version)(golden.body)
    _assert_filled(message, golden.which.version)


def _assert_filled(message: Any, version: int) -> None:
    for name, field in declaration_of(type(message)).fields.items():
        if version < field.since or (field.until is not None and version > field.until):
            continue
        value = getattr(message, name)
        assert value not in (field.default, None), name
        for inner in value if isinstance(value, list) else [value]:
            if hasattr(type(inner), "__wire__"):
                _assert_filled(inner, version)


@each_of(BODIES)
def test_every_prefix_is_refused_with_the_field_named(golden: Golden) -> None:
    decode = decoder(golden.which.message, golden.which.version)
    frame = memoryview(golden.body)
    for length in range(golden.which.version % CUT_EVERY, len(frame), CUT_EVERY):
        error = refused(decode, frame[:length])
        assert error.path
        assert error.at <= length


@each_of(FULL)
def test_bytes_before_and_after_are_left_alone(golden: Golden) -> None:
    decode = decoder(golden.which.message, golden.which.version)
    message, end = decode(b"head" + golden.body + b"\xff\xff", 4)
    assert end == 4 + len(golden.body)
    assert (message, len(golden.body)) == decode(golden.body)


@each_of(LAYOUTS)
def test_tree_and_compiled_code_refuse_the_same_tampered_frames(golden: Golden) -> None:
    decode = decoder(golden.which.message, golden.which.version)
    tree = golden.which.tree
    body = golden.body
    for position in range(golden.which.version % TAMPERED_EVERY, len(body), TAMPERED_EVERY):
        for byte in (0x00, 0x01, 0x80, 0xFF):
            tampered = body[:position] + bytes([byte]) + body[position + 1 :]
            try:
                expected = tree.parse(tampered)
            except ConstructError:
                assert "compiled code only" not in refused(decode, tampered).why
            else:
                assert decode(tampered)[0] == expected


@each_of(LAYOUTS)
def test_every_hostile_length_is_refused_before_memory_is_taken(golden: Golden) -> None:
    decode = decoder(golden.which.message, golden.which.version)
    body = golden.body
    frames = [
        body[:position] + hostile + body[position + size :]
        for position, size, lengths in _lengths_in(golden)[
            golden.which.version % LENGTHS_EVERY :: LENGTHS_EVERY
        ]
        for hostile in lengths
    ]
    tracemalloc.start()
    try:
        for frame in frames:
            refused(decode, frame)
        assert tracemalloc.get_traced_memory()[1] < MEMORY_MAX_BYTES
    finally:
        tracemalloc.stop()


def _lengths_in(golden: Golden) -> list[tuple[int, int, tuple[bytes, ...]]]:
    """Where the tree reads a length, count or tag count, how many bytes, what to put there."""
    found = []

    def parse_lengthed(node: Lengthed, stream: Any, context: Any, path: str) -> Any:
        size = 1 if node.compact else node.length.sizeof()
        null = () if node.nullable else (b"\0" if node.compact else b"\xff" * size,)
        found.append((stream.tell(), size, HOSTILE_LENGTHS[size] + null))
        return plain_lengthed(node, stream, context, path)

    def parse_tags(node: Tags, stream: Any, context: Any, path: str) -> Any:
        found.append((stream.tell(), 1, HOSTILE_LENGTHS[1]))
        return plain_tags(node, stream, context, path)

    plain_lengthed, plain_tags = Lengthed._parse, Tags._parse
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lengthed, "_parse", parse_lengthed)
        patch.setattr(Tags, "_parse", parse_tags)
        golden.which.tree.parse(golden.body)
    return found
