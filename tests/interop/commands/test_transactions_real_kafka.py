"""`minibroker transactions` and `consume --isolation` against a real Apache Kafka."""

from __future__ import annotations

import pytest
from minibroker.cli.main import main

from tests.support.processes.kafka import RealKafka, missing_tools
from tests.support.transactions.command_scenario import look_and_abort

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]


def test_transactions_of_a_real_kafka(capsys: pytest.CaptureFixture[str]) -> None:
    with RealKafka() as kafka:

        def command(*words: str) -> tuple[int, str, str]:
            code = main([*words, "--bootstrap-server", kafka.bootstrap_servers])
            said = capsys.readouterr()
            return code, said.out, said.err

        look_and_abort(command, kafka.bootstrap_servers)
