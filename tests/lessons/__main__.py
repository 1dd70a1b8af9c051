"""EDGE: `make lessons`: moves at random in the sandbox of the lesson; what is drawn must be so.

    python -m tests.lessons RUNS SEED [AT_ONCE]

Exit code 1 when a claim of a picture does not hold, or a move was not possible as it should be.
"""

from __future__ import annotations

import asyncio
import sys
import time

from tests.lessons.playing import play


async def run(runs: int, seed: int, at_once: int) -> int:
    """Play so many sequences, some at a time; how many were not as told."""
    left = iter(range(seed, seed + runs))
    found: list[str] = []
    moves = done = 0

    async def some() -> None:
        nonlocal moves, done
        for each in left:
            played = await play(each)
            moves, done = moves + played.moves, done + 1
            if not done % 50:
                print(f"{done} sequences, {moves} moves", flush=True)
            found.extend(played.findings)
            for line in played.findings:
                print(line, flush=True)

    await asyncio.gather(*(some() for _ in range(at_once)))
    print(f"{runs} sequences of {moves} moves: {len(found)} not as told", flush=True)
    return len(found)


def main() -> int:
    """See the file's docstring."""
    runs, seed, *more = map(int, sys.argv[1:])
    began = time.monotonic()
    findings = asyncio.run(run(runs, seed, more[0] if more else 2))
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
