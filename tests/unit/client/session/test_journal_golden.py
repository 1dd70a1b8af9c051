"""A journal of format 1, kept: it is written as it was, and read as it was meant.

tests/golden/session was written by `golden()` below, on the day format 1 was made. If these tests
fail, journals that people have are not read any more: give the format the next version.
"""

from __future__ import annotations

from random import Random

from minibroker.client.session.entries import (
    Confirmation,
    Confirmed,
    Cut,
    Entry,
    Identity,
    Refused,
    Restamped,
    Settled,
    Split,
    Taken,
)
from minibroker.client.session.journal_codec import encode
from minibroker.client.session.journal_frames import FORMAT_VERSION
from minibroker.client.session.journal_recovery import recover
from minibroker.client.session.journal_state import JournalState
from minibroker.client.session.journal_writer import JournalWriter
from minibroker.testing.simulated_disk import SimulatedDisk

from tests.support.repository import ROOT
from tests.support.sessions.journal_disks import Shelf, SimulatedJournal
from tests.support.sessions.journaled import PRODUCER_ID, batch, begun, facts, state_of

GOLDEN = ROOT / "tests/golden/session"
FIRST: list[Entry] = [
    *begun(),
    Cut(
        {"file": 17, None: "at", "other": b"\x00\xff"}, tuple(batch(n, n * 2, 2) for n in range(6))
    ),
    Refused(5, 10, "too large"),
    Identity(8, 2, "orders"),
]
GROUPS: list[list[Entry]] = [
    [Confirmed((Confirmation(0, 100, 3), Confirmation(1)))],
    [Split(2, (batch(6, 4, 1, wire=b"left"), batch(7, 5, 1, wire=b"right")))],
    [Restamped(3, PRODUCER_ID, 1, 0, b"anew"), Settled(4, False)],
    [Refused(6, 87, "invalid"), Taken((5,))],
    [Cut({"file": -(2**70)}, ())],
]


def golden() -> Shelf:
    """All kinds of entries: a journal that begins with a snapshot, and grows."""
    disk = SimulatedDisk(Random(0))
    writer = JournalWriter(SimulatedJournal(disk), 41, state_of(FIRST).snapshot(), flushes=True)
    for group in GROUPS:
        writer.append([encode(group)])
        writer.flush()
    return Shelf.of(disk)


def test_what_is_written_is_what_was_written() -> None:
    kept = {each.name: each.read_bytes() for each in GOLDEN.iterdir()}
    assert golden().files == kept
    assert FORMAT_VERSION == 1, "keep one journal of each version, and read them all"


def test_what_was_written_is_read_as_it_was_meant() -> None:
    kept = Shelf({each.name: each.read_bytes() for each in GOLDEN.iterdir()})
    recovered = recover(SimulatedJournal(kept.put()))
    meant: JournalState = state_of(FIRST, *GROUPS)
    assert facts(recovered.state) == facts(meant)
    assert (recovered.generation, recovered.torn_bytes) == (42, 0)
    assert recovered.state.marks == {"file": -(2**70), None: "at", "other": b"\x00\xff"}
    assert [(each.number, each.wire) for each in recovered.state.open.values()] == [
        (7, b"right"),
        (3, b"anew"),
        (4, b"w"),
    ]
