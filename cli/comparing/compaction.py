"""Records that one log has and the other, compacted, has not: whether compaction may have them.

Pure. Compaction removes a record where a later one of the same key is in the log, and a tombstone
(a record without a value) once delete.retention.ms have passed. So a record that is missing is no
difference if, further on, the log that has it has its key again.
Source: kafka docs, "Log Compaction"; LogCleaner.java.
Tests: tests/unit/cli/comparing/test_compaction.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final, NamedTuple

from ...protocol.batch.runs import Record
from .differences import shown

# Keys that are followed at a time. Of each its digest is kept, and the offset and the beginning of
# the value of its newest record: 250 bytes, so 20 MB for four partitions.
FOLLOWED_MAX: Final = 20_000
COMPACTED: Final = "compacted on the other side: a later record has the same key, or it was deleted"
NOT_FOLLOWED: Final = "compacted on the other side; too many keys to look whether each comes again"


class Gone(NamedTuple):
    """Records that compaction has removed: how many, from which offset to which."""

    records: int
    first: int
    last: int
    why: str


class Lost(NamedTuple):
    """A record that nothing stands for; its value as a cell shows it."""

    offset: int
    value: str | None


class Missing:
    """Records of one side that the other has not.

    Args:
        tombstones_before_ms: those with an earlier timestamp may be gone altogether.
    """

    def __init__(self, tombstones_before_ms: int) -> None:
        self._tombstones_before_ms = tombstones_before_ms
        self._open: dict[bytes, Lost] = {}  # by digest of the key: its newest that is missing
        self._gone: dict[str, Gone] = {}

    @property
    def is_open(self) -> bool:
        """Whether a record is missing whose key has not come again."""
        return bool(self._open)

    def miss(self, record: Record) -> bool:
        """Take one in. Whether compaction can have removed it, as far as is known."""
        if record.key is None:
            return False
        self.saw((record,))
        if record.value is None and record.timestamp < self._tombstones_before_ms:
            self._is_gone(record.offset, COMPACTED)
        elif len(self._open) < FOLLOWED_MAX:
            lost = Lost(record.offset, shown(record.value, None))
            self._open[_digest(record.key)] = lost
        else:
            self._is_gone(record.offset, NOT_FOLLOWED)
        return True

    def saw(self, records: Iterable[Record]) -> None:
        """These come further on in the log that has what is missing."""
        if not self._open:
            return
        for each in records:
            if each.key is not None:
                before = self._open.pop(_digest(each.key), None)
                if before is not None:
                    self._is_gone(before.offset, COMPACTED)

    def lost(self) -> Iterator[Lost]:
        """At the end of the log: those that no later record stands for, in their order."""
        left = sorted(self._open.values(), key=lambda each: each.offset)
        self._open.clear()
        return iter(left)

    def gone(self) -> list[Gone]:
        """What compaction has removed so far, told once."""
        told = [*self._gone.values()]
        self._gone.clear()
        return told

    def _is_gone(self, offset: int, why: str) -> None:
        records, first, last, _ = self._gone.get(why, Gone(0, offset, offset, why))
        self._gone[why] = Gone(records + 1, min(first, offset), max(last, offset), why)


def _digest(key: bytes) -> bytes:
    return blake2b(key, digest_size=16).digest()
