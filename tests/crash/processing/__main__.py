"""EDGE: python -m tests.crash.processing RUNS SEED [SERVERS]: `make process`.

RUNS runs of four workers of process() that are killed at random, each run from a seed of its own,
JOBS at a time; on a broker of ours, or on any Kafka whose SERVERS are named. That one needs
group.min.session.timeout.ms=1000, or SESSION_MS above its own. REPLICATION_FACTOR (1) is that of
the topics. One line a run; exit code 1 if anything is wrong, and the logs of that run are kept.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from tests.crash.processing.run import SESSION_MS, play
from tests.support.processes.broker import BrokerProcess

SETTINGS = {"group.min.session.timeout.ms": "100", "group.initial.rebalance.delay.ms": "0"}


def main(arguments: list[str]) -> int:
    """See the file's docstring."""
    runs, seed = (int(each) for each in arguments[:2])
    folder = Path(tempfile.mkdtemp(prefix="minibroker-process-"))
    seeds = iter(range(seed, seed + runs))
    broker = BrokerProcess(data_dir=folder / "data", durability="page-cache", settings=SETTINGS)
    given = arguments[2:]
    wrong = 0
    with nullcontext() if given else broker:
        servers = given[0] if given else broker.bootstrap_servers
        jobs = int(os.environ.get("JOBS", "2"))
        with ProcessPoolExecutor(jobs) as pool:
            for found in pool.map(partial(_one, servers, folder), seeds):
                wrong += len(found)
    print(f"{runs} runs of process(), {wrong} violations")
    if wrong:
        print(f"what the workers said: {folder}/seed-*")
        return 1
    shutil.rmtree(folder)
    return 0


def _one(servers: str, folder: Path, seed: int) -> list[str]:
    logs = folder / f"seed-{seed}"
    logs.mkdir()
    found, line = asyncio.run(
        play(
            servers,
            seed,
            logs,
            session_ms=int(os.environ.get("SESSION_MS", SESSION_MS)),
            replication_factor=int(os.environ.get("REPLICATION_FACTOR", "1")),
        )
    )
    print(line, flush=True)
    for each in found:
        print(f"    WRONG: {each}", flush=True)
    if not found:
        shutil.rmtree(logs)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
