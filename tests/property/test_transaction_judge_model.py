"""The judge of transactions against a model: what is right passes, and no spoilt copy of it does.

The model is a broker in a few lines, which keeps every promise, and clients whose answers are lost.
Each way to spoil its history is tried on many of them, and must be found each time it can be done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest
from minibroker.testing import (
    Acknowledged,
    Breach,
    Broken,
    Failed,
    Fate,
    Kept,
    TransactionHistory,
    transaction_findings,
)

COMMITTED, ABORTED = Fate.COMMITTED, Fate.ABORTED
PARTITIONS = 3
GROUP = ("g", 0)
SEEDS = 60
STEPS = 60


@dataclass
class Open:
    """A transaction under way, as the model's broker knows it."""

    name: str
    producer: str
    places: list[tuple[int, int]] = field(default_factory=list)
    offset: int = -1
    fate: Fate | None = None


class Model:
    """A broker with one transactional id, its producers, its readers, and all they see."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.history = TransactionHistory()
        self.logs: list[list[tuple[bytes, Open | None]]] = [[] for _ in range(PARTITIONS)]
        self.all: list[Open] = []
        self.offset = -1
        self.zombie = self.producer = ""
        self._numbers = iter(range(10_000))
        self._positions = [0] * PARTITIONS
        self._epochs = iter(range(10_000))
        self.succeed()

    def run(self) -> None:
        """Some steps, and an end of what is open."""
        steps = (self.send, self.send, self.send, self.end, self.read, self.commit_offset)
        rarely = (self.succeed, self.zombie_goes_on, self.send_plain, self.look)
        for _ in range(STEPS):
            self.random.choice((*steps, *steps, *rarely))()
        self.succeed()

    def open(self) -> Open:
        """The transaction of the living producer."""
        if not self.all or self.all[-1].fate is not None:
            self.all.append(Open(f"t{len(self.all)}", self.producer))
            self.history.begin(self.all[-1].name, self.producer)
        return self.all[-1]

    def succeed(self) -> None:
        """The next producer takes the id: what is open is aborted."""
        self.zombie, self.producer = self.producer, f"p{next(self._numbers)}"
        self.history.claim(self.producer, "app")
        if self.all and self.all[-1].fate is None:
            self.all[-1].fate = ABORTED
        self.history.granted(self.producer, 7, next(self._epochs))

    def send(self) -> None:
        """A record; its answer may be lost, and then it may be there or not."""
        one = self.open()
        value, partition = b"%d" % next(self._numbers), self.random.randrange(PARTITIONS)
        self.history.send(one.name, partition, value)
        if self.random.random() < 0.1:
            self.history.answered(value, Failed(True))
            if self.random.random() < 0.5:
                return
        else:
            self.history.answered(value, Acknowledged(len(self.logs[partition])))
        one.places.append((partition, len(self.logs[partition])))
        self.logs[partition].append((value, one))

    def send_plain(self) -> None:
        value, partition = b"%d" % next(self._numbers), self.random.randrange(PARTITIONS)
        self.history.send(None, partition, value, "plain")
        self.history.answered(value, Acknowledged(len(self.logs[partition])))
        self.logs[partition].append((value, None))

    def commit_offset(self) -> None:
        one = self.open()
        one.offset = next(self._numbers)
        self.history.send_offset(one.name, *GROUP, one.offset)
        self.history.offset_accepted(one.name, *GROUP, one.offset)

    def end(self) -> None:
        """Commit or abort; the answer may be lost."""
        one = self.open()
        one.fate = self.random.choice((COMMITTED, COMMITTED, ABORTED))
        self.history.ask(one.name, one.fate)
        if one.fate is COMMITTED and one.offset >= 0:
            self.offset = one.offset
        for partition in {partition for partition, _ in one.places}:
            self.logs[partition].append((b"", one))  # a marker takes an offset
        if self.random.random() < 0.7:
            self.history.tell(one.name, one.fate)

    def zombie_goes_on(self) -> None:
        """Whatever it asks, it is refused."""
        if not self.zombie:
            return
        name, value = f"z{next(self._numbers)}", b"%d" % next(self._numbers)
        self.history.begin(name, self.zombie)
        self.history.send(name, 0, value)
        self.history.answered(value, Failed(False, "fenced"))
        self.history.ask(name, COMMITTED)
        self.history.fenced(self.zombie)

    def read(self) -> None:
        """A read_committed reader goes on; now and then the offset is read."""
        partition = self.random.randrange(PARTITIONS)
        begin, end = self._positions[partition], self.last_stable_offset(partition)
        if begin < end:
            records = self.shown(partition, begin, end)
            self.history.read(partition, begin, end, records, is_committed=True)
            self._positions[partition] = end
        self.history.read_offset(*GROUP, self.offset)

    def look(self) -> None:
        """A read_uncommitted reader reads everything."""
        partition = self.random.randrange(PARTITIONS)
        records = self.kept(partition)
        self.history.read(partition, 0, len(self.logs[partition]), records, is_committed=False)

    def last_stable_offset(self, partition: int) -> int:
        log = self.logs[partition]
        still = [at for at, (_, one) in enumerate(log) if one is not None and one.fate is None]
        return min(still, default=len(log))

    def shown(self, partition: int, begin: int, end: int) -> list[Kept]:
        return [
            Kept(at, value)
            for at, (value, one) in enumerate(self.logs[partition])
            if begin <= at < end and value and (one is None or one.fate is COMMITTED)
        ]

    def kept(self, partition: int) -> list[Kept]:
        return [Kept(at, value) for at, (value, _) in enumerate(self.logs[partition]) if value]


class End:
    """What is known at the end of a model's run; what is spoilt is spoilt here."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.model = Model(self.random)
        self.model.run()
        self.history = self.model.history
        self.stored = {each: self.model.kept(each) for each in range(PARTITIONS)}
        self.committed = {each: self.model.shown(each, 0, 2**60) for each in range(PARTITIONS)}
        self.offsets = {GROUP: self.model.offset}

    def found(self) -> set[Breach | Broken]:
        """What the judge finds."""
        found = transaction_findings(
            self.history, committed=self.committed, stored=self.stored, offsets=self.offsets
        )
        return {each.broken for each in found}

    def ended(self, fate: Fate, *, told: bool) -> list[Open]:
        """Transactions that wrote something and ended so."""
        return [
            each
            for each in self.model.all
            if each.fate is fate
            and each.places
            and (fate in self.history.transactions[each.name].told) is told
        ]

    def value(self, place: tuple[int, int]) -> Kept:
        return Kept(place[1], self.model.logs[place[0]][place[1]][0])

    def hide(self, place: tuple[int, int]) -> None:
        self.committed[place[0]].remove(self.value(place))

    def show(self, place: tuple[int, int]) -> None:
        self.committed[place[0]] = sorted([*self.committed[place[0]], self.value(place)])


