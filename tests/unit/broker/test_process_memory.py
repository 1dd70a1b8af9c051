"""A broker's process looks for garbage among all its objects seldom."""

import gc
from collections.abc import Iterator

import pytest
from minibroker.broker.process_memory import collect_rarely

OBJECTS = 500_000  # of a few requests of a megabyte


@pytest.fixture
def looked_at_all() -> Iterator[list[int]]:
    """One for each time that everything was looked at."""
    before, looked = gc.get_threshold(), []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and info["generation"] == 2:
            looked.append(1)

    gc.callbacks.append(note)
    yield looked
    gc.callbacks.remove(note)
    gc.set_threshold(*before)
    gc.unfreeze()


def test_long_requests_do_not_have_everything_looked_through(looked_at_all: list[int]) -> None:
    gc.collect()
    collect_rarely()
    looked_at_all.clear()
    held = [[] for _ in range(OBJECTS)]  # type: ignore[var-annotated]
    assert len(held) == OBJECTS
    assert not looked_at_all


def test_what_is_in_a_cycle_is_found_young(looked_at_all: list[int]) -> None:
    collect_rarely()
    cycle: list[object] = []
    cycle.append(cycle)
    found: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        found.append(info.get("collected", 0))

    gc.callbacks.append(note)
    try:
        del cycle
        held = [[] for _ in range(20_000)]  # type: ignore[var-annotated]
    finally:
        gc.callbacks.remove(note)
    assert held
    assert sum(found) >= 1
    assert not looked_at_all
