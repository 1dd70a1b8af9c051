"""EDGE: plants bugs, one at a time, and sees whether the simulations notice: `make drill`.

    python -m tests.drill              all, one after the other, each in a process of its own
    python -m tests.drill BUG          one, in this process

Bugs of the broker (bugs.py) must be caught by the machines of `make sim-disk` with fsync, those of
the producer (client.py) by the worlds of `make sim`; each hunt must find nothing without a bug.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import NamedTuple

from tests.drill.bugs import BUGS, plant

MACHINES = 400
WORLDS = 800
NO_BUG_MACHINES = 200
CAUGHT, NOT_CAUGHT = 3, 0
LONGEST_S = 600
NO_BROKER_BUG, NO_PRODUCER_BUG = "none in the broker", "none in the producer"


class Caught(NamedTuple):
    """How a hunt ended: after how many machines or worlds, and what was found; "" for nothing."""

    runs: int
    of_what: str
    found: str


def names() -> list[str]:
    """The table: every hunt of a drill."""
    from tests.drill.client import PLANTS  # here: see hunt()

    return [NO_BROKER_BUG, *(bug.name for bug in BUGS), NO_PRODUCER_BUG, *PLANTS]


def hunt(name: str) -> Caught:
    """Plant a bug in this process and run machines, or worlds, until one goes wrong.

    What simulates is imported only then: a bug of the broker must be there before its module is.
    """
    broker_bugs = {bug.name: bug for bug in BUGS}
    if name != NO_BROKER_BUG and name not in broker_bugs:
        from tests.drill import client

        runs, found = client.hunt(None if name == NO_PRODUCER_BUG else client.PLANTS[name], WORLDS)
        return Caught(runs, "worlds", found)
    if name in broker_bugs:
        plant(broker_bugs[name])
    from tests.simulation.disk import CAMPAIGNS, run_seeds

    tally = run_seeds(CAMPAIGNS[0], range(MACHINES if name in broker_bugs else NO_BUG_MACHINES))
    return Caught(tally.runs, "machines", "".join(tally.failure.splitlines()[1:2]))


def drill() -> int:
    """Hunt every bug and none, report each; returns the exit code."""
    is_good = True
    for name in names():
        command = [sys.executable, "-m", "tests.drill", name]
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=LONGEST_S, check=False
        )
        as_expected = run.returncode == (
            NOT_CAUGHT if name in (NO_BROKER_BUG, NO_PRODUCER_BUG) else CAUGHT
        )
        is_good &= as_expected
        mark = "ok   " if as_expected else "WRONG"
        print(f"{mark} {name:32} {run.stdout.strip() or run.stderr[-2000:]}", flush=True)
    return 0 if is_good else 1


def main(name: str) -> int:
    """Hunt one, tell how it ended; returns the exit code."""
    began = time.monotonic()
    runs, of_what, found = hunt(name)
    took = f"{runs} {of_what}, {time.monotonic() - began:.1f} s"
    print(f"caught after {took}: {found[:110]}" if found else f"nothing found in {took}")
    return CAUGHT if found else NOT_CAUGHT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) if len(sys.argv) > 1 else drill())
