"""`produce --session`: killed, and gone on with exactly once, from a file or standard input."""

from __future__ import annotations

import re
import shutil
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, CompletedProcess

import pytest
from minibroker.cli.main import main
from minibroker.cli.parsers import parser_of
from minibroker.cli.producing.plainly import Plainly
from minibroker.client import Producer, StaleJournal
from minibroker.testing import ChildBroker, TestBroker

from tests.support.processes.commands import BOUND_S, Command, run

LINES = [b"%05d" % number for number in range(20_000)]
TEXT = b"\n".join(LINES) + b"\n"


@pytest.fixture
def broker() -> Iterator[ChildBroker]:
    with ChildBroker() as running:
        running.create_topic("orders")
        yield running


def words(servers: str, directory: Path, *more: str) -> list[str]:
    session = ("--session", str(directory / "session"), "--session-durability", "page-cache")
    return ["produce", "orders", "--bootstrap-server", servers, *session, *more]


def finish(command: list[str], text: bytes = b"") -> CompletedProcess[bytes]:
    return run(*command, text=text)


@pytest.mark.parametrize("is_file", [True, False])
def test_a_killed_command_goes_on_at_its_place(
    broker: ChildBroker, tmp_path: Path, is_file: bool
) -> None:
    (tmp_path / "lines").write_bytes(TEXT)
    file = ("--file", str(tmp_path / "lines")) if is_file else ()
    command = words(broker.bootstrap_servers, tmp_path, *file)
    held = broker.faults.hold("Produce", at="appended", topic="orders", nth=4)
    with Command(*command, stdin=PIPE) as first:
        assert first.stdin is not None
        if not is_file:
            first.stdin.write(TEXT)
            first.stdin.flush()
        held.wait_reached()
        first.kill()
    held.release()
    done = finish(command, TEXT)
    assert done.returncode == 0, done.stderr
    said = re.fullmatch(
        r"(\d+) records stored in orders, from byte (\d+) on\n", done.stderr.decode()
    )
    assert said is not None, done.stderr
    assert int(said[1]) == len(LINES) - int(said[2]) / 6
    assert [each.value for each in broker.records("orders")] == LINES
    again = finish(command, TEXT)
    assert (again.returncode, again.stderr.split(b" ")[0]) == (0, b"0")


def test_the_same_lines_to_another_topic_are_another_task(
    broker: ChildBroker, tmp_path: Path
) -> None:
    command = words(broker.bootstrap_servers, tmp_path)
    assert finish(command, b"a\nb\n").returncode == 0
    command[1] = "payments"
    assert finish(command, b"a\nb\n").returncode == 0
    for topic in ("orders", "payments"):
        broker.assert_stored_once(topic, [b"a", b"b"])


def test_a_file_that_is_shorter_than_its_mark_is_refused(
    broker: ChildBroker, tmp_path: Path
) -> None:
    file = tmp_path / "lines"
    file.write_bytes(b"a\nb\n")
    command = words(broker.bootstrap_servers, tmp_path, "--file", str(file))
    assert finish(command).returncode == 0
    file.write_bytes(b"c\n")
    refused = finish(command)
    assert refused.returncode == 1
    assert b"it is not the one that was sent" in refused.stderr
    file.write_bytes(b"a\nb\nc\n")
    assert finish(command).returncode == 0
    broker.assert_stored_once("orders", [b"a", b"b", b"c"])


def args_of(broker: TestBroker, directory: Path, *more: str) -> Namespace:
    (directory / "lines").write_bytes(b"a\nb\nc\n")
    line = words(broker.bootstrap_servers, directory, "--file", str(directory / "lines"), *more)
    return parser_of(line[0]).parse_args(line[1:])


async def test_what_is_not_confirmed_stays_and_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with TestBroker() as broker:
        broker.create_topic("orders")
        held = broker.faults.hold("Produce", at="request", times=None)
        args = args_of(broker, tmp_path, "--delivery-timeout-ms", "300")
        args.request_timeout_ms = 200
        assert await Plainly(args).send_all() == 1
        said = capsys.readouterr().err
        assert "0 records stored in orders; 3 records are in " in said
        assert "and not confirmed: the same command goes on with them" in said
        held.release()
        broker.faults.clear()
        assert await Plainly(args_of(broker, tmp_path)).send_all() == 0
        assert capsys.readouterr().err == "0 records stored in orders, from byte 6 on\n"
        broker.assert_stored_once("orders", [b"a", b"b", b"c"])


async def test_a_mark_of_another_program_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with TestBroker() as broker:
        broker.create_topic("orders")
        source = f"orders < {(tmp_path / 'lines').resolve()}"
        async with Producer(
            broker.bootstrap_servers, session=str(tmp_path / "session")
        ) as producer:
            await producer.send_and_wait("orders", b"x", mark=(source, "here"))
        assert await Plainly(args_of(broker, tmp_path)).send_all() == 1
    assert "another program has set it" in capsys.readouterr().err


def test_one_command_at_a_time(broker: ChildBroker, tmp_path: Path) -> None:
    command = words(broker.bootstrap_servers, tmp_path)
    with Command(*command, stdin=PIPE) as first:
        assert first.stdin is not None
        first.stdin.write(b"a\n")
        first.stdin.flush()
        broker.wait_stored("orders", 1)
        second = finish(command, b"a\n")
        assert second.returncode == 1
        assert str(first.pid) in second.stderr.decode()
        first.stdin.close()
        assert first.wait(BOUND_S) == 0


def test_with_transactions_it_does_not_go(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["produce", "orders", "--session", "s", "--transactional-id", "t"]
    assert main([*words, "--transaction-lines", "7"]) == 2
    assert "--transaction-lines goes with no --session" in capsys.readouterr().err


async def test_of_two_copies_one_sends(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    async with TestBroker() as broker:
        broker.create_topic("orders")
        args = args_of(broker, first, "--transactional-id", "importer")
        assert await Plainly(args).send_all() == 0
        shutil.copytree(first, second)
        for directory in (second, first):
            (directory / "lines").write_bytes(b"a\nb\nc\nd\n")
        args.session = str(second / "session")
        assert await Plainly(args).send_all() == 0
        args.session = str(first / "session")
        with pytest.raises(StaleJournal, match="importer was gone on with elsewhere"):
            await Plainly(args).send_all()
        broker.assert_stored_once("orders", [b"a", b"b", b"c", b"d"])
