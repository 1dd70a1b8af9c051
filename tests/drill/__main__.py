"""EDGE: plants bugs, one at a time, and sees whether the simulations notice: `make drill`.

    python -m tests.drill              all, one after the other, each in a process of its own
    python -m tests.drill BUG          one, in this process

Bugs of the broker must be caught by simulated machines with fsync, those of bugs.py by the ones of
`make sim-disk` and those of transaction_bugs.py by `make sim-txn`; bugs of the client (client.py,
our_transactions.py, processing.py) by the worlds of `make sim`, those of its sessions (sessions.py)
by `make sim-session`. Each hunt must find nothing without a bug.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import NamedTuple

from tests.drill.bugs import BUGS, plant
from tests.drill.transaction_bugs import TRANSACTION_BUGS

MACHINES = 400
COMMITS = 12  # machines that lose power at every step of a commit
WORLDS = 800
NO_BUG_MACHINES = 200
CAUGHT, NOT_CAUGHT = 3, 0
LONGEST_S = 600
NO_BROKER_BUG, NO_PRODUCER_BUG = "none in the broker", "none in the producer"
NO_TRANSACTION_BUG = "none in transactions"
NO_SESSION_BUG = "none in sessions"
NO_BUGS = (NO_BROKER_BUG, NO_TRANSACTION_BUG, NO_PRODUCER_BUG, NO_SESSION_BUG)


class Caught(NamedTuple):
    """How a hunt ended: after how many machines or worlds, and what was found; "" for nothing."""

    runs: int
    of_what: str
    found: str


def names() -> list[str]:
    """The table: every hunt of a drill."""
    from tests.drill import client, our_transactions, processing, sessions  # here: see hunt()

    broker = [NO_BROKER_BUG, *(bug.name for bug in BUGS)]
    transactions = [NO_TRANSACTION_BUG, *(bug.name for bug in TRANSACTION_BUGS)]
    clients = [NO_PRODUCER_BUG, *client.PLANTS, *our_transactions.PLANTS, *processing.PLANTS]
    return [*broker, *transactions, *clients, NO_SESSION_BUG, *sessions.PLANTS]


def hunt(name: str) -> Caught:
    """Plant a bug in this process and run machines, or worlds, until one goes wrong.

    What simulates is imported only then: a bug of the broker must be there before its module is.
    """
    planted = {bug.name: bug for bug in (*BUGS, *TRANSACTION_BUGS)}.get(name)
    if planted is None and name not in (NO_BROKER_BUG, NO_TRANSACTION_BUG):
        from tests.drill import client, our_transactions, processing, sessions

        if name in sessions.PLANTS or name == NO_SESSION_BUG:
            bug = None if name == NO_SESSION_BUG else name
            runs, found = sessions.hunt(bug, NO_BUG_MACHINES if bug is None else MACHINES)
            return Caught(runs, "machines", found)
        if name in processing.PLANTS:
            runs, found = processing.hunt(processing.PLANTS[name], MACHINES)
            return Caught(runs, "worlds", found)
        if name in our_transactions.PLANTS:
            runs, found = our_transactions.hunt(our_transactions.PLANTS[name], MACHINES)
            return Caught(runs, "machines", found)
        runs, found = client.hunt(None if name == NO_PRODUCER_BUG else client.PLANTS[name], WORLDS)
        return Caught(runs, "worlds", found)
    if planted is not None:
        plant(planted)
    from tests.simulation import disk, transactions

    machines = NO_BUG_MACHINES if planted is None else MACHINES
    campaigns = [(disk.CAMPAIGNS[0], machines)]
    if name == NO_TRANSACTION_BUG or planted in TRANSACTION_BUGS:
        campaigns = [(transactions.CAMPAIGNS[0], machines), (transactions.CAMPAIGNS[2], COMMITS)]
    runs = 0
    for campaign, count in campaigns:
        tally = disk.run_seeds(campaign, range(count))
        runs += tally.runs
        if tally.failure:
            return Caught(runs, "machines", tally.failure.splitlines()[1])
    return Caught(runs, "machines", "")


def drill() -> int:
    """Hunt every bug and none, report each; returns the exit code."""
    is_good = True
    for name in names():
        command = [sys.executable, "-m", "tests.drill", name]
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=LONGEST_S, check=False
        )
        as_expected = run.returncode == (NOT_CAUGHT if name in NO_BUGS else CAUGHT)
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
