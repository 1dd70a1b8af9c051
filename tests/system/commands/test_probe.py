"""`minibroker probe` against our own broker, as a process, in each durability."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from minibroker.cli.main import main
from minibroker.cli.probing.rows import SECTIONS

from tests.support.processes.broker import ForkedBroker

ON_PURPOSE = {row.sent for rows in SECTIONS.values() for row in rows if row.deviation}


@pytest.mark.parametrize("durability", ["memory", "page-cache", "fsync"])
def test_our_broker_differs_only_on_purpose(
    durability: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ForkedBroker(data_dir=tmp_path / "data", durability=durability) as broker:
        exit_code = main(["probe", "--bootstrap-server", broker.bootstrap_servers, "--json"])
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row for row in rows if row["verdict"] == "different"] == []
    assert {row["sent"] for row in rows if row["reason"]} == ON_PURPOSE
    assert exit_code == 0


def test_an_answer_that_differs_from_kafkas_makes_the_exit_code_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    anything_goes = {"log.message.timestamp.after.max.ms": str(2**62)}
    with ForkedBroker(settings=anything_goes) as broker:
        exit_code = main(["probe", "--bootstrap-server", broker.bootstrap_servers, "--json"])
    rows = json.loads(capsys.readouterr().out)["rows"]
    different = [(row["sent"], row["answer"]) for row in rows if row["verdict"] == "different"]
    assert different == [("a timestamp 2 hours ahead", "0@0 end=2")]
    assert exit_code == 1


def test_nothing_stays_behind(capsys: pytest.CaptureFixture[str]) -> None:
    with ForkedBroker() as broker:
        here = ("--bootstrap-server", broker.bootstrap_servers, "--json")
        main(["probe", *here])
        capsys.readouterr()
        assert main(["topics", "list", *here]) == 0
        assert main(["groups", "list", *here]) == 0
    assert "minibroker-probe" not in capsys.readouterr().out
