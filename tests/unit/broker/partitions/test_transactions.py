"""Transactions in one partition: what Apache Kafka 4.3.1 answered, or ours where a test says so."""

from __future__ import annotations

import pytest
from minibroker.broker.partitions import sequences
from minibroker.broker.partitions.admission import Admission
from minibroker.broker.partitions.partition import Appended
from minibroker.broker.partitions.sequences import Duplicate
from minibroker.broker.storage.memory import MemoryFile
from minibroker.broker.storage.port import StorageError
from minibroker.protocol.batch.control import MARKER_BYTES, Marker, read_marker
from minibroker.protocol.batch.header import crc_is_valid, read_header
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.errors import ErrorCode, Refused

from tests.support.records.transactions import NOW_MS, YES, OneLog, Outcome, transactional

A, B, C = 5, 6, 7
BUMPING = Admission(2)


def code_of(answer: Outcome) -> int:
    return answer.code if isinstance(answer, Refused) else 0


def test_readers_of_commits_step_by_step() -> None:
    one = OneLog()
    stable, told = [], []

    def look(_: object) -> None:
        assert one.partition.high_watermark == one.log.log_end_offset
        stable.append((one.partition.high_watermark, one.partition.last_stable_offset))
        told.append(one.told())

    look(one.write(A, 2))
    one.write(B, 2)
    one.plain()
    one.write(C)
    look(one.write(A))
    look(one.end(B, commits=True))
    look(one.write(C, 2))
    look(one.end(A, commits=False))
    assert one.returned() == [0, 2, 4]
    one.write(B)
    look(one.plain())
    look(one.end(C, commits=False))
    assert one.returned() == [0, 2, 4, 5, 6, 7, 8, 10]
    look(one.end(B, commits=False))
    one.write(A)
    one.write(C)
    look(one.end(C, commits=False))
    look(one.end(A, commits=True))
    assert stable == [
        *((2, 0), (7, 0), (8, 0), (10, 0), (11, 5)),
        *((13, 5), (14, 11), (15, 15), (18, 15), (19, 19)),
    ]
    three = [(A, 0), (C, 5), (B, 11)]
    assert told == [
        *([], [], [], [], three[:1]),
        *(three[:1], three[:2], three, [*three, (C, 16)], [*three, (C, 16)]),
    ]
    assert one.told(11) == [(C, 5), (B, 11), (C, 16)]
    assert one.told(14) == [(B, 11), (C, 16)]
    assert one.told(15) == [(C, 16)]
    assert one.told(0, max_bytes=1) == [*three, (C, 16)]


def test_the_list_ends_at_the_offset_index() -> None:
    one = OneLog()
    for producer_id in (A, B, C):
        one.write(producer_id, value=b"v" * 5000)
        one.end(producer_id, commits=False)
    assert one.told(0, max_bytes=1) == [(A, 0), (B, 2)]
    assert one.told(2, max_bytes=1) == [(B, 2)]
    assert one.told(0, max_bytes=11_000) == [(A, 0), (B, 2), (C, 4)]


def test_a_transaction_that_ends_segments_later_is_told() -> None:
    one = OneLog(segment_bytes=300)
    one.write(A)
    for _ in range(20):
        one.plain()
    assert len(one.log.segments) > 3
    one.write(B)
    one.end(B, commits=False)
    one.end(A, commits=False)
    assert one.told(0) == [(A, 0)]
    assert one.told(one.log.segments[-1].base_offset) == [(B, 21), (A, 0)]


def test_markers_are_kafkas_and_readers_get_them() -> None:
    one = OneLog()
    one.write(A, 2)
    offset = one.end(A, commits=False, bumps=True)
    stored = one.log.read(2, 3, 1)
    header = read_header(stored)
    assert len(stored) == MARKER_BYTES
    assert (header.base_offset, header.max_timestamp, header.attributes) == (2, NOW_MS, 0x30)
    assert crc_is_valid(stored, header)
    assert read_marker(stored) == Marker(A, 1, False, 0)
    assert offset == 2
    assert one.returned() == [0, 2]


