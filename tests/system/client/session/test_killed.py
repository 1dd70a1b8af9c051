"""A producer with a durable session dies at every instant, and goes on: once, in order."""

from __future__ import annotations

import asyncio
import signal
from itertools import cycle
from pathlib import Path
from random import Random

import pytest
from minibroker.client import Admin
from minibroker.client.session.instants import Instant
from minibroker.testing import TestBroker

from tests.support.processes import commands
from tests.support.sessions.sending_program import PARTITIONS, TOPIC, value_of

COUNT = 600
DEATHS = 2
BOUND_S = 60.0
PROGRAM = "tests.support.sessions.sending_program"


async def run(*arguments: object) -> tuple[int, list[str]]:
    """Let the program run to its end or death; returns exit code and lines."""
    words = map(str, arguments)
    done = await asyncio.to_thread(commands.run, *words, timeout=BOUND_S, program=PROGRAM)
    return done.returncode, done.stdout.decode().split()


def stored(broker: TestBroker) -> dict[int, list[bytes]]:
    """Values by partition, in order."""
    found: dict[int, list[bytes]] = {number: [] for number in range(PARTITIONS)}
    for record in broker.records(TOPIC):
        found[record.partition].append(record.value or b"")
    return found


@pytest.mark.parametrize(
    ("instant", "durability"), [*zip(Instant, cycle(("fsync", "page-cache")), strict=False)]
)
async def test_it_dies_and_goes_on(instant: Instant, durability: str, tmp_path: Path) -> None:
    random = Random(f"{instant}{durability}")
    async with TestBroker() as broker:
        async with Admin(broker.bootstrap_servers) as admin:
            await admin.create_topic(TOPIC, num_partitions=PARTITIONS)
        given = (broker.bootstrap_servers, tmp_path / "lines.session", durability, COUNT)
        deaths = 0
        for _ in range(DEATHS):
            code, _ = await run(*given, instant, random.randrange(1, 4))
            deaths += code == -signal.SIGKILL
        code, said = await run(*given)
        assert (code, said[-1:]) == (0, ["done"])
        if instant is not Instant.SETTLING:  # passed only where something was left open
            assert deaths, "an instant that is never passed proves nothing"
        expected = {
            place: [value_of(n) for n in range(place, COUNT, PARTITIONS)]
            for place in range(PARTITIONS)
        }
        assert stored(broker) == expected
