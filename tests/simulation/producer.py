"""EDGE: many simulated worlds, one after the other: `make sim RUNS=5000 SEED=0`.

    python -m tests.simulation.producer 1 4711      one world again, with what was sent and stored

Three kinds take turns (tests/support/worlds/producer_world.py). Every finding is printed with its
seed.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from minibroker.testing import Acknowledged, Failed, findings

from tests.support.worlds.producer_world import Kind, World

KINDS = tuple(Kind)
SHOWN_MAX = 20
BROKEN = "broken: "  # what the history does not show


@dataclass
class Tally:
    """What came of some worlds.

    Attributes:
        told: how many records were acknowledged, failed for certain, failed in doubt.
        found: what was wrong, with the seed in front.
        virtual_s: time that passed in all worlds.
    """

    worlds: int = 0
    told: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)
    virtual_s: float = 0.0


def kind_of(seed: int) -> Kind:
    """The kind of world a seed makes."""
    return KINDS[seed % len(KINDS)]


def judged(seed: int) -> tuple[World, list[str]]:
    """Let a world happen; returns it, and what was wrong."""
    world = World(seed, kind_of(seed))
    try:
        world.run()
    except AssertionError as error:
        return world, [f"{BROKEN}{error}"]
    sent = world.sent
    found = [f"{each.broken.value}: {each.text}" for each in findings(sent, world.stored)]
    if world.kind is Kind.GENTLE:
        found += [
            f"given up in a gentle world: {each.value!r}: {each.outcome.why}"
            for each in sent
            if isinstance(each.outcome, Failed)
        ]
    found += [f"{BROKEN}{value!r} is stored otherwise" for value in world.altered]
    if not found and world.accumulator.held_bytes:
        found.append(f"{BROKEN}memory of finished batches is not free")
    return world, found


def run_seeds(seeds: Iterable[int], found_max: int = sys.maxsize) -> Tally:
    """Let worlds happen, until `found_max` of them went wrong."""
    tally = Tally()
    for seed in seeds:
        world, found = judged(seed)
        tally.worlds += 1
        tally.virtual_s += world.now_ms / 1000
        for each in world.sent:
            tally.told[_word(each.outcome)] += 1
        tally.found += [f"SEED={seed} {world.kind.name}: {text}" for text in found]
        if len(tally.found) >= found_max:
            break
    return tally


def _word(outcome: Acknowledged | Failed | None) -> str:
    if isinstance(outcome, Acknowledged):
        return "acknowledged"
    if outcome is None:
        return "hanging"
    return "in doubt" if outcome.possibly_persisted else "not stored"


def main() -> int:
    """Run and print."""
    runs, first = int(sys.argv[1]), int(sys.argv[2])
    began = time.perf_counter()
    tally = run_seeds(range(first, first + runs))
    took = time.perf_counter() - began
    for text in tally.found[:SHOWN_MAX]:
        print(text)
    told = ", ".join(f"{count:,} {word}" for word, count in sorted(tally.told.items()))
    print(
        f"{tally.worlds:,} worlds, {tally.virtual_s:,.0f} s of their time in {took:.0f} s "
        f"({tally.worlds / took:.0f} worlds/s); records: {told}; {len(tally.found)} findings"
    )
    return 1 if tally.found else 0


if __name__ == "__main__":
    sys.exit(main())
