"""What a handler gives and is told: Output, and Progress; values only.

Tests: tests/unit/client/processing/test_handling.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..door.door import Headers
from ..partitions import TopicPartition


@dataclass(frozen=True, slots=True)
class Output:
    """A record to send; as the arguments of Producer.send, whose serializers apply."""

    topic: str
    value: Any = None
    key: Any = field(default=None, kw_only=True)
    headers: Headers | None = field(default=(), kw_only=True)
    partition: int | None = field(default=None, kw_only=True)
    timestamp_ms: float | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far process() has come since it was called.

    Attributes:
        records: read, in batches that are committed.
        outputs: sent in them, dead letters not counted.
        dead_letters: sent in them.
        batches: committed; of one whose commit was not answered in time nobody knows, and what is
            in it is counted nowhere.
        aborted: batches given up; what is in them is read again, here or by another worker.
        lag: of each partition read here, how many offsets lie between its position and its end, as
            of the newest fetch; left out where that is not known yet.
        problem: why the newest of the aborted batches was; "" if none was.
    """

    records: int = 0
    outputs: int = 0
    dead_letters: int = 0
    batches: int = 0
    aborted: int = 0
    lag: Mapping[TopicPartition, int] = field(default_factory=dict)
    problem: str = ""
