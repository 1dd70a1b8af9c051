"""`produce --transactional-id`: which lines are in, when all goes well, and when it does not."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from argparse import Namespace
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from subprocess import PIPE, CompletedProcess

import pytest
from minibroker.cli.main import main
from minibroker.cli.parsers import parser_of
from minibroker.cli.producing import in_transactions, task
from minibroker.cli.producing.in_transactions import TRIES, InTransactions
from minibroker.testing import ChildBroker, TestBroker

from tests.support.processes import commands
from tests.support.processes.commands import BOUND_S, Command

NUMBERS = [b"%d" % number for number in range(1, 26)]
TEXT = b"\n".join(NUMBERS) + b"\n"


@pytest.fixture
def broker() -> Iterator[ChildBroker]:
    with ChildBroker() as running:
        running.create_topic("orders")
        yield running


def words(servers: str, *more: str) -> list[str]:
    return ["produce", "orders", "--bootstrap-server", servers, "--transactional-id", "im", *more]


def run(broker: ChildBroker, *more: str, text: bytes = TEXT) -> CompletedProcess[bytes]:
    return commands.run(*words(broker.bootstrap_servers, *more), text=text)


def groups(size: int) -> list[dict[str, list[bytes]]]:
    return [{"orders": NUMBERS[at : at + size]} for at in range(0, len(NUMBERS), size)]


def test_lines_are_committed_n_at_a_time(broker: ChildBroker) -> None:
    done = run(broker, "--transaction-lines", "10", "--json")
    assert (done.returncode, done.stderr) == (
        0,
        b"25 records stored in orders, in 3 transactions\n",
    )
    records = broker.records("orders")
    assert [each.value for each in records] == NUMBERS
    assert {each.transaction for each in records} == {"committed"}
    assert [each.offset for each in records] == [*range(10), *range(11, 21), *range(22, 27)]
    receipts = [json.loads(line)["offset"] for line in done.stdout.splitlines()]
    assert receipts == [each.offset for each in records]


def test_a_transaction_that_is_aborted_is_done_again(broker: ChildBroker) -> None:
    broker.faults.error("Produce", "TRANSACTION_ABORTABLE", topic="orders", nth=2)
    done = run(broker, "--transaction-lines", "10")
    assert done.returncode == 0
    first, last = done.stderr.decode().splitlines()
    assert first.startswith("minibroker produce: lines 11 to 20: aborted, and sent again: ")
    assert last == "25 records stored in orders, in 3 transactions"
    broker.assert_stored_once("orders", NUMBERS, isolation_level="read_committed")
    broker.assert_atomic(*groups(10))


def test_what_cannot_be_committed_is_told_with_the_lines_that_are(broker: ChildBroker) -> None:
    refused = broker.faults.error("Produce", "TRANSACTION_ABORTABLE", topic="orders", key=b"bad")
    done = run(broker, "--transaction-lines", "10", "--key-separator", ":", text=TEXT + b"bad:x")
    assert done.returncode == 1
    assert done.stderr.decode().endswith(
        "\n20 records stored in orders, in 2 transactions: lines 1 to 20; of lines 21 to 26 none\n"
    )
    assert done.stderr.count(b"lines 21 to 26: aborted, and sent again") == TRIES - 1
    assert refused.fired == TRIES
    broker.assert_atomic(*groups(10))


def test_who_is_fenced_says_which_lines_are_in(broker: ChildBroker) -> None:
    held = broker.faults.hold("EndTxn", at="request", nth=2)
    command = words(broker.bootstrap_servers, "--transaction-lines", "10")
    with Command(*command, stdin=PIPE, stderr=PIPE) as first:
        assert first.stdin is not None
        first.stdin.write(TEXT)
        first.stdin.close()
        held.wait_reached()
        second = run(broker, "--transaction-lines", "10")
        held.release()
        assert first.stderr is not None
        said = first.stderr.read().decode()
        assert first.wait(BOUND_S) == 1
    assert "has started with the same transactional_id" in said or "PRODUCER_FENCED" in said
    assert said.endswith(
        "10 records stored in orders, in 1 transaction: lines 1 to 10; of lines 11 to 20 none\n"
    )
    assert second.returncode == 0
    broker.assert_stored_once("orders", NUMBERS[:10] + NUMBERS, isolation_level="read_committed")


def test_ctrl_c_leaves_whole_transactions_and_says_where_to_go_on(broker: ChildBroker) -> None:
    command = words(broker.bootstrap_servers, "--transaction-lines", "20", "--json")
    with Command(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdin.write(TEXT)
        running.stdin.flush()
        for _ in range(20):
            running.stdout.readline()
        running.send_signal(signal.SIGINT)
        said = running.stderr.read().decode()
        assert running.wait(BOUND_S) == 130
    committed = broker.records("orders", isolation_level="read_committed")
    count = len(committed)
    assert count in (20, 25), "the last five are gathered for a second"
    assert [each.value for each in committed] == NUMBERS[:count]
    assert said == (
        f"{count} records stored in orders, in {1 + (count > 20)} "
        f"transaction{'s' * (count > 20)}: lines 1 to {count} (interrupted)\n"
    )


@pytest.fixture
async def inside() -> AsyncIterator[TestBroker]:
    async with TestBroker() as made:
        made.create_topic("orders")
        yield made


def args_of(broker: TestBroker, file: Path, *more: str) -> Namespace:
    file.write_bytes(TEXT)
    line = words(broker.bootstrap_servers, "--file", str(file), *more)
    return parser_of(line[0]).parse_args(line[1:])


async def test_a_commit_nobody_has_confirmed_is_told_to_be_unknown(
    inside: TestBroker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(task, "INTERRUPTED_MS", 100)
    held = inside.faults.hold("EndTxn", at="reply", nth=2)
    args = args_of(inside, tmp_path / "lines", "--transaction-lines", "10")
    sending = asyncio.create_task(InTransactions(args).send_all())
    await held.reached()
    os.kill(os.getpid(), signal.SIGINT)
    assert await sending == 130
    assert capsys.readouterr().err.endswith(
        "interrupted\n10 records stored in orders, in 1 transaction: lines 1 to 10; of lines 11 "
        "to 20 all or none: whether they were committed is not known\n"
    )
    held.release()
    inside.assert_atomic(*groups(10))


async def test_a_slow_input_is_committed_as_it_comes(
    inside: TestBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_transactions, "GATHERED_S", 0.01)
    out, into = os.pipe()
    monkeypatch.setattr(in_transactions, "opened", lambda file: out)
    args = args_of(inside, tmp_path / "lines", "--transaction-lines", "1000")
    sending = asyncio.create_task(InTransactions(args).send_all())
    for count, value in enumerate((b"a", b"b"), 1):
        os.write(into, value + b"\n")
        await inside.consume("orders", count)
    os.close(into)
    assert await sending == 0
    assert {each.transaction for each in inside.records("orders")} == {"committed"}
    assert [each.offset for each in inside.records("orders")] == [0, 2]


async def test_a_line_that_is_too_large_is_named(
    inside: TestBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = args_of(
        inside, tmp_path / "lines", "--transaction-lines", "10", "--max-request-size", "1000"
    )
    (tmp_path / "lines").write_bytes(TEXT + b"x" * 2000)
    assert await InTransactions(args).send_all() == 1
    said = capsys.readouterr().err
    assert "line 26: " in said
    assert said.endswith(
        "20 records stored in orders, in 2 transactions: lines 1 to 20; of lines 21 to 26 none\n"
    )
    inside.assert_stored_once("orders", NUMBERS[:20], isolation_level="read_committed")


def test_lines_of_what_transaction(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["produce", "orders", "--transaction-lines", "5"]) == 2
    assert "--transaction-lines goes with --transactional-id" in capsys.readouterr().err
