"""What is known of every log at a start, and what is noted for the next one.

    at start   known() for each log, from the mark of a clean stop or else the recovery points
    running    flushed() after each round of flushes        at stop   stopped(), the last thing

The mark is emptied, durably, before anything is appended, so it is never there while a broker runs.
Files: log/checkpoints.py. The rules and their reasons: docs/decisions/0007.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import suppress

from ..log.checkpoints import (
    RecoveryPoints,
    Stopped,
    clean_stop,
    key_parts,
    log_key,
    read_clean_stop,
)
from ..log.log import Log
from ..log.recovery import Known
from ..storage.names import CLEAN_STOP, FILES, META_PROPERTIES
from ..storage.port import NoSpace, Storage


class Restart:
    """The checkpoints of one data directory.

    Args:
        warn: takes one line for the operator.
    Raises:
        StorageError: the data directory cannot be read or written.
    """

    def __init__(self, storage: Storage, warn: Callable[[str], None]) -> None:
        self._storage = storage
        self._warn = warn
        for name in (*FILES, META_PROPERTIES):
            storage.remove(f"{name}.tmp")
        self._points = RecoveryPoints(storage, warn)
        self._stopped: dict[str, Stopped] = {}
        mark = storage.read_bytes(CLEAN_STOP) if storage.exists(CLEAN_STOP) else b""
        if mark:
            self._take_mark(mark)

    def _take_mark(self, mark: bytes) -> None:
        stopped = read_clean_stop(mark)
        if stopped is None:
            self._warn(f"{CLEAN_STOP} is damaged: logs are read as after a crash")
        else:
            # First, for if this start fails the mark is gone, and all of it was flushed.
            self._stopped = stopped
            self._begin_points({key: each.last.next_offset for key, each in stopped.items()})
        try:
            self._storage.replace(CLEAN_STOP, b"")
        except NoSpace:
            file = self._storage.open_file(CLEAN_STOP)
            file.truncate(0)
            file.flush()
            file.close()

    def _begin_points(self, offsets: Mapping[str, int]) -> None:
        # On a full disk the points of before stay: older ones are right, too.
        with suppress(NoSpace):
            self._points.begin(offsets)

    def known(self, directory: str, topic_id: bytes | None) -> Known:
        """What is known of a log before it is opened."""
        key = log_key(directory, topic_id)
        stopped = self._stopped.get(key)
        return Known(
            flushed_offset=self._points.of(key),
            last=stopped.last if stopped else None,
            remembers_nothing=bool(stopped and stopped.remembers_nothing),
        )

    def give_up(self, directory: str) -> int:
        """Forget what had been flushed of the logs in a directory: it is set aside.

        Returns: how many offsets a start would have missed. Raises StorageError.
        """
        kept = {key: at for key, at in self._points.items() if key_parts(key)[0] != directory}
        missed = [at for key, at in self._points.items() if key not in kept]
        if missed:
            self._points.begin(kept)
        return max(missed, default=0)

    def take_as_is(self, ends: Mapping[str, int]) -> None:
        """From now on, all of these logs is what had been flushed, whatever it was. StorageError.

        Args:
            ends: by log key, up to which offset, exclusive.
        """
        # If nothing is known of any log, it stays so: else all others would be known to be empty.
        if self._points.is_known:
            self._points.begin({**dict(self._points.items()), **ends})

    def recovered(
        self, logs: Iterable[Log], topic_ids: Container[bytes], *, all_durable: bool
    ) -> None:
        """All logs there are have been opened: begin their recovery points anew, durably.

        Args:
            topic_ids: of the topics there are; a log of theirs that is gone is told.
            all_durable: whether they have been flushed, whatever was found in them.
        """
        self._stopped = {}
        points: dict[str, int] = {}
        for log in logs:
            points[log.key] = log.log_end_offset if all_durable else self._points.of(log.key) or 0
        for key, flushed_offset in self._points.items():
            directory, topic_id = key_parts(key)
            if key not in points and flushed_offset and topic_id in topic_ids:
                self._warn(f"{directory} is gone with its {flushed_offset} offsets: begins empty")
        self._begin_points(points)

    def flushed(self, ends: Iterable[tuple[str, int]]) -> None:
        """Logs have been flushed: (key, offset up to which, exclusive). Before it is answered."""
        self._points.note(ends)

    def deleted(self, log: Log) -> None:
        """A log has been deleted with its topic."""
        self._points.forget(log.key)

    def stopped(self, logs: Iterable[Log]) -> None:
        """All logs are closed and durable: leave the mark of a clean stop. Raises StorageError."""
        self._points.close()
        marks = ((log.key, log.stopped()) for log in logs)
        stopped = {key: each for key, each in marks if each is not None}
        self._storage.replace(CLEAN_STOP, clean_stop(stopped))
