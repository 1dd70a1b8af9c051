"""Kafka's answers in the probe's table are Kafka's: the probe asks a real one again."""

from __future__ import annotations

import json

import pytest
from minibroker.cli.main import main

from tests.support.processes.kafka import RealKafka, missing_tools

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]


@pytest.mark.parametrize("nodes", [1, 3])
def test_a_real_kafka_answers_every_row_as_the_table_says(
    nodes: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with RealKafka(nodes=nodes) as kafka:
        first = kafka.bootstrap_servers.partition(",")[0]
        exit_code = main(["probe", "--bootstrap-server", first, "--json"])
        report = json.loads(capsys.readouterr().out)
        topics = kafka.tool(
            "org.apache.kafka.tools.TopicCommand",
            *("--bootstrap-server", first, "--list", "--exclude-internal"),
        )
    assert [row for row in report["rows"] if row["verdict"] != "same"] == []
    assert exit_code == 0
    assert topics.stdout.split() == []
