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
    with tempfile.TemporaryFile() as errors, pytest.raises(ProducerFailed, match="producer ended"):
        await ProducerProcess(process, errors, {}).acknowledged()
    assert process.returncode == -signal.SIGKILL
