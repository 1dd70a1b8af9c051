"""Row M of the table of settling.py: batches of an epoch that a later owner has shut out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from minibroker.client.errors import StaleJournal
from minibroker.client.session.log_scan import LogScan, Span
from minibroker.client.session.open_batch import NO_SEQUENCE, Floor, OpenBatch
from minibroker.client.session.outcomes import Anew, Reason, Stored, Unsettled
from minibroker.client.session.settling import AskLeader, Listed, Look, ReadLog, Send, Settling

FLOOR = Floor("t", 0, 9, 0, offset=100, confirmed_sequence=9, last_sequence=15)
TEN, TWELVE, FIFTEEN = (
    OpenBatch(number, "t", bytes(16), 0, 9, 0, first, count, -1, b"")
    for number, first, count in ((1, 10, 2), (2, 12, 3), (3, 15, 1))
)
MARKED = Listed(3, NO_SEQUENCE)


def looked(listed: Listed | None = MARKED, told: tuple[int, ...] = ()) -> Settling:
    made = Settling([TEN, TWELVE, FIFTEEN], FLOOR, told, shut_out_below=3)
    assert isinstance(made.step(), AskLeader)
    made.looked(Look(listed=listed))
    return made


def test_what_is_absent_goes_under_another_identity() -> None:
    made = looked()
    assert made.step() == ReadLog()
    made.scanned(LogScan(end_offset=103, spans=(Span(0, 10, 2, 100),)))
    assert made.step() is None
    assert made.outcomes == [Stored(TEN, 100), Anew(TWELVE), Anew(FIFTEEN)]


def test_behind_it_nothing_may_be_stored() -> None:
    made = looked()
    assert made.step() == ReadLog()
    made.scanned(LogScan(end_offset=105, spans=(Span(0, 12, 3, 100), Span(0, 15, 1, 103))))
    assert made.step() is None
    first, *_ = made.outcomes
    assert isinstance(first, Unsettled)
    assert first.reason is Reason.OVERTAKEN


def test_a_log_that_lacks_something_proves_nothing() -> None:
    made = looked()
    assert made.step() == ReadLog()
    made.scanned(LogScan(log_start=101, end_offset=103))
    assert made.step() is None
    assert [each.reason for each in made.outcomes if isinstance(each, Unsettled)]


def test_told_not_stored_it_is_not_sent_under_its_old_identity() -> None:
    made = looked(told=(1, 2, 3))
    assert made.step() == ReadLog()
    made.scanned(LogScan(log_start=101, end_offset=103))
    assert made.step() is None
    assert made.outcomes == [Anew(TEN), Anew(TWELVE), Anew(FIFTEEN)]


@pytest.mark.parametrize("listed", [None, Listed(0, 9)])
def test_where_the_marker_is_forgotten_the_other_rows_count(listed: Listed | None) -> None:
    made = looked(listed)
    if listed is None:
        assert made.step() == ReadLog()
        made.scanned(LogScan(end_offset=100))
    assert made.step() == Send(TEN)


def test_what_another_owner_has_written_makes_an_old_copy() -> None:
    made = looked()
    assert made.step() == ReadLog()
    made.scanned(LogScan(end_offset=103, spans=(Span(2, 0, 3, 100),)))
    with pytest.raises(StaleJournal):
        made.step()
    made = looked(replace_listed())
    with pytest.raises(StaleJournal):
        made.step()


def replace_listed() -> Listed:
    """Batches of a later epoch behind the marker."""
    return MARKED._replace(last_sequence=4)


def test_its_own_epoch_is_settled_as_ever() -> None:
    mine = replace(TEN, producer_epoch=3, base_sequence=0)
    floor = replace(FLOOR, producer_epoch=3, confirmed_sequence=NO_SEQUENCE, last_sequence=1)
    made = Settling([mine], floor, shut_out_below=3)
    made.step()
    made.looked(Look(listed=MARKED))
    assert made.step() == Send(mine)