Wanted = set[Breach | Broken]


def hide_of_a_commit(end: End) -> Wanted:
    for one in end.ended(COMMITTED, told=True)[:1]:
        end.hide(end.random.choice(one.places))
        return {Breach.LOST_COMMIT}
    return set()


def hide_half_of_what_is_in_doubt(end: End) -> Wanted:
    for one in end.ended(COMMITTED, told=False):
        if len(one.places) > 1:
            end.hide(end.random.choice(one.places))
            return {Breach.PARTIAL}
    return set()


def show_of_an_abort(end: End) -> Wanted:
    for one in end.ended(ABORTED, told=True)[:1]:
        end.show(end.random.choice(one.places))
        return {Breach.ABORTED_READ}
    return set()


def show_what_a_successor_aborted(end: End) -> Wanted:
    for one in end.ended(ABORTED, told=False):
        if not end.history.transactions[one.name].asked:
            end.show(end.random.choice(one.places))
            return {Breach.EARLY_READ}
    return set()


def tell_the_reverse(end: End) -> Wanted:
    for one in end.ended(COMMITTED, told=False)[:1]:
        end.history.tell(one.name, ABORTED)
        return {Breach.ABORTED_READ}
    return set()


def tell_both(end: End) -> Wanted:
    for one in end.ended(COMMITTED, told=True)[:1]:
        end.history.tell(one.name, ABORTED)
        return {Breach.DECIDED_TWICE}
    return set()


def with_offsets(end: End) -> list[Open]:
    """Transactions that committed an offset, and whose commit somebody saw or was told."""
    return [
        each
        for each in end.model.all
        if each.offset >= 0
        and each.fate is COMMITTED
        and (each.places or COMMITTED in end.history.transactions[each.name].told)
    ]


