"""Entries of journals for tests: single ones, and a session that a random number generator leads.

DrawnSession draws groups that may follow what was journaled, of every kind of entry.
"""

from __future__ import annotations

from random import Random

from minibroker.client.session.entries import (
    Confirmation,
    Confirmed,
    Cut,
    Entry,
    Identity,
    Position,
    Refused,
    Restamped,
    Settled,
    Source,
    Split,
    Taken,
)
from minibroker.client.session.journal_state import JournalState
from minibroker.client.session.open_batch import Floor, OpenBatch
from minibroker.protocol import sequence
from minibroker.protocol.codec.schema import ZERO_UUID

TOPIC_ID = bytes(range(16))
PRODUCER_ID = 7


def batch(
    number: int, base_sequence: int = 0, count: int = 1, *, epoch: int = 0, wire: bytes = b"w"
) -> OpenBatch:
    """A batch for orders-0."""
    ids = (PRODUCER_ID, epoch, base_sequence, count)
    return OpenBatch(number, "orders", TOPIC_ID, 0, *ids, 3, wire)


def begun(offset: int = 100) -> list[Entry]:
    """What stands before the first batch for orders-0."""
    floor = Floor("orders", 0, PRODUCER_ID, 0, offset, TOPIC_ID, leader_epoch=3)
    return [Identity(PRODUCER_ID, 0), floor]


def state_of(*groups: list[Entry]) -> JournalState:
    """What groups add up to."""
    state = JournalState()
    for group in groups:
        for entry in group:
            state.apply(entry)
    return state


class DrawnSession:
    """Draws groups of entries for a state, as a producer could append them.

    Args:
        state: the journal's own, which the caller applies them to.
        wire_bytes_max: of a batch.
    """

    def __init__(self, random: Random, state: JournalState, wire_bytes_max: int = 700) -> None:
        self.random = random
        self.state = state
        self.wire_bytes_max = wire_bytes_max
        self._producer_id = max((each.producer_id for each in state.identities), default=0)

    def group(self) -> list[Entry]:
        """The next one."""
        state, random = self.state, self.random
        if not state.identities or random.random() < 0.03:
            self._producer_id += random.randint(1, 5)
            return [Identity(self._producer_id, 0, random.choice((None, "orders")))]
        kinds = [self._cut, self._cut]
        if state.open:
            kinds += [self._confirmed] * 3 + [self._refused, self._settled, self._restamped]
            kinds += [self._split]
        if state.refused:
            kinds.append(lambda: [Taken((random.choice([*state.refused]),))])
        return random.choice(kinds)()

    def _cut(self) -> list[Entry]:
        random, number = self.random, self.state.next_number
        floors: dict[tuple[str, int], Floor] = {}
        out: list[Entry] = []
        batches: list[OpenBatch] = []
        for _ in range(random.choice((0, 1, 1, 3))):
            topic, partition = random.choice(("orders", "ü")), random.randrange(3)
            floor = floors.get((topic, partition)) or self._floor(topic, partition)
            if floor is None:
                start = random.choice((-1, 0, 12))
                floor = Floor(topic, partition, self._newest, 0, start, ZERO_UUID)
                out.append(floor)
            epoch, first = floor.producer_epoch, sequence.next_of(floor.last_sequence)
            if random.random() < 0.1:
                epoch, first = epoch + 1, 0
            count = random.choice((1, 5, 2**31 - 1))
            ids = (self._newest, epoch, first, count)
            made = OpenBatch(number, topic, ZERO_UUID, partition, *ids, -1, self._wire())
            floors[topic, partition] = Floor(
                topic, partition, self._newest, epoch, 0, last_sequence=made.last_sequence
            )
            batches.append(made)
            number += 1
        marks: dict[Source, Position] = {}
        for _ in range(random.choice((0, 1, 2))):
            source = random.choice((None, "file", "µ"))
            marks[source] = random.choice(
                (random.randrange(-(2**70), 2**70), "at", bytes(random.randrange(4)))
            )
        return [*out, Cut(marks, tuple(batches))]

    @property
    def _newest(self) -> int:
        return self.state.identities[-1].producer_id

    def _floor(self, topic: str, partition: int) -> Floor | None:
        return self.state.floors.get((topic, partition, self._newest))

    def _wire(self) -> bytes:
        return self.random.randbytes(self.random.choice((0, 1, self.wire_bytes_max)))

    def _some(self) -> OpenBatch:
        numbers = [*self.state.open]
        return self.state.open[self.random.choice((numbers[0], self.random.choice(numbers)))]

    def _confirmed(self) -> list[Entry]:
        offset = self.random.choice((-1, self.random.randrange(2**40)))
        return [
            Confirmed((Confirmation(self._some().number, offset, self.random.choice((-1, 4))),))
        ]

    def _refused(self) -> list[Entry]:
        return [Refused(self._some().number, self.random.choice((10, 87)), "no")]

    def _settled(self) -> list[Entry]:
        return [Settled(self._some().number, self.random.random() < 0.5)]

    def _restamped(self) -> list[Entry]:
        old = self._some()
        floor = self.state.floors[old.topic, old.partition, old.producer_id]
        epoch = floor.producer_epoch + 1
        return [Restamped(old.number, old.producer_id, epoch, 0, self._wire())]

    def _split(self) -> list[Entry]:
        old, number = self._some(), self.state.next_number
        if old.count < 2:
            return [Confirmed((Confirmation(old.number),))]
        half, first = old.count // 2, old.base_sequence
        pieces = tuple(
            OpenBatch(
                number + n,
                old.topic,
                old.topic_id,
                old.partition,
                old.producer_id,
                old.producer_epoch,
                sequence.add(first, n * half),
                old.count - half if n else half,
                old.leader_epoch,
                self._wire(),
            )
            for n in range(2)
        )
        return [Split(old.number, pieces)]


def facts(state: JournalState) -> tuple[object, ...]:
    """All that a state says, comparable; open batches in their order."""
    snapshot = state.snapshot()
    floors = sorted(
        snapshot.floors, key=lambda each: (each.topic, each.partition, each.producer_id)
    )
    return (
        snapshot.next_number,
        snapshot.identities,
        dict(snapshot.marks),
        floors,
        snapshot.batches,
        sorted(snapshot.refused, key=lambda each: each.batch.number),
        snapshot.absent,
        state.live_bytes,
    )
