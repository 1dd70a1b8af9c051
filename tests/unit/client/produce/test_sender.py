"""The sender's decisions, as transcripts: what is written, what comes back, what follows."""

from __future__ import annotations

from random import Random

import pytest
from minibroker.client.config import RETRIES_MAX, ProducerConfig
from minibroker.client.errors import ClientError, DeliveryTimeout, Fatal, Fenced, Retriable
from minibroker.client.partitions import RecordMetadata
from minibroker.client.produce.accumulator import Accumulator
from minibroker.client.produce.answers import OUTCOMES, Answer, Then, outcome_of
from minibroker.client.produce.batch import ProducerBatch, StoredAt
from minibroker.client.produce.lane import EPOCH_MAX
from minibroker.client.produce.receipts import outcome_at
from minibroker.client.produce.sender import ProduceCall, Sender
from minibroker.protocol.batch.header import read_header
from minibroker.protocol.errors import ErrorCode, error_code

PID = 77
BATCH_BYTES = 100  # every record claims all of it
STORED_AT_5 = Answer(ErrorCode.NONE, 5)
GAP = Answer(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)


class Play:
    """One producer, partition t-0 on node 1, and the clock in the test's hand."""

    def __init__(
        self,
        *,
        idempotent: bool = True,
        acks: int = -1,
        retries: int = RETRIES_MAX,
        linger_ms: int = 0,
    ) -> None:
        config = ProducerConfig(
            bootstrap_servers=(("x", 1),),
            linger_ms=linger_ms,
            batch_size=BATCH_BYTES,
            delivery_timeout_ms=10_000,
            request_timeout_ms=1_000,
            enable_idempotence=idempotent,
            retries=retries,
            acks="all" if acks == -1 else 0,
        )
        self.accumulator = Accumulator(config)
        self.sender = Sender(config, self.accumulator, Random(1))
        if idempotent:
            self.sender.give_producer_id(PID)
        self.now_ms = 0.0

    def send(self, value: bytes = b"v", size_bytes: int = BATCH_BYTES) -> ProducerBatch:
        """A record, by default in a batch of its own."""
        return self.accumulator.append(
            ("t", 0), None, value, b"", 0, size_bytes=size_bytes, now_ms=self.now_ms
        )

    def drain(self, later_ms: float = 0) -> list[ProduceCall]:
        """What is written `later_ms` on."""
        self.now_ms += later_ms
        self.sender.expire(self.now_ms)
        return self.sender.drain(self.now_ms, lambda *_: 1, lambda _: 5)

    def answer(self, call: ProduceCall, answer: Answer) -> None:
        """The same answer for every batch of a call."""
        for batch in call.batches:
            self.sender.answered(batch, answer, self.now_ms)

    def lose(self, *calls: ProduceCall) -> None:
        """The connection ends."""
        for call in calls:
            self.sender.lost(call, self.now_ms, "cut")

    def establish(self, later_ms: float = 0) -> None:
        """One record stored, so that five may be in flight."""
        self.send()
        (call,) = self.drain(later_ms)
        self.answer(call, Answer(ErrorCode.NONE, 0))


def stamps(calls: list[ProduceCall]) -> list[tuple[int, int]]:
    """(epoch, first sequence) of each call's only batch, as on the wire."""
    headers = [read_header(bytes(call.batches[0].wire)) for call in calls]
    assert {header.producer_id for header in headers} <= {PID}
    return [(header.producer_epoch, header.base_sequence) for header in headers]


def failure(batch: ProducerBatch) -> ClientError:
    assert isinstance(batch.outcome, ClientError)
    return batch.outcome


def test_a_lost_answer_sends_the_same_bytes_again() -> None:
    play = Play()
    batch = play.send()
    (call,) = play.drain()
    before = bytes(batch.wire)
    play.lose(call)
    assert play.drain() == []  # not before the backoff
    (again,) = play.drain(200)
    assert bytes(again.batches[0].wire) == before
    play.answer(again, STORED_AT_5)
    assert batch.outcome == StoredAt(5, -1, -1)


def test_five_in_flight_and_not_before_the_first_was_stored() -> None:
    play = Play()
    for _ in range(8):
        play.send()
    first = play.drain()
    assert stamps(first) == [(0, 0)]
    play.answer(first[0], STORED_AT_5)
    five = play.drain()
    assert stamps(five) == [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5)]
    assert play.drain() == []
    play.answer(five[0], STORED_AT_5)
    assert stamps(play.drain()) == [(0, 6)]


