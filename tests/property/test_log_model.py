"""A log answers like a plain list of batches, whatever was appended, rolled or reopened."""

from __future__ import annotations

import tempfile
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from minibroker.broker.log.log import LogConfig
from minibroker.broker.log.segment import TimestampedOffset
from minibroker.broker.storage.files import FileStorage
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.broker.storage.port import Storage
from minibroker.broker.waiting.long_work import finished
from minibroker.protocol.batch.header import BatchHeader

from tests.support.records.logs import append, batch_of, open_log, read_all, stamped
from tests.support.sizes import size

CONFIG = LogConfig(segment_bytes=1500, index_interval_bytes=200, segment_ms=500)
TIMESTAMPS = st.lists(st.integers(-1, 1000), min_size=1, max_size=4)


class Kept(NamedTuple):
    """One batch as the list has it."""

    base_offset: int
    timestamps: tuple[int, ...]
    leader_epoch: int
    data: bytes

    @property
    def next_offset(self) -> int:
        return self.base_offset + len(self.timestamps)


class LogModel(RuleBasedStateMachine):
    """The same steps on a log and on a list."""

    def __init__(self) -> None:
        super().__init__()
        self.storage = self.make_storage()
        self.log = open_log(self.storage, CONFIG)
        self.model: list[Kept] = []
        self.stored: list[Kept] = []  # those below the log start too
        self.epoch = 0
        self.start = 0
        self.dropped_epoch: tuple[int, int] | None = None  # of an emptied log, until reopened

    def make_storage(self) -> Storage:
        return MemoryStorage()

    @property
    def end(self) -> int:
        return self.stored[-1].next_offset if self.stored else 0

    def boundary(self, data: st.DataObject) -> int:
        """A high watermark: where some batch ends."""
        ends = [batch.next_offset for batch in self.model]
        starts_a_batch = not self.model or self.model[0].base_offset == self.start
        return data.draw(st.sampled_from([self.start, *ends] if starts_a_batch else ends))

    @rule(timestamps=TIMESTAMPS, size=st.sampled_from([0, 10, 100, 1000, 9000]))
    def append(self, timestamps: list[int], size: int) -> None:
        batch = batch_of(*timestamps, value=b"v" * size)
        assert append(self.log, batch, leader_epoch=self.epoch) == self.end
        data = stamped(batch, self.end, self.epoch)
        self.model.append(Kept(self.end, tuple(timestamps), self.epoch, data))
        self.stored.append(self.model[-1])

    @rule(timestamps=st.lists(TIMESTAMPS, min_size=5, max_size=20))
    def append_many(self, timestamps: list[list[int]]) -> None:
        for some in timestamps:
            self.append(some, 10)

    @rule()
    def roll(self) -> None:
        self.log.roll()

    @rule()
    def raise_the_leader_epoch(self) -> None:
        self.epoch += 2

    @rule()
    def reopen(self) -> None:
        self.log.close()
        seen: list[BatchHeader] = []
        self.log = open_log(self.storage, CONFIG, seen, self.start, self.start)
        assert self.log.recovery is None
        bases = [header.base_offset for header in seen]
        there = [b.base_offset for b in self.stored if seen and b.base_offset >= bases[0]]
        assert bases == there, "all from some batch on"
        assert set(bases) >= {b.base_offset for b in self.model}, "all that can be read"
        is_empty = self.start == self.end
        last_epoch = seen[-1].partition_leader_epoch if seen else -1
        self.dropped_epoch = (last_epoch, self.start) if is_empty and seen else None

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def raise_the_start(self, data: st.DataObject) -> None:
        start = data.draw(st.integers(self.start, self.end))
        self.log.raise_start(start)
        # Of the epochs that began at or before the start only the newest is known on
        # (LeaderEpochFileCache.truncateFromStart).
        is_empty = start == self.end
        self.dropped_epoch = (self.model[-1].leader_epoch, start) if is_empty else None
        self.model = [batch for batch in self.model if batch.next_offset > start]
        self.start = start

    @rule(steps=st.integers(1, 9))
    def remove_below_the_start(self, steps: int) -> None:
        for _ in range(steps):
            self.log.remove_before(self.start, 700)

    @rule(data=st.data(), max_bytes=st.integers(0, 4000))
    def read(self, data: st.DataObject, max_bytes: int) -> None:
        end = self.boundary(data)
        offset = data.draw(st.integers(self.start, self.end))
        answer = self.log.read(offset, end, max_bytes)
        wanted = [b for b in self.model if offset < b.next_offset <= end]
        if not wanted:
            assert answer == b""
            return
        all_of_them = b"".join(batch.data for batch in wanted)
        assert all_of_them.startswith(answer)
        counts = [len(b"".join(b.data for b in wanted[:n])) for n in range(1, len(wanted) + 1)]
        assert len(answer) in counts, "whole batches"
        assert len(answer) <= max(max_bytes, len(wanted[0].data))
        rest = wanted[counts.index(len(answer)) + 1 :]
        if rest and len(answer) + len(rest[0].data) <= max_bytes:
            roll = self.log._segment_of(rest[0].base_offset)
            assert roll.base_offset == rest[0].base_offset, "stops early only where a segment ends"

    @rule(data=st.data(), timestamp=st.integers(0, 1001))
    def find_timestamp(self, data: st.DataObject, timestamp: int) -> None:
        end = self.boundary(data)
        found = [
            record
            for record in self.records(self.model, end)
            if record.timestamp >= timestamp and record.offset >= self.start
        ]
        assert finished(self.log.find_timestamp(timestamp, end)) == (found[0] if found else None)

    @rule(data=st.data())
    def max_timestamp(self, data: st.DataObject) -> None:
        end = self.boundary(data)
        # Its segment is looked at as a whole, as in Kafka (UnifiedLog.fetchOffsetByTimestamp).
        begins = (s.base_offset for s in self.log.segments if s.next_offset > self.start)
        begin = next(begins, self.end)
        there = [batch for batch in self.stored if batch.base_offset >= begin]
        records = [record for record in self.records(there, end) if record.timestamp >= 0]
        newest = max(records, key=lambda record: record.timestamp, default=None)
        assert finished(self.log.max_timestamp(end)) == newest

    def records(self, batches: list[Kept], end: int) -> list[TimestampedOffset]:
        return [
            TimestampedOffset(timestamp, batch.base_offset + at, batch.leader_epoch)
            for batch in batches
            for at, timestamp in enumerate(batch.timestamps)
            if batch.next_offset <= end
        ]

    @rule(epoch=st.integers(-1, 12))
    def ask_where_an_epoch_ended(self, epoch: int) -> None:
        starts = dict([self.dropped_epoch] if self.dropped_epoch else [])
        for batch in self.model:
            starts.setdefault(batch.leader_epoch, max(batch.base_offset, self.start))
        later = [start for known, start in starts.items() if known > epoch]
        if starts and epoch == max(starts):
            expected = (epoch, self.end)
        elif not later:
            expected = (-1, -1)
        else:
            expected = (max((known for known in starts if known <= epoch), default=epoch), later[0])
        assert self.log.epoch_end_offset(epoch) == expected

    @invariant()
    def both_hold_the_same(self) -> None:
        assert (self.log.log_start_offset, self.log.log_end_offset) == (self.start, self.end)
        assert read_all(self.log, 3000) == [batch.data for batch in self.model]

    def teardown(self) -> None:
        self.log.close()
        self.storage.close()


class LogModelOnDisk(LogModel):
    """The same, on the real disk."""

    def make_storage(self) -> Storage:
        self.directory = tempfile.TemporaryDirectory()
        return FileStorage(self.directory.name)

    def teardown(self) -> None:
        super().teardown()
        self.directory.cleanup()


TestLogModel = LogModel.TestCase
TestLogModel.settings = settings(
    max_examples=size(fast=40, whole=80), stateful_step_count=25, deadline=None
)
TestLogModelOnDisk = LogModelOnDisk.TestCase
TestLogModelOnDisk.settings = settings(
    max_examples=size(fast=8, whole=15), stateful_step_count=25, deadline=None
)
