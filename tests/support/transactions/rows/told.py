"""What is told about transactions: FindCoordinator, DescribeTransactions, ListTransactions."""

from __future__ import annotations

from typing import Any

from minibroker.protocol.messages.describe_transactions import DescribeTransactionsRequest
from minibroker.protocol.messages.find_coordinator import FindCoordinatorRequest
from minibroker.protocol.messages.list_transactions import ListTransactionsRequest

from tests.support.transactions.differences import PATTERNS, Ours
from tests.support.transactions.stage import Stage

MALFORMED = (
    "This most likely occurs because of a request being malformed by the client library or the"
    " message was sent to an incompatible broker. See the broker logs for more details."
)
NONE = " <NONE>"
STATES = ("PrepareCommit", "PrepareAbort", "Dead", "PrepareEpochFence")


async def coordinators(stage: Stage) -> None:
    """FindCoordinator."""
    row = stage.row
    here = f"1 {stage.peer.host}:{stage.peer.port}"
    for v in range(4):
        found = _old(stage, v, "a")
        await row(f"v{v}", found, f"0{NONE if v else ''} {here}")
        if v:
            await row("an empty key", _old(stage, v, ""), f"0{NONE} {here}")
    for v in (4, 5):
        await row(f"v{v}", _new(stage, v, "a"), f"a 0 {here}")
        await row("an empty key", _new(stage, v, ""), f" 0 {here}")
        await row("two keys", _new(stage, v, "a", "b"), f"a 0 {here}, b 0 {here}")
        await row("no keys", _new(stage, v), "")
        nowhere = "-1 :-1"
        await row("type 2", _new(stage, v, "a", kind=2), f"a 42 {nowhere}")
        for kind in (3, 7, -1):
            told = _new(stage, v, "a", kind=kind)
            await row(f"type {kind}", told, f"a 42 <{MALFORMED}> {nowhere}")


async def _old(stage: Stage, v: int, key: str) -> str:
    answer = await stage.ask(FindCoordinatorRequest(key=key, key_type=1 if v else 0), v)
    return _found(answer)


async def _new(stage: Stage, v: int, *keys: str, kind: int = 1) -> str:
    request = FindCoordinatorRequest(coordinator_keys=[*keys], key_type=kind)
    answer = await stage.ask(request, v)
    return ", ".join(f"{each.key} {_found(each)}" for each in answer.coordinators)


def _found(answer: Any) -> str:
    message = f" <{answer.error_message}>" if answer.error_message else ""
    return f"{answer.error_code}{message} {answer.node_id} {answer.host}:{answer.port}"


async def described(stage: Stage) -> None:
    """DescribeTransactions."""
    row = stage.row
    await stage.topic(3)
    a, b = await stage.ready(), await stage.ready()
    await row("Empty", _described(stage, a.name), "0 Empty 60000 not started p 0 ")
    await row("state", b.state(), "Empty p 0")
    await stage.given(a.add, 2, 0)
    await stage.given(a.add_offsets, "g")
    ongoing = "0 Ongoing 60000 started p 0 A-0 A-2 offsets(g)"
    await row("Ongoing", _described(stage, a.name), ongoing)
    several = _described(stage, a.name, "nobody has it", "", a.name)
    nothing = "105  0 1970 0 0 "
    await row(
        "an unknown one, an empty one, one twice",
        several,
        f"{ongoing}, {nothing}, 42  0 1970 0 0 , {ongoing}",
    )
    await row("none", _described(stage), "")
    await row("commit", a.commit(), "0")
    await a.over()
    await row("Complete", _described(stage, a.name), "0 CompleteCommit 60000 started p 0 ")


async def _described(stage: Stage, *names: str) -> str:
    answer = await stage.ask(DescribeTransactionsRequest(transactional_ids=[*names]), 0)
    return ", ".join(_one(stage, each) for each in answer.transaction_states)


