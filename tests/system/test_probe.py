"""`minibroker probe` against our own broker, as a process, in each durability."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from minibroker.cli.main import main
from minibroker.cli.probe_rows import SECTIONS

from tests.support.serve import serve

ON_PURPOSE = {row.sent for rows in SECTIONS.values() for row in rows if row.deviation}


@pytest.mark.parametrize("durability", ["memory", "page-cache", "fsync"])
def test_our_broker_differs_only_on_purpose(
    durability: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve("--log-dirs", str(tmp_path / "data"), "--durability", durability) as broker:
        exit_code = main(["probe", "--bootstrap-server", broker.bootstrap_server, "--json"])
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row for row in rows if row["verdict"] == "different"] == []
    assert {row["sent"] for row in rows if row["reason"]} == ON_PURPOSE
    assert exit_code == 0
