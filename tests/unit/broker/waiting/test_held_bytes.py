"""Who takes its answers, and for how much what it holds counts then."""

from __future__ import annotations

from minibroker.broker.limits import HELD_BACK_LOOK_MS, TAKEN_WITHIN_MS, TAKING_SHARE
from minibroker.broker.waiting.held_bytes import Taking

MB = 1_000_000
LOOK_MS = HELD_BACK_LOOK_MS


def test_who_will_soon_have_taken_all_of_it_counts_for_a_part() -> None:
    taking = Taking()
    taking.look(5 * MB, 1_000.0)
    assert taking.counted(8 * MB) == 8 * MB, "nothing is known from the first look"
    pace = 8 * MB * LOOK_MS // TAKEN_WITHIN_MS
    taking.look(5 * MB + pace, 1_000.0 + LOOK_MS)
    assert taking.counted(8 * MB) == 8 * MB // TAKING_SHARE
    assert taking.counted(8 * MB + 1) == 8 * MB + 1, "it takes a little longer"


def test_who_trickles_counts_for_what_it_holds() -> None:
    taking = Taking()
    for look in range(1, 100):
        taking.look(look * 1_000, 1_000.0 * LOOK_MS * look)
        assert taking.counted(MB) == MB


def test_who_stops_counts_again_and_a_look_too_soon_says_nothing() -> None:
    taking = Taking()
    taking.look(0, 1_000.0)
    taking.look(MB, 1_000.0 + LOOK_MS)
    taking.look(MB, 1_000.5 + LOOK_MS)
    assert taking.counted(MB) < MB
    taking.look(MB, 1_000.0 + 2 * LOOK_MS)
    assert taking.counted(MB) == MB
