"""What becomes of a batch that a dead process left in doubt, and why nobody can say. Values only.

Read next: settling.py, which comes to them.
Tests: tests/unit/client/session/test_settling.py
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, TypeAlias

from ...protocol.errors import ErrorCode
from ..produce.batch import OFFSET_UNKNOWN
from .open_batch import OpenBatch


class Reason(StrEnum):
    """Why it cannot be known whether a batch is stored, or how it could be stored once."""

    GONE = "the partition is gone"
    MADE_AGAIN = "the topic was deleted and made again"
    NOT_ALLOWED = "the broker does not let us look"
    RETENTION = "retention has removed a part of the log in which it may have been"
    COMPACTED = "compaction has removed records of the log among which it may have been"
    TRUNCATED = "the log was truncated: records that were confirmed are lost"
    FORGOTTEN = "the broker knows less of this producer than it has confirmed"
    OVERTAKEN = "it is not in the log, and a batch that was sent behind it is"
    MISFIT = "the broker knows sequences that end inside of it"
    SUPERSEDED = "a later epoch of its producer has written to the partition"
    REFUSED = "the broker refuses its sequence, and does not have it"
    FAILED = "the broker fails whenever it is sent"


class Stored(NamedTuple):
    """It is stored, once, and on all replicas that acks=all asks for.

    Attributes:
        base_offset: of its first record; OFFSET_UNKNOWN where only the fact is known.
        log_append_time_ms: -1 unless the broker stamps records and has told.
    """

    batch: OpenBatch
    base_offset: int = OFFSET_UNKNOWN
    log_append_time_ms: int = -1


class Refused(NamedTuple):
    """It is not stored, and the broker will not have it."""

    batch: OpenBatch
    code: ErrorCode
    message: str


class Anew(NamedTuple):
    """It is not stored, and never can be under its old identity: it may have another one."""

    batch: OpenBatch


class TooLarge(NamedTuple):
    """It is not stored, and in one piece it never will be: to be settled again in pieces.

    The pieces bear its identity and its sequences, and are journaled first. A late request with
    the whole is then either there before the first piece, and found, or does not follow any more.
    """

    batch: OpenBatch


class Unsettled(NamedTuple):
    """Nobody can know; whoever owns the records has to say.

    Attributes:
        text: for people: the records, what is known, what to do.
    """

    batch: OpenBatch
    reason: Reason
    text: str


Outcome: TypeAlias = Stored | Refused | Anew | TooLarge | Unsettled
