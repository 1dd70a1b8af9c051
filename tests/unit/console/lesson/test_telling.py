"""The lesson's sentences: each says what the broker noted, in the words of the one who reads."""

from __future__ import annotations

from functools import reduce

import pytest
from minibroker.console.lesson.moves import Move, Situation, after
from minibroker.console.lesson.telling import Attempt, Fate, told

PID = 7000


def attempt(
    value: str, verdict: str = "appended", fate: Fate = Fate.DELIVERED, pid: int = PID
) -> Attempt:
    return Attempt(value, pid, 0, 1, verdict, 1, "a gap", fate)


def after_moves(moves: str) -> Situation:
    return reduce(after, map(Move, moves.split()), Situation())


def test_a_lost_acknowledgement_and_a_recognised_retry() -> None:
    before = after_moves("send lose-ack")
    attempts = [attempt("y", fate=Fate.LOST), attempt("y", "duplicate")]
    lost, again = told(Move.SEND, before, after(before, Move.SEND), attempts)
    assert lost == (
        "y is appended at offset 1; the acknowledgement is lost. "
        "To the producer that looks as if y had never arrived."
    )
    assert "the same PID, epoch and sequence 1" in again
    assert again.endswith("and not stored again; the producer hears of it.")


def test_a_batch_without_a_name_is_stored_twice() -> None:
    before = after_moves("be-plain lose-ack")
    attempts = [attempt("x", fate=Fate.LOST, pid=-1), attempt("x", pid=-1)]
    _, again = told(Move.SEND, before, after(before, Move.SEND), attempts)
    assert "nothing tells it from a new one" in again
    assert "says nothing of who sent it" in again


@pytest.mark.parametrize(
    ("moves", "words"),
    [
        ("hold-ack send", "It cannot know that x was stored, and sends it again, under a new PID."),
        ("be-plain hold-ack send", "It cannot know that x was stored, and sends it again."),
        ("be-session hold-ack send", "x is there, not sent again."),
        ("be-session send", "asks the broker about the old PID, and reads the log."),
        ("be-transactional send", "the broker fences the one before"),
    ],
)
def test_what_a_successor_knows(moves: str, words: str) -> None:
    before = after_moves(moves)
    said = told(Move.RESTART_PRODUCER, before, after(before, Move.RESTART_PRODUCER), ())
    assert any(sentence.endswith(words) or words in sentence for sentence in said)


def test_every_move_says_something_unless_its_attempts_do() -> None:
    for moves, move in (
        *((("send"), each) for each in (Move.LOSE_ACK, Move.HOLD_ACK, Move.KILL_BROKER)),
        ("kill-broker", Move.SEND),
        ("kill-broker", Move.START_BROKER),
        ("hold-ack send", Move.RELEASE_ACK),
        ("be-transactional send", Move.COMMIT),
        ("be-transactional send", Move.ABORT),
        ("send", Move.START_OVER),
        *(("be-plain", each) for each in (Move.BE_IDEMPOTENT, Move.BE_SESSION)),
        *(("", each) for each in (Move.BE_PLAIN, Move.BE_TRANSACTIONAL)),
    ):
        before = after_moves(moves)
        assert told(move, before, after(before, move), ()), move
    before = after_moves("")
    refused = told(Move.SEND, before, after(before, Move.SEND), [attempt("x", "refused")])
    assert refused == ["x is refused: a gap; the producer hears of it."]
