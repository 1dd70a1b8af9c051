"""EDGE: a program: it sends numbered lines with a durable session, and goes on where it had died.

    python -m tests.support.sessions.sending_program SERVERS DIRECTORY DURABILITY COUNT [WHEN NTH]

Line n goes to partition n % PARTITIONS of TOPIC with the mark n + 1. With WHEN it kills itself
when that instant (client/session/instants.py) is passed for the NTH time. It prints where it began,
and "done" when everything is confirmed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from minibroker.client import Producer
from minibroker.client.session import instants
from minibroker.client.session.instants import Instant

TOPIC = "lines"
PARTITIONS = 4
SOURCE = "file"
BATCH_BYTES = 1_000
PER_TURN = 40


def value_of(number: int) -> bytes:
    """The line."""
    return b"%06d" % number


def arm(instant: Instant, nth: int) -> None:
    """Die at an instant."""
    left = nth

    def pass_by(passed: Instant) -> None:
        nonlocal left
        left -= passed is instant
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    instants.arm(pass_by)


async def send(servers: str, directory: str, durability: str, count: int) -> None:
    """Send what is left of `count` lines."""
    async with Producer(
        servers,
        session=directory,
        session_durability="fsync" if durability == "fsync" else "page-cache",
        batch_size=BATCH_BYTES,
        linger_ms=2,
    ) as producer:
        begin = producer.session.marks.get(SOURCE, 0)
        assert isinstance(begin, int)
        print(begin, flush=True)
        for number in range(begin, count):
            await producer.send(
                TOPIC,
                value_of(number),
                partition=number % PARTITIONS,
                mark=(SOURCE, number + 1),
            )
            if number % PER_TURN == 0:
                await asyncio.sleep(0)
    print("done", flush=True)


def main() -> None:
    """Run it."""
    servers, directory, durability, count, *armed = sys.argv[1:]
    if armed:
        arm(Instant(armed[0]), int(armed[1]))
    asyncio.run(send(servers, directory, durability, int(count)))


if __name__ == "__main__":
    main()
