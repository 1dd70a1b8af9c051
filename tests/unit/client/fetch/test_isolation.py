"""What read_committed hands out of the bytes that a real Kafka sent, and where it then stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

import pytest
from minibroker.client.config import ConsumerConfig, IsolationLevel
from minibroker.client.errors import Fatal
from minibroker.client.fetch.fetcher import Fetcher
from minibroker.client.partitions import TopicPartition
from minibroker.protocol.batch.control import Marker, marker_batch
from minibroker.protocol.batch.header import (
    PRODUCER_ID_AT,
    TRANSACTIONAL_BIT,
    headers_in,
    read_header,
)
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.codec.compiler import encoder
from minibroker.protocol.errors import EncodeError
from minibroker.protocol.messages.fetch import (
    AbortedTransaction,
    FetchableTopicResponse,
    FetchResponse,
    PartitionData,
)
from minibroker.protocol.messages.list_offsets import ListOffsetsRequest

from tests.support.repository import ROOT

GOLDEN = ROOT / "tests" / "golden" / "transactions" / "read_committed.txt"
COMMITTED = [2, 3, 4, 12, 15]  # of the golden log
T0 = TopicPartition("t", 0)


@dataclass(frozen=True)
class Answer:
    """One line of the golden file, and the records that it stands for."""

    fetch_offset: int
    max_bytes: int
    high_watermark: int
    last_stable_offset: int
    aborted: tuple[tuple[int, int], ...]
    records: bytes

    def __str__(self) -> str:
        return f"{self.fetch_offset}-{self.max_bytes}-{self.high_watermark}"


def golden() -> list[Answer]:
    lines = [line for line in GOLDEN.read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    blank = lines.index("")
    log = bytes.fromhex("".join(lines[:blank]))
    begins = {
        offset: at
        for at, header in headers_in(log)
        for offset in range(header.base_offset, header.next_offset)
    }
    answers = []
    for line in lines[blank + 1 :]:
        offset, max_bytes, high_watermark, last_stable_offset, size = map(int, line.split()[:5])
        pairs = [each.split("@") for each in line.split()[5:] if each != "-"]
        aborted = tuple((int(who), int(first)) for who, first in pairs)
        at = begins.get(offset, len(log))
        records = log[at : at + size]
        answers.append(
            Answer(offset, max_bytes, high_watermark, last_stable_offset, aborted, records)
        )
    return answers


ANSWERS = golden()


def fetcher(isolation_level: IsolationLevel = "read_committed", **more: bool) -> Fetcher:
    config = ConsumerConfig(
        bootstrap_servers=(("h", 1),),
        isolation_level=isolation_level,
        check_crcs=more.get("check_crcs", True),
    )
    made = Fetcher[bytes | None, bytes | None](config, Random(1))
    made.assign([T0])
    made.readings[T0].move_to(0)
    return made


def answer(
    reader: Fetcher,
    records: bytes,
    aborted: Iterable[tuple[int, int]],
    *,
    high_watermark: int = 99,
) -> None:
    """Answer the fetch that the reader wants to send now."""
    (call,) = reader.plan(0, lambda *_: 1, lambda *_: 0, lambda _: True, lambda _: 0)
    listed = [AbortedTransaction(producer_id=who, first_offset=at) for who, at in aborted]
    data = PartitionData(
        partition_index=0,
        error_code=0,
        high_watermark=high_watermark,
        last_stable_offset=high_watermark - 9,
        aborted_transactions=listed,
        records=records,
    )
    topic = FetchableTopicResponse(topic="t", partitions=[data])
    reader.answered(call, FetchResponse(responses=[topic]), 0)


def offsets(reader: Fetcher) -> list[int]:
    return [record.offset for record in reader.take(100).get(T0, [])]


@pytest.mark.parametrize("sent", ANSWERS, ids=str)
def test_kafkas_answers_hold_what_was_committed(sent: Answer) -> None:
    reader = fetcher()
    reader.readings[T0].move_to(sent.fetch_offset)
    whole = [header for _, header in headers_in(sent.records)]
    end = whole[-1].next_offset if whole else sent.fetch_offset
    answer(reader, sent.records, sent.aborted)
    assert offsets(reader) == [each for each in COMMITTED if sent.fetch_offset <= each < end]
    reading = reader.readings[T0]
    assert (reading.position, reading.fetch_offset, reading.held_bytes) == (end, end, 0)


@pytest.mark.parametrize("at_once", [1, 2, 3, 5])
def test_what_is_read_in_pieces_is_the_same(at_once: int) -> None:
    """Each piece with the list that Kafka sent with its offset, however it was cut."""
    whole = max(ANSWERS, key=lambda each: len(each.records))
    ends = [at for at, _ in headers_in(whole.records)] + [len(whole.records)]
    lists = {each.fetch_offset: each.aborted for each in ANSWERS if each.high_watermark == 19}
    reader, seen = fetcher(), []
    for at in range(0, len(ends) - 1, at_once):
        last = min(at + at_once, len(ends) - 1)
        fetch_offset = reader.readings[T0].fetch_offset
        answer(reader, whole.records[ends[at] : ends[last]], lists[fetch_offset])
        seen += offsets(reader)
    assert seen == COMMITTED
    assert reader.readings[T0].position == 19


def test_read_uncommitted_hands_out_all_but_markers() -> None:
    whole = max(ANSWERS, key=lambda each: len(each.records))
    reader = fetcher("read_uncommitted")
    answer(reader, whole.records, whole.aborted)
    assert offsets(reader) == [0, 1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 15, 16]
    assert reader.readings[T0].position == 19


def test_the_request_and_the_lag_are_those_of_the_isolation_level() -> None:
    for level, number, lag in (("read_committed", 1, 90), ("read_uncommitted", 0, 99)):
        reader = fetcher(level)  # type: ignore[arg-type]
        (call,) = reader.plan(0, lambda *_: 1, lambda *_: 0, lambda _: True, lambda _: 0)
        assert call.request.isolation_level == number
        reader.lost(call, "", 0)
        reader.readings[T0].retry_at_ms = 0
        answer(reader, b"", ())
        assert reader.metrics()["records-lag-max"] == lag


def written(first: int, producer_id: int, value: bytes = b"x") -> bytes:
    return build_batch(
        [(None, value, (), 0)],
        base_offset=first,
        leader_epoch=0,
        producer_id=producer_id,
        producer_epoch=0,
        base_sequence=0,
        attributes=TRANSACTIONAL_BIT,
    )


def marker(offset: int, producer_id: int, *, is_commit: bool, leader_epoch: int = 0) -> bytes:
    end = Marker(producer_id, 0, is_commit, 0)
    return marker_batch(end, now_ms=0, base_offset=offset, leader_epoch=leader_epoch)


def test_transactions_are_taken_by_where_they_began_whatever_the_order_of_the_list() -> None:
    """The list of starts a 0, b 1, c 2 and aborts c, a, b, as Kafka orders it."""
    log = b"".join(written(at, producer_id) for at, producer_id in enumerate((7, 8, 9, 6)))
    log += b"".join(marker(4 + at, each, is_commit=False) for at, each in enumerate((9, 7, 8)))
    log += written(7, 7)
    reader = fetcher()
    answer(reader, log, [(9, 2), (7, 0), (8, 1)])
    assert offsets(reader) == [3, 7]


def test_what_is_in_no_transaction_is_shown_whoever_wrote_it() -> None:
    plain = build_batch(
        [(None, b"x", (), 0)], base_offset=1, leader_epoch=0, producer_id=7, producer_epoch=0,
        base_sequence=1,
    )  # fmt: skip
    reader = fetcher()
    answer(reader, written(0, 7) + plain + marker(2, 7, is_commit=False), [(7, 0)])
    assert offsets(reader) == [1]


def test_a_spoilt_batch_is_told_even_if_it_seems_to_be_aborted() -> None:
    spoilt = bytearray(written(1, 7))
    spoilt[-1] ^= 1
    reader = fetcher()
    answer(reader, written(0, 8) + spoilt, [(7, 1)])
    assert offsets(reader) == [0]
    with pytest.raises(Fatal, match=r"t-0 at offset 1: the CRC"):
        offsets(reader)
    trusting = fetcher(check_crcs=False)
    answer(trusting, written(0, 8) + spoilt, [(7, 1)])
    assert offsets(trusting) == [0]


def test_a_spoilt_marker_is_told_since_what_follows_hangs_on_it() -> None:
    spoilt = bytearray(marker(1, 7, is_commit=False))
    spoilt[PRODUCER_ID_AT + 7] ^= 1  # now it seems to be of another producer
    reader = fetcher()
    answer(reader, written(0, 7) + spoilt + written(2, 7), [(7, 0)])
    with pytest.raises(Fatal, match=r"t-0 at offset 1: the CRC of a marker"):
        offsets(reader)


def test_what_nobody_takes_is_held_once_however_long_it_is() -> None:
    reader = fetcher()
    for at in range(0, 200, 2):
        answer(reader, written(at, 7) + written(at + 1, 7), [(7, 0)])
    reading = reader.readings[T0]
    assert len(reading.batches) == 1
    assert (reading.position, reading.fetch_offset) == (0, 200)
    assert offsets(reader) == []
    assert reading.position == 200


def test_a_position_behind_a_marker_is_of_the_markers_epoch() -> None:
    """Else a new leader, asked where an older epoch ends, names a place before the position."""
    reader = fetcher()
    log = written(0, 7) + marker(1, 7, is_commit=True, leader_epoch=5)
    answer(reader, log, ())
    assert offsets(reader) == [0]
    assert read_header(log).partition_leader_epoch == 0
    assert reader.take(100) == {}
    assert (reader.readings[T0].position, reader.readings[T0].epoch) == (2, 5)


def test_a_broker_without_transactions_cannot_be_asked_for_what_is_committed() -> None:
    asked = ListOffsetsRequest(isolation_level=1, topics=[])
    with pytest.raises(EncodeError, match="ListOffsetsRequest v1: isolation_level: this version"):
        encoder(ListOffsetsRequest, 1)(asked)
    assert encoder(ListOffsetsRequest, 2)(asked)


def test_another_isolation_level_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of read_uncommitted, read_committed"):
        fetcher("serializable")  # type: ignore[arg-type]
