"""EDGE: plants bugs and sees whether the simulated machines notice: `make drill`.

    python -m tests.drill              all, one after the other, each in a process of its own
    python -m tests.drill BUG          one, in this process; "none" plants nothing

Each bug must be caught within RUNS machines of the fsync campaign of `make sim-disk`; the run
without a bug must find nothing.
"""

from __future__ import annotations

import subprocess
import sys
import time

from tests.drill.bugs import BUGS, plant

RUNS = 400
NO_BUG = "none"
NO_BUG_RUNS = 200
CAUGHT, NOT_CAUGHT = 3, 0
LONGEST_S = 600


def hunt(name: str) -> int:
    """Run machines in this process until one goes wrong; tell how that was noticed."""
    for bug in BUGS:
        if bug.name == name:
            plant(bug)
    from tests.simulation.disk import CAMPAIGNS, run_seeds  # here: a bug must be planted first

    began = time.monotonic()
    tally = run_seeds(CAMPAIGNS[0], range(NO_BUG_RUNS if name == NO_BUG else RUNS))
    took = f"{tally.runs} machines, {time.monotonic() - began:.1f} s"
    if not tally.failure:
        print(f"nothing found in {took}")
        return NOT_CAUGHT
    found = tally.failure.splitlines()[1]
    print(f"caught after {took}: {found[:110]}")
    return CAUGHT


def drill() -> int:
    """Hunt every bug and none; returns the exit code."""
    names = [NO_BUG, *(bug.name for bug in BUGS)]
    is_good = True
    for name in names:
        command = [sys.executable, "-m", "tests.drill", name]
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=LONGEST_S, check=False
        )
        expected = NOT_CAUGHT if name == NO_BUG else CAUGHT
        is_good &= run.returncode == expected
        mark = "ok   " if run.returncode == expected else "WRONG"
        print(f"{mark} {name:28} {run.stdout.strip() or run.stderr[-2000:]}", flush=True)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(hunt(sys.argv[1]) if len(sys.argv) > 1 else drill())
