"""A disk that loses power: what is flushed stays, of everything else a seed decides what is left.

Here: file contents and names as a kernel and its disk have them, steps, troubles, crashes.
Not here: the storage port on top (simulated_storage.py). Rules, as of Linux file systems:
- Everybody reads the page cache, where every write is seen at once. kill() keeps it as it is.
- lose_power() keeps what was flushed. Of each later write every sector may be there or not, each
  for itself; a file may be longer than what was written of it, with zeros there.
- A file's name, a rename and a removal are changes of a directory. Until that is flushed each may
  be there or not, a rename as a whole; one that builds on a lost one is lost too.
- What a failed flush should have kept is never kept by a later one (LWN 752063).
Every step may fail or be the last: see step().
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Final

from ..broker.world import Crashed

__all__ = ["Crashed", "DiskError", "Flush", "SimulatedDisk"]

SECTOR_BYTES: Final = 512
NO_SPACE: Final = "No space left on device"
IO_ERROR: Final = "Input/output error"
NOT_FOUND: Final = "No such file or directory"

Trouble = Callable[[str, str], str]
"""(kind of step, path) -> why it fails, "" if it does not."""


class DiskError(Exception):
    """A step failed; the text says why."""


class Write:
    """A change of a file's content that is not durable yet: bytes at a position, or a cut there."""

    __slots__ = ("data", "is_dropped", "position")

    def __init__(self, position: int, data: bytes | None) -> None:
        self.position = position
        self.data = data
        self.is_dropped = False


class Node:
    """A file: what is read, what is durable, and the writes between them, oldest first."""

    __slots__ = ("data", "durable", "settled", "writes")

    def __init__(self) -> None:
        self.data = bytearray()
        self.durable = bytearray()
        self.writes: list[Write] = []
        self.settled = 0  # writes that are durable or dropped by now and no longer in the list

    def change(self, write: Write) -> None:
        """Take a write into the page cache."""
        self.writes.append(write)
        _apply(self.data, write)

    def settle(self, mark: int) -> None:
        """Make the first `mark` writes since the node began durable."""
        count = max(0, mark - self.settled)
        for write in self.writes[:count]:
            if not write.is_dropped:
                _apply(self.durable, write)
        del self.writes[:count]
        self.settled += count

    def lose(self, random: Random) -> None:
        """Keep what is durable, and of the rest what chance keeps."""
        kept = _survivor(self.durable, self.writes, random) if self.writes else self.durable
        self.data = bytearray(kept)
        self.durable = bytearray(kept)
        self.settled += len(self.writes)
        self.writes.clear()


class Directory:
    """Names, as they are read and as they are durable."""

    __slots__ = ("durable", "names")

    def __init__(self) -> None:
        self.names: dict[str, Node | Directory] = {}
        self.durable: dict[str, Node | Directory] = {}


class NameChange:
    """Names set or removed at once: (directory, name, what it names now or None)."""

    __slots__ = ("is_durable", "sets", "subject")

    def __init__(
        self,
        subject: Node | Directory,
        sets: tuple[tuple[Directory, str, Node | Directory | None], ...],
    ) -> None:
        self.subject = subject
        self.sets = sets
        self.is_durable = False


class Flush:
    """A flush under way: finish() makes durable what was there when it began."""

    def __init__(
        self, disk: SimulatedDisk, path: str, nodes: list[Node], directories: list[Directory]
    ) -> None:
        self._disk = disk
        self._path = path
        self._marks = [(node, node.settled + len(node.writes)) for node in nodes]
        self._changes = [
            change
            for change in disk.changes
            if any(each is where for where, _, _ in change.sets for each in directories)
        ]

    def finish(self) -> None:
        """The flush has ended. Raises DiskError: it failed, and what it was to keep is dropped."""
        try:
            self._disk.step("flush", self._path)
        except DiskError:
            for node, mark in self._marks:
                for write in node.writes[: max(0, mark - node.settled)]:
                    write.is_dropped = True
            raise
        for node, mark in self._marks:
            node.settle(mark)
        for change in self._changes:
            change.is_durable = True
        self._disk.forget_durable_changes()


