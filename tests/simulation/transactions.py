"""EDGE: transactions on many simulated machines with crashes: `make sim-txn RUNS=3000 SEED=0`.

With fsync everything that was told holds over kill -9, power loss and full disks. With the page
cache it holds over kill -9; power loss is not judged there, for nothing is promised. Besides, power
is lost at every step of the disk in two transactions of one producer, RUNS / 100 times over.
The first run that goes wrong is printed with its seed and its transcript.
"""

from __future__ import annotations

import sys
from functools import partial

from tests.simulation.disk import Campaign, main
from tests.support.transaction_worlds.commit_world import EveryStep
from tests.support.transaction_worlds.transaction_world import TransactionWorld

_transactions = partial(
    Campaign,
    world=TransactionWorld,
    promised="transactions committed",
    again="zombies fenced",
)
CAMPAIGNS = (
    _transactions("fsync: kill -9, power loss, stop", "fsync", ("kill", "power", "stop"), 1),
    _transactions("page-cache: kill -9, stop", "page-cache", ("kill", "stop"), 0.25),
    _transactions("fsync: power loss at every step", "fsync", ("power",), 0.01, world=EveryStep),
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], CAMPAIGNS))
