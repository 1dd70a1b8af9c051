"""What a partition's log holds of one producer id, from a floor to an end: found by ranges. Pure.

`Scanning` takes the headers of batches as they are read, in order; `LogScan` is the result.
A hole is an offset between floor and end that has no record: compaction has taken it (a batch that
is gone, or one with fewer records than offsets). A log without a hole has lost nothing.
Read first: open_batch.py. Read next: settling.py.
Source: kafka's LogCleaner.java; KIP-101, KIP-320.
Tests: tests/unit/client/session/test_log_scan.py
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ...protocol import sequence
from ...protocol.batch.header import BatchHeader
from ..produce.batch import OFFSET_UNKNOWN
from .open_batch import Floor, OpenBatch
from .outcomes import Reason

NO_HOLE: Final = -1


class Span(NamedTuple):
    """A batch of the producer id in the log."""

    producer_epoch: int
    base_sequence: int
    length: int  # in sequences and offsets
    base_offset: int

    @property
    def last_sequence(self) -> int:
        """Inclusive."""
        return sequence.last_of(self.base_sequence, self.length)


class Place(NamedTuple):
    """Where a batch lies; base_offset is that of its first record."""

    is_found: bool
    is_partly: bool
    base_offset: int


ABSENT: Final = Place(False, False, OFFSET_UNKNOWN)
PARTLY: Final = Place(False, True, OFFSET_UNKNOWN)


class _Line:
    """The spans of one epoch in the order of their sequences, which may wrap."""

    def __init__(self, spans: Sequence[Span]) -> None:
        # All lie within half a ring around the first.
        self._begin = sequence.add(spans[0].base_sequence, -(sequence.SEQUENCE_MAX // 2))
        self._spans = sorted(spans, key=self._start_of)
        self._starts = [*map(self._start_of, self._spans)]

    def find(self, first: int, count: int) -> Place:
        """Where a range of sequences lies."""
        need, end, offset = self._at(first), self._at(first) + count, OFFSET_UNKNOWN
        while need < end:
            index = bisect_right(self._starts, need) - 1
            into = need - self._starts[index] if index >= 0 else 0
            if index < 0 or into >= self._spans[index].length:
                return PARTLY if offset != OFFSET_UNKNOWN or self._begins_in(need, end) else ABSENT
            if offset == OFFSET_UNKNOWN:
                offset = self._spans[index].base_offset + into
            need += self._spans[index].length - into
        return Place(True, False, offset)

    def _begins_in(self, start: int, end: int) -> bool:
        return bisect_left(self._starts, start) < bisect_left(self._starts, end)

    def _start_of(self, span: Span) -> int:
        return self._at(span.base_sequence)

    def _at(self, number: int) -> int:
        return sequence.add(number, -self._begin)


@dataclass(frozen=True, slots=True)
class LogScan:
    """What was read.

    Attributes:
        log_start: where the log begins.
        end_offset: where it ended when reading began; committed up to there.
        spans: batches of the producer id, in the order of the log.
        hole: the first offset without its record, from the floor on; NO_HOLE where there is none.
        is_whole: read up to end_offset; otherwise only until what was looked for had been found.
        is_anchored: a batch of the producer id ends at the floor, and is none of those in doubt:
            it was confirmed there, and this is still the log of then.
        is_aligned: no batch lies across the floor.
        epoch_end: where the floor's leader epoch ends in this log; -1 where the leader knows no
            epoch as new; None where it was not asked, or could not be.
        refusal: why the log could not be read; then nothing else counts.
    """

    log_start: int = 0
    end_offset: int = 0
    spans: tuple[Span, ...] = ()
    hole: int = NO_HOLE
    is_whole: bool = True
    is_anchored: bool = False
    is_aligned: bool = True
    epoch_end: int | None = None
    refusal: str = ""
    _lines: dict[int, _Line] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Order the spans by epoch and sequence, so that none has to be searched for."""
        epochs = {each.producer_epoch for each in self.spans}
        lines = {
            epoch: _Line([each for each in self.spans if each.producer_epoch == epoch])
            for epoch in epochs
        }
        object.__setattr__(self, "_lines", lines)

    def find(self, batch: OpenBatch) -> Place:
        """Where a batch lies, as one batch, as a part of one, or in pieces."""
        line = self._lines.get(batch.producer_epoch)
        return ABSENT if line is None else line.find(batch.base_sequence, batch.count)

    def what_is_missing(self, floor: Floor) -> Reason | None:
        """Why what was not found may have been stored all the same; None: it was not."""
        is_cut = self.epoch_end is not None and self.epoch_end < floor.offset and floor.offset > 0
        if self.end_offset < floor.offset or not self.is_aligned:
            return Reason.TRUNCATED
        if is_cut and not self.is_anchored:
            return Reason.TRUNCATED
        if self.log_start > floor.offset:
            return Reason.RETENTION
        return Reason.COMPACTED if self.hole != NO_HOLE else None


