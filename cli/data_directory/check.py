"""EDGE: `minibroker log check DIR`: what the next start would do, told by the start's own code.

A broker is opened on a view of the directory in which nothing that it writes arrives (an Overlay),
so what is told is what would happen. Then every batch is read, which a start spares itself below
the recovery point. Where a start would refuse a log, that log is set aside in the view, as the
refusal says, to see whether more would be refused. Rows, by kind:

    log      sound               cut       a start would cut a tail, and say so
    damaged  a reader meets it   refused   the broker would not start
    would    what the start would log      verdict   one sentence, the last row
Tests: tests/unit/cli/commands/test_log.py
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from ...broker.broker import Broker
from ...broker.cluster.records import MetadataError
from ...broker.config.broker import BrokerConfig
from ...broker.directory.adoption import Adoption
from ...broker.directory.restart import Restart
from ...broker.log.checkpoints import key_parts
from ...broker.log.epochs import LeaderEpochs
from ...broker.log.folding import Fold
from ...broker.log.log import Log
from ...broker.log.recovery import scan, segment_offsets
from ...broker.log.segment import Segment
from ...broker.partitions.producers import Producers
from ...broker.runtime import RealClock
from ...broker.storage.files import DirectoryLookedAt
from ...broker.storage.names import STATE_LOGS
from ...broker.storage.overlay import Overlay
from ...broker.storage.port import DamagedLog, DirectoryRefused, Storage, StorageError
from ...broker.waiting.hooks import Hooks
from ...broker.world import World
from .files import Row

REFUSED_MAX = 20  # damaged logs that are looked for


def check_directory(root: Path) -> Iterator[Row]:
    """Check a data directory, a row each log, and what a start would do.

    Raises:
        DirectoryInUse: a broker runs on it.
        StorageError: there is no such directory, or it cannot be read.
    """
    looked_at = DirectoryLookedAt(str(root))
    try:
        looked_at.refuse_if_in_use()
        yield from _Check(looked_at).rows()
    finally:
        looked_at.close()


class _Check:
    """One check of a directory."""

    def __init__(self, below: Storage) -> None:
        self._below = below
        self._before = Restart(Overlay(below), lambda line: None)
        self._lines: list[str] = []
        self._refused: list[Row] = []
        self._verdict = ""

    def rows(self) -> Iterator[Row]:
        broker = self._start_without_what_is_refused()
        is_damaged = False
        for log in broker.logs() if broker is not None else ():
            row = self._row(log)
            is_damaged |= row["kind"] == "damaged"
            yield row
        yield from self._refused
        for line in self._lines:
            yield {"kind": "would", "says": line}
        if not self._verdict:
            self._verdict = "A start would succeed."
            if is_damaged:
                self._verdict += " But consumers would meet damage; see the rows that say so."
        start = "refused" if self._refused else "succeeds"
        yield {"kind": "verdict", "start": start, "says": self._verdict}

    def _start_without_what_is_refused(self) -> Broker | None:
        """Start in a view; set aside there what is refused, until nothing is or nothing helps."""
        aside: list[str] = []
        while True:
            view = Overlay(self._below)
            try:
                if aside:
                    Adoption(view, 0, Random(1), lambda line: None).set_aside(aside)
                return self._started(view)
            except DamagedLog as error:
                name = self._refuse(error)
                self._refused[-1] |= {"log": name, "file": error.path, "position": error.position}
                self._refused[-1] |= {"why": error.why}
                if name in (*STATE_LOGS, *aside) or len(aside) == REFUSED_MAX:
                    return None
                aside.append(name)
            except (DirectoryRefused, MetadataError, StorageError) as error:
                self._refuse(error)
                return None

    def _refuse(self, error: Exception) -> str:
        """Note a refusal; return the directory that a DamagedLog is about."""
        if not self._verdict:
            self._verdict = f"A start would refuse: {error}"
        self._refused.append({"kind": "refused", "a start would": "refuse", "why": str(error)})
        if not isinstance(error, DamagedLog):
            return ""
        directory = error.path.rpartition("/")[0] if error.path.endswith(".log") else error.path
        return directory.rpartition("/")[2]

    def _started(self, view: Storage) -> Broker:
        """What `minibroker serve` would have; what it says is kept."""
        self._lines = []

        def note(line: object) -> None:
            self._lines.append(str(line))

        hooks = Hooks(lambda: None, lambda: None, lambda: None, warn=note)
        root = self._below.full_path("")
        config = BrokerConfig.of({"log.dirs": (root,), "durability": "fsync"})
        self._view = view
        return Broker(config, [], World(RealClock(), view, Random(time.time_ns())), hooks)

    def _row(self, log: Log) -> Row:
        directory, topic_id = key_parts(log.key)
        row: Row = {
            "kind": "log",
            "log": directory,
            "log_start_offset": log.log_start_offset,
            "log_end_offset": log.log_end_offset,
            "flushed_offset": self._before.known(directory, topic_id).flushed_offset,
            "segments": len(log.segments),
            "size_bytes": log.size_bytes,
        }
        report, fault = log.recovery, _first_fault(self._view, directory)
        if report is not None:
            row |= {"kind": "cut", "file": report.path, "position": report.position}
            row |= {"why": report.why, "a start would": f"cut {report.bytes_cut} bytes"}
        elif fault is not None:
            path, position, why = fault
            row |= {"kind": "damaged", "file": path, "position": position, "why": why}
            row |= {"a start would": "not read it; a consumer will"}
        return row


def _first_fault(storage: Storage, directory: str) -> tuple[str, int, str] | None:
    """Where the first batch that does not hold begins: file, position and why; None if all do."""
    epochs, fold = LeaderEpochs(), Fold(lambda header: None, Producers().on_control)
    for base in segment_offsets(storage.list_dir(directory)):
        segment = Segment(storage, directory, base)
        why = scan(segment, epochs, 4096, fold)
        if why:
            return segment.file.path, segment.size, why
    return None
