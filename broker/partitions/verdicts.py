"""Why a Produce was answered as it was: the newest verdicts of each partition, and the sentences.

Noting one costs a tuple: the header, what was known of the producer then (an immutable entry of
sequences.py), and the outcome. Words are made when somebody asks (ExplainProduce).
Kept are VERDICTS_KEPT for each of the VERDICT_RINGS_MAX partitions that began to be written last.
Tests: tests/system/commands/test_explain.py
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple, Protocol, TypeAlias

from ...protocol import sequence
from ...protocol.batch.header import BatchHeader
from ...protocol.errors import ErrorCode, Refused
from ..limits import VERDICT_RINGS_MAX, VERDICTS_KEPT
from .sequences import Duplicate, ProducerState, StoredBatch, state_of

Noted: TypeAlias = "tuple[int, int, str, BatchHeader | None, bytes | None, object]"
"""(number, received_at_ms, client id, header, entry of the producer before, outcome)"""
Ring: TypeAlias = "deque[Noted]"


class Ringed(Protocol):
    """What has a ring: a partition."""

    verdicts: Ring | None


class VerdictRings:
    """Opens the rings of a broker's partitions, and drops the oldest beyond the bound."""

    def __init__(self) -> None:
        self.numbers: Iterator[int] = count(1)
        self._owners: dict[Ringed, None] = {}  # in the order in which their rings were opened

    def open(self, owner: Ringed) -> Ring:
        """A ring for a partition that has none."""
        if len(self._owners) >= VERDICT_RINGS_MAX:
            self.close(next(iter(self._owners)))
        self._owners[owner] = None
        ring: Ring = deque(maxlen=VERDICTS_KEPT)
        owner.verdicts = ring
        return ring

    def close(self, owner: Ringed) -> None:
        """Drop the ring of a partition: it is deleted, or has been written to least lately.

        1. a topic of a thousand partitions is deleted  2. kept here, each would stay with its log,
        its index and its producers, until sixteen thousand others have been written to.
        """
        self._owners.pop(owner, None)
        owner.verdicts = None


class Verdict(NamedTuple):
    """One Produce of one partition, explained.

    Attributes:
        expected_sequence: what would have been the next; -1 where any will do, or none counts.
        window: the producer's newest batches as they were then, newest first.
        verdict: "appended", "duplicate" or "refused".
        base_offset: where it lies; -1 if it was refused.
        reason: one plain sentence.
        is_transactional: whether the batch is part of a transaction.
    """

    number: int
    received_at_ms: int
    client_id: str
    producer_id: int
    producer_epoch: int
    first_sequence: int
    records_count: int
    expected_sequence: int
    window: tuple[StoredBatch, ...]
    verdict: str
    code: ErrorCode
    base_offset: int
    reason: str
    is_transactional: bool


def explained(noted: Noted) -> Verdict:
    """What was noted, in words."""
    number, received_at_ms, client_id, header, entry, outcome = noted
    state = None if header is None or entry is None else state_of(header.producer_id, entry)
    expected = _expected(header, state)
    word, code, base_offset = _judgement(outcome)
    return Verdict(
        number,
        received_at_ms,
        client_id,
        header.producer_id if header is not None else -1,
        header.producer_epoch if header is not None else -1,
        header.base_sequence if header is not None else -1,
        header.records_count if header is not None else 0,
        expected,
        state.batches if state is not None else (),
        word,
        code,
        base_offset,
        _reason(header, state, expected, outcome, base_offset),
        header is not None and header.is_transactional,
    )


def _judgement(outcome: object) -> tuple[str, ErrorCode, int]:
    if isinstance(outcome, Refused):
        return "refused", outcome.code, -1
    if isinstance(outcome, Duplicate):
        return "duplicate", ErrorCode.NONE, outcome.base_offset
    base_offset: int = getattr(outcome, "base_offset", -1)
    return "appended", ErrorCode.NONE, base_offset


def _expected(header: BatchHeader | None, state: ProducerState | None) -> int:
    if header is None or state is None or header.producer_id < 0:
        return -1
    if header.producer_epoch != state.producer_epoch or not state.batches:
        return 0
    return sequence.next_of(state.batches[0].last_sequence)


def _reason(
    header: BatchHeader | None,
    state: ProducerState | None,
    expected: int,
    outcome: object,
    offset: int,
) -> str:
    if isinstance(outcome, Refused):
        return _reason_refused(header, state, expected, outcome)
    if isinstance(outcome, Duplicate):
        if outcome.has_other_bytes:
            return (
                f"same numbers, other bytes than the batch at offset {offset}: answered with "
                f"{offset} as a retry that was encoded anew, nothing stored"
            )
        return f"retry of the batch at offset {offset}: answered with {offset}, nothing stored"
    if header is None or header.producer_id < 0:
        return f"no producer id: stored at offset {offset}; a retry would be stored once more"
    first = header.base_sequence
    if state is None:
        return (
            f"the first batch of this producer here, so any sequence will do: stored at offset "
            f"{offset}"
        )
    if header.producer_epoch != state.producer_epoch:
        return (
            f"epoch {header.producer_epoch} follows {state.producer_epoch} and begins with "
            f"sequence 0: stored at offset {offset}"
        )
    return f"sequence {first} is the next: stored at offset {offset}"


def _reason_fenced(header: BatchHeader, state: ProducerState | None, refused: Refused) -> str:
    if state is None or header.producer_epoch == state.producer_epoch:
        # Nothing here speaks against it: the coordinator does.
        return "fenced: its transactional id has another epoch by now"
    if header.producer_epoch > state.producer_epoch:
        return refused.why.removesuffix(".")
    return (
        f"fenced: epoch {header.producer_epoch} is over, epoch {state.producer_epoch} has begun "
        "here (another producer took its place, or its transaction was ended)"
    )


def _reason_refused(
    header: BatchHeader | None, state: ProducerState | None, expected: int, refused: Refused
) -> str:
    name = refused.code.name
    if refused.code is ErrorCode.INVALID_PRODUCER_EPOCH and header is not None:
        return f"{_reason_fenced(header, state, refused)}: refused with {name}"
    if refused.code is not ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER or header is None:
        return f"{refused.why.removesuffix('.')}: refused with {name}"
    first = header.base_sequence
    if state is not None and header.producer_epoch == state.producer_epoch:
        if sequence.add(expected, 0) < first:
            last = first - 1
            missing = f"{expected} is" if last == expected else f"{expected} to {last} are"
            return f"a gap: sequence {first} came, but {missing} missing: refused with {name}"
        kept = len(state.batches)
        return (
            f"sequence {first} lies behind {expected} and is none of the newest {kept} batches: "
            f"too old to be recognised, refused with {name}"
        )
    return f"a new epoch begins with sequence 0, not {first}: refused with {name}"
