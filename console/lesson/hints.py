"""What is worth trying next, for somebody who sees this for the first time. Pure.

Tests: tests/unit/console/lesson/test_hints.py
"""

from __future__ import annotations

from .moves import Mode, Move, Situation
from .telling import Fate, Shown


def hint(shown: Shown) -> str:
    """One sentence or two about what to press next, and why."""
    situation = shown.situation
    if not situation.is_broker_up:
        return (
            "Send something into the void, or start the broker again: what will it still know of "
            "the batches it had stored?"
        )
    pending = situation.pending
    if pending is not None:
        return _while_held(situation.mode, pending.value)
    if situation.trouble == "lose":
        return f"Now send {situation.next_value}: its acknowledgement will not arrive."
    if situation.trouble == "hold":
        return f"Now send {situation.next_value}: its acknowledgement will stand on the wire."
    if not situation.log:
        return "Press Send: a record goes to the broker, is stored, and acknowledged."
    if any(each.fate is Fate.LOST for each in shown.attempts) and shown.move is Move.SEND:
        return _after_a_loss(situation)
    if situation.mode is Mode.TRANSACTIONS and situation.has_open_transaction:
        return "What is open is seen by nobody who reads what is committed. Commit it, or abort it."
    if len(situation.log) == 1:
        return "Now let the next acknowledgement be lost, and send again. What will the log hold?"
    return _OTHERS[situation.mode]


def _while_held(mode: Mode, value: str) -> str:
    if mode is Mode.PLAIN:
        return f"{value} is stored, and the producer cannot know. Kill one of the two."
    ends = {
        Mode.IDEMPOTENT: "kill the producer: its successor has a new PID. What will it do?",
        Mode.SESSION: f"kill the producer: its session knows {value}. What will it do?",
        Mode.TRANSACTIONS: "kill the producer, and see what becomes of its transaction.",
    }
    known = f"{value} is stored, and the producer cannot know."
    return f"{known} Let it go, kill the broker, or {ends[mode]}"


def _after_a_loss(situation: Situation) -> str:
    value = situation.log[-1].value
    if situation.mode is Mode.PLAIN:
        return (
            f"{value} was sent once by the program, and is stored twice. Turn idempotence on, "
            "start over, and do the same again."
        )
    return (
        f"{value} went over the wire twice, and is stored once: the broker knew PID and sequence. "
        "Turn idempotence off and do the same, or hold an acknowledgement and kill the broker."
    )


_OTHERS = {
    Mode.PLAIN: "Lose an acknowledgement, or hold one and kill the broker: a record is doubled.",
    Mode.IDEMPOTENT: "Hold an acknowledgement, and kill the broker or the producer.",
    Mode.SESSION: "Hold an acknowledgement, kill the producer: its successor looks, then sends.",
    Mode.TRANSACTIONS: "Send two records, kill the producer, and send them again: who sees what?",
}
