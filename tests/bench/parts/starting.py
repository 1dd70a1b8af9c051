"""EDGE: how long the broker takes to answer, and a health check to say so, as ratios.

Beside them, in the same rounds: importing the libraries a broker needs, and starting Python alone.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.run import Run
from tests.bench.servers import our_broker

IMPORTS = "import asyncio, uvloop, construct, crc32c"
REPEATS = 3  # of each round: a start is short and noisy


def measure_starts(run: Run) -> dict[str, float]:
    """Measure and print; there is nothing of Kafka to compare with."""
    commands = run.commands
    with our_broker("ours", commands, ("--durability", "page-cache")) as broker:
        address = f"{broker.host}:{broker.port}"
        python = str(commands / "python")
        health = [str(commands / "minibroker"), "healthcheck", "--bootstrap-server", address]
        measured: dict[str, Callable[[], float]] = {
            "ready": lambda: _ready(commands),
            "imports": lambda: _command([python, "-c", IMPORTS]),
            "healthcheck": lambda: _command(health),
            "python": lambda: _command([python, "-c", "pass"]),
        }
        for figure in measured.values():
            figure()
        seconds: dict[str, list[float]] = {name: [] for name in measured}
        for _ in range(run.rounds * REPEATS):
            for name, figure in measured.items():
                seconds[name].append(figure())
    ms = {name: statistics.median(each) * 1000 for name, each in seconds.items()}
    run.console.print(
        f"ready {ms['ready']:.0f} ms = {ms['ready'] / ms['imports']:.2f} x `python -c '{IMPORTS}'` "
        f"({ms['imports']:.0f} ms); healthcheck {ms['healthcheck']:.0f} ms = "
        f"{ms['healthcheck'] / ms['python']:.2f} x `python -c pass` ({ms['python']:.0f} ms)\n",
        highlight=False,
    )
    return {}


def _ready(commands: Path) -> float:
    began = time.perf_counter()
    with our_broker("ours", commands, ("--durability", "page-cache")):
        return time.perf_counter() - began


def _command(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began
