"""What ChildBroker and its child process say to each other: lines of JSON, and values as JSON.

Tests: tests/system/testing/test_child_broker.py
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from ..broker.faults.exchanges import Exchange
    from .stored import Stored

Call: TypeAlias = dict[str, Any]

CONTROL = "control"  # the socket in a broker's directory
LAST_WORDS = "last-words.json"  # what it knew when it ended: counts of faults, history
STDERR = "stderr"
LINE_BYTES_MAX = 256 * 1024 * 1024
_EXCHANGE = (
    "number",
    "received_at_ms",
    "connection",
    "client_id",
    "api",
    "version",
    "about",
    "outcome",
)


class ChildBrokerError(Exception):
    """The child did not start, stop or answer; quotes what it wrote to standard error."""


def line(value: Any) -> bytes:
    """A value as a line."""
    return json.dumps(value).encode() + b"\n"


def plain_record(record: Stored) -> list[Any]:
    """A record as JSON."""
    return [
        record.partition,
        record.offset,
        _text(record.key),
        _text(record.value),
        [(name, _text(value)) for name, value in record.headers],
        record.timestamp,
        record.producer_id,
        record.producer_epoch,
        record.sequence,
        record.transaction,
    ]


def record_of(plain: list[Any]) -> Stored:
    """The record again."""
    from .stored import Stored

    partition, offset, key, value, headers, *rest = plain
    named = [(name, _bytes(text)) for name, text in headers]
    return Stored(partition, offset, _bytes(key), _bytes(value), named, *rest)


def plain_exchange(exchange: Exchange) -> dict[str, Any]:
    """A request and its outcome as JSON."""
    return {name: getattr(exchange, name) for name in _EXCHANGE}


def exchange_of(plain: Mapping[str, Any]) -> Exchange:
    """The request again."""
    from ..broker.faults.exchanges import Exchange

    return Exchange(**plain)


def _text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
