"""The two sparse indexes of a segment, in memory and packed: offset → position, timestamp → offset.

Both hold one entry per `index.interval.bytes` of log, in Kafka's sense: the offset is the *last*
offset of the batch that starts at the position, relative to the segment's base offset. Lookups use
memory only; encoded() gives the content of Kafka's `.index` and `.timeindex` files, which are
disposable. Source: OffsetIndex.java, TimeIndex.java. Who decides when to add: segment.py.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right

OFFSET_ENTRY_BYTES = 8  # int32 relative offset, int32 position
TIME_ENTRY_BYTES = 12  # int64 timestamp, int32 relative offset


class OffsetIndex:
    """Where batches begin: relative last offset → position, both rising."""

    __slots__ = ("_offsets", "_positions")

    def __init__(self) -> None:
        self._offsets = array("i")
        self._positions = array("i")

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, relative_offset: int, position: int) -> None:
        """Note that the batch ending at `relative_offset` begins at `position`."""
        self._offsets.append(relative_offset)
        self._positions.append(position)

    def floor(self, relative_offset: int) -> int:
        """Return where a batch begins that contains this offset or lies before it; 0 at worst."""
        at = bisect_right(self._offsets, relative_offset)
        return self._positions[at - 1] if at else 0

    def below(self, relative_offset: int) -> int:
        """Return where a batch begins that ends before this offset; 0 at worst."""
        at = bisect_left(self._offsets, relative_offset)
        return self._positions[at - 1] if at else 0

    def boundary_before(self, position: int) -> int:
        """Return the last known beginning of a batch at or before `position`; 0 at worst."""
        at = bisect_right(self._positions, position)
        return self._positions[at - 1] if at else 0

    def offset_behind(self, position: int) -> int | None:
        """The relative offset of the first entry at or behind `position`; None if there is none.

        As Kafka finds it: its search passes over the very first entry if that is the one.
        Source: AbstractIndex.binarySearch, smallestUpperBoundSlotFor.
        """
        at = bisect_left(self._positions, position)
        if at == 0 and position in self._positions[:1]:
            at = 1
        return self._offsets[at] if at < len(self._offsets) else None

    @classmethod
    def decoded(cls, data: bytes) -> OffsetIndex:
        """Read what encoded() gave."""
        words, index = _from_big_endian("i", data), cls()
        index._offsets, index._positions = words[0::2], words[1::2]
        return index

    def encoded(self) -> bytes:
        """Return the entries as Kafka's `.index` file holds them."""
        words = array("i", bytes(OFFSET_ENTRY_BYTES * len(self)))
        words[0::2] = self._offsets
        words[1::2] = self._positions
        return _big_endian(words)


class TimeIndex:
    """When the largest timestamp rose: timestamp → relative offset that reached it, both rising."""

    __slots__ = ("_offsets", "_timestamps")

    def __init__(self) -> None:
        self._timestamps = array("q")
        self._offsets = array("i")

    def __len__(self) -> int:
        return len(self._timestamps)

    def add(self, timestamp: int, relative_offset: int) -> None:
        """Note the largest timestamp so far; one that is no news (or −1, none) is left out."""
        if timestamp > (self._timestamps[-1] if self._timestamps else -1):
            self._timestamps.append(timestamp)
            self._offsets.append(relative_offset)

    def first_reaching(self, timestamp: int) -> int | None:
        """Return the relative offset of the first entry of at least `timestamp`, if there is one.

        The first batch with such a timestamp begins no later than the batch of that offset, and
        after every offset-index entry that lies before it: an entry in between would have been
        given a time entry too.
        """
        at = bisect_left(self._timestamps, timestamp)
        return self._offsets[at] if at < len(self._offsets) else None

    def newest_below(self, relative_offset: int) -> tuple[int, int]:
        """Return the last (timestamp, relative offset) below an offset; (-1, 0) if none."""
        at = bisect_left(self._offsets, relative_offset)
        return (self._timestamps[at - 1], self._offsets[at - 1]) if at else (-1, 0)

    @classmethod
    def decoded(cls, data: bytes) -> TimeIndex:
        """Read what encoded() gave."""
        words, index = array("i", data), cls()
        timestamps = array("i", bytes(2 * len(data) // 3))
        timestamps[0::2], timestamps[1::2] = words[0::3], words[1::3]
        index._timestamps = _from_big_endian("q", timestamps.tobytes())
        index._offsets = _from_big_endian("i", words[2::3].tobytes())
        return index

    def encoded(self) -> bytes:
        """Return the entries as Kafka's `.timeindex` file holds them."""
        timestamps = array("i", _big_endian(self._timestamps[:]))  # two words each, high one first
        words = array("i", bytes(TIME_ENTRY_BYTES * len(self)))
        words[0::3] = timestamps[0::2]
        words[1::3] = timestamps[1::2]
        words[2::3] = array("i", _big_endian(self._offsets[:]))
        return words.tobytes()


def _big_endian(words: array[int]) -> bytes:
    if sys.byteorder == "little":
        words.byteswap()
    return words.tobytes()


def _from_big_endian(typecode: str, data: bytes) -> array[int]:
    words = array(typecode, data)
    if sys.byteorder == "little":
        words.byteswap()
    return words
