"""`__consumer_offsets` as monitors read it: the same from ours and from a real Kafka.

kminion decodes by franz-go's kmsg: a Go program does so (programs/offsets_topic.go). Burrow has
decoders of its own, for some versions of a value (decodeKeyAndOffset, decodeGroupMetadata in its
kafka_client.go): those that it knows are listed here, and what is written is held against them.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from minibroker.client import Admin, Consumer, OffsetAndMetadata, Producer, TopicPartition

from tests.interop.matrix.environments import EnvironmentMissing, go_module
from tests.support.processes.broker import BrokerProcess
from tests.support.processes.kafka import RealKafka, missing_tools

TIMEOUT_S = 120
BURROW_OFFSETS = {0, 1, 3}
BURROW_GROUPS = {0, 1, 2, 3}


@contextmanager
def ours() -> Iterator[str]:
    with BrokerProcess() as broker:
        yield broker.bootstrap_servers


@contextmanager
def kafka() -> Iterator[str]:
    if (reason := missing_tools()) is not None:
        pytest.skip(reason)
    with RealKafka() as cluster:
        yield cluster.bootstrap_servers


@pytest.mark.interop
@pytest.mark.parametrize("start", [ours, kafka])
async def test_monitors_read_groups_and_positions(start: Callable[[], Any]) -> None:
    try:
        command = go_module("offsets-topic", "offsets_topic.go", "franz_go.mod").command
    except EnvironmentMissing as missing:
        pytest.skip(str(missing))
    with start() as servers:
        await play(servers)
        done = await asyncio.to_thread(decoded, (*command, servers))
    assert done.returncode == 0, done.stderr
    read = [json.loads(each) for each in done.stdout.splitlines()]
    offsets = [
        (each["group"], each["topic"], each.get("partition", 0), each.get("offset", 0))
        for each in read
        if each["kind"] == "offset" and not each.get("deleted")
    ]
    assert sorted(offsets) == [("g", "t", 0, 3), ("h", "t", 1, 5), ("w", "t", 0, 1)]
    notes = {each["metadata"] for each in read if each.get("metadata")}
    assert notes == {"noted"}
    deleted = {each["group"] for each in read if each["kind"] == "offset" and each.get("deleted")}
    assert deleted == {"h"}
    groups = [each for each in read if each["kind"] == "group" and not each.get("deleted")]
    assert any(each["group"] == "w" and each.get("members") == 1 for each in groups)
    # Burrow sees who reads what, and no position: Kafka 4.3 writes them in a version of 2025.
    assert {each["version"] for each in groups} <= BURROW_GROUPS
    versions = {each["version"] for each in read if each["kind"] == "offset" and "offset" in each}
    assert versions == {4}
    assert not versions & BURROW_OFFSETS


def decoded(command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


async def play(servers: str) -> None:
    """Positions of three groups, one with a member, one that is removed."""
    async with Admin(servers) as admin:
        await admin.create_topic("t", num_partitions=2)
        noted = OffsetAndMetadata(3, "noted")
        await admin.alter_group_offsets("g", {TopicPartition("t", 0): noted})
        await admin.alter_group_offsets("h", {TopicPartition("t", 1): 5})
        await admin.delete_group("h")
        async with Producer(servers) as producer:
            await producer.send_and_wait("t", b"x", partition=0)
        async with Consumer(
            "t",
            bootstrap_servers=servers,
            group_id="w",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        ) as consumer:
            while not await consumer.getmany(timeout_ms=1_000):
                pass
            await consumer.commit({TopicPartition("t", 0): 1})
