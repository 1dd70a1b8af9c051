"""The disk-full reserve: space on the volume that is ours, for what makes room there.

    full    producers, commits and creations are refused; readers are served
    paid    the start record, deletions, retention and, once there are any, transaction markers

A topic is deleted by a record that says so, and a record needs space: on a full disk nothing could
be deleted any more. So a file of RESERVE_BYTES is kept, made of real blocks. Whoever may draw on it
uses pay(): 1. what it does fails, for the disk is full  2. the file is emptied  3. it is done
again, before anybody else can write  4. what is left of the space is taken again. When there is
room the file grows to its full size. Every CHECK_MS somebody looks how full the disk is.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from ..limits import RESERVE_BYTES, RESERVE_BYTES_STEP
from ..log_lines import Event, Line
from ..storage.names import RESERVE
from ..storage.port import NoSpace, Storage, StorageError
from ..world import Clock

CHECK_MS: Final = 2000

T = TypeVar("T")


class Reserve:
    """The reserve of one data directory. Implements deadlines.Timed.

    Args:
        say: takes one line for the operator.

    Attributes:
        is_full: what was said last.
        on_room: called at every look at which the disk is not full.
    """

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        say: Callable[[Line], None],
    ) -> None:
        self._storage = storage
        self._is_kept = storage.space()[0] >= 0  # else there is no disk that could be full
        self._say = say
        self.on_room: Callable[[], None] | None = None
        self._look_at_ms = clock.monotonic_ms() + CHECK_MS
        self.is_full = False
        self._size = 0
        if self._is_kept and storage.exists(RESERVE):
            self._size = storage.open_file(RESERVE).size

    def pay(self, act: Callable[[], T]) -> T:
        """Do something that makes room; on a full disk, with the space of the reserve.

        Args:
            act: leaves everything as it was where it raises StorageError, so that it can be called
                twice.
        Raises: what `act` raises.
        """
        try:
            return act()
        except NoSpace:
            self._note_full()
            if not self._size:
                raise
        size = self._size
        self._give_back()
        try:
            return act()
        finally:
            _, usable_bytes = self._storage.space()
            self._take(min(size, usable_bytes))

    def begin(self) -> None:
        """At a start: fill up what is there; a copy of it may have no blocks, for it is empty."""
        if self._size:
            with suppress(StorageError):
                self._storage.preallocate(RESERVE, self._size)
        self.fill()

    def fill(self) -> None:
        """Grow to the full size, but by no more than half of what others could use."""
        if self._is_kept and self._size < RESERVE_BYTES:
            _, usable_bytes = self._storage.space()
            wanted = min(RESERVE_BYTES, self._size + usable_bytes // 2)
            if wanted - self._size >= RESERVE_BYTES_STEP or wanted == RESERVE_BYTES:
                self._take(wanted)

    def _take(self, wanted: int) -> None:
        while wanted > self._size:
            try:
                self._storage.preallocate(RESERVE, wanted)
            except StorageError:  # its own bookkeeping needs space, too, or others were quicker
                wanted -= RESERVE_BYTES_STEP
            else:
                self._size = wanted

    def next_deadline_ms(self) -> int | None:
        """When `on_deadline` is due next."""
        return self._look_at_ms if self._is_kept else None

    def on_deadline(self, now_ms: int) -> None:
        """Look how full the disk is, if it is time."""
        if now_ms < self._look_at_ms:
            return
        self._look_at_ms = now_ms + CHECK_MS
        self.look()

    def look(self) -> None:
        """See whether the disk is full, or is no longer."""
        if not self._is_kept:
            return
        total_bytes, usable_bytes = self._storage.space()
        if usable_bytes < min(RESERVE_BYTES, total_bytes // 100):
            self._note_full()
            return
        self.fill()
        if self._size < RESERVE_BYTES:
            return
        if self.is_full:
            self.is_full = False
            self._say(Event("disk-free-again", usable_bytes=usable_bytes))
        if self.on_room is not None:
            self.on_room()

    def _give_back(self) -> None:
        file = self._storage.open_file(RESERVE)
        file.truncate(0)
        file.close()
        self._size = 0

    def _note_full(self) -> None:
        if not self.is_full:
            self.is_full = True
            self._say(
                Event(
                    "disk-full",
                    reserve_bytes=self._size,
                    refused="records, commits, creations",
                    served="reads, deletions, retention",
                )
            )
