"""A broker in a child process: the same faults over a control socket, and a real SIGKILL."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from minibroker.client.blocking import Producer as BlockingProducer
from minibroker.client.cluster.connection import Connection, ConnectionFailed
from minibroker.testing import ChildBroker, ChildBrokerError
from minibroker.testing.nursery import Nursery

from tests.support.in_loop.requests import produce
from tests.support.processes.vitals import allow_descriptors

WAIT_S = 120.0
SELECT_MAX = 1024  # select() takes no descriptor from this number on


@pytest.fixture
def broker() -> Iterator[ChildBroker]:
    with ChildBroker() as made:
        made.create_topic("t")
        yield made


async def send(broker: ChildBroker, value: bytes) -> int:
    """Store a value; the error code."""
    connection = await Connection.open("127.0.0.1", broker.port, client_id="test")
    try:
        async with asyncio.timeout(WAIT_S):
            response = await connection.request(produce(value))
    finally:
        await connection.close()
    code: int = response.responses[0].partition_responses[0].error_code
    return code


async def test_what_is_stored_survives_restart_and_kill(broker: ChildBroker) -> None:
    port = broker.port
    assert await send(broker, b"a") == 0
    broker.restart()
    assert await send(broker, b"b") == 0
    broker.kill()
    assert not broker.is_running
    broker.start()
    assert broker.port == port
    broker.assert_stored_once("t", [b"a", b"b"])
    with pytest.raises(AssertionError, match="missing 1: b'c'"):
        broker.assert_stored_once("t", [b"a", b"b", b"c"])


async def test_a_lost_reply_is_counted(broker: ChildBroker) -> None:
    lost = broker.faults.lose_reply("Produce", topic="t", nth=2)
    assert await send(broker, b"a") == 0
    with pytest.raises(AssertionError, match=r"lose_reply\(.*fired 0 of 1 matches"):
        broker.faults.assert_all_fired()
    with pytest.raises(ConnectionFailed):
        await send(broker, b"b")
    assert (lost.matched, lost.fired) == (2, 1)
    broker.faults.assert_all_fired()
    assert [each.outcome for each in broker.history("test") if each.api == "Produce"] == [
        "answered",
        "answer lost",
    ]


async def test_a_barrier_is_awaited_without_blocking(broker: ChildBroker) -> None:
    held = broker.faults.hold(at="appended", topic="t")
    sending = asyncio.create_task(send(broker, b"a"))
    await held.reached(timeout_s=WAIT_S)
    assert not sending.done()
    held.release()
    assert await sending == 0


def test_a_barrier_is_awaited_blocking(broker: ChildBroker) -> None:
    held = broker.faults.hold(at="appended", topic="t")
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(lambda: asyncio.run(send(broker, b"a")))
        held.wait_reached(timeout_s=WAIT_S)
        assert not sending.done()
        held.release()
        assert sending.result(WAIT_S) == 0
    broker.wait_stored("t", 1, timeout_s=WAIT_S)


async def test_a_wait_is_bounded(broker: ChildBroker) -> None:
    held = broker.faults.hold(at="appended", topic="t")
    with pytest.raises(TimeoutError):
        held.wait_reached(timeout_s=0.01)
    with pytest.raises(TimeoutError):
        await held.reached(timeout_s=0.01)
    with pytest.raises(TimeoutError):
        broker.wait_stored("t", 1, timeout_s=0.01)
    with pytest.raises(TimeoutError):
        await broker.until_stored("t", 1, timeout_s=0.01)


async def test_a_crash_is_a_real_one_and_is_counted(broker: ChildBroker) -> None:
    crash = broker.faults.crash(at="appended", topic="t")
    other = broker.faults.delay("Produce", delay_ms=0, at="request")
    with pytest.raises(ConnectionFailed):
        await send(broker, b"a")
    await broker.ended(timeout_s=WAIT_S)
    assert (crash.fired, other.fired) == (1, 1)
    broker.restart()
    broker.assert_stored_once("t", [b"a"])
    assert await send(broker, b"b") == 0
    assert (crash.fired, other.fired) == (1, 2)


async def test_a_rule_that_crashed_the_broker_once_lets_it_start_again(
    broker: ChildBroker,
) -> None:
    crash = broker.faults.crash(at="appended", topic="t", times=1)
    with pytest.raises(ConnectionFailed):
        await send(broker, b"a")
    await broker.ended(timeout_s=WAIT_S)
    broker.start()
    assert await send(broker, b"b") == 0
    assert crash.fired == 1


async def test_counts_outlive_a_kill_by_others(broker: ChildBroker) -> None:
    once = broker.faults.error("Produce", "NOT_LEADER_OR_FOLLOWER", times=1)
    assert await send(broker, b"a") == 6
    os.kill(broker.pid, signal.SIGKILL)
    broker.wait_ended(timeout_s=WAIT_S)
    broker.start()
    assert await send(broker, b"b") == 0
    assert once.fired == 1


async def test_cleared_rules_are_gone(broker: ChildBroker) -> None:
    broker.faults.error("Produce", "NOT_LEADER_OR_FOLLOWER")
    broker.faults.clear()
    assert await send(broker, b"a") == 0
    assert broker.faults.armed == ()


def test_what_goes_wrong_in_the_child_is_told() -> None:
    with pytest.raises(ChildBrokerError, match=r"no\.such\.property"):
        ChildBroker(settings={"no.such.property": "1"}).start()
    broker = ChildBroker()
    with pytest.raises(ChildBrokerError, match="did not answer 'records'"):
        broker.records("t")


def test_the_child_ends_with_its_parent() -> None:
    code = (
        "import os; from minibroker.testing import ChildBroker; b = ChildBroker(); b.start(); "
        "print(b.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", code]
    parent = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert parent.returncode == -signal.SIGKILL
    pidfd = os.pidfd_open(int(parent.stdout)) if Path(f"/proc/{int(parent.stdout)}").exists() else 0
    if pidfd:
        ending = select.poll()
        ending.register(pidfd, select.POLLIN)
        has_ended = ending.poll(WAIT_S * 1000)
        os.close(pidfd)
        assert has_ended


def test_a_process_with_a_thousand_files_open_has_brokers_too() -> None:
    if not allow_descriptors(SELECT_MAX + 200):
        pytest.skip("the hard limit on open files is too low here")
    with ExitStack() as stack:
        null = stack.enter_context(open(os.devnull))
        for _ in range(SELECT_MAX):
            stack.callback(os.close, os.dup(null.fileno()))
        nest = Nursery()
        stack.callback(nest.close)
        with ChildBroker(nest=nest) as broker:
            assert broker.produce("t", b"a")[0].offset == 0


def test_records_are_produced_and_consumed_in_one_line(broker: ChildBroker) -> None:
    receipts = broker.produce("short", b"a", b"b", key=b"k")
    assert [each.offset for each in receipts] == [0, 1]
    stored = broker.consume("short", 2)
    assert [(each.key, each.value) for each in stored] == [(b"k", b"a"), (b"k", b"b")]
    with pytest.raises(LookupError, match="no topic 'shrt'; did you mean short"):
        broker.records("shrt")
    with pytest.raises(TimeoutError):
        broker.consume("nowhere", timeout_s=0.01)


@pytest.mark.parametrize("end", ["kill", "stop", "crash"])
def test_the_history_outlives_the_broker(end: str) -> None:
    with ChildBroker() as broker:
        broker.produce("t", b"a")
        if end == "crash":
            broker.faults.crash(at="appended", topic="t", then="restart")
            broker.produce("t", b"b")
        else:
            getattr(broker, end)()
        assert "Produce" in [each.api for each in broker.history()]
        count = len(broker.history())
        broker.ensure_running()
        again = broker.history(client_id="minibroker-testing")
        assert len(again) >= count
        assert {each.client_id for each in again} == {"minibroker-testing"}
        broker.forget_history()
        assert broker.history() == []


def test_a_crash_may_be_followed_by_a_start_and_fires_once() -> None:
    with ChildBroker() as broker:
        broker.produce("t", b"a")
        pid = broker.pid
        crash = broker.faults.crash(at="appended", topic="t", then="restart")
        broker.produce("t", b"b")
        assert broker.pid != pid
        broker.assert_stored_once("t", [b"a", b"b"])
        assert crash.fired == 1


def test_start_after_a_crash_remembers_what_has_fired() -> None:
    with ChildBroker() as broker:
        broker.produce("t", b"a")
        crash = broker.faults.crash(at="appended", topic="t")
        lost = broker.faults.lose_reply("Produce", topic="t")
        with BlockingProducer(broker.bootstrap_servers) as producer:
            delivery = producer.send("t", b"b")
            broker.wait_ended()
            broker.start()
            assert delivery.result().offset == 1
        assert (crash.fired, lost.fired) == (1, 1)
        assert broker.is_running


def test_it_says_what_it_is_and_what_it_logged(broker: ChildBroker) -> None:
    assert repr(broker) == (
        f"<ChildBroker at {broker.bootstrap_servers}, pid {broker.pid}, durability=page-cache>"
    )
    broker.forget_history()
    assert broker.logged == ""
    broker.restart()
    assert broker.logged
    assert broker.said.endswith(broker.logged)