class SimulatedDisk:
    """One disk. A process uses it through a SimulatedStorage, until it ends or power is lost.

    Args:
        random: decides what power loss keeps and how far a last write came.

    Attributes:
        capacity_bytes: of all files together; a write beyond it is cut short and fails.
        trouble: asked at every step whether it fails.
        crash_at: the number of the step that is the last one; None for none.
        steps: steps so far.
        starts: raised by kill() and lose_power(): who held the disk before is gone.
    """

    def __init__(self, random: Random) -> None:
        self.root = Directory()
        self.changes: list[NameChange] = []
        self.capacity_bytes: int | None = None
        self.trouble: Trouble | None = None
        self.crash_at: int | None = None
        self.steps = 0
        self.starts = 0
        self.is_down = False
        self.in_use = False
        self._random = random

    def step(self, kind: str, path: str) -> None:
        """Every elementary operation passes here before it takes effect.

        Args:
            kind: write, flush, name (a change of a directory), cut or read.
        Raises:
            Crashed: it was the last one, or the process ended before.
            DiskError: it fails.
        """
        self.steps += 1
        if self.is_down:
            raise Crashed(f"{kind} {path} after the end")
        if self.crash_at is not None and self.steps >= self.crash_at:
            self.is_down = True
            raise Crashed(f"step {self.steps}: {kind} {path}")
        if self.trouble is not None:
            why = self.trouble(kind, path)
            if why:
                raise DiskError(why)

    def write(self, node: Node, path: str, data: bytes) -> None:
        """Put bytes at the end of a file.

        Raises: Crashed, DiskError; a part of the bytes may be there then.
        """
        try:
            self.step("write", path)
        except (Crashed, DiskError):
            part = data[: self._random.randrange(len(data) + 1)]
            node.change(Write(len(node.data), part))
            raise
        room = self.room_bytes()
        if room is not None and len(data) > room:
            node.change(Write(len(node.data), data[:room]))
            raise DiskError(NO_SPACE)
        node.change(Write(len(node.data), data))

    def cut(self, node: Node, path: str, size: int) -> None:
        """Cut a file to its first `size` bytes. Raises Crashed, DiskError."""
        if size < len(node.data):
            self.step("cut", path)
            node.change(Write(size, None))

    def room_bytes(self) -> int | None:
        """Bytes that can still be written; None without a bound."""
        if self.capacity_bytes is None:
            return None
        used = sum(len(node.data) for _, node in self.files())
        return max(0, self.capacity_bytes - used)

    def find(self, path: str) -> Node | Directory | None:
        """What a path names; None if nothing."""
        here: Node | Directory | None = self.root
        for name in path.split("/") if path else ():
            if not isinstance(here, Directory):
                return None
            here = here.names.get(name)
        return here

    def directory_of(self, path: str) -> tuple[Directory, str]:
        """The directory that a path's last name is in. Raises DiskError if there is none."""
        above, _, name = path.rpartition("/")
        directory = self.find(above)
        if not isinstance(directory, Directory):
            raise DiskError(NOT_FOUND)
        return directory, name

    def link(self, path: str, node: Node | Directory) -> None:
        """Give something new a name. Raises Crashed, DiskError."""
        directory, name = self.directory_of(path)
        self.step("name", path)
        self._change(NameChange(node, ((directory, name, node),)))

    def unlink(self, path: str) -> None:
        """Take a name away. Raises Crashed, DiskError."""
        directory, name = self.directory_of(path)
        self.step("name", path)
        self._change(NameChange(directory.names[name], ((directory, name, None),)))

    def rename(self, path: str, new_path: str) -> None:
        """Move a name, in place of another if there is one. Raises Crashed, DiskError."""
        before, name = self.directory_of(path)
        if name not in before.names:
            raise DiskError(NOT_FOUND)
        after, new_name = self.directory_of(new_path)
        self.step("name", path)
        node = before.names[name]
        self._change(NameChange(node, ((before, name, None), (after, new_name, node))))

    def begin_flush(self, path: str, nodes: list[Node], directories: list[Directory]) -> Flush:
        """Begin to make contents and names durable. Raises Crashed."""
        return Flush(self, path, nodes, directories)

    def begin_flush_of_all(self) -> Flush:
        """Begin to make everything durable. Raises Crashed."""
        return Flush(self, "", [node for _, node in self.files()], list(_directories(self.root)))

    def forget_durable_changes(self) -> None:
        """Let durable changes of names become part of what is kept, in their order."""
        while self.changes and self.changes[0].is_durable:
            _keep(self.changes.pop(0))

    def files(self) -> Iterator[tuple[str, Node]]:
        """Every file that has a name: (path, node)."""
        return _files(self.root, "")

    def kill(self) -> None:
        """The process is gone; what it has written is kept."""
        self.starts += 1
        self.is_down = self.in_use = False
        self.crash_at = None

    def lose_power(self) -> None:
        """The machine is gone; what was not flushed is kept, torn or lost, as chance has it."""
        self.kill()
        lost: set[int] = set()
        chance = self._random.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        for change in self.changes:
            builds_on_lost = id(change.subject) in lost
            if change.is_durable or (not builds_on_lost and self._random.random() < chance):
                _keep(change)
            else:
                lost.add(id(change.subject))
        self.changes.clear()
        for directory in _directories_kept(self.root):
            directory.names = dict(directory.durable)
        for _, node in self.files():
            node.lose(self._random)

    def flip_bit(self, path: str, position: int, bit: int) -> None:
        """Damage a durable byte of a file."""
        node = self.find(path)
        assert isinstance(node, Node), path
        node.data[position] ^= 1 << bit
        if position < len(node.durable):
            node.durable[position] ^= 1 << bit

    def _change(self, change: NameChange) -> None:
        self.changes.append(change)
        for directory, name, node in change.sets:
            _set_name(directory.names, name, node)


