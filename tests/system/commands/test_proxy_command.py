"""`minibroker proxy` in front of a broker: its rules, its lines, its refusals."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from minibroker.cli.main import main
from minibroker.client.cluster.connection import Connection, ConnectionFailed
from minibroker.testing import ChildBroker

from tests.support.in_loop.requests import produce
from tests.support.processes.broker import RUN

WAIT_S = 30.0


async def ask(port: int) -> None:
    """Produce twice; the second answer never comes."""
    connection = await Connection.open("127.0.0.1", port, client_id="shop")
    await connection.request(produce(b"a"))
    with pytest.raises(ConnectionFailed):
        await connection.request(produce(b"b"))


def test_an_answer_is_lost_and_both_exchanges_are_shown(tmp_path: Path) -> None:
    rules = tmp_path / "faults.yaml"
    rules.write_text("- lose_reply: {api: Produce, topic: t, nth: 2}\n")
    with ChildBroker() as broker:
        broker.create_topic("t")
        command = [sys.executable, "-c", RUN, "proxy", "--listen", "127.0.0.1:0", "--json"]
        command += ["--upstream", broker.bootstrap_servers, "--faults", str(rules)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as proxy:
            try:
                assert proxy.stdout is not None
                port = int(proxy.stdout.readline().rpartition(":")[2])
                asyncio.run(ask(port))
            finally:
                proxy.terminate()
                out, err = proxy.communicate(timeout=WAIT_S)
        assert proxy.returncode == 0
        broker.assert_stored_once("t", [b"a", b"b"])
    seen = [json.loads(line) for line in out.splitlines()]
    shown = [(each["about"], each["outcome"]) for each in seen if each["api"] == "Produce"]
    assert shown == [("t-0 no pid (1 record)", "answered"), ("t-0 no pid (1 record)", "lost")]
    assert "nth=2) fired 1 of 2 matches" in err


@pytest.mark.parametrize(
    ("rule", "said"),
    [("- crash: {at: reply}", "a proxy cannot perform Crash"), ("- lose: {}", "no action")],
)
def test_rules_that_a_proxy_cannot_perform_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rule: str, said: str
) -> None:
    rules = tmp_path / "faults.yaml"
    rules.write_text(rule)
    assert main(["proxy", "--faults", str(rules)]) == 2
    assert said in capsys.readouterr().err
