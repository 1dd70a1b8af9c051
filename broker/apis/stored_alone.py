"""The answer to a Produce whose one batch was stored: its bytes at once, without a message.

Most answers of a broker are of this kind: five numbers, between bytes that are the same each time.
Those are taken from an answer that the compiled encoder has made, so the format stands nowhere
twice. Whoever wants to look into the answer gets it as a message.
Tests: tests/unit/broker/apis/test_stored_alone.py
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import Final, NamedTuple

from ...protocol.codec.compiler import encoder
from ...protocol.connection import Encoded
from ...protocol.messages.produce import (
    PartitionProduceResponse,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from ..limits import ANSWERS_REMEMBERED_MAX

SINCE: Final = 5  # log_start_offset: before it there is one number fewer

Numbers = tuple[int, int, int, int, int]
"""Partition, error code, base offset, log append time and log start offset, in their order."""

_NUMBERS: Final = Struct(">ihqqq")
# No name and no id looks like that: names have no such letters, and ids are shorter.
_SAMPLE: Final[Numbers] = (-2, -3, -5, -7, -11)


class StoredAlone(Encoded):
    """That answer.

    Args:
        version: of the request: SINCE or later.
        topic: where it is stored, as it was asked for.
        numbers: what is told.
    """

    __slots__ = ("_numbers", "_topic", "_topic_id")

    def __init__(self, version: int, topic: TopicProduceData, numbers: Numbers) -> None:
        self._topic, self._topic_id, self._numbers = topic.name, topic.topic_id, numbers
        form = _form(version, topic.name, topic.topic_id)
        self.body = [form.start + _NUMBERS.pack(*numbers) + form.end]

    @property
    def message(self) -> ProduceResponse:
        """The same as a message, made anew each time."""
        return _message(self._topic, self._topic_id, self._numbers)


class _Form(NamedTuple):
    """What stands around the numbers."""

    start: bytes
    end: bytes


@lru_cache(ANSWERS_REMEMBERED_MAX)
def _form(version: int, topic: str, topic_id: bytes) -> _Form:
    whole = b"".join(encoder(ProduceResponse, version)(_message(topic, topic_id, _SAMPLE)))
    start, _, end = whole.partition(_NUMBERS.pack(*_SAMPLE))
    return _Form(start, end)


def _message(topic: str, topic_id: bytes, numbers: Numbers) -> ProduceResponse:
    index, error_code, base_offset, log_append_time_ms, log_start_offset = numbers
    answer = PartitionProduceResponse(
        index=index,
        error_code=error_code,
        base_offset=base_offset,
        log_append_time_ms=log_append_time_ms,
        log_start_offset=log_start_offset,
    )
    found = TopicProduceResponse(name=topic, topic_id=topic_id, partition_responses=[answer])
    return ProduceResponse(responses=[found])
