"""EDGE: what a figure depends on, in one line to print before it."""

from __future__ import annotations

import os
import platform
import subprocess

from tests.bench.servers import ROOT


def describe_run(how: str) -> str:
    """Commit, machine and how it was measured."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    ).stdout.strip()
    return (
        f"commit {commit or 'unknown'}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}; {how}"
    )
