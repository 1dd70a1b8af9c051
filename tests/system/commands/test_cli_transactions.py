"""`minibroker transactions` and `consume --isolation` against a running broker."""

from __future__ import annotations

import pytest
from minibroker.cli.main import main

from tests.support.processes.broker import BrokerProcess
from tests.support.transactions.command_scenario import look_and_abort


def test_transactions_are_looked_at_and_ended(capsys: pytest.CaptureFixture[str]) -> None:
    with BrokerProcess() as broker:

        def command(*words: str) -> tuple[int, str, str]:
            code = main([*words, "--bootstrap-server", broker.bootstrap_servers])
            said = capsys.readouterr()
            return code, said.out, said.err

        look_and_abort(command, broker.bootstrap_servers)
