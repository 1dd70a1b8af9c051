"""The way back of docs/graduate.md: from a real Kafka to ours, by the same command, under load.

MirrorMaker writes into ours exactly once: transactions of Connect, its internal topics, its groups.
Beside the topic under load stand those that are not like others: one that Kafka has compacted, one
with records longer than usual and configurations of its own, one with transactions that were
aborted. MirrorMaker, ours and `graduate` are killed, each at a moment that is seen.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest
from minibroker.client import Admin, OffsetAndMetadata, Producer, TopicPartition
from minibroker.client.admin import ConfigResource

from tests.interop.commands.graduating import (
    GROUPS,
    MOVING,
    PARTITIONS,
    SAVING,
    STEP_TIMEOUT_S,
    TOPIC,
    Command,
    Group,
    Load,
    close_what_is_left,
    copied,
    described,
    read_all,
    read_to_the_end,
    skip_without_tools,
    tell,
    until_copied,
    until_told,
)
from tests.support.processes.broker import RUN, BrokerProcess
from tests.support.processes.kafka import RealKafka
from tests.support.processes.mirror import Mirror

SEED = int(os.environ.get("SEED", "1"))
TOPICS = {
    TOPIC: {"retention.ms": "864000000"},
    "users": {
        "cleanup.policy": "compact",
        "segment.ms": "1000",
        "min.cleanable.dirty.ratio": "0.01",
    },
    "large": {"max.message.bytes": "4000000", "compression.type": "zstd", "segment.ms": "60000"},
    "aborted": {"message.timestamp.type": "LogAppendTime", "min.insync.replicas": "1"},
}
CLEANED = {"log.cleaner.backoff.ms": "500"}
KEYS = 7
WRITTEN = 300
START_MS = int(time.time() * 1000) - 60_000


@pytest.mark.interop
@pytest.mark.filterwarnings("ignore::DeprecationWarning:importlib.resources")
@pytest.mark.filterwarnings("ignore:read_text is deprecated")
async def test_from_a_real_kafka_to_ours_under_load(tmp_path: Path) -> None:
    skip_without_tools()
    with (
        RealKafka(heap="512m", settings=CLEANED) as kafka,
        BrokerProcess(data_dir=tmp_path / "data", durability="fsync") as ours,
    ):
        await play(kafka.bootstrap_servers, ours, tmp_path / "graduate")
    close_what_is_left()


async def play(old: str, ours: BrokerProcess, directory: Path) -> None:
    """The whole way, with all that may go wrong on it."""
    random, new = Random(SEED), ours.bootstrap_servers
    command, load = Command(old, new, directory), Load()
    groups = [Group(name) for name in GROUPS]
    await fill(old)
    before = await described(old)
    for group in groups:
        group.start(old)
    load.start(old)
    await command.kill_behind(directory / "mirror.properties")
    with Mirror(directory / "mirror.properties") as mirror:
        for _ in range(2):
            await until_copied(new, await copied(new) + random.randrange(50, 300), mirror)
            tell("copying; MirrorMaker and ours are killed")
            mirror.kill()
            await asyncio.to_thread(ours.kill)
            await asyncio.to_thread(ours.start)
            mirror.start()
        assert (await command.run())["step"] == "mirrored"
        tell("caught up; producers stop")
        await load.stop()
        for side in ("before", "behind"):
            await command.kill_at((SAVING, "1", side), "--producers-stopped")
        assert (await command.run("--producers-stopped"))["step"] == "switched"
        load.start(new)
        for group in groups:
            await group.stop()
        for nth in ("1", "2"):
            await command.kill_at((MOVING, nth, "behind"), "--consumers-stopped")
        told = await command.run("--consumers-stopped")
        mirror_kills = mirror.kills
    assert (told["step"], told["equal"]) == ("moved", True)
    assert sorted(told["groups"]) == sorted([*GROUPS, "readers"])
    mirrored = told["records"]
    count = await read_to_the_end(load, groups, new, mirrored)
    tell(f"{count} records, {mirrored} mirrored; MirrorMaker was killed {mirror_kills} times")
    assert await described(old) == before
    await look_at_what_is_there(old, new)
    assert (command.kills, mirror_kills) == (5, 2)


async def fill(servers: str) -> None:
    """The topics, and what stands in them before anything is mirrored."""
    async with Admin(servers) as admin:
        for name, configs in TOPICS.items():
            count = PARTITIONS if name == TOPIC else 1
            await admin.create_topic(name, num_partitions=count, configs=configs)
        async with Producer(servers, max_request_size=4_000_000) as producer:
            for n in range(WRITTEN):
                value = None if n % 11 == 0 else b"%d" % n
                key = b"%d" % (n % KEYS)
                await producer.send("users", value, key=key, timestamp_ms=START_MS + n)
            await producer.flush()
            for n in range(KEYS):  # by their times (segment.ms) they begin another segment
                key, at_ms = b"%d" % n, START_MS + WRITTEN + 5_000
                await producer.send("users", b"newest", key=key, timestamp_ms=at_ms)
            await producer.send_and_wait("large", b"x" * 3_000_000)
        async with Producer(servers, transactional_id="t", enable_idempotence=True) as producer:
            for n in range(9):
                try:
                    async with producer.transaction():
                        await producer.send("aborted", b"%d" % n)
                        if n % 3 == 0:
                            raise ZeroDivisionError
                except ZeroDivisionError:
                    continue
        await until_compacted(servers)
        await admin.alter_group_offsets(
            "readers",
            {
                TopicPartition("users", 0): OffsetAndMetadata(WRITTEN // 2, "in a gap"),
                TopicPartition("aborted", 0): OffsetAndMetadata(5, ""),
            },
        )


async def until_compacted(servers: str) -> None:
    """Kafka's cleaner has been there: of the keys only the newest records are left."""
    places = [TopicPartition("users", 0)]

    async def is_compacted() -> bool:
        return len(await read_all(servers, places)) < WRITTEN

    await until_told(is_compacted, "the cleaner")


async def look_at_what_is_there(old: str, new: str) -> None:
    """The topics that nobody writes to any more are equal, configurations and positions, too."""
    others = ",".join(name for name in TOPICS if name != TOPIC)
    words = ("compare", old, new, "--by", "order", "--topics", others, "--groups", "readers")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUN, *words, "--json"), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(STEP_TIMEOUT_S):
        out, _ = await process.communicate()
    document = json.loads(out)
    assert (process.returncode, document["differences"]) == (0, [])
    assert {each["kind"] for each in document["by_design"]} <= {"config", "timestamp-type"}
    async with Admin(new) as admin:
        for name, configs in TOPICS.items():
            there = await admin.describe_configs(ConfigResource.topic(name))
            values: Mapping[str, str | None] = {key: there[key].value for key in configs}
            wanted = {k: v for k, v in configs.items() if not k.startswith(("message.", "min."))}
            assert {key: values[key] for key in wanted} == wanted
