"""What Kafka's own tool for transactions prints, of a real Kafka and of ours."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from tests.support.processes.kafka import missing_tools, run_tool
from tests.support.transactions.playing import HOUSES, kafka_of, ours_of
from tests.support.transactions.stage import Peer, Stage

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
TOOL = "org.apache.kafka.tools.TransactionsCommand"
LISTED = "TransactionalId Coordinator ProducerId TransactionState"
DESCRIBED = (
    "CoordinatorId TransactionalId ProducerId ProducerEpoch TransactionState TransactionTimeoutMs"
    " CurrentTransactionStartTimeMs TransactionDurationMs TopicPartitions"
)
PRODUCERS = (
    "ProducerId ProducerEpoch LatestCoordinatorEpoch LastSequence LastTimestamp"
    " CurrentTransactionStartOffset"
)
HANGING = (
    "Topic Partition ProducerId ProducerEpoch CoordinatorEpoch StartOffset LastTimestamp"
    " Duration(min)"
)
UNKNOWN = (
    "Failed to describe transaction state of transactional-id `nope`: DescribeTransactions request"
    " for transactionalId `nope` failed because the ID could not be found."
)
MORE = " Enable debug logging for additional detail."
VERIFICATION = "transaction.partition.verification.enable"
NO_SCOPE = (
    "The `find-hanging` command requires either --topic or --broker-id to limit the scope of the"
    " search"
)


@pytest.fixture(params=["kafka", "ours"])
async def peer(request: pytest.FixtureRequest) -> AsyncIterator[Peer]:
    """Either broker."""
    house = HOUSES["restarted"]
    async with (kafka_of if request.param == "kafka" else ours_of)(house) as running:
        yield running


async def test_the_tool_prints_what_it_prints_of_kafka(peer: Peer) -> None:
    stage = Stage(peer, "tool")
    try:
        await _told(stage)
        await _ended(stage)
        await _hanging(stage)
    finally:
        await stage.close()
    assert not stage.wrong, "\n".join(stage.wrong)


async def _told(stage: Stage) -> None:
    """What is listed and described."""
    await stage.topic()
    a, b, c = await stage.ready(tv=2), await stage.ready(tv=2), await stage.ready(tv=2)
    await stage.given(b.produce, 0)
    await stage.given(b.commit)
    await b.over()
    await stage.given(a.produce, 0)
    await stage.given(stage.groups.commit, a, "g", (0, 5))
    listed = f"0: {LISTED} | a 1 a Ongoing | b 1 b CompleteCommit | c 1 c Empty"
    await stage.row("list", _said(stage, "list"), listed)
    for each, told in (
        (a, "1 a a 0 Ongoing 60000 TIME MS A-0,offsets(g)"),
        (c, "1 c c 0 Empty 60000 None None"),
    ):
        described = _said(stage, "describe", "--transactional-id", each.name)
        await stage.row(f"describe {each.letter}", described, f"0: {DESCRIBED} | {told}")
    unknown = _said(stage, "describe", "--transactional-id", "nope")
    await stage.row("describe nobody", unknown, f"1: {UNKNOWN}")
    topic, _ = stage.part(0)
    producers = _said(stage, "describe-producers", "--topic", topic, "--partition", "0")
    told = f"0: {PRODUCERS} | a 0 -1 0 TIME 2 | b 1 0 -1 TIME None"
    await stage.row("describe-producers", producers, told)


async def _ended(stage: Stage) -> None:
    """What hangs, and how it is ended."""
    topic, _ = stage.part(0)
    place = ("--topic", topic, "--partition", "0")
    nothing = _said(stage, "find-hanging", "--topic", topic)
    await stage.row("find-hanging", nothing, f"0: {HANGING}")
    await stage.row("without a scope", _said(stage, "find-hanging"), f"1: {NO_SCOPE}")
    stray = await stage.ready(tv=2)
    await stage.given(stray.produce, 0)
    await stage.given(stage.markers.write, stray, 0, epoch=1)
    await stage.row("its marker came from elsewhere", stray.state(), "Ongoing p 0 A-0")
    none = _said(stage, "abort", *place, "--start-offset", "55")
    missing = "1: Could not find any open transactions starting at offset 55 on partition A-0"
    await stage.row("abort nothing", none, missing)
    aborted = _said(stage, "abort", *place, "--start-offset", "2")
    await stage.row("abort", aborted, "0: ")
    await stage.row("nothing open", stage.readers.ends(), "@6 @6")
    forced = _said(stage, "forceTerminateTransaction", "--transactionalId", stray.name)
    await stage.row("force", forced, "0: ")
    await stage.becomes("state", "Empty p 2", stray.state)
    new = stage.producer()
    forced = _said(stage, "forceTerminateTransaction", "--transactionalId", new.name)
    await stage.row("force an unknown one", forced, "0: ")
    await stage.row("it is created", new.state(), "Empty p 0")


async def _hanging(stage: Stage) -> None:
    """A transaction that a partition knows and the coordinator does not."""
    await stage.topic()
    topic, _ = stage.part("B-0")
    lost = await stage.ready()
    await stage.configure(VERIFICATION, "false")
    await stage.until("0 @0", lost.produce, 0, to="B-0")
    await stage.configure(VERIFICATION, "true")
    found = _said(stage, "find-hanging", "--topic", topic, "--max-transaction-timeout", "0")
    told = f"0: {HANGING} | B 0 {lost.letter} 0 -1 0 TIME MINUTES"
    await stage.row("find-hanging", found, told)


async def _said(stage: Stage, *words: str) -> str:
    """Exit code and lines of the tool: a header, and what is of this stage, in order."""
    address = f"{stage.peer.host}:{stage.peer.port}"
    done = await asyncio.to_thread(run_tool, TOOL, "--bootstrap-server", address, *words)
    first, *others = [each for each in (done.stdout + done.stderr).splitlines() if each] or [""]
    header = [each.strip() for each in first.split("\t")]
    if len(header) == 1:
        shown = first.replace(stage.part(0)[0], "A").replace(MORE, "")
        return f"{done.returncode}: {shown}"
    rows = []
    for line in others:
        cells = [each.strip() for each in line.split("\t")]
        named = [_cell(stage, *each) for each in zip(header, cells, strict=False)]
        if "?" not in named:
            rows.append(" ".join(each for each in named if each))
    return f"{done.returncode}: " + " | ".join([" ".join(filter(None, header)), *sorted(rows)])


def _cell(stage: Stage, column: str, cell: str) -> str:
    """A cell, as the stage names what is in it; `?` for what is not of the stage."""
    if column == "ProducerId":
        return stage.who(int(cell))
    if column == "TransactionalId":
        return stage.letter_of(cell)
    if column == "Topic":
        return stage.shown_part(cell, 0).removesuffix("-0")
    if column == "TopicPartitions":
        places = [each.rpartition("-") for each in cell.split(",") if each]
        return ",".join(sorted(stage.shown_part(topic, int(index)) for topic, _, index in places))
    if re.fullmatch(r"1[78]\d{11}", cell):
        return "TIME"
    lasted = {"TransactionDurationMs": "MS", "Duration(min)": "MINUTES"}
    return lasted.get(column, cell) if cell.isdecimal() else cell
