"""The probe's table is whole, and its verdicts are what the exit code says. No broker here."""

from __future__ import annotations

import argparse

import pytest
from minibroker.cli.commands import probe
from minibroker.cli.deviations import DEVIATIONS
from minibroker.cli.probing.rows import SECTIONS
from minibroker.cli.probing.steps import Row

ROWS = [row for rows in SECTIONS.values() for row in rows]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.sent)
def test_a_row_has_one_word_for_each_step(row: Row) -> None:
    assert len(row.kafka.split()) == len(row.steps)
    assert row.ours is None or len(row.ours.split()) == len(row.steps)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.sent)
def test_a_row_that_differs_on_purpose_names_its_reason(row: Row) -> None:
    assert (row.ours is None) == (row.deviation is None)
    assert row.deviation is None or row.deviation in DEVIATIONS


def test_rows_are_told_apart_by_what_is_sent() -> None:
    assert len({row.sent for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [("-1", "same"), ("87", "different on purpose"), ("0", "different"), ("", "different")],
)
def test_a_verdict_compares_with_kafka_first_and_then_with_ours(answer: str, verdict: str) -> None:
    row = Row("x", (), kafka="-1", ours="87", deviation="no-records")
    outcome = probe.judge("section", row, answer)
    assert outcome.verdict == verdict
    assert (outcome.reason is not None) == (verdict == "different on purpose")


def test_without_a_deviation_every_other_answer_is_different() -> None:
    assert probe.judge("section", Row("x", (), kafka="0"), "None").verdict == "different"


def as_ours_would() -> list[probe.Outcome]:
    return [
        probe.judge(section, row, row.ours or row.kafka)
        for section, rows in SECTIONS.items()
        for row in rows
    ]


def test_the_tables_fit_into_100_columns_and_give_the_reasons(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcomes = as_ours_would()
    probe.print_tables("localhost:9092", outcomes)
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 100
    words = " ".join(printed.split())
    assert "45 OUT_OF_ORDER_SEQUENCE_NUMBER" in words
    assert DEVIATIONS["compression-code"].reason in words
    on_purpose = sum(row.deviation is not None for row in ROWS)
    counts = f"{len(ROWS) - on_purpose} same, {on_purpose} different on purpose, 0 different"
    assert words.endswith(f"localhost:9092: {counts}")


def test_the_json_document_has_every_row_and_its_reason() -> None:
    document = probe.as_json("localhost:9092", as_ours_would())
    rows = document["rows"]
    assert isinstance(rows, list)
    assert [row["sent"] for row in rows] == [row.sent for row in ROWS]
    assert {row["sent"] for row in rows if row["reason"]} == {
        row.sent for row in ROWS if row.deviation
    }


@pytest.mark.parametrize("text", ["::1", ":9092", "localhost:", "localhost:x"])
def test_an_address_without_host_or_port_is_a_usage_error(text: str) -> None:
    parser = argparse.ArgumentParser()
    probe.add_arguments(parser)
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(["--bootstrap-server", text])
    assert stopped.value.code == 2


def test_an_address_may_be_ipv6() -> None:
    parser = argparse.ArgumentParser()
    probe.add_arguments(parser)
    assert parser.parse_args(["--bootstrap-server", "[::1]:19"]).bootstrap_server == [("::1", 19)]


def test_a_broker_that_cannot_be_reached_is_one_line_and_exit_code_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    servers = [("127.0.0.1", 1)]
    args = argparse.Namespace(bootstrap_server=servers, command_config=None, json=False)
    assert probe.run(args) == 1
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.count("\n") == 1
    assert "127.0.0.1:1" in printed.err
