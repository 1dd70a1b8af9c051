"""EDGE: python -m tests.crash RUNS SEED: everything that `make crash` does.

Sessions of SESSION_RUNS crashes, JOBS at a time, each with a broker of its own, with kafka-python,
confluent-kafka and our own client writing, and topics coming and going. One line a run; exit code 1
if anything is wrong.
"""

from __future__ import annotations

import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tests.crash.session import Session

SESSION_RUNS = 20
FOUND_MAX = 10
DURABILITIES = ("fsync", "page-cache")


def play(seed: int, first: int, runs: int) -> int:
    """One session; prints its lines; returns how many things are wrong."""
    durability = DURABILITIES[first // SESSION_RUNS % len(DURABILITIES)]
    with (
        tempfile.TemporaryDirectory() as directory,
        Session(seed, durability, Path(directory)) as session,
    ):
        for number in range(first, first + runs):
            run = session.crash(number)
            print(f"{run.line}; SEED={seed}" if run.found else run.line, flush=True)
            if run.found:
                return _tell(run.found)
        return _tell(session.finish())


def _tell(found: list[str]) -> int:
    for each in found[:FOUND_MAX]:
        print(f"    WRONG: {each}", flush=True)
    return len(found)


def main(arguments: list[str]) -> int:
    """See the file's docstring."""
    runs, seed = (int(each) for each in arguments)
    jobs = int(os.environ.get("JOBS", "2"))
    starts = range(0, runs, SESSION_RUNS)
    with ProcessPoolExecutor(jobs) as pool:
        sessions = [
            pool.submit(play, seed + first, first, min(SESSION_RUNS, runs - first))
            for first in starts
        ]
        wrong = sum(session.result() for session in as_completed(sessions))
    print(f"{runs} runs, {wrong} violations")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
