"""Transactions of one partition against a slow model, over random steps, cuts and spoilt files.

The model keeps every step in plain lists. Held against it: the last stable offset, what readers of
commits are told (Kafka's rule, by an index of its own), what they see when they leave out what a
Java consumer leaves out; and after a log was cut anywhere, or a file beside it lost, that all this
and all that is known of producers is as it was when the log ended there.
"""

from __future__ import annotations

import random
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from minibroker.broker.log.recovery import Known
from minibroker.broker.partitions import open_transactions
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.broker.storage.port import DamagedLog
from minibroker.protocol.batch.control import read_marker
from minibroker.protocol.batch.header import headers_in

from tests.support.records.transactions import OneLog
from tests.support.sizes import size

SEEDS = range(size(fast=2, whole=5))
SEEDS_OF_MUTANTS = 5  # most are seen in the first
STEPS = 120
PRODUCERS = range(20, 26)
SEGMENT_BYTES, INTERVAL_BYTES = 900, 250
FRESH_PRODUCER = 99


class Ended(NamedTuple):
    producer_id: int
    first: int
    marker: int
    commits: bool


class Model:
    """What has happened, one list after the other."""

    def __init__(self) -> None:
        self.opened: dict[int, int] = {}
        self.ended: list[Ended] = []
        self.data: list[tuple[int, int]] = []  # offset, producer id or -1 where none is open
        self.durable = 0

    def stable(self, high_watermark: int, log_start: int) -> int:
        unseen = [each.first for each in self.ended if each.marker >= high_watermark]
        firsts = [*self.opened.values(), *unseen]
        return min(high_watermark, max(min(firsts, default=2**62), log_start))

    def aborted(self, fetch_offset: int, end: int) -> list[tuple[int, int]]:
        """The rule of Kafka, from beginning to end: nothing that ends later is looked for once the
        last stable offset of a marker is at the end."""
        told = []
        for number, each in enumerate(self.ended):
            if each.commits or each.marker < fetch_offset:
                continue
            if each.first < end:
                told.append((each.producer_id, each.first))
            later = [one.first for one in self.ended[number + 1 :] if one.first < each.marker]
            later += [first for first in self.opened.values() if first < each.marker]
            if min(later, default=each.marker + 1) >= end:
                break
        return told

    def visible(self, log_start: int, stable: int) -> list[int]:
        lost = {
            offset
            for each in self.ended
            if not each.commits
            for offset, producer_id in self.data
            if producer_id == each.producer_id and each.first <= offset < each.marker
        }
        return [each for each, _ in self.data if log_start <= each < stable and each not in lost]


