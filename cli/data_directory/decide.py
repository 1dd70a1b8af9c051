"""EDGE: `minibroker log adopt` and `log set-aside`: decisions about a data directory, offline.

Tests: tests/system/directory/test_data_directories.py
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Sequence

from ...broker.directory.adoption import Adoption
from ...broker.runtime import RealClock
from ...broker.storage.files import FileStorage
from ...broker.storage.port import StorageError
from ..terminal.running import complain


def decide(verb: str, directory: str, names: Sequence[str], *, every: bool) -> int:
    """Adopt logs of a data directory or set them aside, all or none; returns the exit code.

    Args:
        verb: "adopt" or "set-aside".
        every: all that a start would refuse because nobody knows it, beside `names`.
    Raises:
        DirectoryRefused, DamagedLog, MetadataError, StorageError: nothing was changed.
    """
    if not names and not every:
        complain(f"log {verb}", "name a log's directory, as orders-0, or --all; see log check")
        return 2
    if not os.path.isdir(directory):
        raise StorageError(directory, "is no directory")
    storage = FileStorage.of_broker(directory)
    try:
        adoption = Adoption(storage, RealClock().now_ms(), random.Random(), _warn)
        given = [name.rstrip("/") for name in names]
        wanted = list(dict.fromkeys([*given, *(adoption.unknown() if every else ())]))
        if not wanted:
            complain(f"log {verb}", "a start knows every partition that is there; nothing to do")
            return 0
        lines = adoption.adopt(wanted) if verb == "adopt" else adoption.set_aside(wanted)
    finally:
        storage.close()
    for line in lines:
        print(line)
    return 0


def _warn(line: str) -> None:
    print(line, file=sys.stderr)