def test_after_a_cut_all_go_again_in_order() -> None:
    play = Play()
    play.establish()
    batches = [play.send() for _ in range(4)]
    calls = play.drain()
    play.answer(calls[0], STORED_AT_5)
    play.lose(*calls[1:])
    play.send()
    again = play.drain(200)
    assert [call.batches[0] for call in again[:3]] == batches[1:]
    assert stamps(again) == [(0, 2), (0, 3), (0, 4), (0, 5)]


def test_batches_refused_behind_a_failed_one_go_again_behind_it() -> None:
    play = Play()
    play.establish()
    for _ in range(3):
        play.send()
    calls = play.drain()
    play.answer(calls[0], Answer(ErrorCode.NOT_ENOUGH_REPLICAS))
    assert play.drain(200) == []  # the wire is not empty yet
    play.answer(calls[1], GAP)
    play.answer(calls[2], GAP)
    assert stamps(play.drain(200)) == [(0, 1), (0, 2), (0, 3)]


def test_a_gap_with_nothing_in_doubt_begins_a_new_epoch() -> None:
    play = Play()
    play.establish()
    play.send()
    (call,) = play.drain()
    play.answer(call, GAP)
    assert stamps(play.drain(200)) == [(1, 0)]


@pytest.mark.parametrize(
    "code", [ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorCode.UNKNOWN_PRODUCER_ID]
)
def test_a_gap_with_a_batch_in_doubt_is_fatal_and_not_sent_again(code: ErrorCode) -> None:
    play = Play()
    play.establish()
    batch, behind = play.send(), play.send()
    calls = play.drain()
    play.lose(*calls)
    again = play.drain(200)
    for call in again:
        play.answer(call, Answer(code))
    play.send(b"next")
    assert stamps(play.drain(500)) == [(1, 0)]
    for each in (batch, behind):
        assert isinstance(failure(each), Fatal)
        assert failure(each).possibly_persisted
    assert "t-0 (producer id 77, epoch 0, sequences 1 to 1)" in str(failure(batch))


def test_a_later_batch_that_is_stored_proves_the_earlier_ones() -> None:
    """1. three stored 2. answers lost 3. broker restarts and remembers only the newest."""
    play = Play()
    play.establish()
    first, second, third = (play.send() for _ in range(3))
    play.lose(*play.drain())
    again = play.drain(200)
    play.answer(again[0], GAP)
    play.answer(again[1], GAP)
    play.answer(again[2], STORED_AT_5)
    play.send()
    assert stamps(play.drain(500)) == [(0, 4)]
    assert [first.outcome, second.outcome, third.outcome] == [
        StoredAt(-1, -1, -1),
        StoredAt(-1, -1, -1),
        StoredAt(5, -1, -1),
    ]


def test_a_batch_that_fails_for_good_leaves_a_gap_that_a_new_epoch_closes() -> None:
    play = Play()
    play.establish()
    batch = play.send()
    play.send()
    calls = play.drain()
    play.answer(calls[0], Answer(ErrorCode.MESSAGE_TOO_LARGE))
    play.answer(calls[1], GAP)
    assert not failure(batch).possibly_persisted
    assert failure(batch).code is ErrorCode.MESSAGE_TOO_LARGE
    assert stamps(play.drain(200)) == [(1, 0)]


def test_an_old_epoch_is_fenced_and_the_next_batch_has_a_new_one() -> None:
    play = Play()
    play.establish()
    batch = play.send()
    (call,) = play.drain()
    play.answer(call, Answer(ErrorCode.INVALID_PRODUCER_EPOCH))
    assert isinstance(failure(batch), Fenced)
    play.send()
    assert stamps(play.drain()) == [(1, 0)]


def test_epochs_used_up_ask_for_a_new_producer_id() -> None:
    play = Play()
    play.establish()
    play.sender._lanes["t", 0].producer_epoch = EPOCH_MAX
    play.send()
    (call,) = play.drain()
    play.answer(call, GAP)
    assert play.drain(200) == []
    assert play.sender.wants_producer_id


