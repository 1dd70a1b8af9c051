"""The lesson's hints: there is always one, and they lead to the point."""

from __future__ import annotations

import random
from functools import reduce

from minibroker.console.lesson.hints import hint
from minibroker.console.lesson.moves import Move, Situation, after, refusal
from minibroker.console.lesson.telling import Attempt, Fate, Shown


def shown(*moves: Move, fates: tuple[Fate, ...] = (Fate.DELIVERED,)) -> Shown:
    situation = reduce(after, moves, Situation())
    attempts = [Attempt("y", 7, 0, 1, "appended", 1, "", fate) for fate in fates]
    return Shown(situation, moves[-1] if moves else None, attempts, (), (), (), (), {})


def test_the_way_of_somebody_who_follows_them() -> None:
    assert hint(shown()).text.startswith("Send x")
    assert hint(shown(Move.SEND)).move is Move.LOSE_ACK
    assert hint(shown(Move.SEND, Move.LOSE_ACK)).text.startswith("Now send y")
    lost = (Fate.LOST, Fate.DELIVERED)
    stored_once = hint(shown(Move.SEND, Move.LOSE_ACK, Move.SEND, fates=lost))
    assert "is stored once" in stored_once.text
    assert stored_once.move is Move.BE_PLAIN
    doubled = hint(shown(Move.BE_PLAIN, Move.SEND, Move.LOSE_ACK, Move.SEND, fates=lost))
    assert "is stored twice. Turn idempotence on" in doubled.text
    assert doubled.move is Move.BE_IDEMPOTENT


def test_there_is_always_one_and_it_can_be_followed() -> None:
    chosen = random.Random(3)
    for _ in range(200):
        situation = Situation()
        for _ in range(15):
            move = chosen.choice([each for each in Move if not refusal(situation, each)])
            situation = after(situation, move)
            lost = [Attempt("y", 7, 0, 1, "appended", 1, "", Fate.LOST)]
            for attempts in ((), lost):
                told = hint(Shown(situation, move, attempts, (), (), (), (), {}))
                assert told.text
                if told.move is not None:
                    assert not refusal(situation, told.move), told
