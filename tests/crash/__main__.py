"""EDGE: python -m tests.crash RUNS SEED [KIND]: everything that `make crash` does.

Sessions of SESSION_RUNS crashes, JOBS at a time, each with a broker of its own. KIND is writers:
kafka-python, confluent-kafka and our own client write, and topics come and go; or transactions:
confluent-kafka, aiokafka and a client of KIP-890 run them, before readers of read_committed; or
both, RUNS of each; or sessions: a producer with a durable session is killed (sessions/__main__.py).
One line a run; exit code 1 if anything is wrong.
"""

from __future__ import annotations

import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tests.crash.session import Session
from tests.crash.sessions.__main__ import main as kill_sessions
from tests.crash.transactions.session import TransactionSession

SESSION_RUNS = 20
FOUND_MAX = 10
DURABILITIES = ("fsync", "page-cache")


def play(kind: str, seed: int, first: int, runs: int) -> int:
    """One session; prints its lines; returns how many things are wrong."""
    return KINDS[kind](seed, first, runs)


def play_writers(seed: int, first: int, runs: int) -> int:
    """Each crash is judged before the next one."""
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


def play_transactions(seed: int, first: int, runs: int) -> int:
    """All crashes are judged when no transaction is open any more."""
    durability = DURABILITIES[first // SESSION_RUNS % len(DURABILITIES)]
    with (
        tempfile.TemporaryDirectory() as directory,
        TransactionSession(seed, durability, Path(directory)) as session,
    ):
        for number in range(first, first + runs):
            print(session.crash(number), flush=True)
        found = session.finish()
        if found:
            print(f"    WRONG, SEED={seed} KIND=transactions, in runs {first} to {first + runs}")
        return _tell(found)


KINDS = {"writers": play_writers, "transactions": play_transactions}


def _tell(found: list[str]) -> int:
    for each in found[:FOUND_MAX]:
        print(f"    WRONG: {each}", flush=True)
    return len(found)


def main(arguments: list[str]) -> int:
    """See the file's docstring."""
    if arguments[2:] == ["sessions"]:
        return kill_sessions(arguments[:2])
    runs, seed = (int(each) for each in arguments[:2])
    kinds = [each for each in KINDS if arguments[2:] in ([], ["both"], [each])]
    jobs = int(os.environ.get("JOBS", "2"))
    starts = range(0, runs, SESSION_RUNS)
    with ProcessPoolExecutor(jobs) as pool:
        sessions = [
            pool.submit(play, kind, seed + first, first, min(SESSION_RUNS, runs - first))
            for kind in kinds
            for first in starts
        ]
        wrong = sum(session.result() for session in as_completed(sessions))
    print(f"{runs} runs of {' and of '.join(kinds)}, {wrong} violations")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
