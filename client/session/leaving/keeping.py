"""What a producer with a durable session writes down, and how far that is safe. Sans-IO.

Keeping knows which batch has which number in the journal and in which group it was written; what
has been confirmed and is not written yet; and the marks: the newest position of each source, as of
the newest cut that is flushed.
Read next: gate.py, which decides what is written when. The journal itself: session/journal.py.
Tests: tests/unit/client/session/test_gate.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, Protocol, TypeAlias

from ....protocol.codec.schema import ZERO_UUID
from ....protocol.errors import ErrorCode
from ...produce.accumulator import Place
from ...produce.batch import NO_EPOCH, ProducerBatch
from ...produce.sender import NEVER
from .. import instants
from ..entries import (
    Confirmation,
    Confirmed,
    Cut,
    Entry,
    Identity,
    Position,
    Refused,
    RefusedBatch,
    Restamped,
    Settled,
    Source,
    Split,
    Taken,
)
from ..instants import Instant
from ..journal_state import JournalState
from ..open_batch import Floor, OpenBatch

CONFIRM_WITHIN_MS: Final = 100  # a confirmation is written at the latest after so long
FLOOR_UNKNOWN: Final = -1  # nothing of this producer id has been sent there


class Journal(Protocol):
    """A journal, as it is needed here: appending is synchronous, flushing somebody else's care."""

    @property
    def state(self) -> JournalState:
        """What its entries add up to."""

    @property
    def flushed(self) -> int:
        """The newest group that is as safe as session_durability says."""

    def append(self, entries: Sequence[Entry], /) -> int:
        """Append one group, whole or not at all; returns its number."""

    def flush_soon(self, upto: int, /) -> None:
        """Have everything up to a group flushed; whoever does it wakes the sender."""


class About(NamedTuple):
    """What is known of a partition: its topic's id, and its leader's epoch."""

    topic_id: bytes = ZERO_UUID
    leader_epoch: int = NO_EPOCH


AboutPlace: TypeAlias = Callable[[Place], About]


class Written(NamedTuple):
    """Where a batch stands in the journal: its number, and the group that holds its bytes."""

    number: int
    group: int


