"""What a start finds: a state, a torn tail, or damage. Every flip and every cut of a journal."""

from __future__ import annotations

from random import Random

import pytest
from minibroker.client.errors import Fatal, JournalDamaged, JournalTooNew
from minibroker.client.session.journal_codec import encode
from minibroker.client.session.journal_frames import HEAD_BYTES, frames, note
from minibroker.client.session.journal_recovery import JOURNAL, NOTE, Recovered, recover
from minibroker.client.session.journal_state import JournalState
from minibroker.client.session.journal_writer import JournalWriter
from minibroker.testing.simulated_disk import SimulatedDisk

from tests.support.sessions.journal_disks import Shelf, SimulatedJournal
from tests.support.sessions.journaled import DrawnSession, facts

GROUPS = 12


class Written:
    """A journal of some groups: `flushed` of them flushed, the others not."""

    def __init__(self, flushed: int, groups: int = GROUPS, seed: int = 0) -> None:
        disk = SimulatedDisk(Random(seed))
        journal = SimulatedJournal(disk)
        state = JournalState()
        session = DrawnSession(Random(seed), state, wire_bytes_max=30)
        writer = JournalWriter(journal, 0, state.snapshot(), flushes=True)
        self.states = [facts(state)]  # after so many groups
        for number in range(groups):
            entries = session.group()
            for entry in entries:
                state.apply(entry)
            writer.append([encode(entries)])
            self.states.append(facts(state))
            if number < flushed:
                writer.flush()
        journal.close()
        self.shelf = Shelf.of(disk)
        self.journal = self.shelf.files[JOURNAL]
        ends = [frame.end for frame in frames(self.journal, 1)]
        self.flushed_end = ends[flushed]
        self.acceptable = self.states[flushed:]


def found(shelf: Shelf) -> Recovered:
    """What a start makes of it."""
    return recover(SimulatedJournal(shelf.put()))


def test_an_empty_directory_is_a_new_session() -> None:
    recovered = found(Shelf({"lock": b"12\n", ".keep": b"", "journal.new": b"half"}))
    assert (recovered.generation, facts(recovered.state)) == (0, facts(JournalState()))


def test_a_directory_of_others_is_refused() -> None:
    with pytest.raises(Fatal, match="holds no session, and is not empty"):
        found(Shelf({"orders.csv": b""}))


def test_a_journal_that_is_gone_is_missed() -> None:
    with pytest.raises(JournalDamaged, match="it is gone"):
        found(Shelf({NOTE: note(3, 100)}))


def test_an_earlier_copy_is_noticed() -> None:
    written = Written(GROUPS)
    with pytest.raises(JournalDamaged, match="an earlier copy was put back"):
        found(written.shelf.spoilt(NOTE, note(2, 24)))


def test_a_later_version_is_refused_in_words() -> None:
    written = Written(GROUPS)
    newer = bytearray(written.journal)
    newer[11] = 2
    with pytest.raises(JournalTooNew, match="format 2, and this version knows up to 1"):
        found(written.shelf.spoilt(JOURNAL, bytes(newer)))


def test_all_is_read() -> None:
    for flushed in (0, 5, GROUPS):
        written = Written(flushed)
        recovered = found(written.shelf)
        assert facts(recovered.state) == written.states[-1]
        assert recovered.torn_bytes == 0


def test_every_flip_is_harmless_or_refused_or_costs_only_what_was_not_flushed() -> None:
    written = Written(flushed=8)
    refused = lost = 0
    for at in range(len(written.journal)):
        spoilt = bytearray(written.journal)
        spoilt[at] ^= 1 << (at % 8)
        try:
            recovered = found(written.shelf.spoilt(JOURNAL, bytes(spoilt)))
        except (JournalDamaged, JournalTooNew):
            refused += 1
            assert at < written.flushed_end
            continue
        assert at >= written.flushed_end, f"a flip of byte {at} is not noticed"
        assert facts(recovered.state) in written.acceptable
        assert recovered.torn_bytes
        lost += 1
    assert refused == written.flushed_end
    assert lost == len(written.journal) - written.flushed_end


def test_every_cut_is_refused_or_costs_only_what_was_not_flushed() -> None:
    written = Written(flushed=8)
    for size in range(len(written.journal)):
        try:
            recovered = found(written.shelf.spoilt(JOURNAL, written.journal[:size]))
        except JournalDamaged:
            assert size < written.flushed_end
            continue
        assert size >= written.flushed_end, f"a cut to {size} bytes is not noticed"
        assert facts(recovered.state) in written.acceptable


@pytest.mark.parametrize("note_bytes", [b"", bytes(20), b"\xff" * 20, note(1, 2**40)[:-1]])
def test_without_a_note_later_frames_tell_what_had_been_flushed(note_bytes: bytes) -> None:
    written = Written(flushed=8)
    for at in range(len(written.journal)):
        spoilt = bytearray(written.journal)
        spoilt[at] ^= 0x10
        shelf = written.shelf.spoilt(JOURNAL, bytes(spoilt)).spoilt(NOTE, note_bytes)
        try:
            recovered = found(shelf)
        except (JournalDamaged, JournalTooNew):
            assert at < written.flushed_end
            continue
        assert at >= written.flushed_end
        assert facts(recovered.state) in written.acceptable


def test_every_flip_of_the_note_is_harmless() -> None:
    written = Written(flushed=8)
    for at in range(len(written.shelf.files[NOTE])):
        spoilt = bytearray(written.shelf.files[NOTE])
        spoilt[at] ^= 1 << (at % 8)
        recovered = found(written.shelf.spoilt(NOTE, bytes(spoilt)))
        assert facts(recovered.state) == written.states[-1]


def test_a_hole_in_what_was_not_flushed_is_a_torn_tail() -> None:
    written = Written(flushed=4)
    ends = [frame.end for frame in frames(written.journal, 1)]
    spoilt = bytearray(written.journal)
    spoilt[ends[5] : ends[6]] = bytes(ends[6] - ends[5])
    recovered = found(written.shelf.spoilt(JOURNAL, bytes(spoilt)))
    assert facts(recovered.state) == written.states[5]
    assert recovered.torn_bytes == len(spoilt) - ends[5]


def test_a_journal_inside_of_a_record_is_not_taken_for_one() -> None:
    inner = Written(GROUPS).journal
    disk = SimulatedDisk(Random(0))
    journal = SimulatedJournal(disk)
    state = JournalState()
    writer = JournalWriter(journal, 0, state.snapshot(), flushes=True)
    writer.append([[inner]])  # as a body: what is in it does not matter here
    torn = bytearray(disk_bytes(disk))
    torn[HEAD_BYTES + 40 + 70] ^= 1  # in the last frame, which was not flushed
    recovered = found(Shelf.of(disk).spoilt(JOURNAL, bytes(torn)))
    assert facts(recovered.state) == facts(state)


def disk_bytes(disk: SimulatedDisk) -> bytes:
    return Shelf.of(disk).files[JOURNAL]
