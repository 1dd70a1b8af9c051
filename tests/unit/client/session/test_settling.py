"""Every row of the table of settling.py, and every answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from minibroker.client.errors import StaleJournal
from minibroker.client.produce.answers import Answer
from minibroker.client.session.log_scan import LogScan, Span
from minibroker.client.session.open_batch import NO_SEQUENCE, Floor, OpenBatch
from minibroker.client.session.outcomes import (
    Anew,
    Outcome,
    Reason,
    Refused,
    Stored,
    TooLarge,
    Unsettled,
)
from minibroker.client.session.settling import (
    DOUBTS_MAX,
    FAILURES_MAX,
    AskLeader,
    Listed,
    Look,
    Presence,
    ReadLog,
    Send,
    Settling,
)
from minibroker.protocol.errors import ErrorCode as E

FLOOR = Floor("t", 0, 9, 0, offset=100, confirmed_sequence=9, last_sequence=15)
TEN, TWELVE, FIFTEEN = (
    OpenBatch(number, "t", bytes(16), 0, 9, 0, first, count, -1, b"")
    for number, first, count in ((1, 10, 2), (2, 12, 3), (3, 15, 1))
)
BATCHES = [TEN, TWELVE, FIFTEEN]
FRESH = replace(FLOOR, confirmed_sequence=NO_SEQUENCE)


def settling(
    batches: Sequence[OpenBatch] = BATCHES, floor: Floor = FLOOR, told: Sequence[int] = ()
) -> Settling:
    return Settling(batches, floor, told)


def looked(
    look: Look,
    batches: Sequence[OpenBatch] = BATCHES,
    floor: Floor = FLOOR,
    told: Sequence[int] = (),
) -> Settling:
    made = settling(batches, floor, told)
    assert isinstance(made.step(), AskLeader)
    made.looked(look)
    return made


def listed(epoch: int, last: int) -> Look:
    return Look(listed=Listed(epoch, last))


def span(batch: OpenBatch, offset: int) -> Span:
    return Span(batch.producer_epoch, batch.base_sequence, batch.count, offset)


def held(outcomes: Sequence[Outcome]) -> list[tuple[int, Reason]]:
    return [(each.batch.number, each.reason) for each in outcomes if isinstance(each, Unsettled)]


def ask_again(made: Settling, look: Look, times: int, code: E) -> None:
    """Let the same batch be refused again and again, with nothing new to be learned."""
    for _ in range(times):
        step = made.step()
        assert isinstance(step, Send)
        made.answered(step.batch, Answer(code))
        if isinstance(made.step(), AskLeader):
            made.looked(look)


def test_floor_unknown_nothing_was_ever_sent() -> None:
    made = settling(floor=replace(FLOOR, offset=-1))
    assert made.step() is None
    assert made.outcomes == [Anew(TEN), Anew(TWELVE), Anew(FIFTEEN)]


@pytest.mark.parametrize(
    ("presence", "reason"),
    [
        (Presence.GONE, Reason.GONE),
        (Presence.MADE_AGAIN, Reason.MADE_AGAIN),
        (Presence.NOT_ALLOWED, Reason.NOT_ALLOWED),
    ],
)
def test_row_p_another_log_or_none(presence: Presence, reason: Reason) -> None:
    made = looked(Look(presence, said="in its own words"))
    assert made.step() is None
    assert held(made.outcomes) == [(1, reason), (2, reason), (3, reason)]
    first = made.outcomes[0]
    assert isinstance(first, Unsettled)
    assert "t-0 (producer id 9, epoch 0, sequences 10 to 11)" in first.text
    assert "in its own words" in first.text


@pytest.mark.parametrize("known", [Listed(1, 0), Listed(1, NO_SEQUENCE), Listed(0, 16)])
def test_row_1_the_partition_knows_more_than_the_journal(known: Listed) -> None:
    made = looked(Look(listed=known))
    with pytest.raises(StaleJournal, match="an old copy"):
        made.step()


def test_row_1_of_an_epoch_without_batches() -> None:
    floor = Floor("t", 0, 9, 1, offset=100)
    made = looked(listed(1, 0), floor=floor)
    with pytest.raises(StaleJournal):
        made.step()


def test_row_1_in_the_log() -> None:
    made = looked(Look())
    made.scanned(LogScan(end_offset=120, spans=(Span(0, 16, 4, 116),)))
    with pytest.raises(StaleJournal, match="sequence 19"):
        made.step()


def test_row_2_a_later_epoch_of_ours_leaves_it_to_the_log() -> None:
    made = looked(listed(1, 3), [TEN, TWELVE], Floor("t", 0, 9, 1, offset=100, last_sequence=3))
    assert made.step() == ReadLog()
    made.scanned(LogScan(end_offset=120, spans=(span(TEN, 100), Span(1, 0, 4, 110))))
    assert made.step() is None
    assert made.outcomes[0] == Stored(TEN, 100)
    assert held(made.outcomes) == [(2, Reason.SUPERSEDED)]


def test_row_3_a_new_epoch_begins_with_0() -> None:
    first = replace(TEN, base_sequence=0, producer_epoch=1)
    floor = replace(FRESH, producer_epoch=1)
    made = looked(listed(0, 9), [first], floor)
    assert made.step() == Send(first)


def test_row_3_behind_a_refused_batch_it_never_can() -> None:
    behind = replace(TEN, producer_epoch=1)
    made = looked(listed(0, 9), [behind], replace(FRESH, producer_epoch=1))
    assert made.step() is None
    assert made.outcomes == [Anew(behind)]


def test_row_3_what_was_confirmed_is_forgotten() -> None:
    made = looked(listed(0, NO_SEQUENCE))
    assert made.step() == ReadLog()
    made.scanned(LogScan(end_offset=100))
    assert made.step() is None
    assert [reason for _, reason in held(made.outcomes)] == [Reason.FORGOTTEN] * 3


def test_row_4_the_log_has_what_is_listed() -> None:
    made = looked(listed(0, 14))
    assert made.step() == ReadLog((TEN, TWELVE))
    scan = LogScan(end_offset=120, spans=(span(TEN, 100), span(TWELVE, 104)), is_whole=False)
    made.scanned(scan)
    assert isinstance(made.step(), AskLeader)  # reading has taken its time
    assert made.outcomes == [Stored(TEN, 100), Stored(TWELVE, 104)]
    made.looked(listed(0, 14))
    assert made.step() == Send(FIFTEEN)
    made.answered(FIFTEEN, Answer(E.NONE, 107))
    assert made.step() is None
    assert made.outcomes[2] == Stored(FIFTEEN, 107)


@pytest.mark.parametrize(
    "scan",
    [
        LogScan(refusal="Fetch: TOPIC_AUTHORIZATION_FAILED"),
        LogScan(log_start=119, end_offset=120),
        LogScan(end_offset=120, hole=100),
    ],
    ids=["no right", "retention", "compacted"],
)
def test_row_4_the_log_cannot_tell_and_the_newest_goes_again(scan: LogScan) -> None:
    made = looked(listed(0, 14))
    made.scanned(scan)
    assert isinstance(made.step(), AskLeader)
    made.looked(listed(0, 14))
    assert made.step() == Send(TWELVE)
    made.answered(TWELVE, Answer(E.NONE, 104, 1_700_000_000_000))
    assert made.step() == Send(FIFTEEN)
    assert made.outcomes == [Stored(TEN), Stored(TWELVE, 104, 1_700_000_000_000)]


def test_row_4_a_hole_in_the_chain_is_seen() -> None:
    made = looked(listed(0, 14))
    made.scanned(LogScan(end_offset=120, spans=(span(TWELVE, 104),)))
    assert made.step() is None
    assert made.outcomes[0] == Stored(TWELVE, 104)
    assert held(made.outcomes) == [(1, Reason.OVERTAKEN)]


@pytest.mark.parametrize("code", [E.TOPIC_AUTHORIZATION_FAILED, E.MESSAGE_TOO_LARGE])
def test_row_4_what_is_listed_is_never_refused(code: E) -> None:
    made = looked(listed(0, 11), [TEN])
    made.scanned(LogScan(refusal="Fetch: TOPIC_AUTHORIZATION_FAILED"))
    assert isinstance(made.step(), AskLeader)
    made.looked(listed(0, 11))
    assert made.step() == Send(TEN)
    made.answered(TEN, Answer(code))
    assert made.step() == ReadLog()
    made.scanned(LogScan(end_offset=120))
    assert made.step() is None
    assert held(made.outcomes) == [(1, Reason.REFUSED)]


def test_row_5_it_follows_and_the_rest_follows_it() -> None:
    made = looked(listed(0, 9))
    for batch, offset in zip(BATCHES, (100, 102, 105), strict=True):
        assert made.step() == Send(batch)
        made.answered(batch, Answer(E.NONE, offset))
    assert made.step() is None
    assert made.outcomes == [Stored(TEN, 100), Stored(TWELVE, 102), Stored(FIFTEEN, 105)]


def test_row_5_a_duplicate_of_an_old_broker_has_no_offset() -> None:
    made = looked(listed(0, 9), [TEN])
    made.answered(TEN, Answer(E.DUPLICATE_SEQUENCE_NUMBER, 77))
    assert made.outcomes == [Stored(TEN)]


def test_row_6_behind_a_refused_batch() -> None:
    made = looked(listed(0, 9), [TWELVE, FIFTEEN])
    assert made.step() is None
    assert made.outcomes == [Anew(TWELVE), Anew(FIFTEEN)]


@pytest.mark.parametrize(("last", "reason"), [(8, Reason.FORGOTTEN), (13, Reason.MISFIT)])
def test_row_7_the_log_decides(last: int, reason: Reason) -> None:
    made = looked(listed(0, last))
    assert made.step() == ReadLog()
    made.scanned(LogScan(end_offset=120, spans=(span(TEN, 101),)))
    assert made.step() is None
    assert made.outcomes[0] == Stored(TEN, 101)
    assert held(made.outcomes) == [(2, reason), (3, reason)]


def test_row_8_found_is_stored_and_absent_is_sent() -> None:
    made = looked(Look())
    assert made.step() == ReadLog()
    made.scanned(LogScan(end_offset=102, spans=(span(TEN, 100),)))
    assert made.step() == Send(TWELVE)
    assert made.outcomes == [Stored(TEN, 100)]
    made.answered(TWELVE, Answer(E.NONE, 102))
    assert made.step() == Send(FIFTEEN)


@pytest.mark.parametrize(
    ("scan", "reason"),
    [
        (LogScan(end_offset=99), Reason.TRUNCATED),
        (LogScan(end_offset=120, epoch_end=99), Reason.TRUNCATED),
        (LogScan(end_offset=120, epoch_end=-1), Reason.TRUNCATED),
        (LogScan(end_offset=120, is_aligned=False), Reason.TRUNCATED),
        (LogScan(log_start=101, end_offset=120), Reason.RETENTION),
        (LogScan(end_offset=120, hole=110), Reason.COMPACTED),
        (LogScan(refusal="Fetch: TOPIC_AUTHORIZATION_FAILED"), Reason.NOT_ALLOWED),
    ],
)
def test_row_8_what_the_log_cannot_tell(scan: LogScan, reason: Reason) -> None:
    made = looked(Look())
    made.scanned(scan)
    assert made.step() is None
    assert held(made.outcomes) == [(1, reason), (2, reason), (3, reason)]


def test_row_8_the_log_of_then_is_known_by_what_lies_at_the_floor() -> None:
    made = looked(Look())
    made.scanned(LogScan(end_offset=120, epoch_end=99, is_anchored=True))
    assert made.step() == Send(TEN)


def test_row_8_overtaken() -> None:
    made = looked(Look())
    made.scanned(LogScan(end_offset=120, spans=(span(TWELVE, 100),)))
    assert made.step() is None
    assert held(made.outcomes) == [(1, Reason.OVERTAKEN)]
    assert Stored(TWELVE, 100) in made.outcomes
    assert all(each.batch is not FIFTEEN for each in made.outcomes)


def test_row_8_a_part_of_it() -> None:
    made = looked(Look(), [TEN])
    made.scanned(LogScan(end_offset=120, spans=(Span(0, 11, 1, 100),)))
    assert made.step() is None
    assert held(made.outcomes) == [(1, Reason.MISFIT)]


@pytest.mark.parametrize("code", [E.OUT_OF_ORDER_SEQUENCE_NUMBER, E.UNKNOWN_PRODUCER_ID])
def test_a_refused_sequence_proves_nothing(code: E) -> None:
    made = looked(listed(0, 9))
    made.answered(TEN, Answer(code))
    assert not made.outcomes
    assert isinstance(made.step(), AskLeader)
    made.looked(listed(0, 11))
    assert made.step() == ReadLog((TEN,))


@pytest.mark.parametrize("code", [E.OUT_OF_ORDER_SEQUENCE_NUMBER, E.INVALID_PRODUCER_EPOCH])
def test_refused_again_and_nothing_new_is_known(code: E) -> None:
    made = looked(listed(0, 9))
    ask_again(made, listed(0, 9), DOUBTS_MAX, code)
    assert made.step() is None
    assert held(made.outcomes) == [(1, Reason.REFUSED)]


def test_no_answer_means_a_new_look() -> None:
    made = looked(listed(0, 9))
    assert made.step() == Send(TEN)
    made.answered(TEN, None)
    assert isinstance(made.step(), AskLeader)


def test_an_error_that_says_nothing() -> None:
    made = looked(listed(0, 9))
    ask_again(made, listed(0, 9), FAILURES_MAX, E.UNKNOWN_SERVER_ERROR)
    assert made.step() is None
    assert held(made.outcomes) == [(1, Reason.FAILED)]


def test_refused_for_good() -> None:
    made = looked(listed(0, 9), [TEN, TWELVE])
    made.answered(TEN, Answer(E.TOPIC_AUTHORIZATION_FAILED, message="not yours"))
    assert made.outcomes == [Refused(TEN, E.TOPIC_AUTHORIZATION_FAILED, "not yours")]
    assert made.step() is None
    assert made.outcomes[1] == Anew(TWELVE)


def test_too_large_in_one_piece() -> None:
    made = looked(listed(0, 9))
    made.answered(TEN, Answer(E.MESSAGE_TOO_LARGE))
    assert made.step() is None
    assert made.outcomes == [TooLarge(TEN)]


def test_a_single_record_that_is_too_large() -> None:
    made = looked(listed(0, 14), [FIFTEEN])
    made.answered(FIFTEEN, Answer(E.MESSAGE_TOO_LARGE))
    (outcome,) = made.outcomes
    assert isinstance(outcome, Refused)


def test_no_right_to_produce_at_all() -> None:
    made = looked(listed(0, 9))
    made.answered(TEN, Answer(E.CLUSTER_AUTHORIZATION_FAILED))
    assert made.step() is None
    assert held(made.outcomes) == [(1, Reason.NOT_ALLOWED)]


def test_the_owner_says_not_stored_where_nobody_can_look() -> None:
    made = looked(Look(Presence.NOT_ALLOWED), told=[1])
    assert made.step() == Send(TEN)
    made.answered(TEN, Answer(E.NONE, 100))
    assert made.step() == Send(TWELVE)  # the partition remembers the producer now


def test_the_owner_was_wrong_and_the_log_knows_better() -> None:
    made = looked(Look(), [TEN], told=[1])
    made.scanned(LogScan(end_offset=120, spans=(span(TEN, 100),)))
    assert made.step() is None
    assert made.outcomes == [Stored(TEN, 100)]


def test_the_owner_says_not_stored_and_its_identity_is_of_no_use() -> None:
    made = looked(Look(Presence.MADE_AGAIN), told=[1, 2])
    assert made.step() is None
    assert made.outcomes[:2] == [Anew(TEN), Anew(TWELVE)]
    assert held(made.outcomes) == [(3, Reason.MADE_AGAIN)]


def test_the_owner_says_not_stored_and_the_broker_refuses_the_sequence() -> None:
    look = Look(Presence.NOT_ALLOWED)
    made = looked(look, [TEN], told=[1])
    made.answered(TEN, Answer(E.OUT_OF_ORDER_SEQUENCE_NUMBER))
    assert isinstance(made.step(), AskLeader)
    made.looked(look)
    assert made.step() is None
    assert made.outcomes == [Anew(TEN)]


def test_the_owners_word_does_not_cover_what_was_sent_since() -> None:
    look = Look(Presence.NOT_ALLOWED)
    made = looked(look, [TEN], told=[1])
    made.answered(TEN, None)
    made.step()
    made.looked(look)
    assert made.step() == Send(TEN)
    made.answered(TEN, Answer(E.OUT_OF_ORDER_SEQUENCE_NUMBER))
    made.step()
    made.looked(look)
    assert made.step() is None
    assert held(made.outcomes) == [(1, Reason.NOT_ALLOWED)]


def test_sequences_wrap() -> None:
    first = replace(TEN, base_sequence=2**31 - 1)
    floor = replace(FLOOR, confirmed_sequence=2**31 - 2, last_sequence=0)
    made = looked(listed(0, 0), [first], floor)
    assert made.step() == ReadLog((first,))
    made = looked(listed(0, 2**31 - 2), [first], floor)
    assert made.step() == Send(first)
