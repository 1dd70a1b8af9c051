"""EDGE: a producer with a durable session on simulated machines: `make sim-session RUNS=3000`.

    python -m tests.simulation.sessions 3000 0       so many worlds, from this seed on

Producers die by kill -9 and by power loss, at every step of their disks; brokers crash, forget, and
in some worlds lose what they had confirmed. Every line of the source must be stored exactly once
(tests/support/sessions/session_world.py). The first run that goes wrong is printed with its seed
and its transcript. Sets of names have an order of their own in each Python: here it is always one.
"""

from __future__ import annotations

import os
import sys

from tests.simulation.disk import Campaign, main
from tests.support.sessions.session_world import SessionWorld

CAMPAIGNS = (
    Campaign(
        "a session; the broker with fsync: kill -9, power loss, stop",
        "fsync",
        ("kill", "power", "stop"),
        0.8,
        world=SessionWorld,
        promised="lines",
        again="deaths of producers",
    ),
    Campaign(
        "a session; the broker may lose what it has confirmed",
        "page-cache",
        ("kill", "power"),
        0.2,
        world=SessionWorld,
        promised="lines",
        again="deaths of producers",
    ),
)

if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation.sessions", *sys.argv[1:]])
    sys.exit(main(sys.argv[1:], CAMPAIGNS))
