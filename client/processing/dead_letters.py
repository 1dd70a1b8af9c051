"""A record that cannot be handled, as it goes to the dead letter topic.

Key, value, headers and time are those of the record; six headers more say why, and where it stands.
They have the names of Kafka Streams, so that its tools read them.
Source: KIP-1034, ExceptionHandlerUtils.java.
Tests: tests/unit/client/processing/test_handling.py
"""

from __future__ import annotations

from traceback import format_exception
from typing import Any, Final

from ..fetch.position import ConsumerRecord
from .output import Output

PREFIX: Final = "__streams.errors."
STACK_CHARS_MAX: Final = 8_000  # its end, where it was raised
MESSAGE_CHARS_MAX: Final = 2_000


def dead_letter(topic: str, record: ConsumerRecord[Any, Any], error: BaseException) -> Output:
    """What is sent there for a record."""
    why = {
        "exception": _name_of(type(error)),
        "message": str(error)[:MESSAGE_CHARS_MAX],
        "stacktrace": "".join(format_exception(error))[-STACK_CHARS_MAX:],
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
    }
    told = [(PREFIX + name, _sendable(text)) for name, text in why.items()]
    # A dead letter that is handled again, and fails again, says where it failed last.
    kept = [(name, value) for name, value in record.headers if not name.startswith(PREFIX)]
    return Output(
        topic,
        record.value,
        key=record.key,
        headers=[*kept, *told],
        timestamp_ms=record.timestamp if record.timestamp >= 0 else None,
    )


def _name_of(kind: type[BaseException]) -> str:
    name = kind.__qualname__
    return name if kind.__module__ == "builtins" else f"{kind.__module__}.{name}"


def _sendable(text: str) -> bytes:
    return text.encode(errors="backslashreplace")