def test_expiry_in_the_queue_was_never_sent() -> None:
    play = Play()
    play.sender.drain(0, lambda *_: -1, lambda _: 5)
    batch = play.send()
    play.now_ms = 10_000
    play.sender.expire(play.now_ms)
    assert isinstance(failure(batch), DeliveryTimeout)
    assert not failure(batch).possibly_persisted
    assert "never sent" in str(failure(batch))
    assert play.accumulator.held_bytes == 0


def test_expiry_after_a_lost_answer_is_in_doubt_and_is_not_sent_again() -> None:
    play = Play()
    play.establish()
    batch = play.send()
    play.lose(*play.drain())
    assert play.drain(10_000) == []
    assert isinstance(failure(batch), DeliveryTimeout)
    assert failure(batch).possibly_persisted
    play.send()
    assert stamps(play.drain()) == [(1, 0)]  # whether stored or not, epoch 1 fits


def test_expiry_on_the_wire_waits_for_the_answer_before_the_next_is_sent() -> None:
    play = Play()
    play.establish()
    batch = play.send()
    (call,) = play.drain()
    play.now_ms = 10_000
    play.send()
    later = play.drain()
    assert isinstance(failure(batch), DeliveryTimeout)
    play.answer(call, STORED_AT_5)  # late, and good: no gap
    play.answer(later[0], Answer(ErrorCode.NONE, 6))
    play.send()
    assert stamps(play.drain()) == [(0, 3)]
    assert isinstance(failure(batch), DeliveryTimeout)
    assert play.accumulator.held_bytes > 0


def test_nothing_is_drained_without_a_leader_or_a_slot() -> None:
    play = Play()
    play.send()
    assert play.sender.drain(0, lambda *_: -1, lambda _: 5) == []
    assert play.sender.wants_metadata
    assert play.sender.drain(0, lambda *_: 1, lambda _: 0) == []
    assert len(play.sender.drain(0, lambda *_: 1, lambda _: 1)) == 1


def test_without_idempotence_no_sequence_is_stamped_and_failures_do_not_block() -> None:
    play = Play(idempotent=False)
    batch = play.send()
    (call,) = play.drain()
    header = read_header(bytes(call.batches[0].wire))
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (-1, -1, -1)
    play.answer(call, Answer(ErrorCode.MESSAGE_TOO_LARGE))
    assert isinstance(failure(batch), Fatal)
    play.send()
    assert len(play.drain()) == 1


def test_an_end_of_the_producer_fails_everything() -> None:
    play = Play()
    play.establish()
    first = play.send()
    (call,) = play.drain()
    second = play.send()
    play.answer(call, Answer(ErrorCode.CLUSTER_AUTHORIZATION_FAILED))
    assert play.sender.fatal is not None
    assert not failure(first).possibly_persisted
    assert isinstance(failure(second), Fatal)
    assert play.accumulator.held_bytes == 0


