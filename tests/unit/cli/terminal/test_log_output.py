"""EDGE: a log that nobody reads holds up nobody."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator

import pytest
from minibroker.broker.log_lines import Event, formatter
from minibroker.cli.terminal import log_output
from minibroker.cli.terminal.log_output import LogOutput

PIPE_BYTES = 8 * 1024


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe with little room: (to read, to write)."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    yield reading, writing
    os.close(reading)
    os.close(writing)


def output_to(descriptor: int) -> LogOutput:
    output = LogOutput(descriptor)
    output.setFormatter(formatter("text"))
    return output


def say(output: LogOutput, number: int) -> None:
    event = Event("said", number=number, text="x" * 200)
    output.emit(logging.LogRecord("m", logging.INFO, "", 0, event, None, None))


def read_all(reading: int, output: LogOutput) -> str:
    """Everything, read bit by bit while what is kept is written."""
    os.set_blocking(reading, False)
    data = b""
    while True:
        try:
            data += os.read(reading, 1000)
        except BlockingIOError:
            return data.decode()
        output._write_kept(0)


def numbers(text: str) -> list[int]:
    return [int(line.split("number=")[1].split()[0]) for line in text.splitlines()]


def test_what_finds_no_room_is_kept_and_comes_in_order(pipe: tuple[int, int]) -> None:
    output = output_to(pipe[1])
    for number in range(500):
        say(output, number)
    assert numbers(read_all(pipe[0], output)) == list(range(500))


def test_beyond_the_bound_lines_are_left_out_and_counted(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_output, "KEPT_LINES_MAX", 10)
    output = output_to(pipe[1])
    for number in range(200):
        say(output, number)
    first = read_all(pipe[0], output)
    say(output, 200)
    later = read_all(pipe[0], output).splitlines()
    kept = numbers(first)
    assert kept == list(range(len(kept)))
    assert f"event=log-lines-left-out count={200 - len(kept)} " in later[0]
    assert numbers(later[1]) == [200]


def test_a_long_line_is_written_whole(pipe: tuple[int, int]) -> None:
    output = output_to(pipe[1])
    record = logging.LogRecord("m", logging.INFO, "", 0, "x", None, None)
    record.exc_text = None
    try:
        raise ValueError("y" * 15_000)
    except ValueError as error:
        record.exc_info = (ValueError, error, error.__traceback__)
    output.emit(record)
    said = read_all(pipe[0], output)
    assert said.count("y") >= 15_000
    assert said.endswith('"\n')


def test_a_reader_who_is_gone_harms_nobody() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    output = output_to(writing)
    say(output, 1)
    output.flush()
    os.close(writing)
    say(output, 2)  # a descriptor that is closed
