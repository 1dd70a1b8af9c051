"""EDGE: our transactions, and process(), in many simulated worlds with crashes: part of `make sim`.

    python -m tests.simulation.our_transactions 3000 0       so many worlds, from this seed on

Two thirds are of the producer's transactions, judged by minibroker.testing.transaction_findings,
one third of workers of process(); nothing may hang. The first run that goes wrong is printed with
its seed and its transcript.
"""

from __future__ import annotations

import sys

from tests.simulation.disk import Campaign, main
from tests.support.process_worlds.process_world import ProcessWorld
from tests.support.transaction_worlds.transaction_world import OurWorld

PROCESSING = Campaign(
    "workers of process(), fsync: kill -9, power loss, stop",
    "fsync",
    ("kill", "power", "stop"),
    1 / 3,
    world=ProcessWorld,
    promised="records handled",
    again="workers fenced",
)
CAMPAIGNS = (
    Campaign(
        "our producer, fsync: kill -9, power loss, stop",
        "fsync",
        ("kill", "power", "stop"),
        2 / 3,
        world=OurWorld,
        promised="transactions committed",
        again="fenced",
    ),
    PROCESSING,
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], CAMPAIGNS))
