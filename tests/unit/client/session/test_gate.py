"""The gate of a durable session, as transcripts: nothing leaves before it is journaled."""

from __future__ import annotations

import pytest
from minibroker.client.errors import DeliveryTimeout, Fatal, Fenced
from minibroker.client.produce.answers import Answer
from minibroker.client.produce.batch import ProducerBatch, Split, StoredAt
from minibroker.client.produce.lane import EPOCH_MAX
from minibroker.client.session.entries import Confirmed, Cut, Restamped
from minibroker.client.session.leaving.gate import IDLE_MS, JOURNAL_WITHIN_MS
from minibroker.client.session.leaving.keeping import CONFIRM_WITHIN_MS
from minibroker.protocol.errors import ErrorCode

from tests.support.sessions.gate_play import (
    GAP,
    LEADER,
    PID,
    STORED_AT_5,
    TOO_LARGE,
    Play,
    failure,
    stamps,
    values,
)


def test_nothing_leaves_before_it_is_flushed() -> None:
    play = Play()
    play.establish()
    play.journal.flushes = False
    batch = play.send()
    assert play.drain() == []
    assert [each.wire for each in play.journal.state.open.values()] == [batch.wire]
    play.journal.flush()
    (call,) = play.drain()
    assert call.batches == [batch]


def test_a_cut_takes_what_was_sent_to_every_partition() -> None:
    play = Play(linger_ms=50)
    first = play.send(b"a", 0, size_bytes=10)
    second = play.send(b"b", 1, size_bytes=10)
    play.now_ms = 40
    third = play.send(b"c", 2, size_bytes=10)
    play.sender.keeping.mark("file", 3, play.now_ms)
    assert play.drain() == []
    play.drain(10)  # the linger of the first two ends
    (cut,) = play.cuts
    assert [each.partition for each in cut.batches] == [0, 1, 2]
    assert cut.marks == {"file": 3}
    assert {*map(len, (first.values, second.values, third.values))} == {1}
    assert third.room < 0, "a batch that is journaled takes no more records"


def test_what_is_sent_during_a_flush_is_the_next_cut() -> None:
    play = Play()
    play.establish()
    play.journal.flushes = False
    play.send(b"1")
    assert play.drain() == []
    play.send(b"2")
    play.send(b"3", 1)
    assert play.drain() == []
    assert len(play.cuts) == 2
    play.journal.flush()
    (call,) = play.drain()
    assert values(call.batches[0]) == [b"1"]
    assert [len(cut.batches) for cut in play.cuts] == [1, 1, 2]


def test_nothing_leaves_before_the_end_of_its_partition_is_known() -> None:
    play = Play()
    play.send()
    assert play.drain(floors=False) == []
    assert play.sender.wants_floors == {("t", 0)}
    (floor,) = play.journal.state.floors.values()
    assert floor.offset == -1, "nothing has been sent there"
    play.journal.flushes = False
    play.sender.give_floor(("t", 0), 40, 3)
    assert play.drain() == []
    play.journal.flush()
    (call,) = play.drain()
    assert stamps([call]) == [(PID, 0, 0)]
    (floor,) = play.journal.state.floors.values()
    assert (floor.offset, floor.last_sequence) == (40, 0)


def test_five_are_on_the_wire_however_many_are_journaled() -> None:
    play = Play()
    for n in range(8):
        play.send(b"%d" % n)
    first = play.drain()
    assert stamps(first) == [(PID, 0, 0)]
    assert len(play.journal.state.open) == 8
    play.answer(first[0], STORED_AT_5)
    five = play.drain()
    assert stamps(five) == [(PID, 0, n) for n in range(1, 6)]
    assert play.drain() == []
    play.answer(five[0], STORED_AT_5)
    assert stamps(play.drain()) == [(PID, 0, 6)]


