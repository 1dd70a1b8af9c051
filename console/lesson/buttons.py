"""The buttons of the lesson: what stands on each now, and why it cannot be pressed. Pure.

Tests: tests/unit/console/lesson/test_buttons.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .moves import MODES, SENT_MAX, Mode, Move, Situation, refusal


@dataclass(frozen=True, slots=True)
class Button:
    """One button.

    Attributes:
        why_not: why it cannot be pressed now; "" if it can.
        is_on: of those that say how something is: whether it is so.
    """

    move: Move
    text: str
    why_not: str
    kind: str = ""
    is_on: bool = False


@dataclass(frozen=True, slots=True)
class Buttons:
    """All of them, by what they act on."""

    modes: Sequence[Button]
    producer: Sequence[Button]
    wire: Sequence[Button]
    broker: Sequence[Button]
    start_over: Button


_MODES = {
    Move.BE_PLAIN: "Idempotence off",
    Move.BE_IDEMPOTENT: "Idempotence on",
    Move.BE_SESSION: "Durable session",
    Move.BE_TRANSACTIONAL: "Transactions",
}


def buttons_of(situation: Situation) -> Buttons:
    """The buttons in a situation."""

    def button(move: Move, text: str, kind: str = "", *, is_on: bool = False) -> Button:
        return Button(move, text, refusal(situation, move), kind, is_on)

    modes = [
        button(move, text, is_on=MODES[move] is situation.mode) for move, text in _MODES.items()
    ]
    value = situation.next_value if situation.sent < SENT_MAX else ""
    producer = [button(Move.SEND, f"Send {value}".strip(), "primary")]
    if situation.mode is Mode.TRANSACTIONS:
        producer += [button(Move.COMMIT, "Commit"), button(Move.ABORT, "Abort")]
    producer.append(button(Move.RESTART_PRODUCER, "Kill the producer, start it again", "danger"))
    trouble = situation.trouble
    wire = [
        button(Move.LOSE_ACK, "Lose the next acknowledgement", is_on=trouble == "lose"),
        button(Move.HOLD_ACK, "Hold the next acknowledgement", is_on=trouble == "hold"),
        button(Move.RELEASE_ACK, "Let it go"),
    ]
    broker = [
        button(Move.KILL_BROKER, "Kill the broker", "danger"),
        button(Move.START_BROKER, "Start the broker"),
    ]
    return Buttons(modes, producer, wire, broker, button(Move.START_OVER, "Start over"))
