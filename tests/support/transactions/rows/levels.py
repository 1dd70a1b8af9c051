"""The finalized `transaction.version`: 2 by default, else 1 or 0 (a broker of its own each)."""

from __future__ import annotations

from minibroker.protocol.messages.api_versions import ApiVersionsRequest

from tests.support.transactions.differences import LEVEL_0, Ours
from tests.support.transactions.producer import Producer
from tests.support.transactions.stage import Stage

FEATURE = "transaction.version"
SHORT_MS = 1000


async def level_2(stage: Stage) -> None:
    """As everywhere else."""
    await _told(stage, "2")
    await _new_clients_served(stage)
    await _going_on(stage, "51.. 0 p 1", "0 p 1")
    await _old_markers(stage)


async def level_1(stage: Stage) -> None:
    """New clients are served as if it were 2; the epoch before a fence is not remembered."""
    await _told(stage, "1")
    await _new_clients_served(stage)
    await _going_on(stage, "51.. 90", "90")
    await _old_markers(stage)


async def level_0(stage: Stage) -> None:
    """What new clients ask for cannot be written; in Kafka the id is stuck from then on."""
    row = stage.row
    await _told(stage, "not told")
    await stage.topic(4)
    a = await stage.ready(tv=2)
    await row("Produce v12, not added", a.produce(0), "35")
    await row("state", a.state(), "Empty p 0")
    stuck = Ours("0", LEVEL_0)
    await row("AddPartitions", a.add(1), "51", stuck)
    await row("Produce v12 there", a.produce(0, to=1), "51", Ours("0 @0", LEVEL_0))
    await row("EndTxn v4", a.abort(v=4), "51", stuck)
    b = await stage.ready(tv=2)
    await row("EndTxn v5, commit, Empty", b.commit(), "48")
    await row("abort, Empty", b.abort(), "35")
    await row("state", b.state(), "Empty p 0")
    await row("InitProducerId", b.init(), "51", Ours("0 p 1", LEVEL_0))
    c = await stage.ready(tv=2)
    refused = stage.groups.commit(c, "g", (0, 1), v=5)
    await row("TxnOffsetCommit v5, not added", refused, "35", Ours("35", LEVEL_0))
    await _going_on(stage, "51.. 90", "90")
    await _old_markers(stage)


async def _told(stage: Stage, level: str) -> None:
    for v in (3, 4):
        hello = ApiVersionsRequest(client_software_name="rows", client_software_version="1")
        answer = await stage.ask(hello, v)
        levels = {each.name: each.max_version_level for each in answer.finalized_features}
        found = str(levels.get(FEATURE, "not told"))
        await stage.row(f"ApiVersions v{v}: finalized", found, level)
        supported = {each.name: each for each in answer.supported_features}
        one = supported.get(FEATURE)
        shown = f"{one.min_version}-{one.max_version}" if one else "hidden"
        await stage.row("supported", shown, "hidden" if v == 3 else "0-2")
    versions = {each.api_key: each.max_version for each in answer.api_keys}
    shown = " ".join(f"{key}:{versions[key]}" for key in (0, 22, 24, 25, 26, 27, 28, 65, 66))
    await stage.row("versions", shown, "0:13 22:5 24:5 25:4 26:5 27:2 28:5 65:0 66:2")


async def _new_clients_served(stage: Stage) -> None:
    row = stage.row
    await stage.topic(4)
    a = await stage.ready(tv=2)
    await row("Produce v12, not added", a.produce(0), "0 @0")
    await row("EndTxn v5", a.commit(), "0 p 1")
    await row("state", a.over(), "CompleteCommit p 1")
    await row("log", stage.readers.log(), "0:a0 1:COMMIT.a1")
    b = await stage.ready(tv=2)
    await row("EndTxn v5, abort, Empty", b.abort(), "0 p 1")
    c = await stage.ready(tv=2)
    await row("TxnOffsetCommit v5", stage.groups.commit(c, "g", (0, 1)), "0")


async def _begun(stage: Stage, where: int, timeout_ms: int = 60_000) -> Producer:
    a = await stage.ready(timeout_ms=timeout_ms)
    await stage.given(a.add, where)
    await stage.given(a.produce, 0, to=where)
    return a


async def _going_on(stage: Stage, while_open: str, timed_out: str) -> None:
    """InitProducerId with the epoch from before a fence."""
    row = stage.row
    a = await _begun(stage, 2)
    await row("going on while one is open", stage.settled(a.init, "p", 0), while_open)
    late = await _begun(stage, 3, SHORT_MS)
    over = "CompleteAbort p 1"
    await stage.becomes("timed out", over, late.state)
    await row("EndTxn v5, commit", late.commit(v=5), "48")
    await row("abort", late.abort(v=5), "0 p 1")
    later = await _begun(stage, 3, SHORT_MS)
    await stage.becomes("timed out", over, later.state)
    await row("going on after a timeout", later.init("p", 0), timed_out)


async def _old_markers(stage: Stage) -> None:
    """EndTxn v4 and a fence."""
    row = stage.row
    letter = await stage.topic()
    where = f"{letter}-0"
    a = await stage.ready()
    await stage.given(a.add, where)
    await stage.given(a.produce, 0, to=where)
    await row("EndTxn v4", a.abort(), "0")
    await a.over()
    await stage.given(a.add, where)
    await stage.given(a.produce, 1, to=where)
    await row("a new session", stage.settled(a.init), "51.. 0 p 2")
    log = f"0:{a.letter}0 1:ABORT.{a.letter}0 2:{a.letter}0 3:ABORT.{a.letter}1"
    await row("log", stage.readers.log(where), log)