def test_marks_are_in_force_when_they_are_flushed() -> None:
    play = Play()
    play.journal.flushes = False
    play.send()
    play.sender.keeping.mark(None, b"row 7", play.now_ms)
    play.drain()
    assert play.sender.keeping.marks == {}
    play.journal.flush()
    play.drain()
    assert play.sender.keeping.marks == {None: b"row 7"}
    assert Play(play.journal.survivor()).sender.keeping.marks == {None: b"row 7"}


def test_a_mark_without_records_is_journaled_soon() -> None:
    play = Play()
    play.sender.keeping.mark("s", 1, play.now_ms)
    assert play.drain() == []
    assert play.sender.next_wake_ms(play.now_ms) == JOURNAL_WITHIN_MS
    play.drain(JOURNAL_WITHIN_MS)
    play.drain()
    assert play.sender.keeping.marks == {"s": 1}


def test_what_cannot_leave_is_journaled_all_the_same() -> None:
    play = Play()
    play.leader = -1
    play.send()
    assert play.drain() == []
    assert play.cuts == []
    assert play.sender.wants_metadata
    assert play.sender.next_wake_ms(play.now_ms) == JOURNAL_WITHIN_MS
    play.drain(JOURNAL_WITHIN_MS)
    assert len(play.journal.state.open) == 1


def test_a_confirmation_is_written_with_the_next_cut_or_soon() -> None:
    play = Play()
    play.establish()
    assert len(play.journal.state.open) == 1
    assert play.sender.next_wake_ms(play.now_ms) == CONFIRM_WITHIN_MS
    play.drain(CONFIRM_WITHIN_MS)
    assert not play.journal.state.open
    assert isinstance(play.journal.groups[-1][0], Confirmed)
    play.establish(1)
    play.send()
    play.drain()
    kinds = [type(each) for each in play.journal.groups[-1]]
    assert kinds == [Confirmed, Cut]


def test_a_lost_answer_sends_the_same_bytes_again() -> None:
    play = Play()
    batch = play.send()
    (call,) = play.drain()
    before = batch.wire
    play.lose(call)
    assert play.drain() == []  # not before the backoff
    (again,) = play.drain(200)
    assert again.batches[0].wire == before
    play.answer(again, STORED_AT_5)
    assert batch.outcome == StoredAt(5, -1, -1)


def test_time_gives_nothing_up() -> None:
    play = Play()
    batch = play.send()
    (call,) = play.drain()
    play.lose(call)
    (again,) = play.drain(10_001)
    assert isinstance(failure(batch), DeliveryTimeout)
    assert "open, in the session" in str(batch.outcome)
    assert failure(batch).possibly_persisted
    play.answer(again, STORED_AT_5)
    assert batch.outcome == StoredAt(5, -1, -1), "who asks again is told the truth"


def test_a_refused_batch_is_kept_and_what_is_behind_it_restamped() -> None:
    play = Play()
    play.establish()
    batches = [play.send(b"%d" % n) for n in range(3)]
    first, second, third = play.drain()
    wire = batches[0].wire
    play.answer(first, TOO_LARGE)
    play.answer(second, GAP)
    play.answer(third, GAP)
    assert isinstance(failure(batches[0]), Fatal)
    play.journal.flushes = False
    assert play.drain(5_000) == []
    (refused,) = play.journal.state.refused.values()
    assert (refused.batch.wire, refused.code) == (wire, ErrorCode.MESSAGE_TOO_LARGE)
    restamped = [each for each in play.journal.groups[-1] if isinstance(each, Restamped)]
    assert [(each.producer_epoch, each.base_sequence) for each in restamped] == [(1, 0), (1, 1)]
    play.journal.flush()
    assert stamps(play.drain()) == [(PID, 1, 0)]


