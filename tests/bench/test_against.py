"""When a row counts as slower than before: only where two equal builds do not show the same."""

from __future__ import annotations

import pytest

from tests.bench.against import slower_by
from tests.bench.generator import Measured
from tests.bench.tables import Rounds, per_cpu_s, per_s

EVEN = (1.0, 1.01, 0.99, 1.0, 1.01, 0.99, 1.0, 1.0, 1.0)
WILD = (0.7, 1.4, 0.8, 1.2, 0.9, 1.3, 0.8, 1.1, 1.0)


def rounds_of(ours: float, again: tuple[float, ...]) -> Rounds:
    """Nine rounds in which the build before always does 1000/s at 20 µs."""
    rounds = Rounds()
    for part in again:
        rounds.add("before", Measured(1000, cpu_us=20))
        rounds.add("ours", Measured(1000 * ours, cpu_us=20 / ours))
        rounds.add("again", Measured(1000 * ours * part, cpu_us=20 / (ours * part)))
    return rounds


@pytest.mark.parametrize("figure", [per_s, per_cpu_s])
def test_a_tenth_slower_is_seen_where_equal_builds_are_equal(figure: object) -> None:
    assert slower_by(rounds_of(0.9, EVEN), figure) == pytest.approx(0.9)  # type: ignore[arg-type]


@pytest.mark.parametrize(("ours", "again"), [(0.9, WILD), (0.96, EVEN), (1.2, EVEN)])
def test_chance_and_trifles_are_no_loss(ours: float, again: tuple[float, ...]) -> None:
    assert slower_by(rounds_of(ours, again), per_s) is None


def test_half_the_speed_is_seen_through_wild_rounds() -> None:
    assert slower_by(rounds_of(0.5, WILD), per_s) == pytest.approx(0.5)


def test_a_figure_that_was_not_taken_says_nothing() -> None:
    rounds = Rounds()
    for name in ("before", "ours", "again"):
        rounds.add(name, Measured(1000))
    assert slower_by(rounds, per_cpu_s) is None
