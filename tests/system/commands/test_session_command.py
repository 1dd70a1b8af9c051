"""`session show|settle`: marks, what is open, refused or unsettled, and decisions about it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from minibroker.cli.commands import session
from minibroker.cli.parsers import parser_of
from minibroker.cli.terminal.running import CommandFailed
from minibroker.client import Admin, ClientError, Producer
from minibroker.testing import TestBroker


@pytest.fixture
async def broker() -> AsyncIterator[TestBroker]:
    async with TestBroker() as made:
        made.create_topic("orders")
        yield made


async def run(*words: str) -> int:
    args = parser_of("session").parse_args([*words])
    work = session._show if args.verb == "show" else session._settle
    return await work(args)


async def shown(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    code = await run(*words, "--json")
    return code, json.loads(capsys.readouterr().out)


async def left_open(broker: TestBroker, directory: str, *, stored: bool) -> None:
    """A session whose producer ended with one record on its way."""
    held = broker.faults.hold("Produce", at="appended" if stored else "request", topic="orders")
    producer = Producer(broker.bootstrap_servers, session=directory, request_timeout_ms=30_000)
    await producer.start()
    await producer.send("orders", b"a", mark=("lines", 1))
    await held.reached()
    await producer.stop(0)
    if stored:
        held.release()
    else:
        await broker.kill()
        await broker.start()
    broker.faults.clear()


async def test_what_is_open_is_shown_and_settled(
    broker: TestBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = str(tmp_path / "s")
    await left_open(broker, directory, stored=True)
    code, what = await shown(capsys, "show", directory)
    assert code == 0
    assert what["marks"] == [{"source": "lines", "position": 1}]
    (batch,) = what["open"]
    assert (batch["topic"], batch["partition"], batch["count"]) == ("orders", 0, 1)
    assert batch["state"] == "open"
    assert what["in_use_by"] is None
    servers = ("--bootstrap-server", broker.bootstrap_servers)
    assert await run("settle", directory, *servers) == 0
    said = capsys.readouterr().out
    assert "SOURCE  POSITION\nlines   1\n" in said
    assert "nothing is open" in said
    broker.assert_stored_once("orders", [b"a"])


@pytest.mark.interop  # a topic has to be away for seconds before it counts as gone
async def test_of_a_topic_made_again_nobody_knows_until_it_is_said(
    broker: TestBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = str(tmp_path / "s")
    servers = ("--bootstrap-server", broker.bootstrap_servers)
    await left_open(broker, directory, stored=True)
    async with Admin(broker.bootstrap_servers) as admin:
        await admin.delete_topics(["orders"])
        await admin.create_topic("orders", num_partitions=1)
    code, what = await shown(capsys, "settle", directory, *servers)
    assert code == 1
    (batch,) = what["open"]
    assert batch["state"] == "unsettled"
    assert "made again" in batch["reason"]
    with pytest.raises(CommandFailed, match="batch 99 is not unsettled"):
        await run("settle", directory, *servers, "--stored", "99")
    assert await run("settle", directory, *servers, "--not-stored", str(batch["batch"])) == 0
    broker.assert_stored_once("orders", [b"a"])


async def test_what_was_refused_is_kept_until_it_is_taken(
    broker: TestBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = str(tmp_path / "s")
    broker.faults.error("Produce", "INVALID_RECORD", topic="orders", times=1)
    async with Producer(broker.bootstrap_servers, session=directory) as producer:
        with pytest.raises(ClientError):
            await producer.send_and_wait("orders", b"a", key=b"k")
    _, what = await shown(capsys, "show", directory)
    (refused,) = what["refused"]
    assert "INVALID_RECORD" in refused["reason"]
    assert refused["records"] == [{"key": "k", "value": "a"}]
    servers = ("--bootstrap-server", broker.bootstrap_servers)
    assert await run("settle", directory, *servers) == 1
    assert "refused" in capsys.readouterr().out
    assert await run("settle", directory, *servers, "--take-refused") == 0
    capsys.readouterr()
    _, what = await shown(capsys, "show", directory)
    assert what["refused"] == []


async def test_a_directory_that_is_none_is_not_made(broker: TestBroker, tmp_path: Path) -> None:
    for verb, more in (("show", ()), ("settle", ("--bootstrap-server", broker.bootstrap_servers))):
        with pytest.raises(CommandFailed, match="No such file"):
            await run(verb, str(tmp_path / "none"), *more)
    assert not (tmp_path / "none").exists()


async def test_who_has_it_is_told(
    broker: TestBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = str(tmp_path / "s")
    async with Producer(broker.bootstrap_servers, session=directory) as producer:
        await producer.send_and_wait("orders", b"a", mark=7)
        _, what = await shown(capsys, "show", directory)
        assert what["in_use_by"]
        assert what["marks"] == [{"source": None, "position": 7}]
        with pytest.raises(ClientError, match="process"):
            await run("settle", directory, "--bootstrap-server", broker.bootstrap_servers)
