"""`minibroker transactions`: which options go together, and how times and numbers are shown."""

from __future__ import annotations

import pytest
from minibroker.cli.commands.transactions import _known, _time
from minibroker.cli.main import main
from minibroker.cli.terminal.tables import places_cell

NOBODY = ("--bootstrap-server", "127.0.0.1:1")  # found wrong before anybody is asked


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("describe --transactional-id x --partition 0", "--partition goes with --topic"),
        ("find-hanging --partition 0", "--partition goes with --topic"),
        ("abort --topic t --partition 0", "--topic takes --partition and --start-offset, too"),
        ("abort --topic t --start-offset 0", "--topic takes --partition and --start-offset, too"),
        ("abort --transactional-id x --force", "--start-offset and --force go with --topic"),
        ("abort --transactional-id x --start-offset 1", "--start-offset and --force go with"),
    ],
)
def test_options_that_do_not_go_together(
    words: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transactions", *words.split(), *NOBODY]) == 2
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("words", ["abort", "describe", "abort --transactional-id x --topic t"])
def test_one_thing_is_looked_at_or_ended(words: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["transactions", *words.split(), *NOBODY])
    assert stopped.value.code == 2


def test_times_and_numbers_that_are_none_are_left_out() -> None:
    assert _time(1_700_000_000_999) == "2023-11-14T22:13:20Z"
    assert _time(-1) is None
    assert _time(2**62) == str(2**62)
    assert (_known(0), _known(-1)) == (0, None)
    assert places_cell({("t", 1), ("t", 0), ("a", 3)}) == "a(3), t(0,1)"
    assert places_cell(()) == "-"
