"""EDGE: `minibroker topics` and `minibroker configs` against a running broker."""

import asyncio
from argparse import ArgumentTypeError
from collections.abc import Iterator

import pytest
from minibroker.cli.asking.admin import parse_configs
from minibroker.cli.main import main
from minibroker.cli.terminal.tables import table
from minibroker.client import Admin, TopicPartition

from tests.support.answers.cli_admin import administer
from tests.support.in_loop.lying_broker import Lie, lying_broker
from tests.support.processes.broker import ForkedBroker

BOUND_S = 20.0


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ForkedBroker() as broker:
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
        (
            ["topics", "create", "no", "--config", "segment.ms=1", "--config", "segment.ms=2"],
            "segment.ms is given twice",
        ),
        (
            ["topics", "alter", "no", "--config", "segment.ms=1", "--delete-config", "segment.ms"],
            "segment.ms is given twice",
        ),
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
    is_usage = why in ("nothing to change", "brokers has", "segment.ms is given twice")
    assert main([*words, "--bootstrap-server", address]) == (2 if is_usage else 1)
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_every_topic_that_is_not_deleted_is_named(
    as_json: bool, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    here = ["--bootstrap-server", address, *(["--json"] if as_json else [])]
    for name in ("a", "b"):
        assert main(["topics", "create", name, *here]) == 0
    capsys.readouterr()
    assert main(["topics", "delete", "a", "no", "b", "nor", "a", *here]) == 1
    said = capsys.readouterr()
    assert said.out == ('{"deleted": ["a", "b"]}\n' if as_json else "deleted a\ndeleted b\n")
    assert said.err.splitlines() == [
        f"minibroker topics delete: there is no topic {name} (UNKNOWN_TOPIC_OR_PARTITION)"
        for name in ("no", "nor")
    ]


def test_all_topics_stand_in_order_and_named_ones_as_they_are_named(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    here = ["--bootstrap-server", address]
    for name in ("z", "c"):
        assert main(["topics", "create", name, *here]) == 0

    def described(*names: str) -> list[str]:
        capsys.readouterr()
        assert main(["topics", "describe", *names, *here]) == 0
        lines = capsys.readouterr().out.splitlines()
        return [line.split()[0] for line in lines if "  id=" in line]

    everything = described()
    assert {"c", "z"} <= {*everything}
    assert everything == sorted(everything)
    assert described("z", "c") == ["z", "c"]


async def test_a_partition_without_a_leader_does_not_keep_the_others_from_being_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with lying_broker() as (liar, broker):
        broker.create_topic("t", 2)
        async with Admin(liar.address) as admin:
            await admin.alter_group_offsets("g", {TopicPartition("t", 0): 0})
        liar.lies["minibroker-admin"] = Lie(3, ("topics", "partitions", "leader_id"), -1)
        for words in (["groups", "describe", "--group", "g"], ["topics", "describe", "t"]):
            command = [*words, "--bootstrap-server", liar.address]
            async with asyncio.timeout(BOUND_S):
                assert await asyncio.to_thread(main, command) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["g", "t", "0", "0", "-", "-", "-", "-", "-"] in rows
    assert [each[-3:] for each in rows if each[0] in "01"] == [["-", "-", "-"]] * 2


def test_brackets_keep_commas_within_a_value() -> None:
    assert parse_configs("a=b, c=[d,e],f=") == [("a", "b"), ("c", "d,e"), ("f", "")]
    with pytest.raises(ArgumentTypeError, match="expected NAME=VALUE"):
        parse_configs("a=b,c")


def test_a_table_has_columns_as_wide_as_their_widest_cell() -> None:
    assert table(("A", "B"), [("long", None), (1, "x")]) == "A     B\nlong  -\n1     x"
