"""Which partitions the owners of a session have written to, and who they were: entries. Pure.

An entry is an offset committed to the group `group_of(transactional_id)`, one of each partition:
the offset is not looked at, its metadata names the owner. Entries of another producer id are of an
id that the coordinator has forgotten since: they say nothing.
Read next: ownership.py (EDGE).
Tests: tests/unit/client/session/test_register.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from ...errors import Fatal, StaleJournal
from ...partitions import OffsetAndMetadata, TopicPartition, name_of
from ..entries import Identity
from ..journal_state import JournalState

GROUP_PREFIX: Final = "minibroker-session-"
_MARK: Final = "session"


class Registered(NamedTuple):
    """One partition that an owner may write to.

    Args:
        producer_epoch: of the owner that put it there last, when it did.
        owner: its machine and process, for people.
    """

    place: TopicPartition
    producer_id: int
    producer_epoch: int
    owner: str


def group_of(transactional_id: str) -> str:
    """The group whose offsets are the register: no consumer's, or its offsets would be ours."""
    return GROUP_PREFIX + transactional_id


def entry_of(producer_id: int, producer_epoch: int, owner: str) -> OffsetAndMetadata:
    """What is committed."""
    return OffsetAndMetadata(0, f"{_MARK} {producer_id} {producer_epoch} {owner}")


def entries_in(offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> list[Registered]:
    """The entries among the offsets of the group; what is none is somebody else's."""
    found = []
    for place, committed in sorted(offsets.items()):
        mark, *rest = committed.metadata.split(" ", 3)
        if mark == _MARK and len(rest) == 3 and rest[0].isdecimal() and rest[1].isdecimal():
            found.append(Registered(place, int(rest[0]), int(rest[1]), rest[2]))
    return found


def identity_under(state: JournalState, transactional_id: str) -> Identity | None:
    """What a journal knows itself by under an id: the newest that was granted."""
    for identity in reversed(state.identities):
        if identity.transactional_id == transactional_id:
            return identity
    return None


def id_of(state: JournalState) -> str | None:
    """The transactional id under which a session has been used; None where there is none."""
    names = [each.transactional_id for each in state.identities]
    return next((name for name in reversed(names) if name is not None), None)


def check_id(state: JournalState, transactional_id: str | None, directory: str) -> None:
    """Raise Fatal for a session that has an owner by another transactional id, or by none now."""
    had = id_of(state)
    if had not in (None, transactional_id):
        raise Fatal(
            f"the session {directory} belongs to transactional id {had!r}: give that one, by "
            "which other copies of the directory are kept from sending"
        )


def check_is_newest(
    state: JournalState, transactional_id: str, entries: Iterable[Registered]
) -> None:
    """Raise StaleJournal where somebody has gone on with another copy, or directory."""
    known = identity_under(state, transactional_id)
    for entry in entries:
        if known is None:
            raise StaleJournal(
                f"the session of transactional id {transactional_id} is another one: that of "
                f"{entry.owner}. This directory does not know what that one has sent: use it, or "
                "begin under another transactional id"
            )
        if entry.producer_id != known.producer_id:
            continue
        is_known = (*entry.place, entry.producer_id) in state.floors
        if entry.producer_epoch > known.producer_epoch or not is_known:
            what = "" if is_known else f" It wrote to {name_of(entry.place)}, which is not in here."
            raise StaleJournal(
                f"the session of transactional id {transactional_id} was gone on with elsewhere: "
                f"by {entry.owner}, at epoch {entry.producer_epoch} of producer id "
                f"{entry.producer_id}, and this journal ends at epoch {known.producer_epoch}."
                f"{what} Use that directory; with this one records would be sent twice"
            )
