"""`minibroker transactions` and `consume --isolation` against a running broker."""

from __future__ import annotations

import asyncio

import pytest
from minibroker.cli.main import main

from tests.support.in_loop.lying_broker import Lie, lying_broker
from tests.support.processes.broker import ForkedBroker
from tests.support.transactions.command_scenario import look_and_abort


def test_transactions_are_looked_at_and_ended(capsys: pytest.CaptureFixture[str]) -> None:
    with ForkedBroker() as broker:

        def command(*words: str) -> tuple[int, str, str]:
            code = main([*words, "--bootstrap-server", broker.bootstrap_servers])
            said = capsys.readouterr()
            return code, said.out, said.err

        look_and_abort(command, broker.bootstrap_servers)


async def test_partitions_without_a_leader_hold_nobody_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with lying_broker() as (liar, broker):
        broker.create_topic("orders", partitions=2)
        liar.lies["minibroker-admin"] = Lie(3, ("topics", "partitions", "leader_id"), -1)
        words = ["transactions", "find-hanging", "--bootstrap-server", liar.address]
        assert await asyncio.to_thread(main, words) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "without a leader, and not looked at: orders(0,1)",
        "nothing hangs in the 0 partitions looked at",
    ]
