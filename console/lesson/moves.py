"""What can be done with the producer of the lesson, and what has to come of it. Pure.

    Situation   where producer, wire and broker stand, and what the log has to hold
    refusal     why a move cannot be made now; "" if it can
    after       the situation that a move leads to

Nothing here asks a broker. The sandbox makes the same moves with real processes, and what it reads
from the log must be what stands here: that is what the lesson shows, and what its tests check.
Read next: sandbox.py.
Tests: tests/unit/console/lesson/test_moves.py
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from string import ascii_lowercase
from typing import Literal

SENT_MAX = 12  # what the picture of a log has room for, with some of it doubled
VALUES = ascii_lowercase[23:] + ascii_lowercase[:23]  # x, y, z, a, b ...

State = Literal["", "open", "committed", "aborted"]
"""What has become of a record's transaction; "" if it is in none."""


class Mode(StrEnum):
    """What the producer is asked to be."""

    PLAIN = "plain"
    IDEMPOTENT = "idempotent"
    SESSION = "session"
    TRANSACTIONS = "transactions"


class Move(StrEnum):
    """What can be pressed."""

    SEND = "send"
    LOSE_ACK = "lose-ack"
    HOLD_ACK = "hold-ack"
    RELEASE_ACK = "release-ack"
    KILL_BROKER = "kill-broker"
    START_BROKER = "start-broker"
    RESTART_PRODUCER = "restart-producer"
    COMMIT = "commit"
    ABORT = "abort"
    BE_PLAIN = "be-plain"
    BE_IDEMPOTENT = "be-idempotent"
    BE_SESSION = "be-session"
    BE_TRANSACTIONAL = "be-transactional"
    START_OVER = "start-over"


MODES = {
    Move.BE_PLAIN: Mode.PLAIN,
    Move.BE_IDEMPOTENT: Mode.IDEMPOTENT,
    Move.BE_SESSION: Mode.SESSION,
    Move.BE_TRANSACTIONAL: Mode.TRANSACTIONS,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A record that the log has to hold."""

    value: str
    state: State = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """A record whose acknowledgement the program has not seen.

    Attributes:
        is_stored: it is in the log; the producer cannot know.
        is_held: its acknowledgement stands on the wire.
    """

    value: str
    is_stored: bool = False
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """Where everything stands.

    Attributes:
        trouble: what will happen to the next acknowledgement.
        sent: how many records the program has had to send.
        log: what has to be in it, oldest first.
    """

    mode: Mode = Mode.IDEMPOTENT
    is_broker_up: bool = True
    trouble: Literal["", "lose", "hold"] = ""
    pending: Pending | None = None
    sent: int = 0
    log: tuple[Entry, ...] = ()

    @property
    def next_value(self) -> str:
        """What the program sends next."""
        return VALUES[self.sent]

    @property
    def has_open_transaction(self) -> bool:
        """Whether something is neither committed nor aborted."""
        is_begun = self.mode is Mode.TRANSACTIONS and self.pending is not None
        return is_begun or any(entry.state == "open" for entry in self.log)


def refusal(situation: Situation, move: Move) -> str:
    """Why a move cannot be made now, in words for the one who would make it; "" if it can."""
    pending, is_up = situation.pending, situation.is_broker_up
    needs_broker = "" if is_up else "the broker is not running"
    needs_answer = f"the producer waits for the answer to {pending.value}" if pending else ""
    match move:
        case Move.SEND:
            full = "the picture is full: start over" if situation.sent >= SENT_MAX else ""
            return needs_answer or full
        case Move.LOSE_ACK | Move.HOLD_ACK:
            is_held = pending is not None and pending.is_held
            return "an acknowledgement is held already" if is_held else ""
        case Move.RELEASE_ACK:
            return "" if pending and pending.is_held else "no acknowledgement is held"
        case Move.KILL_BROKER:
            return needs_broker
        case Move.START_BROKER:
            return "the broker is running" if is_up else ""
        case Move.RESTART_PRODUCER:
            return needs_broker
        case Move.COMMIT | Move.ABORT:
            nothing = "" if situation.has_open_transaction else "no transaction is open"
            return nothing or needs_answer or needs_broker
        case Move.START_OVER:
            return ""
    mode = MODES[move]
    if mode is situation.mode:
        return "it is that already"
    is_open = "a transaction is open" if situation.has_open_transaction else ""
    return needs_answer or needs_broker or is_open


def after(situation: Situation, move: Move) -> Situation:
    """What a move leads to, if nothing refuses it."""
    assert not refusal(situation, move), refusal(situation, move)
    match move:
        case Move.SEND:
            pending = Pending(situation.next_value)
            sent = replace(situation, sent=situation.sent + 1, pending=pending)
            return _arrived(sent) if sent.is_broker_up else sent
        case Move.LOSE_ACK:
            return replace(situation, trouble="lose")
        case Move.HOLD_ACK:
            return replace(situation, trouble="hold")
        case Move.RELEASE_ACK:
            return replace(situation, pending=None)
        case Move.KILL_BROKER:
            unheard = replace(situation.pending, is_held=False) if situation.pending else None
            return replace(situation, is_broker_up=False, pending=unheard)
        case Move.START_BROKER:
            started = replace(situation, is_broker_up=True)
            return _arrived(started) if started.pending else started
        case Move.RESTART_PRODUCER:
            return _succeeded(situation)
        case Move.COMMIT:
            return replace(situation, log=_ended(situation.log, "committed"))
        case Move.ABORT:
            return replace(situation, log=_ended(situation.log, "aborted"))
        case Move.START_OVER:
            return Situation(situation.mode)
    return replace(situation, mode=MODES[move])


def _arrived(situation: Situation) -> Situation:
    """The pending record arrives at the broker: once, or more often if its answer is lost."""
    pending = situation.pending
    assert pending is not None
    if not pending.is_stored or situation.mode is Mode.PLAIN:
        state: State = "open" if situation.mode is Mode.TRANSACTIONS else ""
        situation = replace(situation, log=(*situation.log, Entry(pending.value, state)))
        pending = replace(pending, is_stored=True)
    match situation.trouble:
        case "lose":
            return _arrived(replace(situation, trouble="", pending=pending))
        case "hold":
            return replace(situation, trouble="", pending=replace(pending, is_held=True))
    return replace(situation, pending=None)


def _succeeded(situation: Situation) -> Situation:
    """The producer's process is killed, and its successor goes on.

    Without a session it cannot know what of the pending record was stored, and sends it again, as a
    new producer. One with the same transactional id finds the transaction aborted.
    """
    pending = situation.pending
    match situation.mode:
        case Mode.SESSION:
            return replace(situation, pending=None)
        case Mode.TRANSACTIONS:
            return replace(situation, pending=None, log=_ended(situation.log, "aborted"))
    if pending is None:
        return situation
    return _arrived(replace(situation, pending=Pending(pending.value)))


def _ended(log: tuple[Entry, ...], state: State) -> tuple[Entry, ...]:
    return tuple(replace(each, state=state) if each.state == "open" else each for each in log)
