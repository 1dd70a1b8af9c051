"""The packed sequence table against a naive one, over thousands of random steps.

The model is written from the rules of KIP-98 and ProducerAppendInfo.java, with plain objects and
without the table's ring arithmetic. A failure prints seed and step. The same comparison must fail
for every listed way to break the table: a comparison that finds no fault proves nothing.
"""

import random
import sys
import types
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from minibroker.broker.partitions import sequences
from minibroker.broker.partitions.sequences import SequenceTable
from minibroker.protocol.batch.control import Marker
from minibroker.protocol.batch.header import BatchHeader, read_header
from minibroker.protocol.batch.writing import build_batch

from tests.support.sizes import size

SEEDS: Final = range(size(fast=3, whole=6))
STEPS: Final = 2_000
FORGET_EVERY: Final = 40  # steps
MARK_EVERY: Final = 9
OPEN: Final = {3}  # PIDs that are never forgotten
ROOM: Final = 3  # for fewer PIDs than write
EVICTED: Final = 2
MAX: Final = 2147483647
HEADER: Final = read_header(build_batch([(None, b"v", (), 0)]))

OUT_OF_ORDER: Final = ("Refused", 45)
FENCED: Final = ("Refused", 47)
INVALID: Final = ("Refused", 87)
NEW: Final = ("Append",)
Answer = tuple[str, int] | tuple[str] | tuple[str, int, int, int, bool]
UNKNOWN_EVERY: Final = 7  # batches whose CRC as sent is not known


class Sent(NamedTuple):
    """A batch as a producer sends it."""

    producer_id: int
    epoch: int
    first: int
    records: int
    max_timestamp: int
    crc: int = 1

    @property
    def last(self) -> int:
        if self.first > MAX - (self.records - 1):  # incrementSequence of DefaultRecordBatch.java
            return (self.records - 1) - (MAX - self.first) - 1
        return self.first + self.records - 1

    @property
    def header(self) -> BatchHeader:
        return HEADER._replace(
            producer_id=self.producer_id,
            producer_epoch=self.epoch,
            base_sequence=self.first,
            last_offset_delta=self.records - 1,
            records_count=self.records,
            max_timestamp=self.max_timestamp,
            crc=self.crc,
        )


@dataclass
class NaiveProducer:
    epoch: int
    seen_at_ms: int = 0
    newest: deque[tuple[Sent, int]] = field(default_factory=lambda: deque(maxlen=5))
    coordinator_epoch: int = -1
    last_timestamp: int = -1


class NaiveTable:
    """The rules, one after another; `room` for so many PIDs."""

    def __init__(self, room: int = 10**9) -> None:
        self.producers: dict[int, NaiveProducer] = {}  # the longest idle first
        self.room = room
        self.evicted_count = 0

    def check(self, sent: Sent) -> Answer:
        if sent.first < 0:
            return INVALID
        known = self.producers.get(sent.producer_id)
        if known is None:
            return FENCED if sent.epoch < -1 else NEW
        for batch, base_offset in known.newest:
            if (batch.epoch, batch.first, batch.last) == (sent.epoch, sent.first, sent.last):
                next_offset = base_offset + batch.records
                is_other = batch.crc not in (0, sent.crc)
                return ("Duplicate", base_offset, next_offset, batch.max_timestamp, is_other)
        if sent.epoch < known.epoch:
            return FENCED
        if known.epoch == -1:
            return NEW
        if sent.epoch > known.epoch:
            return NEW if sent.first == 0 else OUT_OF_ORDER
        if not known.newest:
            return NEW if sent.first == 0 else OUT_OF_ORDER
        last = known.newest[-1][0].last
        follows = sent.first == last + 1 or (sent.first == 0 and last == MAX)
        return NEW if follows else OUT_OF_ORDER

    def record(self, sent: Sent, base_offset: int, seen_at_ms: int) -> None:
        known = self._touched(sent.producer_id, sent.epoch, seen_at_ms)
        if known.epoch != sent.epoch:
            known.epoch = sent.epoch
            known.newest.clear()
        known.newest.append((sent, base_offset))
        known.last_timestamp = sent.max_timestamp

    def mark(self, marker: Marker, timestamp: int, seen_at_ms: int) -> None:
        known = self._touched(marker.producer_id, -1, seen_at_ms)
        if known.epoch < marker.producer_epoch:
            known.epoch = marker.producer_epoch
            known.newest.clear()
        known.coordinator_epoch = max(known.coordinator_epoch, marker.coordinator_epoch)
        known.last_timestamp = timestamp

    def _touched(self, producer_id: int, epoch: int, seen_at_ms: int) -> NaiveProducer:
        if producer_id not in self.producers and len(self.producers) >= self.room:
            evicted = [each for each in self.producers if each not in OPEN][:EVICTED]
            for each in evicted:
                del self.producers[each]
            self.evicted_count += len(evicted)
        known = self.producers.pop(producer_id, NaiveProducer(epoch))
        self.producers[producer_id] = known
        known.seen_at_ms = seen_at_ms
        return known

    def forget_idle(self, until_ms: int, count_max: int) -> int:
        idle = [pid for pid, known in self.producers.items() if known.seen_at_ms <= until_ms]
        idle = [pid for pid in idle if pid not in OPEN]
        for producer_id in idle[:count_max]:
            del self.producers[producer_id]
        return len(idle[:count_max])


