"""The demo's producer as a process: it is killed without a look at whether it has ended."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import tempfile
from asyncio.subprocess import PIPE

import pytest
from minibroker.console.lesson.producers.process import ProducerFailed, ProducerProcess
from minibroker.console.lesson.producers.ways import Interpreter
from minibroker.testing import TestBroker

SAYS_NO_MORE = "import os, sys; sys.stdin.readline(); os.close(1); sys.stdin.read()"


async def test_a_producer_is_not_polled_behind_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def poll(self: subprocess.Popen[bytes]) -> None:
        pytest.fail("who polls takes the exit status from the event loop")

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SAYS_NO_MORE, stdin=PIPE, stdout=PIPE
    )
    monkeypatch.setattr(subprocess.Popen, "poll", poll)
    way = Interpreter(process)
    way.tell(b"go\n")
    with tempfile.TemporaryFile() as errors, pytest.raises(ProducerFailed, match="producer ended"):
        await ProducerProcess(way, errors).acknowledged()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("is_forked", [False, True])
async def test_a_producer_sends_and_is_killed(is_forked: bool) -> None:
    async with TestBroker() as broker:
        broker.create_topic("t")
        producer = await ProducerProcess.started(
            "ours", broker.bootstrap_servers, idempotent=True, is_forked=is_forked
        )
        assert [await producer.send("t", value) for value in "ab"] == [0, 1]
        broker.faults.hold("Produce", at="request", topic="t")
        producer.start_sending("t", "c")
        await producer.kill()
        with tempfile.TemporaryFile() as errors, pytest.raises(ProducerFailed, match="ended"):
            await ProducerProcess(producer._way, errors).acknowledged()
        await producer.kill()  # it is gone, and nobody else is hurt
        other = await ProducerProcess.started(
            "ours", broker.bootstrap_servers, idempotent=True, is_forked=is_forked
        )
        await other.close()


@pytest.mark.parametrize("is_forked", [False, True])
async def test_what_a_producer_died_of_is_quoted(is_forked: bool) -> None:
    with pytest.raises(ProducerFailed, match="nonsense"):
        await ProducerProcess.started("ours", "nonsense:port", idempotent=True, is_forked=is_forked)
