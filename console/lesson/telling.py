"""What the broker noted of a move, in facts and sentences. Pure.

An Attempt is one Produce as the broker saw it: its own verdict, and what became of its answer. The
sentences are made from attempts alone, and `claims` holds what is drawn against the log.
Read next: drawing.py.
Tests: tests/unit/console/lesson/test_telling.py
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from .moves import Entry, Mode, Move, Situation, State

WINDOW = 5  # batches that a broker remembers of a producer in a partition


class Fate(StrEnum):
    """What became of an answer."""

    DELIVERED = "delivered"
    LOST = "lost"
    HELD = "held"
    UNHEARD = "unheard"  # one side was gone before it came


@dataclass(frozen=True, slots=True)
class Attempt:
    """One batch on its way to the broker.

    Attributes:
        producer_id, epoch, sequence: -1 of a producer that is not idempotent.
        verdict: "appended", "duplicate" or another word of ExplainProduce.
        base_offset: of what was stored, now or before; -1 if nothing was.
        reason: the broker's own sentence.
    """

    value: str
    producer_id: int
    epoch: int
    sequence: int
    verdict: str
    base_offset: int
    reason: str
    fate: Fate

    @property
    def is_recognised(self) -> bool:
        """Whether it had been stored before, and was not stored again."""
        return self.verdict == "duplicate"


@dataclass(frozen=True, slots=True)
class Row:
    """What the broker says that it knows of one producer.

    Attributes:
        batches: (sequence, offset) of its newest batches, oldest first: five at most.
    """

    producer_id: int
    epoch: int
    batches: tuple[tuple[int, int], ...]

    @property
    def last_sequence(self) -> int:
        """Of its newest batch; -1 if it has none. A batch of the lesson is one record."""
        return self.batches[-1][0] if self.batches else -1


class Record(Protocol):
    """A record read back; testing.stored.Stored is one."""

    @property
    def offset(self) -> int:
        """Where it stands."""

    @property
    def value(self) -> bytes | None:
        """What it says."""

    @property
    def producer_id(self) -> int:
        """Who sent it; -1 if nobody knows."""

    @property
    def producer_epoch(self) -> int:
        """The epoch of that one; -1 if nobody knows."""

    @property
    def sequence(self) -> int:
        """Its number; -1 if it has none."""

    @property
    def transaction(self) -> Literal["committed", "aborted", "open"] | None:
        """What became of its transaction; None without one."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A situation, and how it came about: all that is drawn.

    Attributes:
        attempts: of the last move; of the one before, if that was one without.
        asked: other requests of the producer in the last move, by API.
        log: read back; of a broker that does not run, what was read last.
        words: what has happened, a sentence each.
        facts: what is claimed, and whether it is so.
    """

    situation: Situation
    move: Move | None
    attempts: Sequence[Attempt]
    asked: Sequence[str]
    log: Sequence[Record]
    table: Sequence[Row]
    words: Sequence[str]
    facts: Mapping[str, bool]

    @property
    def untrue(self) -> list[str]:
        """The claims that do not hold."""
        return [claim for claim, holds in self.facts.items() if not holds]


def claims(situation: Situation, log: Sequence[Record], table: Sequence[Row]) -> dict[str, bool]:
    """What has to be so in this situation, and whether it is.

    Args:
        log: read back.
        table: as the broker tells it.
    """
    expected = situation.log
    read = tuple(Entry((each.value or b"").decode(), _state(each)) for each in log)
    when = "read back" if situation.is_broker_up else "as it was read last"
    facts = {f"the log, {when}, is {listed(expected) if expected else 'empty'}": read == expected}
    counted = Counter(entry.value for entry in expected if entry.state != "aborted")
    found = Counter(entry.value for entry in read if entry.state != "aborted")
    doubled = sorted(value for value, count in counted.items() if count > 1)
    if doubled:
        words = " and ".join(doubled)
        verb = "is" if len(doubled) == 1 else "are"
        is_so = all(found[value] > 1 for value in doubled)
        facts[f"{words} {verb} stored more than once"] = is_so
    elif expected:
        facts["nothing is stored twice"] = all(count == 1 for count in found.values())
    for row in table if situation.is_broker_up else ():
        whose = (row.producer_id, row.epoch)
        written = [
            (each.sequence, each.offset)
            for each in log
            if (each.producer_id, each.producer_epoch) == whose
        ]
        claim = f"what the table has of PID {row.producer_id} are its newest batches in the log"
        facts[claim] = row.batches == tuple(written[-WINDOW:])
    return facts


def listed(entries: Sequence[Entry]) -> str:
    """Entries in words: "x, y (aborted)"; "nothing"."""
    shown = (f"{each.value} ({each.state})" if each.state else each.value for each in entries)
    return ", ".join(shown) or "nothing"


def told(
    move: Move | None, before: Situation, after: Situation, attempts: Sequence[Attempt]
) -> list[str]:
    """What a move has done, a sentence each."""
    words = [*_opening(move, before, after)]
    seen = {entry.value for entry in before.log if entry.state != "aborted"}
    for attempt in attempts:
        words.append(_of_attempt(attempt, is_again=attempt.value in seen))
        seen.add(attempt.value)
    if after.pending is not None and not after.is_broker_up:
        value = after.pending.value
        words.append(f"The producer has no answer to {value}, and tries again until it gets one.")
    return words


def _opening(move: Move | None, before: Situation, after: Situation) -> list[str]:
    pending = before.pending
    match move:
        case None | Move.START_OVER:
            return ["A new topic, and nothing in it. Send something."]
        case Move.SEND:
            if after.pending is not None and not after.is_broker_up:
                return [f"The program sends {after.pending.value}. There is no broker to take it."]
            return []
        case Move.LOSE_ACK:
            return ["The next acknowledgement will be lost on its way to the producer."]
        case Move.HOLD_ACK:
            return ["The next acknowledgement will stand still on the wire until you let it go."]
        case Move.RELEASE_ACK:
            return ["The acknowledgement goes on, and arrives."]
        case Move.KILL_BROKER:
            return [_KILLED]
        case Move.START_BROKER:
            return [_STARTED]
        case Move.RESTART_PRODUCER:
            return _of_successor(before.mode, pending.value if pending else "")
        case Move.COMMIT:
            return [
                "Committed: a marker is in the log, and readers of what is committed see it all."
            ]
        case Move.ABORT:
            return ["Aborted: a marker is in the log. The records stay where they are, unseen."]
    return [_OF_MODES[after.mode]]


_KILLED = "SIGKILL: the broker is gone, with all that it had in memory. The log is on its disk."
_STARTED = (
    "The broker starts and reads its log, and so knows again who has sent what: the table of "
    "sequences is made from it."
)
_OF_MODES = {
    Mode.PLAIN: "Idempotence is off: batches say nothing of who sent them.",
    Mode.IDEMPOTENT: (
        "Idempotence is on: the producer asks for a producer id (PID), and numbers what it sends."
    ),
    Mode.SESSION: (
        "A durable session: what the producer sends is in a directory of its own before it leaves."
    ),
    Mode.TRANSACTIONS: (
        "A transactional id: what is sent from now on is seen when it is committed, or never."
    ),
}


def _of_successor(mode: Mode, pending: str) -> list[str]:
    words = ["SIGKILL: the producer's process is gone. Its successor starts."]
    match mode:
        case Mode.SESSION:
            looked = "It opens the session, asks the broker about the old PID, and reads the log"
            words.append(
                f"{looked}: {pending} is there, not sent again." if pending else f"{looked}."
            )
        case Mode.TRANSACTIONS:
            words.append(
                "It has the same transactional id: the broker fences the one before, and aborts "
                "what that had open."
            )
        case _ if pending:
            under = ", under a new PID" if mode is Mode.IDEMPOTENT else ""
            words.append(f"It cannot know that {pending} was stored, and sends it again{under}.")
    return words


def _of_attempt(attempt: Attempt, *, is_again: bool) -> str:
    value, at = attempt.value, attempt.base_offset
    if attempt.is_recognised:
        happened = (
            f"{value} comes again with the same PID, epoch and sequence {attempt.sequence}. "
            f"The table has that batch: it is answered with the first answer, offset {at}, and "
            "not stored again"
        )
    elif attempt.verdict == "appended" and is_again:
        who = "is of a new PID" if attempt.producer_id >= 0 else "says nothing of who sent it"
        happened = (
            f"{value} comes again. The batch {who}: nothing tells it from a new one, and it is "
            f"appended once more, at offset {at}"
        )
    elif attempt.verdict == "appended":
        happened = f"{value} is appended at offset {at}"
    else:
        happened = f"{value} is refused: {attempt.reason}"
    match attempt.fate:
        case Fate.DELIVERED:
            return f"{happened}; the producer hears of it."
        case Fate.LOST:
            seems = f"To the producer that looks as if {value} had never arrived."
            return f"{happened}; the acknowledgement is lost. {seems}"
        case Fate.HELD:
            return f"{happened}; the acknowledgement stands on the wire."
    return f"{happened}; nobody was left to hear the answer."


def _state(record: Record) -> State:
    return record.transaction or ""
