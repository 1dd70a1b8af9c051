"""What is worth trying next, for somebody who sees this for the first time. Pure.

Who follows the hints comes from a lost acknowledgement that does no harm to one that does.
Tests: tests/unit/console/lesson/test_hints.py
"""

from __future__ import annotations

from typing import NamedTuple

from .moves import SENT_MAX, Mode, Move, Situation
from .telling import Fate, Shown


class Hint(NamedTuple):
    """A sentence or two about what to press next, and why.

    Attributes:
        move: the button it speaks of first; None if it speaks of several.
    """

    text: str
    move: Move | None = None


def hint(shown: Shown) -> Hint:
    """What to press next."""
    situation = shown.situation
    value = situation.next_value if situation.sent < SENT_MAX else ""
    pending = situation.pending
    if not situation.is_broker_up:
        return _while_away(situation)
    if pending is not None:
        return _while_held(situation.mode, pending.value)
    if not value:
        return Hint("The picture is full. Start over, perhaps as another kind of producer.", _OVER)
    if situation.trouble == "lose":
        return Hint(f"Now send {value}: it will arrive, and its acknowledgement will not.", _SEND)
    if situation.trouble == "hold":
        return Hint(f"Now send {value}: its acknowledgement will stand on the wire.", _SEND)
    if not situation.log:
        return Hint(
            f"Send {value}: it goes to the broker, is stored in the log, and acknowledged.", _SEND
        )
    if any(each.fate is Fate.LOST for each in shown.attempts) and shown.move is Move.SEND:
        return _after_a_loss(situation)
    if situation.mode is Mode.TRANSACTIONS and situation.has_open_transaction:
        text = "What is open is seen by nobody who reads what is committed. Commit it, or abort it."
        return Hint(text, Move.COMMIT)
    if len(situation.log) == 1:
        return Hint(
            f"Now let the next acknowledgement be lost, then send {value}. What will the log hold?",
            Move.LOSE_ACK,
        )
    return _OTHERS[situation.mode]


_SEND, _OVER = Move.SEND, Move.START_OVER


def _while_away(situation: Situation) -> Hint:
    if situation.pending is not None:
        again = "start the broker again, and see what it says to that"
        return Hint(f"{situation.pending.value} is sent again and again: {again}.", _START)
    return Hint(
        "Start the broker again: what will it still know of the batches it had stored? Or send "
        "something into the void first.",
        _START,
    )


_START = Move.START_BROKER


def _while_held(mode: Mode, value: str) -> Hint:
    known = f"{value} is stored, and the producer cannot know."
    if mode is Mode.PLAIN:
        return Hint(f"{known} Kill one of the two: what will be sent again?", Move.KILL_BROKER)
    ends = {
        Mode.IDEMPOTENT: "kill the producer: its successor has a new PID. What will it do?",
        Mode.SESSION: f"kill the producer: its session knows {value}. What will it do?",
        Mode.TRANSACTIONS: "kill the producer, and see what becomes of its transaction.",
    }
    return Hint(f"{known} Let it go, kill the broker, or {ends[mode]}")


def _after_a_loss(situation: Situation) -> Hint:
    value = situation.log[-1].value
    if situation.mode is Mode.PLAIN:
        return Hint(
            f"The program sent {value} once, and it is stored twice. Turn idempotence on, and do "
            "the same again: lose an acknowledgement, then send.",
            Move.BE_IDEMPOTENT,
        )
    if situation.has_open_transaction:
        return Hint(f"{value} is stored once. Commit what is open, or abort it.", Move.COMMIT)
    return Hint(
        f"{value} went over the wire twice, and is stored once: the broker knew PID and sequence. "
        "Turn idempotence off, and do the same again: lose an acknowledgement, then send.",
        Move.BE_PLAIN,
    )


_OTHERS = {
    Mode.PLAIN: Hint(
        "Lose an acknowledgement, or hold one and kill the broker: a record is doubled.",
        Move.LOSE_ACK,
    ),
    Mode.IDEMPOTENT: Hint(
        "Hold an acknowledgement, send, and kill the broker: will it know the batch afterwards? "
        "Then try the same with the producer.",
        Move.HOLD_ACK,
    ),
    Mode.SESSION: Hint(
        "Hold an acknowledgement, send, and kill the producer: its successor looks, then sends.",
        Move.HOLD_ACK,
    ),
    Mode.TRANSACTIONS: Hint(
        "Send two records, kill the producer, and send them again: who sees what?", Move.SEND
    ),
}
