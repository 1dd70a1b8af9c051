"""What two Kafkas differ in: one value each, how many of each kind, and which are by design.

Pure. Of differences without end only the first are kept, all are counted; records that miss in a
row are one difference.
Tests: tests/unit/cli/comparing/test_pairing.py
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

KEPT_MAX: Final = 1_000
SHOWN_BYTES: Final = 24


class Kind(StrEnum):
    """What differs."""

    TOPIC = "topic"  # is on one side only
    PARTITIONS = "partitions"  # their number
    CONFIG = "config"
    START = "start"  # where a log begins
    END = "end"  # where it ends
    RECORD = "record"  # is on one side only
    KEY = "key"
    VALUE = "value"
    HEADERS = "headers"
    TIMESTAMP = "timestamp"
    TIMESTAMP_TYPE = "timestamp-type"
    UNREADABLE = "unreadable"
    POSITION = "position"  # of a group


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same on both sides.

    Args:
        topic: "" where no topic is meant.
        partition: -1 where no partition is meant.
        name: of a property or a group.
        offset: on the first side, or on the second if the first has none; -1 for none.
        last_offset: the last of several records in a row, inclusive.
        a, b: what is there, None for nothing.
        by_design: why it may be so; "" if it may not.
    """

    kind: Kind
    topic: str = ""
    partition: int = -1
    name: str = ""
    offset: int = -1
    last_offset: int = -1
    a: str | None = None
    b: str | None = None
    by_design: str = ""


class Found:
    """Collects differences.

    Attributes:
        kept: the first KEPT_MAX, in the order found; by design or not.
        counts: of all that are not by design, by kind; records in a row count one by one.
    """

    def __init__(self) -> None:
        self.kept: list[Difference] = []
        self.counts: Counter[Kind] = Counter()

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs that should not."""
        return not self.counts

    def add(self, difference: Difference) -> None:
        """Take one in; a record that follows on the one before lengthens that."""
        if not difference.by_design:
            self.counts[difference.kind] += 1
        last = self.kept[-1] if self.kept else None
        if last is not None and _follows(last, difference):
            self.kept[-1] = replace(last, last_offset=difference.last_offset)
        elif len(self.kept) < KEPT_MAX:
            self.kept.append(difference)

    def add_all(self, others: Found) -> None:
        """Take in what was collected elsewhere."""
        self.counts += others.counts
        self.kept += others.kept[: KEPT_MAX - len(self.kept)]


def _follows(last: Difference, new: Difference) -> bool:
    if new.kind not in (Kind.RECORD, Kind.TIMESTAMP_TYPE):
        return False
    same = replace(new, offset=last.offset, last_offset=last.last_offset, a=last.a, b=last.b)
    return (
        same == last
        and new.offset == last.last_offset + 1
        and (new.a is None, new.b is None) == (last.a is None, last.b is None)
    )


def shown(value: bytes | None, other: bytes | None) -> str | None:
    """Bytes as a cell shows them: from shortly before where they part from the other ones."""
    if value is None:
        return None
    if other is None or len(value) <= SHOWN_BYTES:
        return _text(value[:SHOWN_BYTES], is_cut=len(value) > SHOWN_BYTES)
    at = next((i for i, pair in enumerate(zip(value, other, strict=False)) if len({*pair}) > 1), -1)
    at = min(len(value), len(other)) if at < 0 else at
    begin = max(0, at - SHOWN_BYTES // 2)
    part = value[begin : begin + SHOWN_BYTES]
    return f"[{begin}:] " + _text(part, is_cut=begin + SHOWN_BYTES < len(value))


def _text(value: bytes, *, is_cut: bool) -> str:
    return repr(value)[1:] + ("..." if is_cut else "")