def test_under_fsync_nothing_of_an_ending_is_seen_before_its_marker_is_durable() -> None:
    one = OneLog(flushed=True)
    one.write(A)
    one.flush()
    assert (one.partition.high_watermark, one.partition.last_stable_offset) == (1, 0)
    one.end(A, commits=True)
    one.write(B)
    assert (one.partition.high_watermark, one.partition.last_stable_offset) == (1, 0)
    one.flush()
    assert (one.partition.high_watermark, one.partition.last_stable_offset) == (3, 2)
    one.end(B, commits=False)
    one.write(C)
    one.end(C, commits=True)
    assert one.partition.last_stable_offset == 2
    one.flush()
    assert one.partition.last_stable_offset == 6


def test_what_is_readable_for_readers_of_commits_grows_with_the_last_stable_offset() -> None:
    for flushed in (False, True):
        one = OneLog(flushed=flushed)
        committed = one.partition.wait_for_commits()
        assert committed is one.partition.wait_for_commits()

        def grown(one: OneLog = one) -> int:
            one.flush()
            committed = one.partition.wait_for_commits()
            grown, committed.told_bytes = (
                committed.readable_bytes - committed.told_bytes,
                committed.readable_bytes,
            )
            return grown

        one.plain()
        plain = grown()
        assert plain > 0
        one.write(A)
        one.plain()
        assert grown() == 0
        assert not committed.has_grown
        one.write(B)
        one.end(A, commits=True)
        batch = len(transactional(A, 0))
        assert grown() == batch + plain
        one.end(B, commits=False)
        assert grown() == batch + 2 * MARKER_BYTES


@pytest.mark.parametrize(
    ("batch", "code"),
    [
        (transactional(A, 2), 0),
        (transactional(A, 3), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER),
        (transactional(A, 1, 2), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER),
        (transactional(A, 0, epoch=1), ErrorCode.INVALID_PRODUCER_EPOCH),
        (transactional(A, 9, epoch=1), ErrorCode.INVALID_PRODUCER_EPOCH),
        (transactional(B, 7), 0),
        (transactional(-1, -1, epoch=-1), 0),
    ],
)
def test_batches_while_a_transaction_is_open(batch: bytes, code: int) -> None:
    one = OneLog()
    one.write(A, 2)
    assert code_of(one.produce(batch)) == code


def test_a_retry_in_an_open_transaction_and_what_is_not_of_it() -> None:
    one = OneLog()
    first = transactional(A, 0, 2)
    assert one.produce(first) == Appended(0, 2, -1)
    assert one.produce(first, None) == Duplicate(0, 2, NOW_MS)
    plain = build_batch(
        [(None, b"v", (), NOW_MS)], producer_id=A, producer_epoch=0, base_sequence=2
    )
    assert code_of(one.produce(plain)) == ErrorCode.INVALID_TXN_STATE
    assert isinstance(one.produce(transactional(A, 2), None), Appended), "no word is needed"
    one.end(A, commits=True)
    third = build_batch(
        [(None, b"v", (), NOW_MS)], producer_id=A, producer_epoch=0, base_sequence=3
    )
    assert isinstance(one.produce(third), Appended), "the sequence goes on"


def test_a_batch_that_begins_a_transaction_needs_the_word_of_the_coordinator() -> None:
    one = OneLog()
    refused = one.produce(transactional(A, 0), None)
    assert code_of(refused) == ErrorCode.INVALID_TXN_STATE
    assert not one.partition.has_open_transaction(A)
    assert one.log.log_end_offset == 0
    assert code_of(one.produce(transactional(A, 5), BUMPING)) == (
        ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    )
    assert isinstance(one.produce(transactional(A, 0), BUMPING), Appended)
    assert one.partition.has_open_transaction(A)
    assert [each.first_offset for each in one.partition.transactions] == [0]


def test_a_batch_without_a_producer_id_opens_nothing() -> None:
    one = OneLog()
    one.produce(transactional(-1, -1, epoch=-1), None)
    assert one.partition.last_stable_offset == 1


