"""EDGE: many simulated machines, each with crashes of its own: `make sim-disk RUNS=2000 SEED=0`.

With fsync nothing acknowledged may be lost, whether processes are killed or power is. With the page
cache kill -9 may lose nothing either, but power loss must be seen to, or the judge sees nothing.
The first run that goes wrong is printed with its seed and its transcript.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from tests.support.worlds.broker_world import BrokerWorld
from tests.support.worlds.crashing_world import Outcome
from tests.support.worlds.machine import Machine

NEVER = (
    "duplicated: ",
    "invented: ",
    "given out",
    "topic ",
    "stranger",
    "the broker broke",
    "answered -1",
)
TRANSCRIPT_LINES = 60
FOUND_LINES = 10
CHUNK_RUNS = 20


class World(Protocol):
    """What a campaign runs."""

    machine: Machine
    outcome: Outcome

    def run(self) -> Outcome:
        """Let everything happen; returns what is wrong with it."""


@dataclass(frozen=True)
class Campaign:
    """Many runs of one kind.

    Args:
        share: of RUNS.
        loses: whether acknowledged records must be seen to be lost.
        world: makes one from a seed, `durability` and `ends`.
        promised, again: what its outcome calls acknowledged, and retries.
    """

    name: str
    durability: str
    ends: tuple[str, ...]
    share: float
    loses: bool = False
    world: Callable[..., World] = BrokerWorld
    promised: str = "batches acknowledged"
    again: str = "retries answered (0, first offset)"


CAMPAIGNS = (
    Campaign("fsync: kill -9, power loss, stop", "fsync", ("kill", "power", "stop"), 1),
    Campaign("page-cache: kill -9, stop", "page-cache", ("kill", "stop"), 0.25),
    Campaign("page-cache: power loss", "page-cache", ("power",), 0.1, loses=True),
)


@dataclass
class Tally:
    """What came of some runs; `failure` tells the first that went wrong."""

    runs: int = 0
    acknowledged: int = 0
    restarts: int = 0
    power_losses: int = 0
    retries: int = 0
    refused: int = 0
    lost: int = 0
    failure: str = ""

    def add(self, outcome: Outcome) -> None:
        """Count one run."""
        self.runs += 1
        self.acknowledged += outcome.acknowledged
        self.restarts += outcome.restarts
        self.power_losses += outcome.power_losses
        self.retries += outcome.retries
        self.refused += bool(outcome.refused)
        self.lost += outcome.has_lost

    def merge(self, other: Tally) -> None:
        """Count other runs too."""
        self.runs += other.runs
        self.acknowledged += other.acknowledged
        self.restarts += other.restarts
        self.power_losses += other.power_losses
        self.retries += other.retries
        self.refused += other.refused
        self.lost += other.lost
        self.failure = self.failure or other.failure


def run_seeds(campaign: Campaign, seeds: range) -> Tally:
    """Run worlds one after the other, up to the first that goes wrong; their log is not shown."""
    logger = logging.getLogger("minibroker")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        return _run(campaign, seeds)
    finally:
        logger.setLevel(before)  # tests of what is logged may follow in this process


def _run(campaign: Campaign, seeds: range) -> Tally:
    tally = Tally()
    for seed in seeds:
        world = campaign.world(seed, durability=campaign.durability, ends=campaign.ends)
        try:
            outcome = world.run()
        except Exception as error:
            outcome = world.outcome
            outcome.found.append(f"the broker broke: {error!r}")
        tally.add(outcome)
        if is_wrong(campaign, outcome):
            tally.failure = _told(campaign, seed, world)
            break
    return tally


def is_wrong(campaign: Campaign, outcome: Outcome) -> bool:
    """Whether a run of this kind may not end so."""
    if not campaign.loses:
        return bool(outcome.found or outcome.refused)
    return any(kind in each for each in outcome.found for kind in NEVER)


def run_campaign(campaign: Campaign, runs: int, first: int, jobs: int) -> Tally:
    """Run a whole campaign on some processes; print how it went."""
    count = max(1, int(runs * campaign.share))
    began = time.monotonic()
    tally = Tally()
    with ProcessPoolExecutor(jobs) as pool:
        for each in pool.map(partial(run_seeds, campaign), _chunks(first, count)):
            tally.merge(each)
            if tally.failure:
                pool.shutdown(cancel_futures=True)
                break
    took = time.monotonic() - began
    if campaign.loses and not tally.lost and not tally.failure:
        tally.failure = "no acknowledged record was lost: the judge does not see losses"
    print(
        f"{campaign.name}: {tally.runs} runs in {took:.0f} s ({tally.runs / took:.0f}/s), "
        f"{tally.restarts} starts, {tally.power_losses} power losses, {tally.acknowledged} "
        f"{campaign.promised}, {tally.retries} {campaign.again}"
        + (f", lost acknowledged records in {tally.lost} runs" if campaign.loses else "")
        + (f", refused to start in {tally.refused}" if tally.refused else "")
        + (f"\n{tally.failure}" if tally.failure else ""),
        flush=True,
    )
    return tally


def _chunks(first: int, count: int) -> Iterator[range]:
    for begin in range(first, first + count, CHUNK_RUNS):
        yield range(begin, min(begin + CHUNK_RUNS, first + count))


def _told(campaign: Campaign, seed: int, world: World) -> str:
    outcome = world.outcome
    lines = world.machine.transcript[-TRANSCRIPT_LINES:]
    found = [outcome.refused, *outcome.found[:FOUND_LINES]]
    wrong = [f"WRONG, SEED={seed} ({campaign.name}):", *(each for each in found if each)]
    return "\n".join([*wrong, "--- transcript, ms of simulated time ---", *lines])


def main(arguments: list[str], campaigns: Sequence[Campaign] = CAMPAIGNS) -> int:
    """RUNS SEED; returns the exit code."""
    runs, first = (int(each) for each in arguments)
    jobs = int(os.environ.get("JOBS", "2"))
    tallies = [run_campaign(campaign, runs, first, jobs) for campaign in campaigns]
    return 1 if any(tally.failure for tally in tallies) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
