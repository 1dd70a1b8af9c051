"""Log lines: valid logfmt and JSON whatever stands in the values, one line a happening."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from minibroker.broker.log_lines import (
    KEYS_MAX,
    VALUE_CHARACTERS_MAX,
    Event,
    Line,
    OncePerSecond,
    formatter,
)
from minibroker.protocol.errors import ErrorCode, shortened

PAIR = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "=\\]+)( |$)')
ANY_TEXT = st.text(st.characters(codec=None), max_size=40)


def line_of(said: Line, form: str = "text", level: int = logging.INFO) -> str:
    record = logging.LogRecord("minibroker", level, "", 0, said, None, None)
    return formatter(form).format(record)


def parsed(line: str) -> dict[str, str]:
    """The pairs of a line of logfmt; fails on anything that is none."""
    pairs, position = {}, 0
    while position < len(line):
        match = PAIR.match(line, position)
        assert match, f"no pair at {position}: {line[position:]!r}"
        key, value, _ = match.groups()
        pairs[key] = json.loads(value, strict=False) if value[0] == '"' else value
        position = match.end()
    return pairs


@given(ANY_TEXT)
def test_any_value_comes_back_from_a_line_of_logfmt(text: str) -> None:
    astral = [each for each in text if ord(each) > 0xFFFF and not each.isprintable()]
    line = line_of(Event("met", client_id=text))
    assert line.isprintable()
    if not astral:  # \U0001xxxx is ours: logfmt has no word for it
        assert parsed(line)["client_id"] == text


@given(ANY_TEXT)
def test_any_value_comes_back_from_a_line_of_json(text: str) -> None:
    line = line_of(Event("met", client_id=text), "json")
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line)["client_id"] == text


def test_a_line_has_time_with_its_zone_level_event_and_fields_in_order() -> None:
    line = line_of(Event("topic-created", topic="orders", partitions=3, configs=None))
    assert re.fullmatch(
        r"time=\S+[+-]\d\d:\d\d level=INFO event=topic-created topic=orders partitions=3", line
    )
    assert datetime.fromisoformat(parsed(line)["time"]).utcoffset() is not None


def test_plain_text_becomes_a_quoted_message() -> None:
    assert parsed(line_of('3 rules, "all"'))["msg"] == '3 rules, "all"'


def test_numbers_booleans_and_codes_say_what_they_are() -> None:
    event = Event("e", count=3, clean=True, code=ErrorCode.NOT_COORDINATOR)
    assert line_of(event).endswith("event=e count=3 clean=true code=NOT_COORDINATOR")
    said = json.loads(line_of(event, "json"))
    assert (said["count"], said["clean"], said["code"]) == (3, True, "NOT_COORDINATOR")


def test_a_terminal_is_given_no_orders() -> None:
    line = line_of(Event("e", group="\x1b[2J\x9b31m\u202eevil\r\nlevel=INFO"))
    assert line.endswith(r'group="\u001b[2J\u009b31m\u202eevil\r\nlevel=INFO"')


def test_a_long_value_is_cut_and_says_so() -> None:
    assert shortened("x" * VALUE_CHARACTERS_MAX) == "x" * VALUE_CHARACTERS_MAX
    assert shortened("x" * 32_767).endswith("x… (32267 more)")
    assert len(line_of(Event("e", name="x" * 32_767))) < VALUE_CHARACTERS_MAX + 100


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_stays_in_its_line(form: str) -> None:
    try:
        raise ValueError("here\nand there")
    except ValueError:
        record = logging.LogRecord(
            "minibroker", logging.ERROR, "", 0, Event("failed"), None, sys.exc_info()
        )
    line = formatter(form).format(record)
    assert "\n" not in line
    read = parsed(line) if form == "text" else json.loads(line)
    assert read["traceback"].endswith("ValueError: here\nand there")


def test_one_line_a_second_and_key_and_the_next_says_how_many_were_left_out() -> None:
    limit = OncePerSecond()
    assert limit.left_out("a", 5_000) == 0
    assert [limit.left_out("a", 5_000 + each) for each in (0, 1, 999)] == [None] * 3
    assert limit.left_out("b", 5_999) == 0
    assert limit.left_out("a", 6_000) == 3
    assert limit.left_out("a", 6_999) is None


def test_the_keys_it_remembers_are_bounded_and_the_oldest_goes() -> None:
    limit = OncePerSecond()
    for number in range(KEYS_MAX + 1):
        limit.left_out(str(number), 0)
    assert limit.left_out("1", 0) is None
    assert limit.left_out("0", 0) == 0  # forgotten, so it is written once more
