"""What a start finds in a journal's directory: its state, or why it cannot be used.

Nothing is changed here: what a torn tail loses is lost when the journal is written anew, which
every start does (journal_writer.py). A journal that is damaged, or of a later version, is refused.
Tests: tests/unit/client/session/test_journal_recovery.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..errors import Fatal, JournalDamaged, JournalTooNew
from .journal_codec import CodecError, decode
from .journal_frames import (
    FORMAT_VERSION,
    HEAD_BYTES,
    Damage,
    NewerVersion,
    Note,
    check_tail,
    frames,
    read_head,
    read_note,
)
from .journal_port import JournalDisk
from .journal_state import EntryRefused, JournalState

JOURNAL: Final = "journal"
NEW_JOURNAL: Final = "journal.new"
NOTE: Final = "flushed"
LOCK: Final = "lock"
OURS: Final = frozenset((JOURNAL, NEW_JOURNAL, NOTE, LOCK))
_NO_CONTENT: Final = frozenset(("lost+found",))  # besides what begins with a dot


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a journal has come to.

    Args:
        generation: of the journal that was read; 0 for none.
        size_bytes: of it.
        torn_bytes: at its end, written and never flushed, that do not hold.
    """

    state: JournalState
    generation: int = 0
    size_bytes: int = 0
    torn_bytes: int = 0


def recover(disk: JournalDisk) -> Recovered:
    """Read a journal; an empty state for an empty directory.

    Raises:
        JournalDamaged: something is wrong that power loss does not explain.
        JournalTooNew: a later version wrote it.
        Fatal: the directory is somebody else's.
        OSError: it cannot be read.
    """
    names = disk.names()
    # The note is read first: of a journal that is being written it says less than the journal.
    noted = read_note(disk.read(NOTE)) if NOTE in names else None
    if JOURNAL not in names:
        _check_new(disk, names, noted)
        return Recovered(JournalState())
    data, path = disk.read(JOURNAL), f"{disk.path}/{JOURNAL}"
    try:
        return _read(data, noted)
    except NewerVersion as newer:
        raise JournalTooNew(path, newer.version, FORMAT_VERSION) from newer
    except Damage as damage:
        raise JournalDamaged(path, damage.position, damage.why) from damage


def _read(data: bytes, noted: Note | None) -> Recovered:
    generation, state, end = read_head(data), JournalState(), HEAD_BYTES
    for frame in frames(data, generation):
        try:
            for entry in decode(frame.body):
                state.apply(entry)
        except (CodecError, EntryRefused) as error:
            raise Damage(end, f"the frame there holds, and makes no sense: {error}") from error
        end = frame.end
    check_tail(data, generation, end, noted)
    return Recovered(state, generation, len(data), len(data) - end)


def _check_new(disk: JournalDisk, names: list[str], noted: Note | None) -> None:
    """A directory without a journal is a new one only where nothing says otherwise."""
    if noted is not None:
        raise JournalDamaged(f"{disk.path}/{JOURNAL}", 0, "it is gone, and had been flushed")
    foreign = [each for each in names if each not in OURS | _NO_CONTENT and each[0] != "."]
    if foreign:
        raise Fatal(
            f"{disk.path} holds no session, and is not empty ({foreign[0]!r} is there): name an "
            "empty directory, or one that is not there yet"
        )
