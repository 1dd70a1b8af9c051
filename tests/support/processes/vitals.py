"""EDGE: what a process takes from the machine: memory, descriptors, threads. Linux only (/proc)."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import NamedTuple


class Vitals(NamedTuple):
    """One look at a process."""

    rss_kb: int
    descriptors: int
    sockets: int  # of the descriptors
    threads: int


def vitals(pid: int) -> Vitals:
    """How a process is now; FileNotFoundError or ProcessLookupError when it has ended."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    if "VmRSS" not in fields:
        raise ProcessLookupError(f"process {pid} has ended")
    rss_kb = int(fields["VmRSS"].split()[0])
    opened = [_target(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
    sockets = sum(target.startswith("socket:") for target in opened)
    return Vitals(rss_kb, len(opened), sockets, int(fields["Threads"]))


def _target(descriptor: Path) -> str:
    try:
        return os.readlink(descriptor)
    except FileNotFoundError:
        return ""  # closed since it was listed


def allow_descriptors(count: int) -> bool:
    """Raise this process's and its children's soft limit to `count`; False if it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count or soft == resource.RLIM_INFINITY:
        return True
    if hard != resource.RLIM_INFINITY and hard < count:
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    return True
