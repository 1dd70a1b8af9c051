"""Where our broker answers otherwise than Apache Kafka on purpose, as rows name it.

Each is named by the key of its row in cli/deviations.py, which gives the reason. Two hold for all
rows, and no row names them: ours waits for a moment where Kafka says 51 at once (`51.. ` in a row),
and its messages are its own.
"""

from __future__ import annotations

from typing import NamedTuple


class Ours(NamedTuple):
    """What our broker answers instead.

    Attributes:
        answer: as in a row.
        because: a key of cli/deviations.py.
    """

    answer: str | tuple[str, ...]
    because: str


ZOMBIE = "zombie-fences"
POISON = "poisoned-sequences"
ABORTED_DUPLICATE = "aborted-retry"
LATE_BATCH = "late-batch"
SILENT = "no-transactions"
WILD_MARKER = "wild-coordinator-epoch"
MADE_AGAIN = "made-again"
DELETED_GROUP = "pending-group"
DELETED_OFFSET = "pending-offset"
LISTED = "pending-listed"
LEVEL_0 = "stuck-at-level-0"
AT_ONCE = "coordinator-at-once"
PATTERNS = "patterns-of-bytes"
RESTARTED = "restart"
NUMBERS = "meaningless-numbers"
SESSIONS = "fetch-sessions"
FENCE_WAITS = "fence-waits"
LOST_MARKERS = "lost-markers"
KEYS = (
    *(ZOMBIE, POISON, ABORTED_DUPLICATE, LATE_BATCH, SILENT, WILD_MARKER, MADE_AGAIN),
    *(DELETED_GROUP, DELETED_OFFSET, LISTED, LEVEL_0, AT_ONCE, PATTERNS, RESTARTED, NUMBERS),
    *(SESSIONS, FENCE_WAITS, LOST_MARKERS),
)
