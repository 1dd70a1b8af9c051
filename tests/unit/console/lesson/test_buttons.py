"""The lesson's buttons: what can be pressed is what the model takes, and says what it will do."""

from __future__ import annotations

from functools import reduce

from minibroker.console.lesson.buttons import Button, Buttons, buttons_of
from minibroker.console.lesson.moves import Mode, Move, Situation, after, refusal


def all_of(buttons: Buttons) -> list[Button]:
    return [
        *buttons.modes,
        *buttons.producer,
        *buttons.wire,
        *buttons.broker,
        buttons.start_over,
    ]


def test_each_move_has_one_button_and_each_button_the_model_s_reason() -> None:
    for mode in Mode:
        situation = Situation(mode)
        buttons = all_of(buttons_of(situation))
        moves = [each.move for each in buttons]
        assert len(moves) == len(set(moves))
        assert set(Move) - set(moves) <= {Move.COMMIT, Move.ABORT}
        assert all(each.why_not == refusal(situation, each.move) for each in buttons)


def test_what_is_on_and_what_comes_next() -> None:
    moves = [Move.SEND, Move.BE_PLAIN, Move.LOSE_ACK]
    buttons = buttons_of(reduce(after, moves, Situation()))
    assert [each.text for each in buttons.modes if each.is_on] == ["Idempotence off"]
    assert [each.move for each in buttons.wire if each.is_on] == [Move.LOSE_ACK]
    assert buttons.producer[0].text == "Send y"
    full = reduce(after, [Move.SEND] * 12, Situation())
    assert buttons_of(full).producer[0].text == "Send"