class Scanning:
    """Batches go in as they are read; the scan comes out.

    Args:
        end_offset: read up to here.
        epoch_end: as of LogScan.
        until: enough is read when all of these are found; empty: read to the end.
        in_doubt: all open batches of the producer id in this partition.

    Attributes:
        position: of the next batch to read.
        end_offset: as it was given.
    """

    def __init__(
        self,
        floor: Floor,
        log_start: int,
        end_offset: int,
        epoch_end: int | None = None,
        until: Sequence[OpenBatch] = (),
        *,
        in_doubt: Sequence[OpenBatch] = (),
    ) -> None:
        self._floor = floor
        self._in_doubt = in_doubt
        self._log_start = log_start
        self.end_offset = end_offset
        self._epoch_end = epoch_end
        self._until = [*until]
        self._has_all = False
        self._spans: list[Span] = []
        self._hole = NO_HOLE
        self._is_anchored = False
        self._is_aligned = True
        # One before the floor: what lies there tells whether it is still the log of then.
        self.position = max(log_start, floor.offset - 1, 0)

    @property
    def is_over(self) -> bool:
        """Whether enough has been read."""
        return self.position >= self.end_offset or self._has_all

    def take(self, headers: Iterable[BatchHeader]) -> None:
        """The batches that a fetch at `position` has brought, all of them committed."""
        for header in headers:
            if header.next_offset > self.position:
                self._take(header)
        if self._until:
            scan = self.result()
            self._until = [each for each in self._until if not scan.find(each).is_found]
            self._has_all = not self._until

    def nothing_there(self) -> None:
        """A fetch at `position` brings nothing, although the end lies behind it."""
        self._note_hole(max(self.position, self._floor.offset))
        self.position = self.end_offset

    def result(self) -> LogScan:
        """What was read so far."""
        return LogScan(
            log_start=self._log_start,
            end_offset=self.end_offset,
            spans=tuple(self._spans),
            hole=self._hole,
            is_whole=self.position >= self.end_offset,
            is_anchored=self._is_anchored,
            is_aligned=self._is_aligned,
            epoch_end=self._epoch_end,
        )

    def _take(self, header: BatchHeader) -> None:
        floor = self._floor
        is_ours = header.producer_id == floor.producer_id and header.base_sequence >= 0
        if header.next_offset <= floor.offset:
            self._is_anchored = (
                header.next_offset == floor.offset and is_ours and self._is_confirmed(header)
            )
            self.position = header.next_offset
            return
        if header.base_offset < floor.offset:
            self._is_aligned = False
        if header.base_offset > max(self.position, floor.offset):
            self._note_hole(max(self.position, floor.offset))
        if header.records_count != header.last_offset_delta + 1:
            self._note_hole(header.base_offset)
        if is_ours:
            length = header.last_offset_delta + 1
            epoch, first = header.producer_epoch, header.base_sequence
            self._spans.append(Span(epoch, first, length, header.base_offset))
        self.position = header.next_offset

    def _is_confirmed(self, header: BatchHeader) -> bool:
        """Whether a batch that ends at the floor may be the one that the floor has risen behind.

        1. A broker loses its log. 2. A batch of ours is stored in what is left, and its answer
        lost. 3. It happens to end where the floor is: it lies before that, and is not found.
        """
        first, length = header.base_sequence, header.last_offset_delta + 1
        return not any(
            each.producer_epoch == header.producer_epoch
            and (
                sequence.add(first, -each.base_sequence) < each.count
                or sequence.add(each.base_sequence, -first) < length
            )
            for each in self._in_doubt
        )

    def _note_hole(self, offset: int) -> None:
        if self._hole == NO_HOLE:
            self._hole = offset
