"""The loop of killed sessions in small; `make crash KIND=sessions` is the long one."""

from __future__ import annotations

from tests.crash.sessions.__main__ import play_rounds

ROUNDS = 3  # in the third the broker is killed, too


def test_a_program_and_its_broker_are_killed_and_every_line_is_there_once() -> None:
    assert play_rounds("ours", 1, 0, ROUNDS, count=1_000) == 0