def test_a_batch_that_is_too_large_is_journaled_as_its_pieces() -> None:
    play = Play()
    play.establish()
    batch = play.send(b"a", size_bytes=10)
    play.send(b"b", size_bytes=10)
    play.send(b"c", size_bytes=10)
    (call,) = play.drain()
    play.journal.flushes = False
    play.answer(call, TOO_LARGE)
    assert isinstance(batch.outcome, Split)
    assert play.drain(1_000) == []
    opened = [*play.journal.state.open.values()]
    assert [(each.base_sequence, each.count) for each in opened[-2:]] == [(1, 1), (2, 2)]
    play.journal.flush()
    pieces = play.drain()
    assert stamps(pieces) == [(PID, 0, 1), (PID, 0, 2)]
    for piece in pieces:
        play.answer(piece, STORED_AT_5)
    play.drain(CONFIRM_WITHIN_MS)
    assert not play.journal.state.open


def test_a_refused_sequence_that_may_be_stored_is_looked_for() -> None:
    play = Play()
    play.establish()
    first, second = play.send(b"1"), play.send(b"2")
    calls = play.drain()
    play.lose(*calls)
    again = play.drain(5_000)
    for call in again:
        play.answer(call, GAP)
    assert play.drain(5_000) == []
    assert play.sender.wants_looks == {("t", 0)}
    assert play.sender.looking_for(("t", 0)) == [first, second]
    third = play.send(b"3")
    assert play.drain(5_000) == [], "what is behind waits"
    assert third.base_sequence == 3, "but is journaled"
    play.sender.stored(first, StoredAt(8, -1, -1), play.now_ms)
    play.sender.absent(second)
    play.sender.looked(("t", 0))
    assert first.outcome == StoredAt(8, -1, -1)
    assert stamps(play.drain()) == [(PID, 1, 0)]
    assert [second.base_sequence, third.base_sequence] == [0, 1]


def test_people_decide_where_nobody_can_know() -> None:
    play = Play()
    play.establish()
    first, second, elsewhere = play.send(b"1"), play.send(b"2"), play.send(b"3", 1)
    calls = play.drain()
    play.lose(*calls)
    for call in play.drain(5_000):
        play.answer(call, GAP)
    play.drain(5_000)
    play.sender.wants_looks.clear()
    play.sender.hold(first, "the topic was made again")
    assert "made again" in str(failure(first)), "who waits is told at once"
    play.sender.looked(("t", 0))
    assert not [each for each in play.drain(5_000) if each.batches[0] in (first, second)]
    play.sender.decide(first, play.now_ms, stored=True)
    assert isinstance(first.outcome, StoredAt)
    play.drain()
    assert play.sender.wants_looks >= {("t", 0)}
    assert play.sender.looking_for(("t", 0)) == [second]
    assert not isinstance(elsewhere.outcome, StoredAt)


def test_a_batch_older_than_brokers_remember_is_looked_for() -> None:
    play = Play()
    play.sender.patience_ms = 1_000
    batch = play.send()
    (call,) = play.drain()
    play.lose(call)
    play.sender.wall_ms = 1_001  # its record is of time 0
    assert play.drain(5_000) == []
    assert play.sender.looking_for(("t", 0)) == [batch]
    assert play.sender.wants_looks == {("t", 0)}


def test_an_idle_partition_takes_one_at_a_time_again() -> None:
    play = Play()
    play.establish()
    play.now_ms += IDLE_MS
    play.send()
    play.send()
    assert len(play.drain()) == 1


def test_batches_that_have_waited_for_long_go_one_at_a_time() -> None:
    play = Play()
    play.establish()
    play.leader = -1  # away
    for _ in range(3):
        play.send()
    assert play.drain(JOURNAL_WITHIN_MS) == []
    play.leader = LEADER
    play.sender.patience_ms = 1_000
    play.sender.wall_ms = 1_001  # their records are of time 0
    assert len(play.drain()) == 1
    play.sender.wall_ms = 1_000
    assert len(play.drain()) == 2


