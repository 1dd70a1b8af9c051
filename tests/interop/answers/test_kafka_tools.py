"""EDGE: Kafka's own command line tools against us, and `minibroker`'s own against Kafka.

What the tools print is written down in tests/golden/kafka_*tools.txt; ours
and a real Kafka must both make them print just that, but for what varies
(tests/support/answers/kafka_tools.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import pytest
from minibroker.broker.apis.served import SERVED
from minibroker.cli.main import main

from tests.support.answers.cli_admin import administer
from tests.support.answers.kafka_tools import (
    ADMINISTRATION,
    ADMINISTRATION_SAID,
    API_VERSIONS,
    GROUPS,
    GROUPS_SAID,
    NODE,
    NODE_SAID,
    transcript,
)
from tests.support.processes.broker import BrokerProcess
from tests.support.processes.kafka import RealKafka, missing_tools, run_tool

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
PLAYED = [
    pytest.param((ADMINISTRATION, ADMINISTRATION_SAID), id="administration"),
    pytest.param((GROUPS, GROUPS_SAID), id="groups"),
    pytest.param((NODE, NODE_SAID), id="node"),
]
OUR_OWN = 10_000  # the tool lists keys from here on without a name
API_LINE = re.compile(r"\t(\w+)\((\d+)\): (?:(\d+) to )?(\d+) \[usable: (\d+)\]")


@pytest.fixture(scope="module")
def kafka() -> Iterator[RealKafka]:
    with RealKafka() as running:
        yield running


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[BrokerProcess]:
    with BrokerProcess(data_dir=tmp_path) as broker:
        yield broker


def test_our_command_line_administers_kafka(
    kafka: RealKafka, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(*words: str) -> str:
        code = main([*words, "--bootstrap-server", kafka.bootstrap_servers])
        said = capsys.readouterr()
        assert code == 0, said.err
        return said.out

    administer(command)


@pytest.mark.parametrize("played", PLAYED)
def test_kafkas_tools_print_of_us_what_is_written_down(
    played: tuple[str, Path], ours: BrokerProcess
) -> None:
    steps, written = played
    assert_as_written(transcript(steps, ours.bootstrap_servers), written)


@pytest.mark.parametrize("played", PLAYED)
def test_kafkas_tools_print_of_kafka_what_is_written_down(
    played: tuple[str, Path], kafka: RealKafka
) -> None:
    steps, written = played
    assert_as_written(transcript(steps, kafka.bootstrap_servers), written)


def test_kafkas_tool_finds_every_api_of_ours_usable(ours: BrokerProcess) -> None:
    done = run_tool(API_VERSIONS, "--bootstrap-server", ours.bootstrap_servers)
    assert done.returncode == 0, done.stderr
    listed = {
        int(key): (name, int(low or high), int(high), int(usable))
        for name, key, low, high, usable in API_LINE.findall(done.stdout)
    }
    assert listed == {
        key: (api.name, low, api.versions[1], api.versions[1])
        for key, api in SERVED.items()
        if key < OUR_OWN
        for low in [api.versions[0] if api.advertised_from is None else api.advertised_from]
    }


def assert_as_written(said: str, file: Path) -> None:
    """Fail with a diff."""
    written = file.read_text(encoding="utf-8")
    diff = unified_diff(written.splitlines(), said.splitlines(), "written", "said", lineterm="")
    assert said == written, "\n".join(diff)
