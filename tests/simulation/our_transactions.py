"""EDGE: our transactional producer on many simulated machines with crashes: part of `make sim`.

    python -m tests.simulation.our_transactions 3000 0       so many worlds, from this seed on

Judged by minibroker.testing.transaction_findings; nothing may hang. The first run that goes wrong
is printed with its seed and its transcript.
"""

from __future__ import annotations

import sys

from tests.simulation.disk import Campaign, main
from tests.support.transaction_worlds.transaction_world import OurWorld

CAMPAIGNS = (
    Campaign(
        "our producer, fsync: kill -9, power loss, stop",
        "fsync",
        ("kill", "power", "stop"),
        1,
        world=OurWorld,
        promised="transactions committed",
        again="fenced",
    ),
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], CAMPAIGNS))