def test_a_batch_that_is_too_large_goes_again_in_halves_without_a_gap() -> None:
    play = Play()
    play.establish()
    for number in range(3):
        batch = play.send(b"%d" % number, BATCH_BYTES // 3)
    behind = play.send(b"behind")
    calls = play.drain()
    play.answer(calls[0], Answer(ErrorCode.MESSAGE_TOO_LARGE))
    assert play.drain() == []  # what is behind has not been answered yet
    play.answer(calls[1], GAP)
    again = play.drain(200)
    assert stamps(again) == [(0, 1), (0, 2), (0, 4)]
    for offset, call in zip((1, 2, 4), again, strict=True):
        play.answer(call, Answer(ErrorCode.NONE, offset))
    assert [outcome_at(batch, index) for index in range(3)] == [
        RecordMetadata("t", 0, 1 + index, 0) for index in range(3)
    ]
    assert behind.outcome == StoredAt(4, -1, -1)
    assert play.accumulator.held_bytes == 0


def test_pieces_of_the_first_batch_go_one_after_the_other() -> None:
    """Before anything is stored a broker takes any sequence, so a piece could be overtaken."""
    play = Play()
    play.send(size_bytes=BATCH_BYTES // 2)
    play.send(size_bytes=BATCH_BYTES // 2)
    (call,) = play.drain()
    play.answer(call, Answer(ErrorCode.MESSAGE_TOO_LARGE))
    (piece,) = play.drain()
    assert stamps([piece]) == [(0, 0)]
    play.answer(piece, STORED_AT_5)
    assert stamps(play.drain()) == [(0, 1)]


def test_pieces_of_a_batch_that_may_be_stored_are_in_doubt_too() -> None:
    """1. stored 2. answer lost 3. a leader that takes less refuses it 4. and finds a gap."""
    play = Play()
    play.establish()
    batch = play.send(size_bytes=BATCH_BYTES // 2)
    play.send(size_bytes=BATCH_BYTES // 2)
    play.lose(*play.drain())
    (again,) = play.drain(200)
    play.answer(again, Answer(ErrorCode.MESSAGE_TOO_LARGE))
    for call in play.drain(200):
        play.answer(call, GAP)
    play.send()
    assert stamps(play.drain(500)) == [(1, 0)]
    for index in range(2):
        outcome = outcome_at(batch, index)
        assert isinstance(outcome, Fatal)
        assert outcome.possibly_persisted


def test_retries_bound_the_attempts() -> None:
    play = Play(retries=1)
    play.establish()
    batch = play.send()
    play.lose(*play.drain())
    play.lose(*play.drain(200))
    assert isinstance(failure(batch), Retriable)
    assert failure(batch).possibly_persisted
    assert "not confirmed after 2 attempts (retries=1)" in str(failure(batch))
    play.send()
    assert stamps(play.drain(400)) == [(1, 0)]  # whether stored or not, epoch 1 fits


def test_a_batch_that_somebody_awaits_does_not_linger_behind_nothing() -> None:
    play = Play(linger_ms=1_000)
    play.establish(1_000)
    batch = play.send(size_bytes=BATCH_BYTES // 4)
    assert play.drain() == []
    batch.is_awaited = True
    (call,) = play.drain()
    behind = play.send(size_bytes=BATCH_BYTES // 4)
    behind.is_awaited = True
    assert play.drain() == []  # more may come while the first is on its way
    play.answer(call, STORED_AT_5)
    assert len(play.drain()) == 1


def test_in_a_topic_made_again_one_at_a_time_until_the_first_is_stored() -> None:
    """1. two in flight, answers lost 2. made again 3. the second comes first, and is taken."""
    play = Play()
    play.establish()
    play.send()
    play.send()
    first = play.drain()
    assert stamps(first) == [(0, 1), (0, 2)]
    play.lose(*first)
    play.sender.made_again("t")
    (again,) = play.drain(200)
    assert stamps([again]) == [(0, 1)], "sequences stay: it may be stored in the new one already"
    assert play.drain() == []
    play.answer(again, STORED_AT_5)
    assert stamps(play.drain()) == [(0, 2)]


def test_the_end_reaches_every_batch_wherever_a_defect_has_left_it() -> None:
    play = Play()
    play.establish()
    on_wire, waiting, lost_sight_of = play.send(), play.send(), play.send()
    play.drain()
    play.accumulator.queues.clear()
    play.sender._lanes.clear()
    play.sender.end(Fatal("a defect"))
    assert {*play.accumulator.held} == {on_wire, waiting, lost_sight_of}
    for batch in play.accumulator.held:
        assert isinstance(failure(batch), Fatal)
    assert play.sender.open_batches() == []


# code: (what follows, whether this attempt may have been stored)
EXPECTED = {
    0: (Then.DONE, True),
    45: (Then.GAP, False),
    46: (Then.DONE, True),
    59: (Then.GAP, False),
    47: (Then.FENCE, False),
    **dict.fromkeys((31, 35, 49, 53, 90), (Then.END, False)),
    **dict.fromkeys((2, 3, 5, 19, 89), (Then.RETRY, False)),
    **dict.fromkeys((6, 7, 9, 13, 14, 15, 16, 20, 41, 51, 56, 74, 75, 100), (Then.RETRY, True)),
    **dict.fromkeys((17, 21, 29, 38, 48, 120), (Then.FAIL, False)),
    **dict.fromkeys((10, 18, 32, 87), (Then.SPLIT, False)),
    -1: (Then.FAIL, True),
}


@pytest.mark.parametrize("number", EXPECTED)
def test_each_error_has_its_consequence(number: int) -> None:
    assert outcome_of(error_code(number)) == EXPECTED[number]


def test_every_row_of_the_table_is_expected() -> None:
    assert {int(code) for code in OUTCOMES} <= set(EXPECTED)
