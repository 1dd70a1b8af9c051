"""The command line as such: names, helps, examples, addresses, numbers, what a terminal gets."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, _SubParsersAction
from collections.abc import Callable, Iterator
from importlib import import_module
from shlex import split

import pytest
from minibroker.cli.asking.reach import Reach
from minibroker.cli.completion import whole_parser
from minibroker.cli.main import main
from minibroker.cli.parsers import COMMANDS, parser_of
from minibroker.cli.terminal.addresses import (
    parse_address,
    parse_addresses,
    parse_place,
    server_names,
)
from minibroker.cli.terminal.counts import parse_count, parse_ms, parse_whole
from minibroker.cli.terminal.visible import visible, visible_lines


def parsers(command: str) -> Iterator[ArgumentParser]:
    """The parser of a command and those of its verbs."""
    parser = parser_of(command)
    yield parser
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            yield from action.choices.values()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_two_examples_within_80_columns(command: str) -> None:
    for parser in parsers(command):
        assert parser.epilog is not None
        assert len(parser.epilog.splitlines()) >= 3, parser.prog
        assert max(map(len, parser.epilog.splitlines())) <= 98, parser.prog
        told = parser.format_help().removesuffix(f"{parser.epilog}\n")
        assert max(map(len, told.splitlines())) <= 80, parser.prog


@pytest.mark.parametrize("command", COMMANDS)
def test_every_example_can_be_typed(command: str) -> None:
    for example in import_module(f"minibroker.cli.commands.{command}").EXAMPLES:
        first, *words = [word for word in split(example) if word not in "<>"]
        assert first == command
        if "<" in example or ">" in example:  # a shell's part of it
            words = split(example.partition(" < ")[0].partition(" > ")[0])[1:]
        parser_of(command).parse_args(words)


def test_a_mistyped_command_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prodce"]) == 2
    assert "no command 'prodce'; did you mean produce?" in capsys.readouterr().err


def test_completion_knows_every_command_and_verb() -> None:
    words = whole_parser().format_help()
    assert all(command in words for command in COMMANDS)
    assert whole_parser().parse_args(["topics", "list"]).verb == "list"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("kafka", ("kafka", 9092)),
        ("kafka:19092", ("kafka", 19092)),
        ("[::1]", ("::1", 9092)),
        ("[::1]:80", ("::1", 80)),
    ],
)
def test_an_address_may_leave_out_its_port(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", ":9092", "a:0", "a:65536", "a:x", "::1", "a,"])
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        parse_addresses(text)


def test_several_servers_stand_in_one_option() -> None:
    assert server_names(parse_addresses("a,b:1,[::1]:2")) == ["a:9092", "b:1", "[::1]:2"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("127.0.0.1:9404", ("127.0.0.1", 9404)),
        ("[::1]:0", ("::1", 0)),
        (":9404", ("", 9404)),
    ],
)
def test_a_place_to_listen_at_may_be_everywhere_and_any_port(
    text: str, place: tuple[str, int]
) -> None:
    assert parse_place(text) == place


@pytest.mark.parametrize("text", ["9404", "127.0.0.1", "::1:9404", "a:99999", "a:b", "a:", ""])
def test_other_places_are_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=r"127\.0\.0\.1:9404|in brackets"):
        parse_place(text)


def test_the_variable_stands_in_for_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTSTRAP_SERVERS", "a:1,b:2")
    args = parser_of("explain").parse_args(["t"])
    assert Reach(args).addresses == [("a", 1), ("b", 2)]


@pytest.mark.parametrize(
    ("parse", "good", "bad"),
    [
        (parse_count, ["1", "20"], ["0", "-1", "1_0", "x", "1.5", "²"]),
        (parse_whole, ["0", "7"], ["-1", "", "0x1"]),
        (parse_ms, ["0", "1.5"], ["-1", "nan", "inf", "x"]),
    ],
)
def test_numbers_that_mean_nothing_are_refused(
    parse: Callable[[str], float], good: list[str], bad: list[str]
) -> None:
    assert [parse(text) for text in good] == [float(text) for text in good]
    for text in bad:
        with pytest.raises(ArgumentTypeError, match="expected"):
            parse(text)


def test_nothing_from_the_network_moves_a_terminals_cursor() -> None:
    hostile = "a\x1b[2Jb\r\x9b1m\u202e\x00\t\n\ud800é"
    assert visible(hostile) == r"a\x1b[2Jb\r\x9b1m\u202e\x00\t\n\ud800é"
    assert visible_lines(hostile) == r"a\x1b[2Jb\r\x9b1m\u202e\x00" + "\t\n" + r"\ud800é"
