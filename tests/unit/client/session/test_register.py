"""The register of a session's owners: what its entries say of a journal."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from minibroker.client import Fatal, OffsetAndMetadata, StaleJournal, TopicPartition
from minibroker.client.session.entries import Entry, Identity
from minibroker.client.session.journal_state import JournalState
from minibroker.client.session.leaving.register import (
    Registered,
    check_id,
    check_is_newest,
    entries_in,
    entry_of,
    id_of,
    identity_under,
)
from minibroker.client.session.open_batch import Floor

PID, ID = 7, "importer"
T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)


def state_of(*entries: Entry) -> JournalState:
    state = JournalState()
    for entry in entries:
        state.apply(entry)
    return state


OURS = state_of(Identity(PID, 4, ID), Floor("t", 0, PID, 2, 10))


def test_an_entry_is_read_as_it_was_written() -> None:
    committed = {T1: entry_of(PID, 4, "host x, process 9"), T0: OffsetAndMetadata(5, "of others")}
    assert entries_in(committed) == [Registered(T1, PID, 4, "host x, process 9")]
    assert entries_in({T0: OffsetAndMetadata(0, "session 7 x y")}) == []


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [Registered(T0, PID, 4, "we")],
        [Registered(T0, PID, 3, "one before")],
        [Registered(T1, PID + 1, 9, "of an id that was forgotten since")],
    ],
)
def test_the_newest_journal_knows_all_of_it(entries: Sequence[Registered]) -> None:
    check_is_newest(OURS, ID, entries)


@pytest.mark.parametrize(
    ("state", "entry", "said"),
    [
        (OURS, Registered(T0, PID, 5, "host x"), "by host x, at epoch 5 .* ends at epoch 4"),
        (OURS, Registered(T1, PID, 4, "host x"), "It wrote to t-1, which is not in here"),
        (JournalState(), Registered(T0, PID, 0, "host x"), "another one"),
        (state_of(Identity(PID, 0)), Registered(T0, PID, 0, "x"), "another one"),
    ],
)
def test_an_old_copy_is_refused(state: JournalState, entry: Registered, said: str) -> None:
    with pytest.raises(StaleJournal, match=said):
        check_is_newest(state, ID, [Registered(T0, PID, 1, "old"), entry])


def test_a_session_has_one_id() -> None:
    plain = state_of(Identity(PID, 0))
    assert id_of(plain) is None
    check_id(plain, None, "s")
    check_id(plain, ID, "s")
    check_id(OURS, ID, "s")
    assert identity_under(OURS, ID) == Identity(PID, 4, ID)
    for other in (None, "else"):
        with pytest.raises(Fatal, match="belongs to transactional id 'importer'"):
            check_id(OURS, other, "s")
