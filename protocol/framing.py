"""Bytes in, frames out: int32 big-endian size, then that many bytes.

A frame is handed on as one memoryview, without its size. Its bytes are written once and never
moved or changed afterwards, so whoever holds a frame (a parked request, a record batch) may keep
it. Memory follows what a peer has *sent*, never what it has announced: a claimed 100 MB frame
costs twice what arrived of it, and up to 1 MB GROWTH times.
Source: Kafka's NetworkReceive; a negative or too large size ends the connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

Buffer = bytes | bytearray | memoryview

_SIZE = Struct(">i")
SIZE_BYTES = 4
FIRST_BUFFER_BYTES = 4 * 1024  # an idle connection that has said little holds no more than this
BUFFER_BYTES_MAX = 128 * 1024  # one read of a busy connection
ROOM_BYTES_MIN = 1024  # with less room than this a fresh buffer saves a nearly empty read
GROWTH = 16  # up to GROWN_QUICKLY_BYTES; from there on it doubles
GROWN_QUICKLY_BYTES = 1024 * 1024


class FrameError(ValueError):
    """A size prefix that no frame can have; the connection must be closed.

    Attributes:
        size: what it is as a number; 0 where the error is another.
    """

    def __init__(self, why: str, size: int = 0) -> None:
        super().__init__(why)
        self.size = size


class FrameBuffer:
    """Collects one connection's bytes and cuts them into frames.

    Either `feed(data)`, or, without copying: `get_buffer()`, write into it, `received(count)`.

    Args:
        frame_bytes_max: the largest size a frame may announce, in bytes, without its prefix.

    Attributes:
        held_bytes: what its buffer takes; frames handed out may keep others alive.
    """

    __slots__ = (
        "_buffer",
        "_end",
        "_frame_bytes_max",
        "_next_bytes",
        "_start",
        "_view",
        "error",
        "held_bytes",
    )

    def __init__(self, frame_bytes_max: int) -> None:
        self._frame_bytes_max = frame_bytes_max
        self._buffer = bytearray()
        self._view = memoryview(self._buffer)
        self._start = 0  # first byte not yet handed on
        self._end = 0  # first byte not yet received
        self._next_bytes = FIRST_BUFFER_BYTES  # of a first buffer
        self.held_bytes = 0
        self.error: FrameError | None = None  # set once; the frames before it are still good

    @property
    def pending_bytes(self) -> int:
        """Bytes received that do not yet make a whole frame."""
        return self._end - self._start

    @property
    def is_full(self) -> bool:
        """Whether the last read took all the room there was: there may be more to read."""
        return self._end == self.held_bytes

    def allow(self, frame_bytes_max: int) -> None:
        """From now on a frame may announce so much."""
        self._frame_bytes_max = frame_bytes_max

    def let_go(self, *, for_long: bool = False) -> None:
        """Give the buffer up if nothing is pending in it; the next read gets a small one.

        Args:
            for_long: a long frame was in it, and more of them may follow: a large one.
        """
        if self._start == self._end and self._buffer:
            self._next_bytes = BUFFER_BYTES_MAX if for_long else FIRST_BUFFER_BYTES
            self._buffer = bytearray()
            self._view = memoryview(self._buffer)
            self._start = self._end = self.held_bytes = 0

    def get_buffer(self) -> memoryview:
        """Room for the next bytes; never empty."""
        if len(self._buffer) - self._end < ROOM_BYTES_MIN:
            self._make_room()
        return self._view[self._end :]

    def received(self, count: int) -> list[memoryview]:
        """Take note of `count` bytes written into `get_buffer()`; return the frames now whole.

        After a bad size prefix `error` is set and nothing that follows is looked at.
        """
        end = self._end = self._end + count
        start = self._start
        frames = []
        while end - start >= SIZE_BYTES:
            (size,) = _SIZE.unpack_from(self._buffer, start)
            if not 0 <= size <= self._frame_bytes_max:
                why = f"frame size {size} is outside 0..{self._frame_bytes_max} bytes"
                self.error = FrameError(why, size)
                break
            body = start + SIZE_BYTES
            if end - body < size:
                break
            start = body + size
            frames.append(self._view[body:start])
        self._start = start
        return frames

    def feed(self, data: Buffer) -> list[memoryview]:
        """Take `data` and return the frames now whole (a copy; for callers without buffers)."""
        frames: list[memoryview] = []
        rest = memoryview(data)
        while rest and self.error is None:
            room = self.get_buffer()
            count = min(len(room), len(rest))
            room[:count] = rest[:count]
            rest = rest[count:]
            frames += self.received(count)
        return frames

    def _make_room(self) -> None:
        """A fresh buffer, unless the frame under way just fits into what is left of this one."""
        pending = self._end - self._start
        missing = self._missing_bytes(pending)
        room = len(self._buffer) - self._end
        if 0 < missing <= room:
            return
        size = min(max(len(self._buffer) * 4, self._next_bytes), BUFFER_BYTES_MAX)
        self._next_bytes = FIRST_BUFFER_BYTES
        if missing:
            grown = max(min(pending * GROWTH, GROWN_QUICKLY_BYTES), pending * 2)
            size = max(size, min(pending + missing, grown))
        buffer = bytearray(size)
        buffer[:pending] = self._view[self._start : self._end]
        self._buffer, self._view = buffer, memoryview(buffer)
        self.held_bytes = size
        self._start, self._end = 0, pending

    def _missing_bytes(self, pending: int) -> int:
        """How much of the frame under way has not come yet; 0 when its size is not known."""
        if pending < SIZE_BYTES:
            return 0
        (size,) = _SIZE.unpack_from(self._buffer, self._start)
        return int(size) + SIZE_BYTES - pending


def frame(parts: Sequence[Buffer]) -> list[Buffer]:
    """Put the size in front of a message given in parts; small messages become one buffer."""
    size = _SIZE.pack(sum(map(len, parts)))
    if len(parts) == 1:
        return [b"".join((size, parts[0]))]
    return [size, *parts]