class World:
    """A partition and its model, moved by chance."""

    def __init__(self, rng: random.Random, *, flushed: bool) -> None:
        self.rng = rng
        self.storage = MemoryStorage()
        self.one = OneLog(
            self.storage,
            flushed=flushed,
            segment_bytes=SEGMENT_BYTES,
            index_interval_bytes=INTERVAL_BYTES,
        )
        self.model = Model()
        self.mark: tuple[int, int] | None = None
        self.known_at: dict[int, Any] = {0: known_of(self.one)}

    def step(self) -> None:
        rng, one, model = self.rng, self.one, self.model
        producer_id = rng.choice(PRODUCERS)
        match rng.choices(range(6), (8, 3, 6, 1, 2, 0.7))[0]:
            case 0:
                offset = one.write(producer_id, rng.randrange(1, 3), b"v" * rng.randrange(200))
                model.opened.setdefault(producer_id, offset)
                model.data.append((offset, producer_id))
            case 1:
                model.data.append((one.plain(b"v" * rng.randrange(200)), -1))
            case 2 if producer_id in model.opened:
                commits = rng.random() < 0.4
                marker = one.end(producer_id, commits=commits, bumps=rng.random() < 0.5)
                first = model.opened.pop(producer_id)
                model.ended.append(Ended(producer_id, first, marker, commits))
            case 3:  # where nothing is open, or nobody is known
                producer_id = rng.choice([*PRODUCERS, FRESH_PRODUCER])
                if producer_id not in model.opened:
                    one.end(producer_id, commits=rng.random() < 0.5, bumps=rng.random() < 0.3)
            case 4:
                self.flush()
            case _ if one.log.log_end_offset:
                self.restart()
        self.known_at[self.one.log.log_end_offset] = known_of(self.one)

    def restart(self) -> None:
        """A clean stop, which leaves a snapshot in the middle of a segment."""
        before, stopped = known_of(self.one), self.one.stop()
        self.one = OneLog(
            self.storage,
            flushed=self.one.partition.flushed,
            known=stopped,
            segment_bytes=SEGMENT_BYTES,
            index_interval_bytes=INTERVAL_BYTES,
        )
        self.model.durable, self.mark = self.one.log.log_end_offset, None
        assert (known_of(self.one), self.one.log.notes) == (before, [])

    def flush(self) -> None:
        """The round that is under way ends, and the next one begins."""
        if self.mark is not None:
            self.one.partition.made_durable(self.mark)
            self.model.durable = self.mark[0]
        self.one.partition.dirty_files()
        self.mark = self.one.partition.mark()

    def check(self, one: OneLog | None = None, *, tells_all: bool = True) -> None:
        one = one or self.one
        model, partition = self.model, one.partition
        log_start, end = one.log.log_start_offset, one.log.log_end_offset
        high_watermark = model.durable if partition.flushed else end
        stable = model.stable(high_watermark, log_start)
        assert (partition.high_watermark, partition.last_stable_offset) == (high_watermark, stable)
        assert seen_by_reader(one, 200) == model.visible(log_start, stable)
        for _ in range(3):
            fetch_offset = self.rng.randint(log_start, max(stable, log_start))
            if fetch_offset < stable and tells_all:
                records = one.log.read(fetch_offset, stable, self.rng.choice((1, 300, 2000)))
                upper = upper_bound(one, fetch_offset, len(records))
                assert one.told_of(fetch_offset, len(records)) == model.aborted(fetch_offset, upper)


def upper_bound(one: OneLog, fetch_offset: int, count_bytes: int) -> int:
    """Where what a reader gets ends, by an index that is made here from all batches."""
    segments = [*one.log.segments]
    at = max(n for n, each in enumerate(segments) if each.base_offset <= fetch_offset)
    entries, since, begin = list[tuple[int, int]](), 0, 0
    for position, header in segments[at].headers():
        if since > INTERVAL_BYTES:
            entries.append((position, header.last_offset))
            since = 0
        since += header.size_bytes
        if header.base_offset <= fetch_offset:
            begin = position
    wanted = begin + count_bytes
    behind = [offset for position, offset in entries if position >= wanted]
    if behind and entries[0][0] == wanted:
        behind = behind[1:]  # Kafka's search passes over the very first entry
    if behind:
        return behind[0]
    return segments[at + 1].base_offset if at + 1 < len(segments) else one.log.log_end_offset


def seen_by_reader(one: OneLog, max_bytes: int) -> list[int]:
    """The base offsets of the data that a Java consumer hands out, fetch by fetch."""
    seen, offset = list[int](), one.log.log_start_offset
    while offset < (stable := one.partition.last_stable_offset):
        records = one.log.read(offset, stable, max_bytes)
        left = sorted(one.told_of(offset, len(records)), key=lambda each: each[1])
        leaving_out = set[int]()
        for position, header in headers_in(records):
            while left and left[0][1] <= header.last_offset:
                leaving_out.add(left.pop(0)[0])
            if header.is_control:
                marker = read_marker(records[position : position + header.size_bytes])
                if marker is not None and not marker.is_commit:
                    leaving_out.discard(header.producer_id)
            elif not (header.is_transactional and header.producer_id in leaving_out):
                seen.append(header.base_offset)
            offset = header.next_offset
    return [each for each in seen if each >= one.log.log_start_offset]


