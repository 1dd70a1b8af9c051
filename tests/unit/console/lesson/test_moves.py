"""What has to come of the lesson's moves: the stories people know, and what holds for all."""

from __future__ import annotations

import random
from functools import reduce

import pytest
from minibroker.console.lesson.moves import Mode, Move, Situation, after, refusal


def values(*moves: str) -> str:
    """What the log has to hold after moves: capital letters are aborted or not committed."""
    end = reduce(after, map(Move, moves), Situation())
    return "".join(
        each.value.upper() if each.state in {"open", "aborted"} else each.value for each in end.log
    )


@pytest.mark.parametrize(
    ("moves", "log"),
    [
        ("send send", "xy"),
        ("be-plain send lose-ack send send", "xyyz"),
        ("send lose-ack send send", "xyz"),
        ("be-plain send hold-ack send kill-broker start-broker", "xyy"),
        ("send hold-ack send kill-broker start-broker send", "xyz"),
        ("send hold-ack send restart-producer", "xyy"),
        ("be-session send hold-ack send restart-producer send", "xyz"),
        ("kill-broker send start-broker", "x"),
        ("be-plain kill-broker send lose-ack start-broker", "xx"),
        ("be-transactional send commit send abort send", "xYZ"),
        ("be-transactional send hold-ack send restart-producer send commit", "XYz"),
        ("send start-over", ""),
    ],
)
def test_the_stories(moves: str, log: str) -> None:
    assert values(*moves.split()) == log


@pytest.mark.parametrize(
    ("moves", "move", "why"),
    [
        ("hold-ack send", "send", "waits for the answer to x"),
        ("hold-ack send", "be-plain", "waits for the answer to x"),
        ("kill-broker", "restart-producer", "the broker is not running"),
        ("", "start-broker", "the broker is running"),
        ("", "release-ack", "no acknowledgement is held"),
        ("", "be-idempotent", "it is that already"),
        ("be-transactional send", "be-plain", "a transaction is open"),
        ("", "commit", "no transaction is open"),
        (" ".join(["send"] * 12), "send", "the picture is full"),
    ],
)
def test_what_cannot_be_done_now_says_why(moves: str, move: str, why: str) -> None:
    situation = reduce(after, map(Move, moves.split()), Situation())
    assert why in refusal(situation, Move(move))


def test_whatever_is_pressed_nothing_is_lost_and_only_a_plain_or_new_producer_doubles() -> None:
    chosen = random.Random(7)
    for _ in range(300):
        situation, may_double = Situation(), False
        for _ in range(25):
            move = chosen.choice([each for each in Move if not refusal(situation, each)])
            is_new = move is Move.RESTART_PRODUCER and situation.pending is not None
            may_double |= situation.mode is Mode.PLAIN or is_new
            situation = after(situation, move)
            if move is Move.START_OVER:
                may_double = False
            seen = [each.value for each in situation.log]
            waits = {situation.pending.value} if situation.pending else set()
            sent = {Situation(sent=number).next_value for number in range(situation.sent)}
            assert sent - waits <= set(seen) <= sent
            assert may_double or situation.mode is Mode.PLAIN or len(seen) == len(set(seen))
