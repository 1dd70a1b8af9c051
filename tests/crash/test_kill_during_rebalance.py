"""kill -9 the broker while members come and go and commit; restart it; nothing told is lost.

A group of steady members for each client, and now and then one more that joins and leaves, so that
a kill finds a rebalance or a commit under way. Judged are only the commits that were acknowledged,
and what the broker says of its groups after the restart: every commit is there or surpassed, every
group is stable with its steady members alone within its session timeout, in which the broker finds
out who has not outlived the kill, and two heartbeats, in which the others join again.
One line per run; RUNS sets how many (make crash).
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path

import pytest
from minibroker.client import Producer

from tests.crash.group_members import (
    HEARTBEAT_MS,
    MEMBERS,
    SESSION_TIMEOUT_MS,
    Acknowledged,
)
from tests.support.groups.group_facts import committed_offsets, describe_group
from tests.support.processes.broker import BrokerProcess

RUNS = int(os.environ.get("RUNS", "30"))
TOPIC = "work"
PARTITIONS = 12
RECORDS = 200_000  # more than are read before the end of a run
STEADY = 3
COMMITS = 20
PROGRESS_S = 60.0
LOOK_S = 0.05

pytestmark = pytest.mark.crash


@pytest.mark.parametrize("run", range(RUNS))
def test_kill_during_rebalance(
    run: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    durability = ("fsync", "page-cache")[run % 2]
    settings = {"num.partitions": str(PARTITIONS)}
    with BrokerProcess(
        data_dir=tmp_path / "data", durability=durability, settings=settings
    ) as broker:
        asyncio.run(_fill(broker.bootstrap_servers))
        line = asyncio.run(_play(broker, random.Random(run)))
    with capsys.disabled():
        print(f"\nrun {run}: {durability}, {line}")


async def _fill(servers: str) -> None:
    async with Producer(servers) as producer:
        for partition in range(PARTITIONS):
            await producer.send_many(TOPIC, [b"x"] * (RECORDS // PARTITIONS), partition=partition)


async def _play(broker: BrokerProcess, chance: random.Random) -> str:
    acknowledged = {name: Acknowledged() for name in MEMBERS}
    stopped = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for name, member in MEMBERS.items():
            for _ in range(STEADY):
                tasks.create_task(
                    member(broker.bootstrap_servers, TOPIC, name, stopped, acknowledged[name])
                )
        coming_and_going = tasks.create_task(_come_and_go(broker, chance, acknowledged))
        try:
            await _progress(acknowledged, "at the start")
            await asyncio.sleep(chance.uniform(0, 1))  # the instant of the kill is the draw
            broker.kill()
            told = {name: dict(each.offsets) for name, each in acknowledged.items()}
            coming_and_going.cancel()
            await asyncio.to_thread(broker.start)
            ready = time.monotonic()
            for name, offsets in told.items():
                kept = await committed_offsets(broker.port, name)
                lost = {
                    at: (told, kept.get(at))
                    for at, told in offsets.items()
                    if kept.get(at, -1) < told
                }
                assert not lost, f"{name}: acknowledged commits are gone: {lost}"
            await asyncio.wait([coming_and_going], timeout=PROGRESS_S)  # who left has left
            took_ms = {name: await _stable_ms(broker, name, ready) for name in MEMBERS}
            await _progress(acknowledged, "after the restart")
        finally:
            stopped.set()
    commits = ", ".join(f"{name} {each.count}" for name, each in acknowledged.items())
    times = ", ".join(f"{name} {ms:.0f} ms" for name, ms in took_ms.items())
    return f"commits acknowledged: {commits}, none lost; stable again after {times}"


async def _come_and_go(
    broker: BrokerProcess, chance: random.Random, acknowledged: dict[str, Acknowledged]
) -> None:
    while True:
        name = chance.choice(list(MEMBERS))
        stopped = asyncio.Event()
        member = asyncio.create_task(
            MEMBERS[name](broker.bootstrap_servers, TOPIC, name, stopped, acknowledged[name])
        )
        try:
            await asyncio.sleep(chance.uniform(0.05, 1.0))
        finally:
            stopped.set()
            await asyncio.shield(member)


async def _stable_ms(broker: BrokerProcess, group: str, since: float) -> float:
    """How long it took until the group is stable with its steady members alone."""
    deadline = time.monotonic() + (SESSION_TIMEOUT_MS + 2 * HEARTBEAT_MS) / 1000
    while True:
        facts = await describe_group(broker.port, group)
        now = time.monotonic()
        if facts.state == "Stable" and len(facts.members) == STEADY:
            return (now - since) * 1000
        assert now < deadline, f"{group} was not stable in time: {facts}"
        await asyncio.sleep(LOOK_S)


async def _progress(acknowledged: dict[str, Acknowledged], when: str) -> None:
    """Wait until every group has committed some more."""
    goals = {name: each.count + COMMITS for name, each in acknowledged.items()}
    deadline = time.monotonic() + PROGRESS_S
    while late := [name for name, goal in goals.items() if acknowledged[name].count < goal]:
        assert time.monotonic() < deadline, f"{when}: {late} do not commit for {PROGRESS_S:g} s"
        await asyncio.sleep(LOOK_S)