@pytest.mark.parametrize("commits", [True, False])
def test_without_a_bump_sequences_run_on(commits: bool) -> None:
    one = OneLog()
    one.write(A, 3)
    one.end(A, commits=commits)
    assert code_of(one.produce(transactional(A, 0))) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert isinstance(one.produce(transactional(A, 3)), Appended)


def test_with_a_bump_they_begin_again_and_the_old_epoch_is_refused() -> None:
    one = OneLog()
    first = transactional(A, 0, 3)
    one.produce(first)
    one.end(A, commits=True, bumps=True)
    assert code_of(one.produce(first)) == ErrorCode.INVALID_PRODUCER_EPOCH
    assert code_of(one.produce(transactional(A, 3))) == ErrorCode.INVALID_PRODUCER_EPOCH
    wrong = one.produce(transactional(A, 1, epoch=1))
    assert code_of(wrong) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert isinstance(one.produce(transactional(A, 0, epoch=1)), Appended)


def test_a_retry_of_what_was_committed_is_answered_and_of_what_was_aborted_refused() -> None:
    """Ours: Kafka answers both with the first offset, also where no reader will see the record."""
    one = OneLog()
    kept, lost = transactional(A, 0), transactional(A, 1)
    one.produce(kept)
    one.end(A, commits=True)
    one.produce(lost)
    one.end(A, commits=False)
    assert one.produce(kept) == Duplicate(0, 1, NOW_MS)
    assert code_of(one.produce(lost)) == ErrorCode.TRANSACTION_ABORTABLE
    assert isinstance(one.produce(transactional(A, 2)), Appended)
    assert one.produce(kept) == Duplicate(0, 1, NOW_MS), "harmless in the next transaction"
    assert code_of(one.produce(lost)) == ErrorCode.TRANSACTION_ABORTABLE


def test_once_its_ending_has_begun_nothing_is_taken_into_a_transaction() -> None:
    """Ours: Kafka appends it to the transaction that is being ended."""
    one = OneLog()
    one.write(A)
    for producer_id in (A, B):  # B has been admitted, and has not written here yet
        one.partition.close_transaction(producer_id)
        assert not one.partition.has_open_transaction(producer_id)
        late = transactional(producer_id, 1 if producer_id == A else 0)
        for admission in (YES, None):
            assert code_of(one.produce(late, admission)) == ErrorCode.CONCURRENT_TRANSACTIONS
        one.partition.reopen_transaction(producer_id)
        assert isinstance(one.produce(late), Appended), "its ending was withdrawn"
    assert one.partition.has_open_transaction(A)
    one.partition.close_transaction(A)
    one.end(A, commits=True)
    assert isinstance(one.produce(transactional(A, 2)), Appended), "the next transaction"


def test_what_its_transaction_has_written_is_known_to_be_flushed_or_not() -> None:
    one = OneLog(flushed=True)
    one.write(A)
    one.write(B)
    assert one.partition.holds_unflushed(A)
    one.flush()
    assert not one.partition.holds_unflushed(A)
    one.write(A)
    assert one.partition.holds_unflushed(A)
    assert not one.partition.holds_unflushed(B)
    assert not one.partition.holds_unflushed(C)
    unflushed = OneLog()
    unflushed.write(A)
    assert not unflushed.partition.holds_unflushed(A)


def test_what_is_told_of_a_producer() -> None:
    one = OneLog()

    def told() -> tuple[int, int, int, int]:
        (found,) = one.partition.sequences.producers()
        return (
            *(found.producer_epoch, found.last_sequence),
            *(found.coordinator_epoch, found.last_timestamp),
        )

    one.produce(transactional(A, 0, 2))
    assert told() == (0, 1, -1, NOW_MS)
    one.partition.append_marker(Marker(A, 0, True, 0), NOW_MS + 5)
    assert told() == (0, 1, 0, NOW_MS + 5)
    one.produce(transactional(A, 2))
    assert told() == (0, 2, 0, NOW_MS)
    one.partition.append_marker(Marker(A, 1, True, 0), NOW_MS + 7)
    assert told() == (1, -1, 0, NOW_MS + 7)


