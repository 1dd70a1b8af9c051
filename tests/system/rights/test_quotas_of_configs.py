"""Quotas by `minibroker configs`, whose options are those of kafka-configs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from minibroker.cli.main import main

from tests.support.processes.broker import BrokerProcess

Run = Callable[..., str]
ALICE = "--entity-type=users --entity-name=alice"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with BrokerProcess() as broker:
        yield broker.bootstrap_servers


@pytest.fixture
def run(address: str, capsys: pytest.CaptureFixture[str]) -> Run:
    def configs(words: str, code: int = 0) -> str:
        got = main(["configs", *words.split(), "--bootstrap-server", address])
        said = capsys.readouterr()
        assert got == code, said.err
        return said.err if code else said.out

    return configs


def test_quotas_are_set_shown_and_taken_away(run: Run) -> None:
    told = run(f"alter {ALICE} --add-config producer_byte_rate=1e6,request_percentage=12.5")
    assert told == "changed the quotas of user alice\n"
    run(f"alter {ALICE} --entity-type clients --entity-default --add-config consumer_byte_rate=5")
    run("alter --entity-type ips --entity-default --add-config connection_creation_rate=7")
    assert [line.split("  ")[0] for line in run("describe --entity-type users").splitlines()] == [
        "ENTITY",
        "user alice",
        "user alice",
    ]
    both = "describe --entity-type users --entity-type clients --json"
    assert json.loads(run(both)) == [
        {"entity": {"user": "alice", "client-id": None}, "quotas": {"consumer_byte_rate": 5.0}}
    ]
    shown = run("describe --entity-type ips")
    assert shown.splitlines()[1].split() == ["ip", "<default>", "connection_creation_rate", "7"]
    run(f"alter {ALICE} --delete-config producer_byte_rate,request_percentage")
    assert run(f"describe {ALICE}") == "no quota is set\n"


def test_what_cannot_be_is_told(run: Run) -> None:
    assert "Invalid configuration key fast" in run(f"alter {ALICE} --add-config fast=1", code=1)
    assert "expected a number" in run(f"alter {ALICE} --add-config producer_byte_rate=x", code=2)
    assert "users add" in run(f"alter {ALICE} --add-config SCRAM-SHA-256=[password=x]", code=2)
    assert "needs an --entity-name" in run(
        "alter --entity-type users --add-config producer_byte_rate=1", code=2
    )