def forget_the_offset(end: End) -> Wanted:
    if not with_offsets(end):
        return set()
    end.offsets[GROUP] = -1
    return {Breach.OFFSETS_APART}


def offset_of_an_abort(end: End) -> Wanted:
    for one in end.model.all:
        if one.fate is ABORTED and one.offset >= 0:
            end.offsets[GROUP] = one.offset
            return {Breach.OFFSETS_APART}
    return set()


def an_older_offset(end: End) -> Wanted:
    seen = with_offsets(end)
    if len(seen) < 2:
        return set()
    end.offsets[GROUP] = seen[-2].offset
    return {Breach.OFFSETS_APART}


def lead_a_reader_past(end: End) -> Wanted:
    for one in end.ended(COMMITTED, told=False)[:1]:
        partition, offset = one.places[0]
        end.history.read(partition, offset, offset + 1, [], is_committed=True)
        return {Breach.PARTIAL}
    return set()


def take_back(end: End) -> Wanted:
    for read in end.history.reads:
        if read.records and not read.is_committed:
            kept = read.records[0]
            end.stored[read.partition].remove(kept)
            return {Breach.TAKEN_BACK}
    return set()


def hide_a_plain_record(end: End) -> Wanted:
    for partition, log in enumerate(end.model.logs):
        for offset, (_, one) in enumerate(log):
            if one is None:
                end.hide((partition, offset))
                return {Breach.HIDDEN}
    return set()


def lose(end: End) -> Wanted:
    for one in end.model.all:
        for partition, offset in one.places:
            kept = end.value((partition, offset))
            if isinstance(end.history.records[kept.value].outcome, Acknowledged):
                end.stored[partition].remove(kept)
                return {Broken.LOST}
    return set()


def store_twice(end: End) -> Wanted:
    if not end.stored[0]:
        return set()
    end.stored[0].append(Kept(10**6, end.stored[0][0].value))
    return {Broken.DUPLICATED}


def acknowledge_a_zombie(end: End) -> Wanted:
    for each in end.history.records.values():
        if (each.transaction or "").startswith("z"):
            end.history.answered(each.value, Acknowledged(-1))
            return {Breach.FENCED_WENT_ON}
    return set()


def commit_for_a_zombie(end: End) -> Wanted:
    for name in end.history.transactions:
        if name.startswith("z"):
            end.history.tell(name, COMMITTED)
            return {Breach.FENCED_WENT_ON}
    return set()


def grant_a_zombie(end: End) -> Wanted:
    end.history.claim("again", "app", after=end.model.zombie)
    end.history.granted("again", 7, 10**6)
    return {Breach.FENCED_WENT_ON}


def fence_the_living(end: End) -> Wanted:
    end.history.fenced(end.model.producer)
    return {Breach.FENCED_FOR_NOTHING}


def grant_it_twice(end: End) -> Wanted:
    (producer,) = end.history.identities[7, 0]
    end.history.claim("twin", "app")
    end.history.granted("twin", 7, 0)
    assert producer != "twin"
    return {Breach.TWINS}


WAYS: tuple[Callable[[End], Wanted], ...] = (
    hide_of_a_commit,
    hide_half_of_what_is_in_doubt,
    show_of_an_abort,
    show_what_a_successor_aborted,
    tell_the_reverse,
    tell_both,
    forget_the_offset,
    offset_of_an_abort,
    an_older_offset,
    lead_a_reader_past,
    take_back,
    hide_a_plain_record,
    lose,
    store_twice,
    acknowledge_a_zombie,
    commit_for_a_zombie,
    grant_a_zombie,
    fence_the_living,
    grant_it_twice,
)


def test_what_is_right_passes() -> None:
    for seed in range(SEEDS):
        assert not End(seed).found(), seed


@pytest.mark.parametrize("spoil", WAYS, ids=lambda spoil: spoil.__name__)
def test_what_is_spoilt_is_found(spoil: Callable[[End], Wanted]) -> None:
    count = 0
    for seed in range(SEEDS):
        end = End(seed)
        wanted = spoil(end)
        if wanted:
            count += 1
            assert wanted <= end.found(), seed
    assert count > SEEDS / 10, "it can hardly ever be done"
