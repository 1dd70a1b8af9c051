"""Compiled code does what the construct tree does, for every message at every version.

Three implementations must agree: the tree, the compiled code, and kio, which is foreign and knows
Kafka's own messages. A message is drawn twice for each of its versions, which differ little;
`make parity` draws it a hundred times.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from minibroker.protocol.codec.compiler import decoder, decoder_in_steps, encoder, encoder_in_steps
from minibroker.protocol.errors import DecodeError, EncodeError
from minibroker.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic

from tests.support.records.kio_messages import kio_bytes, kio_read, kio_type, to_kio
from tests.support.records.messages import KAFKAS, MESSAGES, Versioned, values

R = TypeVar("R")

drawn = settings(
    max_examples=int(os.environ.get("EXAMPLES", "2")),
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.__name__)
def test_tree_compiled_code_and_kio_agree(message: type[Any]) -> None:
    for which in MESSAGES[message]:
        try:
            agree(which)
        except BaseException as error:
            error.add_note(str(which))
            raise


def agree(which: Versioned) -> None:
    """Draw messages of one version."""
    tree = which.tree
    encode = encoder(which.message, which.version)
    decode = decoder(which.message, which.version)
    encode_in_steps = encoder_in_steps(which.message, which.version)
    decode_in_steps = decoder_in_steps(which.message, which.version)
    foreign = kio_type(which) if which in KAFKAS else None

    @drawn
    @given(message=values(tree))
    def check(message: object) -> None:
        written = b"".join(encode(message))
        assert written == tree.build(message)
        assert decode(written) == (message, len(written))
        assert tree.parse(written) == message
        assert b"".join(result_of(encode_in_steps(message))[0]) == written
        assert result_of(decode_in_steps(written, 0))[0] == (message, len(written))
        if foreign is None:
            return
        theirs = to_kio(message, foreign)
        assert written == kio_bytes(theirs)
        assert kio_read(foreign, written) == theirs

    check()


def result_of(steps: Generator[object, None, R]) -> tuple[R, int]:
    """What steps return, and how many there were."""
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value, count
        count += 1


def test_long_messages_are_read_and_written_in_many_steps() -> None:
    message = MetadataRequest(topics=[MetadataRequestTopic(name=str(n)) for n in range(10_000)])
    parts, steps = result_of(encoder_in_steps(MetadataRequest, 1)(message))
    written = b"".join(parts)
    assert written == b"".join(encoder(MetadataRequest, 1)(message))
    assert steps > 30
    (read, _), steps = result_of(decoder_in_steps(MetadataRequest, 1)(written, 0))
    assert read == message
    assert steps > 30


def test_what_is_malformed_is_explained_in_steps_as_well() -> None:
    message = MetadataRequest(topics=[MetadataRequestTopic(name=str(n)) for n in range(1000)])
    written = b"".join(encoder(MetadataRequest, 1)(message))[:-1]
    with pytest.raises(DecodeError):
        result_of(decoder_in_steps(MetadataRequest, 1)(written, 0))
    message.topics = [MetadataRequestTopic(name="x" * 40_000)] * 1000
    with pytest.raises(EncodeError):
        result_of(encoder_in_steps(MetadataRequest, 1)(message))
