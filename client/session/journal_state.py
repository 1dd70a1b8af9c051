"""What the entries of a journal add up to: marks, open batches, and under which identities.

A fold: state changes in `apply` only, while running as at a start. It refuses what must never be:
that one (producer id, epoch, sequence) stands for two batches, and numbers that nobody knows.
Read next: journal_codec.py.
Tests: tests/unit/client/session/test_journal_state.py
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from ...protocol import sequence
from ..partitions import NO_EPOCH
from .entries import (
    OFFSET_UNKNOWN,
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
    Snapshot,
    Source,
    Split,
    Taken,
)
from .open_batch import NO_SEQUENCE, Floor, OpenBatch

FloorKey: TypeAlias = tuple[str, int, int]
"""Topic, partition and producer id."""
BATCH_OVERHEAD_BYTES: Final = 100  # of an open batch in a journal, about


class EntryRefused(ValueError):
    """An entry that cannot follow those before it; the state is of no use any more."""


class JournalState:
    """The sum of a journal's entries. Others read it, and never write.

    Attributes:
        marks: of each source, the position up to which all is journaled.
        open: batches that are not confirmed, by number, in the order of their records.
        absent: numbers among them of which people said that they are not stored.
        refused: batches that were refused and not taken, by number.
        floors: of each partition with batches of an identity.
        identities: that some batch may still need, the newest last: what is new goes under that.
        next_number: of the next batch.
        live_bytes: what a rewritten journal would hold, about.
    """

    def __init__(self) -> None:
        self.marks: dict[Source, Position] = {}
        self.open: dict[int, OpenBatch] = {}
        self.absent: set[int] = set()
        self.refused: dict[int, RefusedBatch] = {}
        self.floors: dict[FloorKey, Floor] = {}
        self.identities: list[Identity] = []
        self.next_number = 0
        self.live_bytes = 0
        self._open_count: Counter[int] = Counter()  # by producer id
        self._lines: dict[FloorKey, dict[int, None]] = {}  # numbers of open ones, oldest first

    def apply(self, entry: Entry) -> None:
        """Take one entry in. Raises EntryRefused."""
        match entry:
            case Cut():
                for batch in entry.batches:
                    self._open(batch)
                self.marks.update(entry.marks)
            case Confirmed():
                for each in entry.batches:
                    self._confirm(each)
            case Floor():
                self._known_identity(entry.producer_id)
                self.floors[key_of(entry)] = entry
            case Identity():
                self._identify(entry)
            case Restamped():
                self._restamp(entry)
            case Split():
                self._split(entry)
            case Refused():
                batch = self._close(entry.number)
                self.refused[entry.number] = RefusedBatch(batch, entry.code, entry.message)
                self.live_bytes += _weight(batch)
            case Taken():
                for number in entry.numbers:
                    if number not in self.refused:
                        raise EntryRefused(f"batch {number} is not among the refused")
                    self.live_bytes -= _weight(self.refused.pop(number).batch)
            case Settled():
                self._settle(entry)
            case Snapshot():
                self._restore(entry)

    def snapshot(self) -> Snapshot:
        """The state as one entry, from which a journal can begin."""
        return Snapshot(
            self.next_number,
            tuple(self.identities),
            dict(self.marks),
            tuple(self.floors.values()),
            tuple(self.open.values()),
            tuple(self.refused.values()),
            tuple(sorted(self.absent)),
        )

    def _restore(self, entry: Snapshot) -> None:
        if self.next_number or self.identities or self.marks:
            raise EntryRefused("a snapshot stands behind other entries")
        self.next_number = entry.next_number
        self.identities = [*entry.identities]
        self.marks = dict(entry.marks)
        self.floors = {key_of(floor): floor for floor in entry.floors}
        self.open = {batch.number: batch for batch in entry.batches}
        self.refused = {each.batch.number: each for each in entry.refused}
        self.absent = set(entry.absent)
        for batch in entry.batches:
            self._count(batch)
        self.live_bytes += sum(_weight(each.batch) for each in entry.refused)

    def _identify(self, identity: Identity) -> None:
        older = [each for each in self.identities if each.producer_id != identity.producer_id]
        self.identities = [*older, identity]
        for each in older:
            self._forget_if_idle(each.producer_id)

    def _known_identity(self, producer_id: int) -> None:
        if all(each.producer_id != producer_id for each in self.identities):
            raise EntryRefused(f"producer id {producer_id} was not journaled before its use")

    def _open(self, batch: OpenBatch) -> None:
        if batch.number < self.next_number:
            raise EntryRefused(f"number {batch.number} is used: {self.next_number} is free")
        floor = self._stand(batch)
        self.next_number = batch.number + 1
        self.open[batch.number] = batch
        self._count(batch)
        self.floors[key_of(floor)] = floor

    def _stand(self, batch: OpenBatch) -> Floor:
        """The floor as it is with one more batch on it; refused if it does not follow."""
        floor = self.floors.get(key_of(batch))
        if floor is None:
            raise EntryRefused(f"{_name(batch)} has no floor")
        epoch, first = batch.producer_epoch, batch.base_sequence
        expected = 0
        if epoch == floor.producer_epoch:
            expected = sequence.next_of(floor.last_sequence)
        if epoch < floor.producer_epoch or first != expected:
            raise EntryRefused(
                f"{_name(batch)} begins at epoch {epoch}, sequence {first}, and behind epoch "
                f"{floor.producer_epoch}, sequence {floor.last_sequence} something else follows"
            )
        is_same_epoch = epoch == floor.producer_epoch
        return Floor(  # each field by its place: replace() costs more than all else here
            floor.topic,
            floor.partition,
            floor.producer_id,
            epoch,
            floor.offset,
            floor.topic_id,
            floor.leader_epoch,
            floor.confirmed_sequence if is_same_epoch else NO_SEQUENCE,
            batch.last_sequence,
        )

    def _count(self, batch: OpenBatch) -> None:
        self._open_count[batch.producer_id] += 1
        self._lines.setdefault(key_of(batch), {})[batch.number] = None
        self.live_bytes += _weight(batch)

    def _discount(self, batch: OpenBatch) -> None:
        self.live_bytes -= _weight(batch)
        line = self._lines[key_of(batch)]
        del line[batch.number]
        if not line:
            del self._lines[key_of(batch)]
        self._open_count[batch.producer_id] -= 1
        self._forget_if_idle(batch.producer_id)

    def _forget_if_idle(self, producer_id: int) -> None:
        """An identity of before that nothing is open under is of no use any more."""
        if self._open_count[producer_id] or self.identities[-1].producer_id == producer_id:
            return
        del self._open_count[producer_id]
        self.identities = [each for each in self.identities if each.producer_id != producer_id]
        for key in [key for key in self.floors if key[2] == producer_id]:
            del self.floors[key]

    def _close(self, number: int) -> OpenBatch:
        batch = self._known(number)
        del self.open[number]
        self.absent.discard(number)
        self._discount(batch)
        return batch

    def _known(self, number: int) -> OpenBatch:
        batch = self.open.get(number)
        if batch is None:
            raise EntryRefused(f"batch {number} is not open")
        return batch

    def _confirm(self, stored: Confirmation) -> None:
        batch = self._known(stored.number)
        key = key_of(batch)
        floor = self.floors[key]
        confirmed, offset, leader_epoch = floor.confirmed_sequence, floor.offset, floor.leader_epoch
        if batch.producer_epoch == floor.producer_epoch and _is_later(batch.last_sequence, floor):
            confirmed = batch.last_sequence
        # The offset rises behind the oldest open batch only: one that is older, and open, may lie
        # before this one, and has to be found there.
        is_oldest = next(iter(self._lines[key])) == batch.number
        end = stored.base_offset + batch.count
        if stored.base_offset != OFFSET_UNKNOWN and is_oldest and end > offset:
            offset, leader_epoch = end, stored.leader_epoch
        if OFFSET_UNKNOWN < stored.base_offset < floor.offset:
            # The log was lost, and is filled anew: what is open may lie anywhere in it.
            offset, leader_epoch = 0, NO_EPOCH
        self.floors[key] = Floor(
            floor.topic,
            floor.partition,
            floor.producer_id,
            floor.producer_epoch,
            offset,
            floor.topic_id,
            leader_epoch,
            confirmed,
            floor.last_sequence,
        )
        self._close(stored.number)

    def _restamp(self, entry: Restamped) -> None:
        batch = self._known(entry.number)
        self._known_identity(entry.producer_id)
        new = replace(
            batch,
            producer_id=entry.producer_id,
            producer_epoch=entry.producer_epoch,
            base_sequence=entry.base_sequence,
            wire=entry.wire,
        )
        floor = self._stand(new)
        self.open[entry.number] = new
        self.absent.discard(entry.number)
        self.floors[key_of(floor)] = floor
        if key_of(new) == key_of(batch):  # it keeps its place in the line
            self.live_bytes += _weight(new) - _weight(batch)
        else:
            self._count(new)
            self._discount(batch)

    def _split(self, entry: Split) -> None:
        batch = self._known(entry.number)
        _check_pieces(batch, entry.pieces, self.next_number)
        order: dict[int, OpenBatch] = {}
        for each in self.open.values():
            if each is batch:
                order.update((piece.number, piece) for piece in entry.pieces)
            else:
                order[each.number] = each
        self.open = order
        self.next_number = entry.pieces[-1].number + 1
        self.absent.discard(entry.number)
        line = self._lines[key_of(batch)]
        behind = [*line][[*line].index(batch.number) + 1 :]
        for piece in entry.pieces:
            self._count(piece)
        for number in behind:  # what was behind the whole is behind the pieces
            del line[number]
            line[number] = None
        self._discount(batch)

    def _settle(self, entry: Settled) -> None:
        if entry.stored:
            self._close(entry.number)
        else:
            self.absent.add(self._known(entry.number).number)


def key_of(what: OpenBatch | Floor) -> FloorKey:
    """The floor of a batch, or of itself."""
    return what.topic, what.partition, what.producer_id


def _is_later(last_sequence: int, floor: Floor) -> bool:
    """Whether a batch of the floor's epoch stands behind the newest confirmed one."""
    if floor.confirmed_sequence == NO_SEQUENCE:
        return True
    # Of open batches, and those just confirmed, there are far fewer than half of the ring.
    return sequence.add(last_sequence, -floor.confirmed_sequence) <= sequence.SEQUENCE_MAX // 2


def _check_pieces(batch: OpenBatch, pieces: Sequence[OpenBatch], next_number: int) -> None:
    """Pieces bear fresh numbers, and the sequences of the whole; else EntryRefused."""
    at = batch.base_sequence
    for piece in pieces:
        is_of_it = key_of(piece) == key_of(batch)
        is_of_it &= piece.producer_epoch == batch.producer_epoch and piece.base_sequence == at
        if not is_of_it or piece.number < next_number:
            raise EntryRefused(f"{_name(piece)} is no piece of {_name(batch)}")
        at = sequence.add(at, piece.count)
        next_number = piece.number + 1
    if at != sequence.add(batch.base_sequence, batch.count):
        raise EntryRefused(f"pieces of {_name(batch)} end at sequence {at}")


def _name(batch: OpenBatch) -> str:
    return f"batch {batch.number} for {batch.topic}-{batch.partition}"


def _weight(batch: OpenBatch) -> int:
    return BATCH_OVERHEAD_BYTES + len(batch.wire)