def known_of(one: OneLog) -> Any:
    """All that is known of producers, what they have open, and the index of what was aborted."""
    producers = [state._replace(seen_at_ms=0) for state in one.partition.sequences.producers()]
    opened = [
        (each.producer_id, each.producer_epoch, each.first_offset)
        for each in one.partition.transactions
    ]
    aborted = [entry for segment in one.log.segments for entry in segment.aborted]
    return sorted(producers), opened, aborted


def opened_from(files: dict[str, bytes], known: Known, *, flushed: bool = False) -> OneLog:
    storage = MemoryStorage()
    storage.make_dirs("t-0")
    for name, content in files.items():
        file = storage.create_file(f"t-0/{name}")
        file.append([content])
    return OneLog(
        storage,
        flushed=flushed,
        known=known,
        segment_bytes=SEGMENT_BYTES,
        index_interval_bytes=INTERVAL_BYTES,
    )


def files_of(storage: MemoryStorage) -> dict[str, bytes]:
    return {name: storage.read_bytes(f"t-0/{name}") for name in storage.list_dir("t-0")}


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_readers_see_what_the_model_says(seed: int, flushed: bool) -> None:
    world = World(random.Random(seed), flushed=flushed)
    for _ in range(STEPS):
        world.step()
        world.check()
    assert any(not each.commits for each in world.model.ended)
    assert len(world.one.log.segments) > 5


@pytest.mark.parametrize("seed", SEEDS)
def test_a_log_that_was_cut_anywhere_is_known_as_it_was_then(seed: int) -> None:
    rng = random.Random(seed)
    world = World(rng, flushed=False)
    for _ in range(STEPS):
        world.step()
    files = files_of(world.storage)
    logs = sorted(name for name in files if name.endswith(".log"))
    for _ in range(25):
        at = rng.choice((-1, -1, -1, -2, -3))
        kept = {name: data for name, data in files.items() if not name > logs[at][:20] + "~"}
        kept[logs[at]] = kept[logs[at]][: rng.randrange(len(kept[logs[at]]) + 1)]
        if at != -1:  # sealed a moment ago; the power went: of the small files some are there
            kept = {
                name: data
                for name, data in kept.items()
                if name.endswith(".log") or not name.startswith(logs[at][:20]) or rng.random() < 0.5
            }
        flushed_offset = rng.choice((None, 0, int(logs[at][:20])))
        one = opened_from(kept, Known(flushed_offset))
        known = world.known_at[one.log.log_end_offset]
        assert known_of(one) == known
        stopped = one.stop()
        again = opened_from(files_of(memory_of(one)), stopped)
        assert (known_of(again), again.log.notes) == (known, [])


@pytest.mark.parametrize("seed", SEEDS)
def test_with_any_file_beside_the_log_lost_or_spoilt_all_is_known(seed: int) -> None:
    rng = random.Random(seed)
    world = World(rng, flushed=False)
    for _ in range(STEPS):
        world.step()
    known, stopped = known_of(world.one), world.one.stop()
    files = files_of(world.storage)
    assert any(name.endswith(".txnindex") for name in files)
    beside = [name for name in sorted(files) if not name.endswith((".log", ".metadata"))]
    killed = Known(flushed_offset=stopped.flushed_offset)
    damages: list[Callable[[bytes], bytes | None]] = [
        lambda data: None,
        lambda data: data[: rng.randrange(max(len(data), 1))],
        lambda data: flipped(data, rng),
    ]
    for name in beside:
        damaged = rng.choice(damages)(files[name])
        some = {each: data for each, data in files.items() if each != name}
        if damaged is not None:
            some[name] = damaged
        for before in (stopped, killed):
            one = opened_from(some, before)
            assert known_of(one) == known, name
            world.check(one)
            stopped_again = one.stop()
            again = opened_from(files_of(memory_of(one)), stopped_again)
            assert known_of(again) == known, name
            assert not again.log.notes, "made once, and written"


