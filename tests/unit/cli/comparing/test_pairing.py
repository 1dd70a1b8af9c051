"""Two logs side by side: whatever the batches, what differs is told, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, NamedTuple

import pytest
from minibroker.cli.comparing import pairing as pairing_module
from minibroker.cli.comparing.differences import Difference, Found, Kind, shown
from minibroker.cli.comparing.lane import Lane
from minibroker.cli.comparing.pairing import CHECKPOINTS_MAX, A, B, Pairing, Verified
from minibroker.cli.comparing.pieces import Piece, pieces_in
from minibroker.client.partitions import TopicPartition
from minibroker.protocol.batch.header import LOG_APPEND_TIME_BIT, read_header
from minibroker.protocol.batch.runs import Record
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.compression import Codec

PLACE = TopicPartition("t", 0)
RECORDS = [
    Record(n, 1_700_000_000_000 + n, None if n % 3 else b"k%d" % n, b"v%d" % n, ())
    for n in range(60)
]


class Stored(NamedTuple):
    """A log of a test: its pieces, and where it ends."""

    pieces: list[Piece]
    end: int


def batch(records: Sequence[Record], codec: Codec = Codec.NONE, attributes: int = 0) -> bytes:
    """Records that stand behind each other, as one batch."""
    first = records[0].offset
    assert [each.offset for each in records] == [*range(first, first + len(records))]
    rows = [(each.key, each.value, each.headers, each.timestamp) for each in records]
    return build_batch(rows, codec=codec, attributes=attributes, base_offset=first)


def stored(
    records: Iterable[Record], *sizes: int, codec: Codec = Codec.NONE, attributes: int = 0
) -> Stored:
    """A log of batches of these sizes, again and again, and smaller ones in front of gaps."""
    run: list[Record] = []
    pieces: list[Piece] = []
    left = [*sizes] or [7]

    def close() -> None:
        if run:
            wire = batch(run, codec, attributes)
            pieces.append(Piece(read_header(wire), wire))
            run.clear()
            left.append(left.pop(0))

    end = 0
    for each in records:
        if run and (each.offset != run[-1].offset + 1 or len(run) >= left[0]):
            close()
        run.append(each)
        end = each.offset + 1
    close()
    return Stored(pieces, end)


def compared(
    a: Stored,
    b: Stored,
    *,
    by_order: bool = False,
    marks: tuple[Iterable[int], Iterable[int]] = ((), ()),
    has_lost: tuple[bool, bool] = (False, False),
    may_go_on: tuple[bool, bool] = (False, False),
    begin: tuple[int, int] = (0, 0),
    tombstones_before_ms: tuple[int | None, int | None] = (None, None),
) -> tuple[Pairing, list[Difference]]:
    """Feed both piece by piece, as they are wanted, to the end."""
    found = Found()
    pairing = Pairing(
        PLACE,
        Verified(begin),
        (a.end, b.end),
        found.add,
        by_order=by_order,
        marks=marks,
        has_lost=has_lost,
        may_go_on=may_go_on,
        tombstones_before_ms=tombstones_before_ms,
    )
    logs = ([*a.pieces], [*b.pieces])
    for _ in range(1000):
        if pairing.is_over:
            break
        for side in (A, B):
            if pairing.wants(side) is not None:
                piece = logs[side].pop(0) if logs[side] else None
                fed = [] if piece is None else [piece]
                end = (a, b)[side].end if not logs[side] else fed[-1].header.next_offset
                pairing.feed(side, fed, end)
        pairing.advance()
    assert pairing.is_over
    pairing.advance()
    return pairing, found.kept


def changed(at: int, **fields: Any) -> list[Record]:
    records = [*RECORDS]
    records[at] = records[at]._replace(**fields)
    return records


def moved(records: Iterable[Record], gap_at: int, gap: int = 1) -> list[Record]:
    """The same with some offsets taken by something else."""
    return [
        each._replace(offset=each.offset + gap) if each.offset >= gap_at else each
        for each in records
    ]


@pytest.mark.parametrize("by_order", [False, True])
@pytest.mark.parametrize("codec", [Codec.NONE, Codec.GZIP])
def test_batches_need_not_be_equal(codec: Codec, by_order: bool) -> None:
    pairing, found = compared(
        stored(RECORDS, 7), stored(RECORDS, 1, 13, 2, codec=codec), by_order=by_order
    )
    assert (found, pairing.is_equal, pairing.verified.records) == ([], True, 60)
    assert pairing.verified.next == (60, 60)


def test_copies_of_batches_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Piece, "records", None)
    pairing, found = compared(stored(RECORDS, 7), stored(RECORDS, 7))
    assert (found, pairing.verified.records) == ([], 60)


@pytest.mark.parametrize("by_order", [False, True])
@pytest.mark.parametrize("sizes", [(7,), (1,), (60,), (3, 11)])
@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"value": b"v3x"}, Kind.VALUE),
        ({"value": None}, Kind.VALUE),
        ({"key": b""}, Kind.KEY),
        ({"headers": (("a", b"1"),)}, Kind.HEADERS),
        ({"timestamp": 1_700_000_000_001}, Kind.TIMESTAMP),
    ],
)
def test_what_differs_in_one_record_is_told(
    fields: dict[str, object], kind: Kind, sizes: tuple[int, ...], by_order: bool
) -> None:
    at = 32  # its key is null
    pairing, found = compared(
        stored(RECORDS, 7), stored(changed(at, **fields), *sizes), by_order=by_order
    )
    assert [(each.kind, each.offset) for each in found] == [(kind, at)]
    assert not pairing.is_equal


def test_a_copy_elsewhere_is_no_copy_by_offset() -> None:
    some = RECORDS[:5]
    _, found = compared(stored(moved(some, 0, 5)), stored([*some, *moved(some, 0, 5)], 5))
    assert [(each.offset, each.last_offset, each.a) for each in found] == [(0, 4, None)]
    assert compared(stored(some), stored(moved(some, 0, 5)), by_order=True)[1] == []


def test_headers_have_an_order() -> None:
    pairs = (("a", b"1"), ("b", None))
    one, other = changed(5, headers=pairs), changed(5, headers=pairs[::-1])
    assert [each.kind for each in compared(stored(one), stored(other))[1]] == [Kind.HEADERS]
    assert compared(stored(one, 3), stored(one))[1] == []


def test_records_of_one_side_only_are_told_as_a_row() -> None:
    some = [each for each in RECORDS if not 10 <= each.offset < 15]
    (missing,) = compared(stored(RECORDS, 4), stored(some))[1]
    assert (missing.kind, missing.offset, missing.last_offset) == (Kind.RECORD, 10, 14)
    assert (missing.a, missing.b) == ("'v10'", None)
    (there,) = compared(stored(some), stored(RECORDS, 4))[1]
    assert (there.a, there.b) == (None, "'v10'")


@pytest.mark.parametrize("sizes", [(7,), (1,), (60,)])
def test_by_order_gaps_are_nothing_and_a_missing_record_is_told(sizes: tuple[int, ...]) -> None:
    mirror = moved(moved(RECORDS, 20), 41, 3)
    pairing, found = compared(stored(RECORDS), stored(mirror, *sizes), by_order=True)
    assert (found, pairing.verified.next) == ([], (60, 64))
    lossy = [each for each in mirror if each.value != b"v30"]
    (missing,) = compared(stored(RECORDS), stored(lossy, *sizes), by_order=True)[1]
    assert (missing.kind, missing.offset, missing.b) == (Kind.RECORD, 30, None)
    doubled = [*mirror[:31], *moved(mirror[30:], 0)]
    (twice,) = compared(stored(RECORDS), stored(doubled, *sizes), by_order=True)[1]
    assert (twice.kind, twice.a) == (Kind.RECORD, None)


def test_by_order_places_are_mapped() -> None:
    mirror = moved(moved(RECORDS, 20), 41, 3)
    marks = ((0, 19, 20, 37, 38, 60), (20, 21, 41, 42, 43, 44))
    pairing, _ = compared(stored(RECORDS, 7), stored(mirror, 5), by_order=True, marks=marks)
    assert pairing.mapped == {0: 0, 19: 19, 20: 21, 37: 38, 38: 39, 60: 64}
    assert pairing.ranks[A] == {mark: mark for mark in marks[A]}
    assert pairing.ranks[B] == {20: 20, 21: 20, 41: 40, 42: 40, 43: 40, 44: 40}


def test_by_order_the_beginning_may_have_gone() -> None:
    for lost, kept in ((25, 0), (0, 25)):
        pairing, found = compared(
            stored(RECORDS[lost:]),
            stored(RECORDS[kept:], 4),
            by_order=True,
            has_lost=(lost > 0, kept > 0),
            begin=(lost, kept),
        )
        assert pairing.verified.records == 35
        assert [each.last_offset for each in found] == [24]
        assert all(each.by_design for each in found)
    _, found = compared(
        stored(RECORDS[20:40]), stored(RECORDS[:19]), by_order=True, has_lost=(True, False)
    )
    assert any(not each.by_design for each in found)


def test_one_side_may_go_on() -> None:
    for side, logs in ((A, (RECORDS, RECORDS[:40])), (B, (RECORDS[:40], RECORDS))):
        for sizes in ((7,), (40, 20)):
            pairing, found = compared(
                *(stored(each, *sizes) for each in logs),
                by_order=True,
                may_go_on=(side == A, side == B),
                marks=((12, 40, 41), (12, 40, 41)),
            )
            assert (found, pairing.verified.next) == ([], (40, 40))
            assert pairing.ranks[side] == {12: 12, 40: 40}  # nobody knows what 41 comes to
            assert pairing.ranks[1 - side] == {12: 12, 40: 40, 41: 40}
            assert pairing.mapped == {12: 12, 40: 40, **({41: 40} if side == B else {})}
        _, found = compared(*map(stored, logs), by_order=True)
        assert [(each.kind, each.offset) for each in found] == [(Kind.RECORD, 40)]


def test_retention_meanwhile_is_no_difference() -> None:
    for by_order in (False, True):
        found = Found()
        ends = (60, 60)
        pairing = Pairing(PLACE, Verified((0, 0)), ends, found.add, by_order=by_order)
        first, other = stored(RECORDS, 10), stored(RECORDS, 10)
        pairing.feed(A, first.pieces[:1], 10)
        pairing.feed(B, other.pieces[:3], 30)
        pairing.advance()
        pairing.begins_later(A, 40)
        pairing.feed(A, first.pieces[4:], 60)
        pairing.advance()
        while (wanted := pairing.wants(B)) is not None:
            rest = [each for each in other.pieces if each.header.base_offset >= wanted[0]]
            pairing.feed(B, rest, 60)
            pairing.advance()
        pairing.advance()
        assert pairing.is_over
        assert pairing.is_equal
        assert pairing.verified.records == 30
        assert (found.kept[0].kind, found.kept[0].last_offset) == (Kind.START, 39)


def test_the_type_of_timestamps_is_compared() -> None:
    late = [each._replace(timestamp=RECORDS[-1].timestamp) for each in RECORDS]
    plain = stored(late)
    stamped = stored(late, attributes=LOG_APPEND_TIME_BIT)
    _, found = compared(plain, stamped)
    assert [(e.kind, e.offset, e.last_offset, e.b) for e in found] == [
        (Kind.TIMESTAMP_TYPE, 0, 59, "LogAppendTime")
    ]
    assert all(each.by_design for each in compared(plain, stamped, by_order=True)[1])


def test_spoilt_bytes_are_told() -> None:
    log = stored(RECORDS)
    wire = bytearray(log.pieces[2].wire)
    wire[-1] ^= 1
    log.pieces[2] = Piece(read_header(wire), bytes(wire))
    _, found = compared(stored(RECORDS), log)
    assert [each.kind for each in found] == [Kind.UNREADABLE, Kind.RECORD]


def test_what_goes_on_behind_a_checkpoint_counts_from_there() -> None:
    verified = Verified((0, 0))
    for _ in range(1000):
        verified.moved(verified.next[A] + 700, verified.next[B] + 701, 700)
    assert len(verified.checkpoints) <= CHECKPOINTS_MAX
    for a, b in ((500_000, 400_000), (300_000, 10**9)):
        back = verified.before(a, b)
        assert back is not None
        assert back.next[A] <= a
        assert back.next[B] <= b
        assert back.records == back.next[A] > min(a, b) - 2 * verified.spacing
    assert verified.before(10**9, 10**9) is verified
    assert verified.before(3, 3) is None


def test_drawn_logs() -> None:
    random = Random(1)
    for _ in range(200):
        records = [
            Record(n, random.randrange(3), None, b"%d" % random.randrange(2), ()) for n in range(50)
        ]
        at = random.randrange(50)
        other = [*records]
        kind = random.choice(["same", "value", "missing"])
        if kind == "value":
            other[at] = records[at]._replace(value=b"x")
        elif kind == "missing":
            del other[at]
        draw = [random.randrange(1, 9) for _ in range(3)]
        found = compared(stored(records, *draw), stored(other, *draw[::-1]))[1]
        if kind == "missing" and at == 49:
            assert found == []  # one log ends earlier: that is told by whoever knows both ends
        else:
            assert [each.offset for each in found] == ([] if kind == "same" else [at])


def test_pieces_are_what_a_reader_sees() -> None:
    wire = b"".join(batch(RECORDS[n : n + 10]) for n in range(0, 60, 10))
    assert [each.header.base_offset for each in pieces_in(wire, (), 15, 40)] == [10, 20, 30]


def test_long_values_are_shown_where_they_part() -> None:
    one, other = b"x" * 100 + b"a" * 100, b"x" * 100 + b"b" * 100
    assert shown(one, other) == "[88:] " + repr("x" * 12 + "a" * 12) + "..."
    assert shown(None, other) is None
    assert shown(b"ab", None) == "'ab'"


@pytest.mark.parametrize("missing", [0, 3, 30, 58])
def test_long_records_are_not_looked_at_far_ahead(
    missing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 0
    plain = Lane.load_more

    def noted(lane: Lane) -> bool:
        nonlocal most
        has_more = plain(lane)
        most = max(most, len(lane.records) - lane.at)
        return has_more

    monkeypatch.setattr(Lane, "load_more", noted)
    monkeypatch.setattr(pairing_module, "AHEAD_BYTES_MAX", 10)
    kept = [each for each in RECORDS if each.offset != missing]
    others = [each._replace(offset=n) for n, each in enumerate(kept)]
    _, found = compared(stored(RECORDS, 1), stored(others, 1), by_order=True)
    assert [(each.kind, each.offset, each.b) for each in found] == [(Kind.RECORD, missing, None)]
    assert most <= 10
