"""EDGE: MirrorMaker 2 as a child process, with a configuration of `minibroker graduate`.

with Mirror(properties) as mirror:
    mirror.kill()
    mirror.start()
"""

from __future__ import annotations

import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.interop.matrix.environments import Runnable, maven_class
from tests.support.processes.kafka import VERSION

STOP_TIMEOUT_S = 60
QUOTED_BYTES = 8_000


def mirror_maker() -> Runnable:
    """How it is run. Raises EnvironmentMissing."""
    names = ("connect-mirror", "connect-runtime")
    artifacts = [f"org.apache.kafka:{name}:{VERSION}" for name in names]
    return maven_class("mirror-maker", "org.apache.kafka.connect.mirror.MirrorMaker", artifacts)


class Mirror:
    """One MirrorMaker; killed at the end of the block.

    Attributes:
        kills: how often kill() has ended it.
    """

    def __init__(self, properties: Path) -> None:
        self.kills = 0
        self._command = (*mirror_maker().command, str(properties))
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  closed in __exit__
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def said(self) -> str:
        """The end of its log, over all starts."""
        end = self._said.seek(0, 2)
        self._said.seek(max(0, end - QUOTED_BYTES))
        return self._said.read().decode(errors="replace")

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; it takes its time until it copies."""
        self._said.seek(0, 2)
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._said
        )

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        assert self._process is not None
        assert self.is_running, self.said
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(STOP_TIMEOUT_S)
        self.kills += 1

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.is_running:
            self.kill()
        self._said.close()
