"""What a journal holds: the values that are appended to it, and what they are about.

A group of entries is appended, and read back, whole or not at all. A Floor (open_batch.py) is one,
too: it stands before the first batch of a producer id in a partition, or replaces what was known.
What they add up to is journal_state.py, their bytes are journal_codec.py.
Tests: tests/unit/client/session/test_journal_state.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from ..partitions import NO_EPOCH
from .open_batch import Floor, OpenBatch

Source: TypeAlias = str | None
"""Where records come from; None for the one that has no name."""
Position: TypeAlias = int | str | bytes
"""How far a source has been read."""

OFFSET_UNKNOWN: Final = -1


class Identity(NamedTuple):
    """A producer id, from here on in use for what is new. An entry.

    Args:
        producer_epoch: the one it was given with; lanes may raise their own.
        transactional_id: whose it is; None for nobody's.
    """

    producer_id: int
    producer_epoch: int
    transactional_id: str | None = None


@dataclass(frozen=True, slots=True)
class RefusedBatch:
    """A batch that was refused for good, kept until it is taken.

    Args:
        code: Kafka's error code.
    """

    batch: OpenBatch
    code: int
    message: str


class Confirmation(NamedTuple):
    """A batch is stored.

    Args:
        base_offset: of its first record; -1 where only the fact is known.
        leader_epoch: of the leader that said so; -1 if unknown.
    """

    number: int
    base_offset: int = OFFSET_UNKNOWN
    leader_epoch: int = NO_EPOCH


@dataclass(frozen=True, slots=True)
class Cut:
    """Everything sent so far, closed and stamped, with the newest position of each source."""

    marks: Mapping[Source, Position]
    batches: tuple[OpenBatch, ...]


@dataclass(frozen=True, slots=True)
class Restamped:
    """A batch gets another identity; certain is that nothing of it was stored under the old one."""

    number: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    wire: bytes


@dataclass(frozen=True, slots=True)
class Split:
    """Pieces take the place of a batch, under its sequences, in order, with numbers of theirs."""

    number: int
    pieces: tuple[OpenBatch, ...]


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Batches are stored."""

    batches: tuple[Confirmation, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A batch was refused for good."""

    number: int
    code: int
    message: str


@dataclass(frozen=True, slots=True)
class Taken:
    """Refused batches were handed to the program, and are forgotten."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """People have said what nobody could know: it is stored, and forgotten; or it is not.

    What is not stored stays open, among JournalState.absent, until it is restamped or confirmed.
    """

    number: int
    stored: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a journal has come to: what a rewritten one begins with, and nothing else does.

    Args:
        next_number: of the next batch.
        batches: open, in their order.
        absent: the numbers of those that people said are not stored.
    """

    next_number: int
    identities: tuple[Identity, ...]
    marks: Mapping[Source, Position]
    floors: tuple[Floor, ...]
    batches: tuple[OpenBatch, ...]
    refused: tuple[RefusedBatch, ...]
    absent: tuple[int, ...]


Entry: TypeAlias = (
    Identity | Floor | Cut | Restamped | Split | Confirmed | Refused | Taken | Settled | Snapshot
)
