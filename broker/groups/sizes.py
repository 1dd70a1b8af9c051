"""What groups hold in memory, in bytes: counted as it comes and goes, bounded by limits.py.

Python's own share of each thing is an estimate, rounded up: strings and bytes have 50 bytes beside
what is in them, an entry of a dict has 100.
Tests: tests/unit/broker/groups/test_joins.py
"""

from __future__ import annotations

from ..limits import GROUPS_BYTES_MAX
from .records import OffsetCommitValue

ENTRY_BYTES = 150  # of a protocol, an id, an assignment: one string or bytes in a dict or tuple
GROUP_OWN_BYTES = 1500  # of a group without members
OFFSET_BYTES = 350  # of a committed offset without its metadata
PENDING_BYTES = 1400  # of one that is pending: it is found by its group and by its producer

Protocols = tuple[tuple[str, bytes], ...]
"""(name, metadata) of each protocol a member offers, the one it likes best first."""


def protocols_bytes(protocols: Protocols) -> int:
    """What a member says."""
    return sum(ENTRY_BYTES + len(name) + len(metadata) for name, metadata in protocols)


def offset_bytes(value: OffsetCommitValue) -> int:
    """What a committed offset takes."""
    return OFFSET_BYTES + len(value.metadata)


def pending_bytes(value: OffsetCommitValue) -> int:
    """What an offset takes while it is pending: never less than once it is committed."""
    return PENDING_BYTES + len(value.metadata)


class Tally:
    """What all groups of a broker hold together."""

    __slots__ = ("count_bytes",)

    def __init__(self) -> None:
        self.count_bytes = 0

    def has_room(self, more_bytes: int) -> bool:
        """Whether so many more may be held."""
        return self.count_bytes + more_bytes <= GROUPS_BYTES_MAX