def _one(stage: Stage, each: Any) -> str:
    began = {-1: "not started", 0: "1970"}.get(each.transaction_start_time_ms, "started")
    parts = sorted(
        stage.shown_part(topic.topic, index) for topic in each.topics for index in topic.partitions
    )
    who = stage.letter_of(each.transactional_id, each.producer_id)
    shown = [
        str(each.error_code),
        each.transaction_state,
        str(each.transaction_timeout_ms),
        began,
        who,
        str(each.producer_epoch),
        " ".join(parts),
    ]
    return " ".join(shown)


async def listed(stage: Stage) -> None:
    """ListTransactions: of what it lists, this scenario's own."""
    row = stage.row
    await stage.topic()
    a, b, c, d = [await stage.ready(tv=2) for _ in range(4)]
    for each in (a, b, d):
        await stage.given(each.produce, 0)
    await stage.given(d.abort)
    await d.over()
    everybody = "a Ongoing, b Ongoing, c Empty, d CompleteAbort"
    for v in range(3):
        await row(f"v{v}", _listed(stage, v=v), everybody)
        by_state = _listed(stage, "Ongoing", v=v)
        await row("Ongoing", by_state, "a Ongoing, b Ongoing")
        await row("ongoing", _listed(stage, "ongoing", v=v), "unknown: ongoing")
        two = _listed(stage, "Ongoing", "Nonsense", v=v)
        await row("and Nonsense", two, "unknown: Nonsense a Ongoing, b Ongoing")
        await row("Nonsense", _listed(stage, "Nonsense", v=v), "unknown: Nonsense")
        for state in STATES:
            await row(state, _listed(stage, state, v=v), "")
        await row("CompleteAbort", _listed(stage, "CompleteAbort", v=v), "d CompleteAbort")
        await row("an id", _listed(stage, pids=[a.id("p")], v=v), "a Ongoing")
        await row("an unknown id", _listed(stage, pids=[777_777], v=v), "")
        both = _listed(stage, "Empty", pids=[a.id("p"), c.id("p")], v=v)
        await row("ids and a state", both, "c Empty")
    for v in (1, 2):
        await row(f"v{v}: for a minute", _listed(stage, longer_ms=60_000, v=v), "c Empty")
        for longer_ms in (0, -1):
            listed = _listed(stage, longer_ms=longer_ms, v=v)
            await row(f"for {longer_ms} ms", listed, everybody)
    await _patterns(stage, everybody)


async def _patterns(stage: Stage, everybody: str) -> None:
    own = stage.unique
    for pattern, expected in {
        f"{own}.*": everybody,
        f"{own}-[ab]": "a Ongoing, b Ongoing",
        f"{own}-a": "a Ongoing",
        own: "",
        f"{own}-a|{own}-c$": "a Ongoing, c Empty",
        "": everybody,
        "[": "128",
        "(?=a)": "128",
    }.items():
        listed = _listed(stage, pattern=pattern)
        await stage.row(f"pattern {pattern.replace(own, 'NAME')!r}", listed, expected)
    bytes_of_names = _listed(stage, pattern=r"\C*")
    await stage.row("single bytes", bytes_of_names, "128", Ours(everybody, PATTERNS))


async def _listed(
    stage: Stage,
    *states: str,
    pids: list[int] | None = None,
    longer_ms: int | None = None,
    pattern: str | None = None,
    v: int = 2,
) -> str:
    more: dict[str, Any] = {} if longer_ms is None else {"duration_filter": longer_ms}
    if pattern is not None:
        more["transactional_id_pattern"] = pattern
    request = ListTransactionsRequest(
        state_filters=[*states], producer_id_filters=pids or [], **more
    )
    answer = await stage.ask(request, v)
    if answer.error_code:
        return str(answer.error_code)
    own = sorted(
        f"{stage.letter_of(each.transactional_id)} {each.transaction_state}"
        for each in answer.transaction_states
        if each.transactional_id.startswith(stage.unique)
    )
    unknown = ", ".join(answer.unknown_state_filters)
    shown = [f"unknown: {unknown}"] if unknown else []
    return " ".join(shown + ([", ".join(own)] if own else []))


SCENARIOS = (coordinators, described, listed)