def test_an_idle_lane_with_more_to_send_takes_one_at_a_time_again() -> None:
    play = Play()
    play.establish()
    play.leader = -1
    play.send()
    play.send()
    assert play.drain(JOURNAL_WITHIN_MS) == []
    play.leader = LEADER
    assert len(play.drain(IDLE_MS)) == 1


def test_a_dead_process_s_batches_are_looked_for_and_new_ones_stand_behind() -> None:
    dead = Play()
    dead.establish()
    old = [dead.send(b"1", size_bytes=60), dead.send(b"2", size_bytes=60)]
    dead.drain()
    play = Play(dead.journal.survivor(), pid=PID + 1)
    new = play.send(b"3")
    assert play.drain() == []
    looked_for = play.sender.looking_for(("t", 0))
    assert [each.wire for each in looked_for] == [each.wire for each in old]
    for batch in looked_for:
        play.sender.stored(batch, StoredAt(9, -1, -1), play.now_ms)
    play.sender.looked(("t", 0))
    calls = play.drain()
    assert stamps(calls) == [(PID + 1, 0, 0)]
    assert calls[0].batches == [new]
    play.answer(calls[0], STORED_AT_5)
    play.drain(CONFIRM_WITHIN_MS)
    assert not play.journal.state.open


def test_what_is_absent_goes_first_under_the_new_identity() -> None:
    dead = Play()
    dead.send(b"1", size_bytes=40)
    dead.send(b"2", size_bytes=40)
    dead.drain()
    play = Play(dead.journal.survivor(), pid=PID + 1)
    play.send(b"3")
    assert play.drain(JOURNAL_WITHIN_MS) == []
    (old,) = play.sender.looking_for(("t", 0))
    play.sender.absent(old)
    play.sender.looked(("t", 0))
    (call,) = play.drain()
    # The new batch was stamped as (epoch 0, sequence 0): that identity stands for no other one.
    assert stamps([call]) == [(PID + 1, 1, 0)]
    assert values(call.batches[0]) == [b"1", b"2"]
    play.answer(call, TOO_LARGE)
    (half,) = play.drain(5_000)
    assert values(half.batches[0]) == [b"1"]
    play.answer(half, STORED_AT_5)
    assert [values(call.batches[0]) for call in play.drain()] == [[b"2"], [b"3"]]


def test_what_is_too_large_after_a_death_is_looked_for_in_pieces() -> None:
    dead = Play()
    dead.send(b"1", size_bytes=40)
    dead.send(b"2", size_bytes=40)
    dead.drain()
    dead.send(b"3")
    dead.drain(JOURNAL_WITHIN_MS)
    play = Play(dead.journal.survivor(), pid=PID + 1)
    play.drain()
    old, behind = play.sender.looking_for(("t", 0))
    play.sender.wants_looks.clear()
    play.sender.too_large(old)
    play.sender.looked(("t", 0))
    play.drain()
    assert play.sender.wants_looks == {("t", 0)}
    first, second, third = play.sender.looking_for(("t", 0))
    assert [values(each) for each in (first, second)] == [[b"1"], [b"2"]]
    assert [first.base_sequence, second.base_sequence] == [0, 1]
    assert third is behind


def test_an_end_leaves_what_is_journaled_open() -> None:
    play = Play()
    journaled = play.send()
    (call,) = play.drain()
    play.answer(call, Answer(ErrorCode.CLUSTER_AUTHORIZATION_FAILED))
    assert "stays open, in the session" in str(failure(journaled))
    assert failure(journaled).possibly_persisted
    assert len(play.journal.state.open) == 1
    late = play.send()
    assert play.drain(5_000) == []
    play.sender.fail_all(lambda batch: Fatal("stopped", possibly_persisted=False))
    assert not failure(late).possibly_persisted


