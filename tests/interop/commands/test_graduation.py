"""docs/graduate.md played under load: from ours to three nodes of Apache Kafka, nothing lost.

Two producers and two groups are at work. MirrorMaker is killed while it copies and while groups
move, ours is killed, and `graduate` is killed in each of its steps and called again: each at a
moment that is seen, so that none misses. Judged by what was acknowledged, by what each group was
given, and by `compare`. `make graduate` plays it (RATE, SEED, NODES, PAUSE).
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from random import Random
from typing import Any

import pytest
from minibroker.client import Admin

from tests.interop.commands.graduating import (
    GROUPS,
    LOOKING,
    MOVING,
    PARTITIONS,
    SAVING,
    TOPIC,
    Command,
    Group,
    Load,
    close_what_is_left,
    copied,
    described,
    read_to_the_end,
    skip_without_tools,
    tell,
    until,
    until_copied,
)
from tests.support.processes.broker import BrokerProcess
from tests.support.processes.kafka import RealKafka
from tests.support.processes.mirror import Mirror

NODES = int(os.environ.get("NODES", "3"))
SEED = int(os.environ.get("SEED", "1"))
PAUSE_MAX_S = float(os.environ.get("PAUSE", "5"))


@pytest.mark.interop
@pytest.mark.filterwarnings("ignore::DeprecationWarning:importlib.resources")
@pytest.mark.filterwarnings("ignore:read_text is deprecated")
async def test_from_ours_to_three_nodes_under_load(tmp_path: Path) -> None:
    skip_without_tools()
    with (
        BrokerProcess(data_dir=tmp_path / "data", durability="fsync") as ours,
        RealKafka(
            nodes=NODES, heap="512m", settings={"min.insync.replicas": str(min(2, NODES))}
        ) as kafka,
    ):
        await play(ours, kafka.bootstrap_servers, tmp_path / "graduate")
    close_what_is_left()


async def play(ours: BrokerProcess, new: str, directory: Path) -> None:
    """The whole way, with all that may go wrong on it."""
    old = ours.bootstrap_servers
    command, load = Command(old, new, directory), Load()
    groups = [Group(name) for name in GROUPS]
    async with Admin(old) as admin:
        configs = {"retention.ms": "864000000"}
        await admin.create_topic(TOPIC, num_partitions=PARTITIONS, configs=configs)
        before = await described(old)
    for group in groups:
        group.start(old)
    load.start(old)
    await command.kill_behind(directory / "mirror.properties")
    with Mirror(directory / "mirror.properties") as mirror:
        await copy(ours, new, command, mirror, load)
        pause_s = await switch(new, command, load)
        for group in groups:
            await group.stop()
        told = await move(command, mirror)
        mirror_kills = mirror.kills
    assert (told["step"], told["equal"], sorted(told["groups"])) == ("moved", True, [*GROUPS])
    mirrored = told["records"]
    count = await read_to_the_end(load, groups, new, mirrored)
    tell(
        f"{count} records, {mirrored} of them mirrored; pause {pause_s:.2f} s; MirrorMaker was "
        f"killed {mirror_kills} times, ours 2 times, graduate {command.kills} times"
    )
    assert await described(old) == before
    assert await command.compare("--b-goes-on", "--no-groups") == 0  # groups have gone on
    assert (command.kills, mirror_kills) == (5, 3)
    assert pause_s < PAUSE_MAX_S


async def copy(ours: BrokerProcess, new: str, command: Command, mirror: Mirror, load: Load) -> None:
    """Until the mirror has caught up; everything is killed meanwhile."""
    random = Random(SEED)
    await until_copied(new, random.randrange(50, 400), mirror)
    mirror.kill()
    await asyncio.to_thread(ours.kill)
    await asyncio.to_thread(ours.start)
    # Without a mirror, and with records that it has not copied, the command has to wait.
    seen = len(load.acknowledged)
    await until(lambda: len(load.acknowledged) > seen + 20, "what is not mirrored")
    await command.kill_verifying(Path(command.directory, "verified.json"))
    tell("MirrorMaker, ours and graduate were killed")
    mirror.start()
    await until_copied(new, await copied(new) + random.randrange(50, 400), mirror)
    mirror.kill()
    await asyncio.to_thread(ours.kill)
    await asyncio.to_thread(ours.start)
    mirror.start()
    tell("MirrorMaker and ours were killed again")
    assert (await command.run())["step"] == "mirrored"
    tell("caught up")


async def switch(new: str, command: Command, load: Load) -> float:
    """Producers to the new cluster; how long nobody could write."""
    await command.kill_at(LOOKING, "--producers-stopped")
    await load.stop()
    stopped_at = load.newest_at
    assert (await command.run("--producers-stopped"))["step"] == "switched"
    load.start(new)
    await until(lambda: load.first_at > 0, "an acknowledgement of the new cluster")
    pause_s = load.first_at - stopped_at
    tell(f"producers write to the new cluster after {pause_s:.2f} s")
    return pause_s


async def move(command: Command, mirror: Mirror) -> dict[str, Any]:
    """Groups to the new cluster; the mirror and the command are killed on the way."""

    def mirror_again() -> None:
        mirror.kill()
        mirror.start()

    moment = (MOVING, "1", Random(SEED).choice(("before", "behind")))
    await command.kill_at(moment, "--consumers-stopped", meanwhile=mirror_again)
    await command.kill_at((SAVING, "1", "before"), "--consumers-stopped")
    told = await command.run("--consumers-stopped")
    tell("groups are moved")
    return told
