"""EDGE: how many file descriptors this process may have, and who gets how many.

Connections and log files share them with everything else: listeners, the lock, a file that is being
replaced, the event loop. What is handed out to the two is less than there is, so that neither a
thousand idle clients nor a thousand written partitions take what a flush or a start record needs.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import Final

from ..limits import DESCRIPTORS_RESERVED, OPEN_FILES_MAX

_MANY: Final = 2**20  # where there is no limit, and more than anybody has asked for


@dataclass(frozen=True, slots=True)
class Shares:
    """How many descriptors there are, how many may be connections, how many log files."""

    limit: int
    connections_max: int
    open_files_max: int


def raise_limit() -> None:
    """Take what the system allows; for a process that is a broker and nothing else."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MANY if hard == resource.RLIM_INFINITY else min(hard, _MANY)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def shares() -> Shares:
    """What this process has now, divided: a third at most for log files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return divided(_MANY if soft == resource.RLIM_INFINITY else soft)


def divided(limit: int) -> Shares:
    """Divide so many descriptors."""
    left = max(limit - DESCRIPTORS_RESERVED, 2)
    open_files_max = max(min(left // 3, OPEN_FILES_MAX), 1)
    return Shares(limit, max(left - open_files_max, 1), open_files_max)
