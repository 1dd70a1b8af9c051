"""What transactional clients know: versions, codes, what answers mean, and what is under way.

Old clients say first where they will write, and end a transaction at its epoch; those of KIP-890
write at once, and each ending grants the next epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from minibroker.testing import Fate

NONE, OUT_OF_ORDER, BAD_STATE = 0, 45, 48
FENCED = frozenset((47, 90))
ABORTABLE = frozenset((BAD_STATE, 120))
LATER = frozenset((14, 15, 16, 19, 51, 56))  # loading, not available, busy, the disk
REST_MS_MAX = 2_000.0
COMMIT, ABORT = Fate.COMMITTED, Fate.ABORTED


@dataclass(frozen=True)
class Versions:
    """Which versions a client speaks; add is None where partitions are added by what is sent."""

    init: int
    produce: int
    offsets: int
    end: int
    add: int | None = None
    add_offsets: int = 0

    @property
    def bumps(self) -> bool:
        """Whether every ending grants the next epoch."""
        return self.end >= 5

    @property
    def too_late(self) -> frozenset[int]:
        """How a batch is answered whose transaction has ended."""
        return FENCED if self.bumps else FENCED | ABORTABLE


NEW = Versions(init=5, produce=12, offsets=5, end=5)
OLD = Versions(init=4, produce=11, offsets=4, end=4, add=3, add_offsets=3)
OLDER = Versions(init=4, produce=7, offsets=0, end=1, add=0, add_offsets=0)


class Then(Enum):
    """What an answer means for the transaction."""

    GO_ON = auto()
    MUST_ABORT = auto()
    BEATEN = auto()


@dataclass(eq=False)
class Batch:
    """A batch on its way; `is_refused` once the broker has said no for good while it might."""

    partition: int
    values: tuple[bytes, ...]
    wire: bytes
    is_acknowledged: bool = False
    is_refused: bool = False


@dataclass
class Run:
    """The transaction under way."""

    name: str
    begun_ms: float
    begun_wall_ms: float
    begun_starts: int
    added: set[int] = field(default_factory=set)
    batches: list[Batch] = field(default_factory=list)
    is_pipelined: bool = False

    @property
    def open(self) -> list[Batch]:
        """Batches without a yes."""
        return [each for each in self.batches if not each.is_acknowledged]
