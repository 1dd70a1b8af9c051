"""EDGE: the load generator, a Go program of loadgen/: built here, run for one load at a time.

It costs about 1.3 µs a request, a tenth of any broker; how far it gets against a server that does
nothing stands beside every row ("of the limit"), so that a row that it holds back says so.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.bench.loads import (
    READ_BATCHES,
    READ_RECORD_BYTES,
    READ_RECORDS,
    READ_TOPIC,
    Load,
)
from tests.bench.servers import ROOT, Server

SOURCE = Path(__file__).parent / "loadgen"
PROGRAM = ROOT / "build" / "loadgen"
BUILD_S = 120.0
STUCK_S = 90.0


class LoadFailed(Exception):
    """The generator ended with an error; quotes it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one load came to in one round; a figure that was not taken is 0.

    Args:
        per_s: requests, or records of a client library, a second.
        cpu_us: the broker's processor time for each, user and system, in µs.
        own_share: of one processor that the generator used.
    """

    per_s: float
    cpu_us: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    own_share: float = 0.0


def missing_go() -> str | None:
    """Why the generator cannot be built here, in words for a skip; None when it can."""
    return None if shutil.which("go") else "needs go, which is not on the PATH"


@cache
def program() -> Path:
    """The built generator."""
    PROGRAM.parent.mkdir(exist_ok=True)
    built = subprocess.run(
        ["go", "build", "-o", str(PROGRAM), "."],
        cwd=SOURCE,
        capture_output=True,
        text=True,
        timeout=BUILD_S,
        check=False,
    )
    if built.returncode:
        raise LoadFailed(f"go build failed: {built.stderr}")
    return PROGRAM


def measure(
    server: Server,
    load: Load,
    seconds: float,
    *,
    warm_up_s: float = 0.2,
    topic: str = "",
    tls: bool = False,
) -> Measured:
    """Send for so long; raises LoadFailed when the broker refuses, hangs or answers wrongly.

    Args:
        topic: another than the load names.
        tls: the server's port speaks TLS.
    """
    told = [f"-warm-up={warm_up_s}s", f"-time={seconds}s", f"-pid={server.pid}"]
    told += [f"-topic={topic}"] if topic else []
    told += ["-tls"] if tls else []
    found = _run(server, [*load.options(), *told])
    requests = found["requests"]
    return Measured(
        per_s=requests / found["seconds"],
        cpu_us=found["broker_cpu_seconds"] / requests * 1e6,
        p50_ms=found["p50_ms"],
        p99_ms=found["p99_ms"],
        own_share=found["own_cpu_seconds"] / found["seconds"],
    )


def fill(server: Server) -> None:
    """Write what is read: READ_BATCHES batches."""
    load = Load("", 1, records=READ_RECORDS, record_bytes=READ_RECORD_BYTES)
    _run(server, [*load.options(), f"-topic={READ_TOPIC}", f"-count={READ_BATCHES}"])


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far, all its threads; 0 for pid 0 (nobody)."""
    # The clock that clock_getcpuclockid(3) names, which Python does not offer.
    return time.clock_gettime(~pid << 3 | 2) if pid else 0.0


@contextmanager
def null_server(name: str) -> Iterator[Server]:
    """Answers bytes of the right shape to anything: the limit of the generator and the machine."""
    command = [str(program()), "null"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Server(name, "127.0.0.1", int(process.stdout.readline()), process.pid)
        finally:
            process.kill()


def _run(server: Server, options: list[str]) -> dict[str, float]:
    command = [str(program()), "load", f"-address={server.host}:{server.port}", *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=STUCK_S, check=False)
    if ended.returncode:
        raise LoadFailed(f"{server.name}: {' '.join(options)}: {ended.stderr.strip()}")
    found: dict[str, float] = json.loads(ended.stdout)
    return found
