"""Two logs read side by side: record meets record, and where they part is told.

Pure: it is fed pieces of both (`feed`), says of which it needs more (`wants`), and reports
differences. Two ways to pair:
    by offset   records of the same offset are meant to be the same
    by order    the n-th record of one is meant to be the n-th of the other. So a mirror is
                compared: markers of transactions, and what was removed, take offsets on one side.
By order it also tells which place in B a place in A comes to (`mapped`), and how many records lie
before a place on either side (`ranks`). How far all is verified stands in `verified`, from where
another pairing can go on.
Of a compacted log only some records are there: compaction.py tells which may be missing.
Read next: log_reader.py (EDGE).
Tests: tests/unit/cli/comparing/test_pairing.py
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ...client.partitions import TopicPartition
from ...protocol.batch.runs import Record
from .compaction import Missing
from .differences import Difference, Kind, shown
from .lane import SEEN_ALIKE, Lane, count_alike, meet
from .pieces import Piece, Unreadable

A, B = SIDES = (0, 1)
LOOKED_AHEAD: Final = 64  # records that may miss or be doubled in a row, and the rest still meets
COMPACTED_AHEAD: Final = 512  # records among which is looked, where both logs are compacted
AHEAD_BYTES_MAX: Final = 4_000_000  # then it is not looked further ahead
CHECKPOINTS_MAX: Final = 32
FIRST_SPACING: Final = 1_000
RETENTION: Final = "removed by retention or deletion on the other side"
Cells = tuple[str | None, str | None]  # what stands in A and in B
MIRRORED_TYPE: Final = "a mirror keeps timestamps, as CreateTime"


@dataclass(slots=True)
class Verified:
    """Up to where two logs are the same.

    Attributes:
        next: the next offset to look at, in A and in B.
        records: how many have been verified before.
        checkpoints: some places (offset in A, offset in B, records before), evenly spread.
        spacing: records between two of them.
    """

    next: tuple[int, int]
    records: int = 0
    checkpoints: list[tuple[int, int, int]] = field(default_factory=list)
    spacing: int = FIRST_SPACING

    def moved(self, a: int, b: int, count: int) -> None:
        """`count` more are the same."""
        self.next = (a, b)
        self.records += count
        last = self.checkpoints[-1][2] if self.checkpoints else 0
        if self.records - last < self.spacing:
            return
        self.checkpoints.append((a, b, self.records))
        if len(self.checkpoints) > CHECKPOINTS_MAX:
            self.checkpoints = self.checkpoints[1::2]
            self.spacing *= 2

    def copied(self) -> Verified:
        """The same, that does not go on with this one."""
        return replace(self, checkpoints=[*self.checkpoints])

    def before(self, a: int, b: int) -> Verified | None:
        """The same up to a place at or before these offsets; None where none is known."""
        if self.next[A] <= a and self.next[B] <= b:
            return self
        at = next((i for i, c in enumerate(self.checkpoints) if c[A] > a or c[B] > b), None)
        if not at:
            return None
        *places, records = self.checkpoints[at - 1]
        return Verified((places[A], places[B]), records, self.checkpoints[:at], self.spacing)


class Pairing:
    """Compares one partition.

    Args:
        ends: where each log ends, exclusive; by offset both are read to the smaller one.
        marks: places on each side that `ranks` and `mapped` are wanted of; by order only.
        report: takes each difference.
        has_lost: whether the beginning of a log has been removed, by side.
        may_go_on: whether a side may have more records at its end than the other one: a source that
            is ahead of its mirror, a mirror that others write to.
        tombstones_before_ms: of each side that is compacted: which tombstones may be gone; None
            where every record stays.
    """

    def __init__(
        self,
        place: TopicPartition,
        verified: Verified,
        ends: tuple[int, int],
        report: Callable[[Difference], None],
        *,
        by_order: bool = False,
        marks: tuple[Iterable[int], Iterable[int]] = ((), ()),
        has_lost: tuple[bool, bool] = (False, False),
        may_go_on: tuple[bool, bool] = (False, False),
        tombstones_before_ms: tuple[int | None, int | None] = (None, None),
    ) -> None:
        self.verified = verified
        self.is_equal = True
        self.ranks: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.mapped: dict[int, int] = {}
        self.place = place
        self._report = report
        self._by_order = by_order
        self._may_go_on = may_go_on
        # Of each side what the other one, compacted, has not.
        self._missing = tuple(
            None if each is None else Missing(each) for each in tombstones_before_ms[::-1]
        )
        if not by_order:
            ends = (min(ends), min(ends))
        self._lanes = tuple(
            Lane(begin, end, by_order=by_order)
            for begin, end in zip(verified.next, ends, strict=True)
        )
        self._marks = tuple(sorted({*each}, reverse=True) for each in marks)
        if by_order:
            self._lanes[B].must_find = has_lost[A]
            self._lanes[A].must_find = has_lost[B] and not has_lost[A]

    def wants(self, side: int) -> tuple[int, int] | None:
        """From where to where the log of a side is to be read next; None if it is not needed."""
        lane, other = self._lanes[side], self._lanes[1 - side]
        if lane.pieces or lane.fetched >= lane.end:
            return None
        if lane.at < len(lane.records) and other.at >= len(other.records):
            return None  # the other one is waited for
        return lane.fetched, lane.end

    @property
    def is_settled(self) -> bool:
        """Whether nothing is missing of which it has still to be seen if it may be."""
        return not any(each is not None and each.is_open for each in self._missing)

    @property
    def is_over(self) -> bool:
        """Whether both have been read to their ends, or the shorter one where that is enough."""
        a, b = self._lanes
        return (a.is_over or (b.is_over and self._may_go_on[A])) and (
            b.is_over or (a.is_over and self._may_go_on[B])
        )

    def feed(self, side: int, pieces: Iterable[Piece], fetched: int) -> None:
        """Take what was read of one side, up to offset `fetched`, exclusive."""
        lane = self._lanes[side]
        lane.pieces.extend(pieces)
        lane.fetched = fetched

    def begins_later(self, side: int, offset: int) -> None:
        """Retention has removed the records before `offset` before they were looked at."""
        lane, other = self._lanes[side], self._lanes[1 - side]
        self._say(Kind.START, side, lane.next, offset - 1, by_design=RETENTION)
        lane.fetched = lane.next = max(lane.next, offset)
        lane.pieces.clear()
        lane.at = len(lane.records)
        if self._by_order:
            other.must_find = True
        else:
            other.next = max(other.next, offset)
            other.fetched = max(other.fetched, offset)
            other.at = bisect_left(other.records, offset, key=lambda each: each.offset)

    def advance(self) -> None:
        """Compare what has come."""
        a, b = self._lanes
        while True:
            if a.is_at_piece and b.is_at_piece and self._skip_copy():
                continue
            if not (self._load(A) and self._load(B) and self._have_met()):
                break
            count = min(len(a.records) - a.at, len(b.records) - b.at)
            alike = count_alike(a, b, count)
            if alike:
                self._same(alike)
            if alike < count and not self._part():
                break
        for side, lane in enumerate(self._lanes):
            other = self._lanes[1 - side]
            while other.is_over and not self._may_go_on[side] and self._load(side):
                self._leftover(side)
            if lane.is_over:
                lane.next = max(lane.next, lane.end)
        if self.is_over:
            self._end()

    def _load(self, side: int) -> bool:
        """Have a record of a side to look at."""
        while True:
            try:
                return self._lanes[side].load()
            except Unreadable as error:
                self._tell_unreadable(side, error)

    def _look_ahead(self, side: int, count: int) -> bool:
        """Have so many records of a side, or fewer if they are long.

        False if it has more, and that has not come.
        """
        lane = self._lanes[side]
        while len(lane.records) - lane.at < count:
            if lane.size_bytes() >= AHEAD_BYTES_MAX:
                return True
            try:
                if not lane.load_more():
                    return lane.fetched >= lane.end
            except Unreadable as error:
                self._tell_unreadable(side, error)
        return True

    def _tell_unreadable(self, side: int, error: Unreadable) -> None:
        at = self._lanes[side].next
        self._say(Kind.UNREADABLE, side, at, at, text=str(error))

    def _skip_copy(self) -> bool:
        a, b = self._lanes
        piece, other = a.pieces[0], b.pieces[0]
        heads = (piece.header, other.header)
        if (
            any(lane.must_find for lane in self._lanes)
            or not self.is_settled  # then every key has to be looked at
            or not (self._by_order or heads[A].base_offset == heads[B].base_offset)
            or any(
                head.base_offset < lane.next or head.next_offset > lane.end
                for head, lane in zip(heads, self._lanes, strict=True)
            )
            or any(
                marks and marks[-1] < head.next_offset
                for head, marks in zip(heads, self._marks, strict=True)
            )
            or not piece.is_copy_of(other)
        ):
            return False
        for head, lane in zip(heads, self._lanes, strict=True):
            lane.pieces.popleft()
            lane.next = head.next_offset
        self.verified.moved(a.next, b.next, heads[A].records_count)
        return True

    def _same(self, count: int) -> None:
        """`count` records from here on are the same."""
        a, b = self._lanes
        first = self.verified.records
        for side, lane in enumerate(self._lanes):
            marks = self._marks[side]
            last_offset = lane.records[lane.at + count - 1].offset
            while marks and marks[-1] <= last_offset:
                mark = marks.pop()
                at = bisect_left(
                    lane.records, mark, lane.at, lane.at + count, key=lambda each: each.offset
                )
                self.ranks[side][mark] = first + at - lane.at
                if side == A:
                    self.mapped[mark] = b.records[b.at + at - a.at].offset
        if a.type != b.type:
            why = MIRRORED_TYPE if self._by_order else ""
            begin, end = a.records[a.at].offset, a.records[a.at + count - 1].offset
            types = [("CreateTime", "LogAppendTime")[lane.type] for lane in self._lanes]
            self._add(Kind.TIMESTAMP_TYPE, begin, end, (types[A], types[B]), why)
        for lane, missing in zip(self._lanes, self._missing, strict=True):
            if missing is not None:
                missing.saw(lane.records[lane.at : lane.at + count])
            lane.step(count)
        self.verified.moved(a.next, b.next, count)

    def _part(self) -> bool:
        """Two records differ. False if more has to come before one can say how."""
        a, b = self._lanes
        if self._by_order:
            return self._part_in_order()
        mine, theirs = a.records[a.at], b.records[b.at]
        if mine.offset < theirs.offset:
            self._leftover(A)
        elif mine.offset > theirs.offset:
            self._leftover(B)
        else:
            self._differ(mine, theirs)
        return True

    def _part_in_order(self) -> bool:
        """A record is missing or doubled if what follows it is the same again; else it differs."""
        if any(each is not None for each in self._missing):
            return self._part_compacted()
        if not all(self._look_ahead(side, LOOKED_AHEAD + SEEN_ALIKE) for side in SIDES):
            return False
        for ahead in range(1, LOOKED_AHEAD):
            for side in SIDES:
                lane, other = self._lanes[side], self._lanes[1 - side]
                if meet(lane, lane.at + ahead, other, other.at):
                    for _ in range(ahead):
                        self._leftover(side)
                    return True
        a, b = self._lanes
        self._differ(a.records[a.at], b.records[b.at])
        return True

    def _part_compacted(self) -> bool:
        """Two records differ, and of a log that is compacted any number may be missing."""
        if not all(self._look_ahead(side, COMPACTED_AHEAD) for side in SIDES):
            return False
        a, b = self._lanes
        may_miss = [missing is not None for missing in self._missing]
        ahead_of_a = may_miss[A] and a.find(b.contents[b.at], COMPACTED_AHEAD)
        ahead_of_b = may_miss[B] and b.find(a.contents[a.at], COMPACTED_AHEAD)
        mine, theirs = a.records[a.at], b.records[b.at]
        if ahead_of_a or ahead_of_b:
            for _ in range(ahead_of_a or ahead_of_b):
                self._leftover(A if ahead_of_a else B)
        elif (mine.key, mine.timestamp) == (theirs.key, theirs.timestamp):
            self._differ(mine, theirs)
        else:  # neither is in sight: the older one has most likely been removed
            is_of_b = may_miss[B] and (not may_miss[A] or theirs.timestamp < mine.timestamp)
            self._leftover(B if is_of_b else A)
        return True

    def _have_met(self) -> bool:
        """Where some of a log has gone: pass over what only the other one has, to where they meet.

        False if more has to come.
        """
        # Of two compacted logs hardly so many in a row are the same.
        alike = 1 if any(each is not None for each in self._missing) else SEEN_ALIKE
        for side, lane in enumerate(self._lanes):
            other = self._lanes[1 - side]
            while lane.must_find:
                if not self._look_ahead(1 - side, alike):
                    return False
                if not self._look_ahead(side, alike) or not self._load(side):
                    return False
                if meet(lane, lane.at, other, other.at, alike):
                    lane.must_find = False
                else:
                    offset = lane.records[lane.at].offset
                    self._say(Kind.RECORD, side, offset, offset, by_design=RETENTION)
                    lane.step(1)
        return True

    def _differ(self, mine: Record, theirs: Record) -> None:
        found = (
            (Kind.KEY, mine.key, theirs.key),
            (Kind.VALUE, mine.value, theirs.value),
            (Kind.HEADERS, mine.headers, theirs.headers),
            (Kind.TIMESTAMP, mine.timestamp, theirs.timestamp),
        )
        at = mine.offset
        for kind, one, other in found:
            if one != other:
                self._add(kind, at, at, (_cell(one, other), _cell(other, one)))
        a, b = self._lanes
        for lane, missing in zip(self._lanes, self._missing, strict=True):
            if missing is not None:
                missing.saw((lane.records[lane.at],))
            lane.step(1)
        self.verified.moved(a.next, b.next, 1)

    def _leftover(self, side: int) -> None:
        """A record that the other side has not."""
        lane, missing = self._lanes[side], self._missing[side]
        record = lane.records[lane.at]
        if missing is None or not missing.miss(record):
            self._lost(side, record.offset, shown(record.value, None))
        lane.step(1)

    def _lost(self, side: int, offset: int, value: str | None) -> None:
        self._say(Kind.RECORD, side, offset, offset, text=value)

    def _settle(self) -> None:
        """What is missing at the end, if all has been read that could stand for it."""
        a, b = self._lanes
        has_seen_all = a.is_over and (b.is_over or self._may_go_on[B])
        for side, missing in enumerate(self._missing):
            if missing is None:
                continue
            for gone in missing.gone():
                text = f"{gone.records:,} records"
                self._say(Kind.RECORD, side, gone.first, gone.last, text=text, by_design=gone.why)
            for lost in missing.lost() if has_seen_all else ():
                self._lost(side, lost.offset, lost.value)

    def _end(self) -> None:
        """What stands behind the last record: markers perhaps, and marks."""
        a, b = self._lanes
        self._settle()
        self.verified.next = (a.next, b.next)
        for side, marks in enumerate(self._marks):
            lane = self._lanes[side]
            # What stands behind the next record of a side that goes on has no place on the other.
            is_next = lane.at < len(lane.records)
            last = lane.records[lane.at].offset if is_next else lane.next
            while marks and (lane.is_over or marks[-1] <= last):
                mark = marks.pop()
                self.ranks[side][mark] = self.verified.records
                if side == A:
                    self.mapped[mark] = b.next

    def _say(
        self,
        kind: Kind,
        side: int,
        first: int,
        last: int,
        *,
        text: str | None = "",
        by_design: str = "",
    ) -> None:
        said = text or "there"
        self._add(kind, first, last, (said, None) if side == A else (None, said), by_design)

    def _add(self, kind: Kind, first: int, last: int, cells: Cells, why: str = "") -> None:
        self.is_equal &= bool(why)
        topic, partition = self.place
        self._report(Difference(kind, topic, partition, "", first, last, *cells, why))


def _cell(value: Any, other: Any) -> str | None:
    if isinstance(value, bytes | None) and isinstance(other, bytes | None):
        return shown(value, other)
    return str(value)
