"""EDGE: python -m tests.crash.sessions ROUNDS SEED [ours|kafka|kafka-3]: kills of a producer.

ROUNDS programs that send with a durable session are killed, a source after the other, each in a
session of its own; on ours JOBS clusters at a time. One line a round; what is wrong is told with
the seed of its play, whose directory is copied to KEEP; exit code 1 if anything is.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from itertools import count as count_from
from pathlib import Path

from tests.crash.sessions.clusters import Cluster, cluster
from tests.crash.sessions.play import COUNT, Failed, Play

PLAY_ROUNDS = 8  # of one source at most
SESSION_ROUNDS = 50  # of one cluster
KINDS = ("ours", "kafka", "kafka-3")
say = partial(print, flush=True)


def play_rounds(kind: str, seed: int, first: int, rounds: int, count: int = COUNT) -> int:
    """Rounds on a cluster of their own; returns how many things are wrong."""
    durability = ("page-cache", "fsync")[seed % 2]
    with cluster(kind, durability) as running:
        return play_on(running, seed, first, rounds, count)


def play_on(running: Cluster, seed: int, first: int, rounds: int, count: int) -> int:
    """Rounds on this cluster, one source of `count` lines after the other."""
    found: list[str] = []
    number, end = first, first + rounds
    plays = count_from(first)  # one that is done in its first round does not move `number`
    while number < end and not found:
        play_seed = seed * 1_000_000 + next(plays)
        with tempfile.TemporaryDirectory() as directory:
            play = Play(running, play_seed, Path(directory), count)
            asyncio.run(play.prepare())
            try:
                last = min(end, number + PLAY_ROUNDS)
                while number < last and not play.is_done:
                    say(play.round(number))
                    number += not play.is_done  # who is done was not killed
                found = play.finish()
            except Failed as failed:
                found = [str(failed)]
            if found and "KEEP" in os.environ:
                shutil.copytree(directory, Path(os.environ["KEEP"]) / f"play-{play_seed}")
        for each in found:
            say(f"    WRONG, SEED={seed}, play {play_seed}: {each}")
    return len(found)


def main(arguments: list[str]) -> int:
    """See the file's docstring."""
    rounds, seed = (int(each) for each in arguments[:2])
    kind = arguments[2] if arguments[2:] else "ours"
    assert kind in KINDS, f"{kind}: expected one of {', '.join(KINDS)}"
    if kind != "ours":
        wrong = play_rounds(kind, seed, 0, rounds)
    else:
        with ProcessPoolExecutor(int(os.environ.get("JOBS", "2"))) as pool:
            sessions = [
                pool.submit(
                    play_rounds, kind, seed + first, first, min(SESSION_ROUNDS, rounds - first)
                )
                for first in range(0, rounds, SESSION_ROUNDS)
            ]
            wrong = sum(each.result() for each in as_completed(sessions))
    say(f"{rounds} rounds on {kind}, SEED={seed}: {wrong} violations")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