def _keep(change: NameChange) -> None:
    for directory, name, node in change.sets:
        _set_name(directory.durable, name, node)


def _set_name(names: dict[str, Node | Directory], name: str, node: Node | Directory | None) -> None:
    if node is None:
        names.pop(name, None)
    else:
        names[name] = node


def _apply(data: bytearray, write: Write) -> None:
    position = write.position
    if write.data is None:
        del data[position:]
        return
    if len(data) < position:
        data += bytes(position - len(data))
    data[position : position + len(write.data)] = write.data


def _survivor(durable: bytearray, writes: list[Write], random: Random) -> bytearray:
    """What is left of a file: each sector as it was after some number of the writes.

    Its size is what it was after some number of them, or ends with a sector in between.
    """
    count = len(writes)
    sizes = [len(durable), *(write.position + len(write.data or b"") for write in writes)]
    kept = random.randint(0, count)
    style = random.randrange(4)
    if style == 0:  # in order: a prefix of the writes, the last one perhaps torn
        newest = _Ages(lambda sector: kept)
    elif style == 1:  # each sector for itself
        newest = _Ages(lambda sector: random.randint(0, count))
    else:  # nearly all is there, but for some sectors
        chance = random.choice((0.05, 0.3))
        newest = _Ages(
            lambda sector: random.randint(0, count) if random.random() < chance else count
        )
        kept = count if random.random() < 0.7 else kept
    data = bytearray(durable)
    for number, write in enumerate(writes):
        _apply_sectors(data, write, number, newest)
    size = sizes[kept]
    if kept < count and sizes[kept + 1] > size and random.random() < 0.5:
        torn = random.randint(size, sizes[kept + 1])
        size = max(size, torn - torn % SECTOR_BYTES)
    del data[size:]
    data += bytes(size - len(data))
    return data


class _Ages(dict[int, int]):
    """How many of the writes each sector has seen, drawn at first sight."""

    def __init__(self, draw: Callable[[int], int]) -> None:
        super().__init__()
        self._draw = draw

    def __missing__(self, sector: int) -> int:
        drawn = self[sector] = self._draw(sector)
        return drawn


def _apply_sectors(data: bytearray, write: Write, number: int, newest: _Ages) -> None:
    """Apply a write to the sectors that have seen it; a cut leaves zeros, the size is set later."""
    if write.is_dropped:
        return
    begin = write.position
    content = bytes(max(0, len(data) - begin)) if write.data is None else write.data
    end = begin + len(content)
    if len(data) < end:
        data += bytes(end - len(data))
    for sector in range(begin // SECTOR_BYTES, -(-end // SECTOR_BYTES)):
        if newest[sector] > number:
            low = max(begin, sector * SECTOR_BYTES)
            high = min(end, (sector + 1) * SECTOR_BYTES)
            data[low:high] = content[low - begin : high - begin]


def _files(directory: Directory, prefix: str) -> Iterator[tuple[str, Node]]:
    for name, node in sorted(directory.names.items()):
        if isinstance(node, Directory):
            yield from _files(node, f"{prefix}{name}/")
        else:
            yield prefix + name, node


def _directories(directory: Directory) -> Iterator[Directory]:
    yield directory
    for node in directory.names.values():
        if isinstance(node, Directory):
            yield from _directories(node)


def _directories_kept(directory: Directory) -> Iterator[Directory]:
    yield directory
    for node in directory.durable.values():
        if isinstance(node, Directory):
            yield from _directories_kept(node)