def test_markers_that_clients_send() -> None:
    one = OneLog()
    refusal = one.partition.marker_refusal

    def send(epoch: int, coordinator_epoch: int, version: int = 1) -> int:
        marker = Marker(A, epoch, True, coordinator_epoch)
        code = refusal(marker, version)
        if not code:
            one.partition.append_marker(marker, NOW_MS)
        return code

    fenced, old = ErrorCode.TRANSACTION_COORDINATOR_FENCED, ErrorCode.INVALID_PRODUCER_EPOCH
    one.write(A)
    assert send(0, 0) == 0
    assert send(0, 0) == 0, "each time a new one is appended"
    assert one.log.log_end_offset == 3
    assert [send(0, each) for each in (-1, 5, 4)] == [fenced, 0, fenced]
    assert [send(each, 5) for each in (3, 2)] == [0, old]
    one.write(A)
    assert [send(each, 5, version=2) for each in (3, 4)] == [old, 0]
    assert send(4, 5, version=2) == 0, "nothing is open"
    assert refusal(Marker(B, 0, False, 0), 1) == 0, "nobody that is known"


def test_what_clients_have_sent_never_hinders_the_coordinator() -> None:
    """Ours: in Kafka its marker is refused, and the transaction stays in Prepare for good."""
    one = OneLog()
    one.write(A)
    one.partition.append_marker(Marker(A, 9, True, 1000), NOW_MS)
    one.produce(transactional(A, 0, epoch=9))
    one.partition.append_marker(Marker(A, 1, False, 0), NOW_MS)
    assert one.partition.last_stable_offset == one.log.log_end_offset
    assert one.partition.sequences.epochs_of(A) == (9, 1000), "neither goes back"
    assert one.told() == [(A, 2)]


def test_a_marker_without_room_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    one = OneLog()
    one.write(A)
    before = list(one.partition.sequences.producers())

    def refuse(file: object, buffers: object) -> None:
        raise StorageError("t-0/0.log", "no space left")

    with monkeypatch.context() as patch:
        patch.setattr(MemoryFile, "append", refuse)
        with pytest.raises(StorageError):
            one.end(A, commits=False)
    assert list(one.partition.sequences.producers()) == before
    assert one.partition.has_open_transaction(A)
    assert one.partition.last_stable_offset == 0
    one.end(A, commits=False)
    assert one.told() == [(A, 0)]


def test_before_the_start_is_on_record_no_marker_is_written() -> None:
    one = OneLog()
    one.partition.is_writable = False
    with pytest.raises(StorageError, match="disk is full"):
        one.end(A, commits=False)


def test_a_marker_where_nothing_was_written_is_appended_and_fences() -> None:
    one = OneLog()
    one.end(A, commits=False, bumps=True)
    assert one.partition.last_stable_offset == 1
    assert one.told() == []
    assert code_of(one.produce(transactional(A, 0))) == ErrorCode.INVALID_PRODUCER_EPOCH


def test_records_deleted_past_an_open_transaction() -> None:
    one = OneLog()
    one.write(A)
    one.plain()
    one.log.raise_start(2)
    assert one.partition.last_stable_offset == one.partition.high_watermark == 2
    assert [each.first_offset for each in one.partition.transactions] == [0]
    one.plain()
    assert one.partition.last_stable_offset == 2
    one.end(A, commits=True)
    assert one.partition.last_stable_offset == 4


def test_a_producer_with_an_open_transaction_is_never_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sequences, "PRODUCERS_MAX", 3)
    monkeypatch.setattr(sequences, "PRODUCERS_EVICTED", 2)
    one = OneLog()
    table = one.partition.sequences
    for producer_id in (A, B, C):
        one.write(producer_id)
    one.write(8)  # no room, and nobody to go
    assert [*table] == [A, B, C, 8]
    assert table.evicted_count == 0
    assert table.forget_idle(10, 10) == 0
    one.end(B, commits=True)
    one.end(C, commits=False)
    one.write(9)
    assert [*table] == [A, 8, 9]
    assert table.evicted_count == 2
    one.end(9, commits=True)
    assert table.forget_idle(10, 10) == 1
    assert [*table] == [A, 8]
    assert table.epochs_of(9) == (-1, -1)
