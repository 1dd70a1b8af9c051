"""Lines and their places: of files and pipes, cut into chunks anywhere, from any line on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from minibroker.cli.producing import lines as reading
from minibroker.cli.producing.lines import Line, Lines, opened
from minibroker.cli.terminal.running import CommandFailed

TEXT = b"one\n\nthree, and long\nfour\nrest"
LINES = [
    Line(b"one", 4),
    Line(b"", 5),
    Line(b"three, and long", 21),
    Line(b"four", 26),
    Line(b"rest", 30),
]


async def read(descriptor: int, start: int = 0) -> list[Line]:
    lines = Lines(descriptor, start=start)
    lines.begin()
    found: list[Line] = []
    while not lines.is_over:
        found += await lines.more()
    os.close(descriptor)
    return found


def piped(text: bytes) -> int:
    out, into = os.pipe()
    os.write(into, text)
    os.close(into)
    return out


def in_file(tmp_path: Path, text: bytes) -> int:
    (tmp_path / "lines").write_bytes(text)
    return opened(str(tmp_path / "lines"))


@pytest.mark.parametrize("chunk", [1, 2, 5, 1000])
@pytest.mark.parametrize("begin", range(len(LINES)))
@pytest.mark.parametrize("is_file", [True, False])
async def test_lines_from_any_one_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, begin: int, is_file: bool
) -> None:
    monkeypatch.setattr(reading, "CHUNK_BYTES", chunk)
    descriptor = in_file(tmp_path, TEXT) if is_file else piped(TEXT)
    start = LINES[begin - 1].end if begin else 0
    assert await read(descriptor, start) == LINES[begin:]


@pytest.mark.parametrize("is_file", [True, False])
async def test_behind_the_end_there_is_nothing(tmp_path: Path, is_file: bool) -> None:
    descriptor = in_file(tmp_path, TEXT) if is_file else piped(TEXT)
    assert await read(descriptor, len(TEXT)) == []


@pytest.mark.parametrize("chunk", [1, 2, 1000])
async def test_the_newline_of_a_line_that_was_sent_without_it_is_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(reading, "CHUNK_BYTES", chunk)
    descriptor = in_file(tmp_path, TEXT + b"\nsix\n")
    assert await read(descriptor, len(TEXT)) == [Line(b"six", 35)]


@pytest.mark.parametrize("is_file", [True, False])
async def test_an_input_that_is_shorter_is_not_the_one_that_was_sent(
    tmp_path: Path, is_file: bool
) -> None:
    descriptor = in_file(tmp_path, TEXT) if is_file else piped(TEXT)
    with pytest.raises(CommandFailed, match="ends at byte 30, and 31 bytes of it were sent"):
        await read(descriptor, len(TEXT) + 1)


async def test_when_stopped_the_begin_of_a_line_is_none() -> None:
    out, into = os.pipe()
    os.write(into, b"one\nhal")
    lines = Lines(out)
    lines.begin()
    assert await lines.more() == [Line(b"one", 4)]
    lines.stop()
    assert await lines.more() == []
    assert lines.is_over
    os.close(into)


async def test_what_cannot_be_read_is_raised(tmp_path: Path) -> None:
    lines = Lines(os.open(tmp_path, os.O_RDONLY))
    lines.begin()
    with pytest.raises(IsADirectoryError):
        await lines.more()