class Producers:
    """Sends what well and badly behaved producers send, seen from their history."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.history: dict[int, list[Sent]] = {}

    def next(self) -> Sent:
        rng = self.rng
        producer_id = rng.randrange(4)
        stored = self.history.setdefault(producer_id, [])
        timestamp = rng.randrange(10**12)
        if not stored:
            first = rng.choice((0, 7, MAX - 1, MAX, rng.randrange(MAX)))
            epoch = rng.choice((-2, -1, -1, 0, 0, 3))
            return Sent(producer_id, epoch, first, rng.randrange(1, 6), timestamp)
        newest = stored[-1]
        old = stored[-rng.randrange(1, min(8, len(stored)) + 1)]
        after = 0 if newest.last == MAX else newest.last + 1
        up_to_the_seam = MAX - after + rng.choice((0, 1, 2))
        count = rng.choice((1, 1, 2, 3, 5, rng.randrange(1, MAX), min(max(up_to_the_seam, 1), MAX)))
        match rng.choices(range(9), (30, 25, 4, 8, 3, 3, 3, 1, 4))[0]:
            case 0:  # the next
                return Sent(producer_id, newest.epoch, after, count, timestamp)
            case 1:  # a retry, of any age, or what bears the same numbers
                return rng.choice((old, old, old._replace(crc=2)))
            case 2:  # a gap, sometimes just behind the seam
                gap = rng.choice((after + 1, after + 1000, 0, 1, MAX)) & MAX
                return Sent(producer_id, newest.epoch, gap, count, timestamp)
            case 3:  # an overlap with a batch: same start, same end, or neither
                first = (old.first + rng.choice((0, 0, 1))) & MAX
                return Sent(
                    producer_id, old.epoch, first, min(old.records + rng.choice((1, 2)), MAX), 0
                )
            case 4:  # a new epoch, as it should be
                return Sent(producer_id, newest.epoch + 1, 0, count, timestamp)
            case 5:  # a new epoch that goes on with the sequence, or repeats one
                first = rng.choice((after, old.first))
                return Sent(producer_id, newest.epoch + 1, first, count, timestamp)
            case 6:  # an old epoch
                return Sent(producer_id, newest.epoch - 1, after, count, timestamp)
            case 7:  # no sequence, or no epoch
                return rng.choice((old._replace(first=-1), old._replace(epoch=-1)))
            case _:  # close to the seam, or to what a ring of one number less would accept
                return Sent(producer_id, newest.epoch, (after + 1) % MAX, count, timestamp)


def plain(answer: Any) -> Answer:
    """The answer of the table, or of a broken copy of it, as a tuple."""
    match type(answer).__name__:
        case "Duplicate":
            found = (answer.base_offset, answer.next_offset, answer.max_timestamp)
            return ("Duplicate", *found, answer.has_other_bytes)
        case "Refused":
            return ("Refused", int(answer.code))
        case name:
            return (name,)


def listed(table: Any) -> list[Any]:
    return [
        (
            state.producer_id,
            state.producer_epoch,
            state.seen_at_ms,
            [tuple(batch) for batch in reversed(state.batches)],
            *(state.coordinator_epoch, state.last_timestamp),
        )
        for state in table.producers()
    ]


def listed_naively(model: NaiveTable) -> list[Any]:
    return [
        (
            producer_id,
            known.epoch,
            known.seen_at_ms,
            [
                (sent.first, sent.last, at, sent.max_timestamp, sent.crc)
                for sent, at in known.newest
            ],
            *(known.coordinator_epoch, known.last_timestamp),
        )
        for producer_id, known in model.producers.items()
    ]


def difference(table: Any, producers: Producers, model: NaiveTable) -> str | None:
    """Drive table and model with the same batches; the first difference, in words."""
    log_end_offset = 0
    for step in range(STEPS):
        sent = producers.next()
        expected, answer = model.check(sent), plain(table.check(sent.header))
        if answer != expected:
            return f"step {step}: {sent} got {answer}, not {expected}"
        if expected == NEW:
            crc = 0 if step % UNKNOWN_EVERY == 0 else sent.crc
            table.record(sent.header, log_end_offset, step, crc)
            model.record(sent._replace(crc=crc), log_end_offset, step)
            producers.history[sent.producer_id].append(sent)
            log_end_offset += sent.records
        if step % MARK_EVERY == 0:
            rng, timestamp = producers.rng, 10**12 + step
            producer_id = rng.randrange(5)
            epoch = max((each.epoch for each in producers.history.get(producer_id, ())), default=0)
            epoch = max(epoch + rng.choice((-1, 0, 0, 1)), -1)
            marker = Marker(producer_id, epoch, True, rng.choice((0, 0, 0, 5)))
            table.mark(marker, log_end_offset, timestamp, step)
            model.mark(marker, timestamp, step)
            log_end_offset += 1
        if step % FORGET_EVERY == 0:
            idle = producers.rng.randrange(1, 9), producers.rng.randrange(4)
            forgotten = table.forget_idle(step - idle[0], idle[1])
            if forgotten != model.forget_idle(step - idle[0], idle[1]):
                return f"step {step}: {forgotten} PIDs idle for {idle[0]} were forgotten"
        if (listed(table), table.evicted_count) != (listed_naively(model), model.evicted_count):
            return f"step {step}: {sent} left {listed(table)}"
    return None


@pytest.mark.parametrize("seed", SEEDS)
def test_the_table_answers_as_the_rules_do(seed: int) -> None:
    table = SequenceTable(kept=OPEN)
    assert difference(table, Producers(random.Random(seed)), NaiveTable()) is None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_full_table_forgets_those_who_have_not_written_for_longest(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequences, "PRODUCERS_MAX", ROOM)
    monkeypatch.setattr(sequences, "PRODUCERS_EVICTED", EVICTED)
    model = NaiveTable(ROOM)
    table = SequenceTable(kept=OPEN)
    assert difference(table, Producers(random.Random(seed)), model) is None
    assert model.evicted_count > STEPS / 20


@pytest.mark.parametrize("seed", SEEDS)
def test_a_table_replayed_from_the_log_answers_like_the_one_that_was_lost(seed: int) -> None:
    rng = random.Random(seed)
    producers, lost, log = Producers(rng), SequenceTable(), list[tuple[BatchHeader, int]]()
    for _ in range(STEPS):
        sent = producers.next()
        if plain(lost.check(sent.header)) == NEW:
            lost.record(sent.header, len(log), 0)
            log.append((sent.header, len(log)))
            producers.history[sent.producer_id].append(sent)
        if rng.randrange(200) == 0:
            replayed = SequenceTable()
            for header, base_offset in log:
                replayed.record(header, base_offset, 0)
            assert listed(replayed) == listed(lost)
            for header in [sent.header, *(header for header, _ in log[-30:])]:
                assert replayed.check(header) == lost.check(header)


# Each way to break broker/partitions/sequences.py, as an edit of its text. An edit that no longer
# applies has to be written anew, not dropped.
WINDOW: Final = "kept if producer_epoch == epoch_known else _NO_BATCHES"
MATCH: Final = "if span in epoch_and_spans:"
MUTANTS: Final = {
    "a window of one batch": (WINDOW, "_NO_BATCHES"),
    "a window of four batches": (WINDOW, WINDOW.replace("kept", "kept[:84] + _NO_BATCHES[:28]")),
    "a window that outlives its epoch": (WINDOW, "kept"),
    "sequences that wrap one too early": (
        "sequence.next_of(_last_of(epoch_and_spans[1]))",
        "(_last_of(epoch_and_spans[1]) + 1) % sequence.SEQUENCE_MAX",
    ),
    "sequences that do not wrap": (
        "sequence.next_of(_last_of(epoch_and_spans[1]))",
        "_last_of(epoch_and_spans[1]) + 1",
    ),
    "a duplicate known by its first sequence only": (
        MATCH,
        "if span := next((s for s in epoch_and_spans[1:] if s >> 32 == first + 1), 0):",
    ),
    "a duplicate found after the sequence check": (
        MATCH,
        "if first == sequence.next_of(_last_of(epoch_and_spans[1])) and span in epoch_and_spans:",
    ),
    "no epoch check": ("elif producer_epoch < epoch_known:", "elif False:"),
    "a new epoch that starts anywhere": ("expected = 0\n", "expected = first\n"),
    "a first batch that must start at 0": (" and epoch_known != _NO_EPOCH", ""),
    "a duplicate answered with its last offset": (
        "return Duplicate(base_offset,",
        "return Duplicate(next_offset - 1,",
    ),
    "those who wrote first forgotten first": (" entries.pop(", " entries.get("),
    "forgotten a moment too early": ("[1] > until_ms", "[1] > until_ms + 1"),
    "more forgotten than asked": (" or len(idle) == count_max", ""),
    "no bound": (
        "        if len(self._entries) >= PRODUCERS_MAX:\n            self._evict()\n",
        "",
    ),
    "a bound that is one lower": (">= PRODUCERS_MAX", ">= PRODUCERS_MAX - 1"),
    "other bytes not noticed": ("sent_crc not in (crc, CRC_UNKNOWN)", "False"),
    "unknown bytes taken for others": ("sent_crc not in (crc, CRC_UNKNOWN)", "sent_crc != crc"),
    "a marker that takes the window": (
        "        if marker.producer_epoch > epoch:",
        "        if marker.producer_epoch >= epoch:",
    ),
    "a marker that turns the epoch back": (
        "        if marker.producer_epoch > epoch:",
        "        if True:",
    ),
    "a coordinator epoch that goes back": ("max(coordinator_epoch, ", "max(-1, "),
    "a marker that counts as older than the batches before": (
        "state.batches[0].base_offset < offset",
        "False",
    ),
    "forgotten although open": (
        "            if producer_id not in self._kept:\n                idle.append(producer_id)",
        "            idle.append(producer_id)",
    ),
    "evicted although open": ("if each not in self._kept)", ")"),
    "a marker that outlives its producer": ("            self._marks.pop(producer_id, None)\n", ""),
    "evictions not counted": ("self.evicted_count += len(evicted)", "pass"),
}
FULL: Final = {name for name in MUTANTS if "bound" in name or "evict" in name}


def broken_copy(edit: tuple[str, str], room: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A SequenceTable made from the edited text."""
    text = Path(sequences.__file__).read_text(encoding="utf-8")
    assert text.count(edit[0]) == 1, f"edit does not apply: {edit[0]}"
    module = types.ModuleType("minibroker.broker.broken_sequences")
    module.__package__ = sequences.__package__
    monkeypatch.setitem(sys.modules, module.__name__, module)  # dataclass() looks itself up
    exec(compile(text.replace(*edit), "broken_sequences", "exec"), module.__dict__)
    module.__dict__.update(PRODUCERS_MAX=room, PRODUCERS_EVICTED=EVICTED)
    return module.__dict__["SequenceTable"](kept=OPEN)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_table_is_found_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    room = ROOM if name in FULL else 10**9
    table = broken_copy(MUTANTS[name], room, monkeypatch)
    assert difference(table, Producers(random.Random(0)), NaiveTable(room)) is not None