@pytest.mark.parametrize("seed", SEEDS)
def test_with_its_beginning_deleted_readers_see_the_same(seed: int) -> None:
    rng = random.Random(seed)
    world = World(rng, flushed=False)
    for _ in range(STEPS):
        world.step()
    one = world.one
    one.log.raise_start(rng.choice([each.base_offset for each in one.log.segments[2:]]))
    world.check()
    one.flush()
    while one.log.remove_before(one.partition.removable_offset(), 10**6):
        pass
    world.check()
    killed = Known(one.log.log_end_offset, log_start_offset=one.log.log_start_offset)
    files = files_of(world.storage)
    lacking = {name: data for name, data in files.items() if ".txnindex" not in name}
    for kept in (files, lacking):
        again = opened_from(kept, killed)
        # Made again, the index does not know of batches that have been deleted.
        world.check(again, tells_all=kept is files)
        assert known_of(again)[:2] == known_of(one)[:2]


def test_a_flipped_bit_in_a_marker_is_refused_or_not_believed() -> None:
    """Of a segment that was flushed headers are read, and markers whole: one bit tells commit."""
    world = World(random.Random(1), flushed=False)
    one = world.one
    one.write(20)
    marker = one.end(20, commits=True)
    for _ in range(20):
        one.plain(b"v" * 200)
    stopped, files = one.stop(), files_of(world.storage)
    first = f"{0:020d}.log"
    position = next(at for at, each in one.log.segments[0].headers() if each.base_offset == marker)
    for name in [name for name in files if name.endswith(".producers")]:
        del files[name]
    for byte in range(position + 17, position + 78):
        data = bytearray(files[first])
        data[byte] ^= 1
        with pytest.raises(DamagedLog, match="control batch there does not hold"):
            opened_from(files | {first: bytes(data)}, stopped)


def memory_of(one: OneLog) -> MemoryStorage:
    assert isinstance(one.storage, MemoryStorage)
    return one.storage


def flipped(data: bytes, rng: random.Random) -> bytes:
    spoilt = bytearray(data)
    if spoilt:
        spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
    return bytes(spoilt)


# Ways to break broker/partitions/open_transactions.py, as edits of its text.
MUTANTS = {
    "seen at once": ("if not is_durable:", "if False:"),
    "never seen": ("each[0] >= offset", "True"),
    "seen one too early": ("each[0] >= offset", "each[0] > offset"),
    "only the newest counts": ("each.first_offset < oldest.first_offset", "True"),
    "those that wait for their marker are forgotten": (
        "for _, each in self._unseen:",
        "for _, each in ():",
    ),
    "a transaction begins with each batch": (
        "if found is None:\n            found",
        "if True:\n            found",
    ),
    "the last stable offset is the marker's": (
        "marker_offset + 1 if stable is None else stable.first_offset",
        "marker_offset + 1",
    ),
    "first offset is the marker's": (
        "producer_id, ended.first_offset,",
        "producer_id, marker_offset,",
    ),
}


def readers_in_all_worlds() -> None:
    for seed in range(SEEDS_OF_MUTANTS):
        for flushed in (False, True):
            test_readers_see_what_the_model_says(seed, flushed)


@pytest.mark.parametrize("name", MUTANTS)
def test_broken_open_transactions_are_found_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = MUTANTS[name]
    text = Path(open_transactions.__file__).read_text(encoding="utf-8")
    assert text.count(old) == 1, f"edit does not apply: {old}"
    module = types.ModuleType("minibroker.broker.partitions.broken_open_transactions")
    module.__package__ = open_transactions.__package__
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(text.replace(old, new), "broken", "exec"), module.__dict__)
    monkeypatch.setattr(
        "minibroker.broker.partitions.producers.OpenTransactions", module.OpenTransactions
    )
    with pytest.raises(AssertionError):
        readers_in_all_worlds()
