"""What `__transaction_state` holds after the same requests: of a real Kafka, and of ours.

Kafka's own kafka-dump-log reads both.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes.kafka import RealKafka, missing_tools, run_tool
from tests.support.transactions.brokers import kafka_peer, our_peer, wait_for_coordinators
from tests.support.transactions.stage import Peer, Stage

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
TOOL = "org.apache.kafka.tools.DumpLogSegments"
RECORD = re.compile(r"key: (\{.*\}) payload: (\{.*\})$")
STATES = ("Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort")

# version of the record, state, epoch, producer id with the one before and the next, version of the
# client, whether it has begun, partitions
HELD = {
    "a": [  # v4 commits with offsets, then a new session aborts
        "v1 Empty 0 a a - 0",
        "v1 Ongoing 0 a a - 0 started A-0",
        "v1 Ongoing 0 a a - 0 started A-0 offsets(g)",
        "v1 PrepareCommit 0 a a - 0 started A-0 offsets(g)",
        "v1 CompleteCommit 0 a a - 0 started",
        "v1 Ongoing 0 a a - 0 started A-0",
        "v1 PrepareAbort 1 a a - 2 started A-0",
        "v1 CompleteAbort 1 a a - 2 started",
        "v1 Empty 2 a a - 2",
    ],
    "b": [  # v5 aborts, then a new session
        "v1 Empty 0 b b - 0",
        "v1 Ongoing 0 b b - 2 started A-1",
        "v1 PrepareAbort 1 b b - 2 started A-1",
        "v1 CompleteAbort 1 b b - 2 started",
        "v1 Empty 2 b b - 2",
    ],
}


@pytest.fixture(params=["kafka", "ours"])
async def peer(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Peer, Path]]:
    """Either broker, and where its logs lie."""
    if request.param == "ours":
        async with our_peer(data_dir=tmp_path, durability="page-cache") as ours:
            yield ours, tmp_path
        return
    with RealKafka() as kafka:
        theirs = kafka_peer(kafka)
        await wait_for_coordinators(theirs)
        yield theirs, kafka.data_dir()


async def test_the_same_records_are_written(peer: tuple[Peer, Path]) -> None:
    broker, data_dir = peer
    stage = Stage(broker, "state")
    try:
        await _play(stage)
        held = await asyncio.to_thread(_held, stage, data_dir)
    finally:
        await stage.close()
    assert held == HELD


async def _play(stage: Stage) -> None:
    await stage.topic(2)
    a, b = await stage.ready(), await stage.ready(tv=2)
    await stage.given(a.add, 0)
    await stage.given(a.produce, 0)
    await stage.given(a.add_offsets, "g")
    await stage.given(stage.groups.commit, a, "g", (0, 1))
    await stage.given(a.commit)
    await stage.given(a.add, 0)
    await stage.given(a.init)
    await stage.given(b.produce, 0, to=1)
    await stage.given(b.abort)
    await stage.given(b.init)


def _held(stage: Stage, data_dir: Path) -> dict[str, list[str]]:
    """The records of each transactional id, by its letter."""
    files = sorted(data_dir.glob("__transaction_state*/*.log"))
    written = ",".join(str(each) for each in files)
    options = ("--transaction-log-decoder", "--files", written)
    said = run_tool(TOOL, *options)
    assert said.returncode == 0, said.stderr
    assert "isvalid: false" not in said.stdout
    held: dict[str, list[str]] = {}
    for line in said.stdout.splitlines():
        found = RECORD.search(line)
        letter = stage.letter_of(json.loads(found[1])["data"]["transactionalId"]) if found else "?"
        if found is not None and letter != "?":
            held.setdefault(letter, []).append(_shown(stage, json.loads(found[2])))
    return held


def _shown(stage: Stage, value: dict[str, Any]) -> str:
    """Everything in a record but its times."""
    data = value["data"]
    parts = sorted(
        stage.shown_part(topic["topic"], index)
        for topic in data["transactionPartitions"] or []
        for index in topic["partitionIds"]
    )
    ids = [data["producerId"], data.get("previousProducerId", -1), data.get("nextProducerId", -1)]
    shown = [
        f"v{value['version']}",
        STATES[data["transactionStatus"]],
        str(data["producerEpoch"]),
        *(stage.who(each) or "-" for each in ids),
        str(data.get("clientTransactionVersion", 0)),
        "started" if data["transactionStartTimestampMs"] > 0 else "",
        *parts,
    ]
    return " ".join(each for each in shown if each)
