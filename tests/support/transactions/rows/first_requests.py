"""The very first requests that a fresh broker is asked; ours is there at once."""

from __future__ import annotations

from minibroker.protocol.messages.find_coordinator import FindCoordinatorRequest
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest

from tests.support.transactions.differences import AT_ONCE, Ours
from tests.support.transactions.stage import Stage


async def fresh(stage: Stage) -> None:
    """FindCoordinator makes the topic; then the coordinator loads; then there are producer ids."""
    row, a = stage.row, stage.producer()
    nobody = await stage.ask(
        InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1), 5
    )
    here = f"0 1 {stage.peer.host}:{stage.peer.port}"
    await row("InitProducerId, no id", str(nobody.error_code), "14", Ours("0", AT_ONCE))
    await row("FindCoordinator", _found(stage), "15 -1 :-1", Ours(here, AT_ONCE))
    await stage.becomes("asked until it is there", here, _found, stage)
    await stage.becomes("the one of groups", here, _found, stage, kind=0)
    seen: list[str] = []
    while "0 p 0" not in seen:
        seen.append(await a.init())
        assert len(seen) < 10_000, "it is never there"
    on_the_way = set(seen[:-1]) <= {"14", "15", "16", "51"}
    await row(f"InitProducerId: {sorted(set(seen))}", str(on_the_way), "True")
    await stage.topic()
    await stage.becomes("OffsetCommit", "0", stage.groups.commit_plainly, "g", 0, 1)


async def _found(stage: Stage, kind: int = 1) -> str:
    request = FindCoordinatorRequest(coordinator_keys=["x"], key_type=kind)
    (answer,) = (await stage.ask(request, 4)).coordinators
    return f"{answer.error_code} {answer.node_id} {answer.host}:{answer.port}"


SCENARIOS = (fresh,)
