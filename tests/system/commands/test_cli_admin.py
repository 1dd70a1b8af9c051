"""EDGE: `minibroker topics` and `minibroker configs` against a running broker."""

from argparse import ArgumentTypeError
from collections.abc import Iterator

import pytest
from minibroker.cli.asking.admin import parse_configs
from minibroker.cli.main import main
from minibroker.cli.terminal.tables import table

from tests.support.answers.cli_admin import administer
from tests.support.processes.broker import BrokerProcess


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with BrokerProcess() as broker:
        yield broker.bootstrap_servers


def test_topics_and_properties_are_administered(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(*words: str) -> str:
        code = main([*words, "--bootstrap-server", address])
        said = capsys.readouterr()
        assert code == 0, said.err
        return said.out

    administer(command)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["topics", "describe", "no"], "there is no topic no (UNKNOWN"),
        (
            ["topics", "alter", "no", "--partitions", "3"],
            "there is no topic no (UNKNOWN",
        ),
        (["topics", "alter", "no"], "nothing to change"),
        (["configs", "alter", "--entity-type=topics", "--entity-name=no"], "nothing to change"),
        (
            ["configs", "describe", "--entity-type=topics", "--entity-name=no"],
            "there is no topic no (UNKNOWN",
        ),
        (["configs", "describe", "--entity-type=topics", "--entity-default"], "brokers has"),
        (
            ["configs", "describe", "--entity-type=brokers", "--entity-name=9"],
            "no broker 9; the cluster has 1",
        ),
        (
            [
                *("configs", "alter", "--entity-type=brokers", "--entity-name=1"),
                *("--add-config", "mesage.max.bytes=3"),
            ],
            "did you mean message.max.bytes",
        ),
    ],
)
def test_a_refusal_is_said_in_words(
    words: list[str], why: str, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    is_usage = why in ("nothing to change", "brokers has")
    assert main([*words, "--bootstrap-server", address]) == (2 if is_usage else 1)
    assert why in capsys.readouterr().err


def test_brackets_keep_commas_within_a_value() -> None:
    assert parse_configs("a=b, c=[d,e],f=") == [("a", "b"), ("c", "d,e"), ("f", "")]
    with pytest.raises(ArgumentTypeError, match="expected NAME=VALUE"):
        parse_configs("a=b,c")


def test_a_table_has_columns_as_wide_as_their_widest_cell() -> None:
    assert table(("A", "B"), [("long", None), (1, "x")]) == "A     B\nlong  -\n1     x"
