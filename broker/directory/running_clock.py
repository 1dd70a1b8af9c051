"""A time that passes only while a broker runs, and never jumps: for what is forgotten when idle.

    a wall clock set forward by two days    would make offsets committed a second ago too old
    a broker down for a fortnight           nobody could commit meanwhile
    a wall clock set back                   would keep everything

It begins with the wall clock at the first start, so that the numbers look like times, goes on with
the monotonic clock, and is written down now and then; the next start goes on from there. What
passed between the last writing and a crash is lost: things are kept too long, not too short.
Used by groups/ledger.py. Producer ids have ages in their snapshots instead
(partitions/sequences.py).
Tests: tests/system/directory/test_clocks.py
"""

from __future__ import annotations

from contextlib import suppress

from ..log.checkpoints import read_running_time, running_time
from ..storage.names import RUNNING_TIME
from ..storage.port import Storage, StorageError
from ..world import Clock


class RunningClock:
    """Implements world.Clock; `now_ms` is the running time.

    Args:
        written_at_ms: the newest of these times that is found in what was written; None for none.
    Raises:
        StorageError: the disk could not be read.
    """

    def __init__(self, clock: Clock, storage: Storage, written_at_ms: int | None) -> None:
        self._storage = storage
        self.monotonic_ms = clock.monotonic_ms
        kept = None
        if storage.exists(RUNNING_TIME):
            kept = read_running_time(storage.read_bytes(RUNNING_TIME))
        known = [each for each in (kept, written_at_ms) if each is not None]
        self._behind_ms = max(known, default=clock.now_ms()) - clock.monotonic_ms()

    def now_ms(self) -> int:
        """In ms; never goes back, not even over restarts."""
        return self._behind_ms + self.monotonic_ms()

    def keep(self) -> None:
        """Write down what time it is. A crash may undo it, a full disk prevent it: no harm."""
        with suppress(StorageError):
            file = self._storage.create_file(RUNNING_TIME)
            file.append([running_time(self.now_ms())])
            file.close()