def test_a_topic_that_is_made_again_is_looked_into_and_has_another_floor() -> None:
    play = Play()
    play.establish()
    batch = play.send()
    (call,) = play.drain()
    play.lose(call)
    play.sender.made_again("t")
    assert play.drain(5_000, floors=False) == []
    assert play.sender.looking_for(("t", 0)) == [batch]
    assert play.sender.wants_floors == {("t", 0)}
    play.sender.hold(batch, "the topic was deleted and made again")
    play.sender.looked(("t", 0))
    play.sender.decide(batch, play.now_ms, stored=True)
    play.send()
    assert play.drain(floors=False) == [], "where the new one ends is not known yet"
    play.sender.give_floor(("t", 0), 0, 0)
    assert stamps(play.drain()) == [(PID, 0, 2)]


def test_a_new_epoch_is_for_all_that_has_not_left_at_once() -> None:
    first = Play()
    first.send(b"1")
    first.drain()
    second = Play(first.journal.survivor(), pid=PID + 1)
    second.send(b"2")
    second.drain(JOURNAL_WITHIN_MS)
    third = Play(second.journal.survivor(), pid=PID + 2)
    third.send(b"3")
    third.drain(JOURNAL_WITHIN_MS)
    oldest, older = third.sender.looking_for(("t", 0))
    third.sender.wants_looks.clear()
    third.sender.absent(oldest)  # and what is behind it, of another life, has to wait
    third.sender.looked(("t", 0))
    (call,) = third.drain()
    assert (stamps([call]), values(call.batches[0])) == ([(PID + 2, 1, 0)], [b"1"])
    opened = {each.wire: each for each in third.journal.state.open.values()}
    assert sorted(each.producer_epoch for each in opened.values()) == [0, 1, 1]
    assert opened[older.wire].producer_id == PID + 1
    third.answer(call, STORED_AT_5)
    assert third.drain() == []
    assert third.sender.looking_for(("t", 0)) == [older]
    third.sender.stored(older, StoredAt(9, -1, -1), third.now_ms)
    third.sender.looked(("t", 0))
    assert stamps(third.drain()) == [(PID + 2, 1, 1)]


def test_who_is_fenced_is_told_of_the_copy() -> None:
    play = Play()
    batch = play.send()
    (call,) = play.drain()
    play.answer(call, Answer(ErrorCode.INVALID_PRODUCER_EPOCH))
    assert isinstance(play.sender.fatal, Fenced)
    assert "a copy of this session" in str(failure(batch))
    assert len(play.journal.state.open) == 1


def test_epochs_end_before_one_stands_for_two() -> None:
    play = Play()
    play.establish()
    refused, behind = play.send(), play.send()
    calls = play.drain()
    play.sender._lanes["t", 0].producer_epoch = EPOCH_MAX
    play.answer(calls[0], Answer(ErrorCode.TOPIC_AUTHORIZATION_FAILED))
    play.answer(calls[1], GAP)
    assert play.drain(5_000) == []
    assert failure(refused).code is ErrorCode.TOPIC_AUTHORIZATION_FAILED
    assert "epochs of its producer id are used up" in str(failure(behind))
    assert "stays open, in the session" in str(failure(behind))


@pytest.mark.parametrize("code", [ErrorCode.UNKNOWN_SERVER_ERROR, ErrorCode.REQUEST_TIMED_OUT])
def test_what_says_nothing_is_asked_again(code: ErrorCode) -> None:
    play = Play()
    batch = play.send()
    (call,) = play.drain()
    play.answer(call, Answer(code))
    (again,) = play.drain(5_000)
    play.answer(again, Answer(ErrorCode.DUPLICATE_SEQUENCE_NUMBER))
    assert batch.outcome == StoredAt(-1, -1, -1)


def test_a_batch_that_cannot_be_encoded_ends_the_producer_before_its_mark_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play = Play()
    batch = play.send()
    play.sender.keeping.mark("s", 1, play.now_ms)

    def starve(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(ProducerBatch, "_packed", starve)
    assert play.drain() == []
    assert play.cuts == []
    assert "cannot be encoded" in str(failure(batch))
    assert not failure(batch).possibly_persisted