class Keeping:
    """The journal of one producer, and what belongs into it.

    Args:
        about: what metadata knows of a partition.
        new_marks: stays the same, whatever becomes of a journal; others put into it what mark()
            would, for sources that are among them.

    Attributes:
        marks: of each source, up to where all is journaled and flushed.
        new_marks: the newest of each source since the last cut.
        marked_at_ms: when the first of those came; NEVER without.
        confirm_at_ms: when confirmations have to be written; NEVER without.
        written: of every batch that is journaled and not done.
        wanted_group: the newest that has to be flushed.
    """

    def __init__(
        self, journal: Journal, about: AboutPlace, new_marks: dict[Source, Position]
    ) -> None:
        new_marks.clear()
        self.journal = journal
        self._about = about
        self.marks: dict[Source, Position] = dict(journal.state.marks)
        self.marked_at_ms = NEVER
        self.confirm_at_ms = NEVER
        self.written: dict[ProducerBatch, Written] = {}
        self.wanted_group = journal.flushed
        self._cut_marks: dict[Source, Position] = {}  # journaled, and not flushed yet
        self.new_marks = new_marks
        self._confirmed: list[Confirmation] = []

    @property
    def is_flushed(self) -> bool:
        """Whether everything that must be safe is: nothing waits for the disk."""
        return self.journal.flushed >= self.wanted_group

    def heed_flush(self) -> bool:
        """As is_flushed; marks of what is safe come into force."""
        if not self.is_flushed:
            return False
        self.marks.update(self._cut_marks)
        self._cut_marks.clear()
        return True

    def mark(self, source: Source, position: Position, now_ms: float) -> None:
        """The source has been read up to here; called in the turn that adds its record."""
        if not self.new_marks:
            self.marked_at_ms = now_ms
        self.new_marks[source] = position

    def flush_soon(self) -> None:
        """Have what must be safe flushed."""
        if not self.is_flushed:
            self.journal.flush_soon(self.wanted_group)

    def adopt(self, number: int, batch: ProducerBatch) -> None:
        """A batch that the journal held at the start."""
        self.written[batch] = Written(number, self.journal.flushed)

    def is_safe(self, batch: ProducerBatch) -> bool:
        """Whether a batch may leave."""
        return self.written[batch].group <= self.journal.flushed

    def identity(
        self, producer_id: int, producer_epoch: int = 0, transactional_id: str | None = None
    ) -> None:
        """What is new goes under this id, and no lane begins with an epoch below this one."""
        identity = Identity(producer_id, producer_epoch, transactional_id)
        self._append([identity], is_urgent=transactional_id is not None)

    def cut(self, floors: Sequence[Floor], batches: Sequence[ProducerBatch]) -> None:
        """Everything sent so far: the floors that its batches stand on, they, and the marks."""
        first = self.journal.state.next_number
        opened = tuple(self._opened(number, batch) for number, batch in enumerate(batches, first))
        marks = dict(self.new_marks)
        self.new_marks.clear()
        self.marked_at_ms = NEVER
        group = self._append([*floors, Cut(marks, opened)])
        self._cut_marks.update(marks)
        for number, batch in enumerate(batches, first):
            self.written[batch] = Written(number, group)

    def restamped(self, floors: Sequence[Floor], batches: Sequence[ProducerBatch]) -> None:
        """Batches have new identities."""
        entries = [
            Restamped(
                self.written[batch].number,
                batch.producer_id,
                batch.producer_epoch,
                batch.base_sequence,
                batch.wire,
            )
            for batch in batches
        ]
        group = self._append([*floors, *entries])
        for batch in batches:
            self.written[batch] = Written(self.written[batch].number, group)

    def split(self, batch: ProducerBatch, pieces: Sequence[ProducerBatch]) -> None:
        """Pieces stand for a batch."""
        first = self.journal.state.next_number
        number = self.written.pop(batch).number
        opened = tuple(self._opened(n, piece) for n, piece in enumerate(pieces, first))
        group = self._append([Split(number, opened)])
        for n, piece in enumerate(pieces, first):
            self.written[piece] = Written(n, group)

    def confirmed(self, batch: ProducerBatch, base_offset: int, now_ms: float) -> None:
        """A batch is stored; that is written down with the next group, or soon."""
        number = self.written.pop(batch).number
        epoch = self._about((batch.topic, batch.partition)).leader_epoch
        self._confirmed.append(Confirmation(number, base_offset, epoch))
        self.confirm_at_ms = min(self.confirm_at_ms, now_ms + CONFIRM_WITHIN_MS)

    def write_confirmed(self) -> None:
        """Write down what is confirmed; it need not be safe: at worst it is looked for again."""
        self._append([], is_urgent=False)

    def refused(self, batch: ProducerBatch, code: ErrorCode, message: str) -> None:
        """Brokers will never take a batch; it is kept until the program takes it."""
        number = self.written.pop(batch).number
        self._append([Refused(number, code, message)], is_urgent=False)

    def take_refused(self) -> list[RefusedBatch]:
        """The program has got them: they are kept no more."""
        taken = [*self.journal.state.refused.values()]
        if taken:
            self._append([Taken(tuple(each.batch.number for each in taken))])
        return taken

    def batch_of(self, number: int) -> ProducerBatch:
        """The batch with a number. Raises KeyError."""
        for batch, written in self.written.items():
            if written.number == number:
                return batch
        raise KeyError(number)

    def settled(self, batch: ProducerBatch, *, stored: bool) -> None:
        """People have decided about a batch."""
        number = self.written[batch].number
        self._append([Settled(number, stored)])
        if stored:
            del self.written[batch]

    def floor_before(self, place: Place, producer_id: int) -> list[Floor]:
        """What has to be journaled before the first batch of a producer id in a partition."""
        if (*place, producer_id) in self.journal.state.floors:
            return []
        topic_id, leader_epoch = self._about(place)
        unknown = Floor(
            *place,
            producer_id,
            NO_EPOCH,
            FLOOR_UNKNOWN,
            topic_id=topic_id,
            leader_epoch=leader_epoch,
        )
        return [unknown]

    def is_floor_foreign(self, place: Place, producer_id: int) -> bool:
        """Whether the floor is of a topic that was deleted, and made again, since."""
        floor = self.journal.state.floors.get((*place, producer_id))
        there = self._about(place).topic_id
        return (
            floor is not None
            and ZERO_UUID not in (there, floor.topic_id)
            and floor.topic_id != there
        )

    def floor(self, place: Place, producer_id: int, offset: int, leader_epoch: int) -> int:
        """A partition ended here with nothing of the producer id behind it; returns the group."""
        floor = replace(
            self.journal.state.floors[*place, producer_id],
            offset=offset,
            topic_id=self._about(place).topic_id,
            leader_epoch=leader_epoch,
        )
        return self._append([floor])

    def numbered(self, batches: Iterable[ProducerBatch]) -> list[OpenBatch]:
        """Batches as the journal knows them."""
        return [self.journal.state.open[self.written[batch].number] for batch in batches]

    def _opened(self, number: int, batch: ProducerBatch) -> OpenBatch:
        topic_id, leader_epoch = self._about((batch.topic, batch.partition))
        return OpenBatch(
            number=number,
            topic=batch.topic,
            topic_id=topic_id,
            partition=batch.partition,
            producer_id=batch.producer_id,
            producer_epoch=batch.producer_epoch,
            base_sequence=batch.base_sequence,
            count=batch.count,
            leader_epoch=leader_epoch,
            wire=batch.wire,
        )

    def _append(self, entries: Sequence[Entry], *, is_urgent: bool = True) -> int:
        """Append a group, behind the confirmations known so far."""
        # First of all: 1. a batch of epoch 3 is confirmed, and what is behind it goes to epoch 4.
        # 2. Journaled the other way round, a death between the two would leave a batch of epoch 3
        # to be looked for where epoch 4 has begun.
        confirmed: list[Entry] = []
        if self._confirmed:
            confirmed.append(Confirmed(tuple(self._confirmed)))
            self._confirmed.clear()
            self.confirm_at_ms = NEVER
        group = self.journal.append([*confirmed, *entries])
        if is_urgent:
            self.wanted_group = group
        if confirmed:
            instants.at(Instant.CONFIRMED)
        return group
