"""The lesson's sandbox: real processes, pictures that are so; `make lessons` plays many more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from minibroker.console.lesson.moves import Mode, Move
from minibroker.console.lesson.producers.process import ProducerProcess
from minibroker.console.lesson.sandbox import MoveRefused, Sandbox
from minibroker.console.lesson.telling import Fate, Shown

from tests.lessons.playing import play


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    made = Sandbox()
    try:
        await made.start()
        yield made
    finally:
        await made.close()


async def make(sandbox: Sandbox, moves: str) -> Shown:
    """Make moves; what is shown after the last one."""
    for each in moves.split():
        shown = await sandbox.make(Move(each))
        assert not shown.untrue, shown
    return shown


def values(shown: Shown) -> str:
    return "".join((each.value or b"").decode() for each in shown.log)


async def test_a_lost_acknowledgement_with_and_without_idempotence(sandbox: Sandbox) -> None:
    shown = await make(sandbox, "send lose-ack send")
    assert [(each.verdict, each.fate) for each in shown.attempts] == [
        ("appended", Fate.LOST),
        ("duplicate", Fate.DELIVERED),
    ]
    assert values(shown) == "xy"
    assert [row.last_sequence for row in shown.table] == [1]
    shown = await make(sandbox, "be-plain start-over send lose-ack send")
    assert [each.verdict for each in shown.attempts] == ["appended", "appended"]
    assert values(shown) == "xyy"
    assert shown.facts["y is stored more than once"]


async def test_the_table_comes_back_with_the_broker(sandbox: Sandbox) -> None:
    shown = await make(sandbox, "hold-ack send kill-broker")
    assert shown.attempts[-1].fate is Fate.UNHEARD
    with pytest.raises(MoveRefused, match="the broker is not running"):
        await sandbox.make(Move.RESTART_PRODUCER)
    shown = await make(sandbox, "start-broker")
    assert [each.verdict for each in shown.attempts] == ["duplicate"]
    assert values(shown) == "x"


async def test_the_death_of_the_producer(sandbox: Sandbox) -> None:
    shown = await make(sandbox, "hold-ack send restart-producer")
    assert values(shown) == "xx"
    assert shown.log[0].producer_id != shown.log[1].producer_id
    shown = await make(sandbox, "be-session start-over hold-ack send restart-producer send")
    assert values(shown) == "xy"
    shown = await make(
        sandbox, "be-transactional start-over send send restart-producer send commit"
    )
    assert [each.transaction for each in shown.log] == ["aborted", "aborted", "committed"]


async def test_a_picture_that_is_not_so_says_it(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = ProducerProcess.started

    async def without_idempotence(*args: Any, **options: Any) -> ProducerProcess:
        return await started(*args, **{**options, "idempotent": False})

    monkeypatch.setattr(ProducerProcess, "started", without_idempotence)
    await sandbox.make(Move.START_OVER)
    await sandbox.make(Move.LOSE_ACK)
    shown = await sandbox.make(Move.SEND)
    assert shown.situation.mode is Mode.IDEMPOTENT
    assert shown.untrue == ["the log, read back, is x", "nothing is stored twice"]


async def test_moves_at_random() -> None:
    played = await play(20_261_128)
    assert played.moves
    assert not played.findings, "\n".join(played.findings)
