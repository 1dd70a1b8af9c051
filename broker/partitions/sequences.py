"""The sequence table of one partition: how a retried batch is told from a new one.

For each producer id (PID) it keeps the epoch and the five newest batches. check() reads and
decides, record() and mark() publish what the log has stored; nothing else adds to the table, and
recovery calls only these, so that a table rebuilt from the log answers like the one that was lost.

A PID is one immutable bytes object of 150 bytes: five objects in a deque would cost 2 KB. They are
kept in the order in which they last wrote, so that those idle longest are at hand: forgotten when
producer.id.expiration.ms has passed, or to make room. A forgotten PID is as good as one never seen.
Idleness is measured on the monotonic clock, and kept over restarts as an age: a wall clock that was
set forward by two days would make a producer that wrote a second ago forgotten.
A PID with an open transaction is never forgotten. A marker has no sequence: mark() takes its epoch,
which refuses what is older, and that of its coordinator. Batches without a PID never come here.
Read next: protocol/sequence.py, and the partition, which calls check, append, record in this order.
Source: ProducerStateManager.java, ProducerAppendInfo.java, ProducerStateEntry.java; KIP-98.
"""

import struct
from collections.abc import Callable, Container, Iterator
from itertools import chain, islice
from typing import Final, NamedTuple

from ...protocol import sequence
from ...protocol.batch.control import Marker
from ...protocol.batch.header import BatchHeader
from ...protocol.errors import ErrorCode, Refused
from ..limits import PRODUCERS_EVICTED, PRODUCERS_MAX

BATCHES_KEPT: Final = 5  # as many as an idempotent producer may have in flight

CRC_UNKNOWN: Final = 0
"""In place of a CRC as it was sent, where the log has the batch with other bytes than were sent."""

# An entry is its producer_epoch (int16) and when it wrote last (int64, the table's time in ms),
# then BATCHES_KEPT batches, newest first, each a span (uint64), base_offset and max_timestamp
# (int64) and the CRC with which it was sent (uint32). A span is the first sequence of a batch plus
# one, and its last, in one number: one comparison finds the same batch, and no span looks like an
# epoch. The span of no batch ends just before 0: 0 is the next.
_HEAD: Final = struct.Struct(">hq")
_BATCH: Final = struct.Struct(">QqqI")
_ENTRY: Final = struct.Struct(">hq QqqI 112s")
_EPOCH_AND_KEPT: Final = struct.Struct(">h 8x 112s 28x")
_EPOCH_AND_SPANS: Final = struct.Struct(">h 8x" + "Q 20x" * BATCHES_KEPT)
_EPOCH_AND_BATCHES: Final = struct.Struct(">h 8x 140s")
_MARK: Final = struct.Struct(">iqq")  # of the newest marker: coordinator epoch, offset, timestamp
_PACKED_ID: Final = struct.Struct(">q")
_PACKED_AT: Final = struct.Struct(">q")  # the table's time when it was packed
_PACKED_COUNTS: Final = struct.Struct(">II")  # of PIDs, and of markers
_PACKED_BYTES: Final = 8 + _ENTRY.size
_PACKED_MARK: Final = struct.Struct(f">q{_MARK.size}s")
_NO_SPAN: Final = sequence.SEQUENCE_MAX
_NO_BATCHES: Final = _BATCH.pack(_NO_SPAN, -1, -1, CRC_UNKNOWN) * (BATCHES_KEPT - 1)
_NO_EPOCH: Final = -1
_NO_STATE: Final = _ENTRY.pack(_NO_EPOCH, -1, _NO_SPAN, -1, -1, CRC_UNKNOWN, _NO_BATCHES)

PACKED_VERSION: Final = 3
# Version 2, before there were transactions: the time of packing, and entries to the end.
# Version 1, of minibroker 0.1.0: no time of packing, wall clock times, no CRCs.
_BATCH_1: Final = struct.Struct(">Qqq")
_ENTRY_1: Final = struct.Struct(">qhq" + f"{BATCHES_KEPT * _BATCH_1.size}s")


class Append:
    """The batch is new and in order."""

    __slots__ = ()


APPEND: Final = Append()
APPEND_IN_TRANSACTION: Final = Append()
"""The same of a batch that is part of a transaction, and may be."""


class Duplicate(NamedTuple):
    """The batch has been stored before: answer as if it had been stored now.

    base_offset is where it was stored, next_offset follows its last record. has_other_bytes tells
    that the batch stored then bore another CRC: a client may encode a retry anew, so it is answered
    as one; but if two producers share one PID, this is how it shows.
    """

    base_offset: int
    next_offset: int
    max_timestamp: int
    has_other_bytes: bool = False


class StoredBatch(NamedTuple):
    """One of a producer's newest batches; first_sequence and last_sequence are inclusive.

    sent_crc is its CRC as the producer sent it, or CRC_UNKNOWN.
    """

    first_sequence: int
    last_sequence: int
    base_offset: int
    max_timestamp: int
    sent_crc: int


class ProducerState(NamedTuple):
    """All that is known of one PID: `batches` newest first; seen_at_ms by the table's time.

    last_timestamp is that of its newest batch or marker, ms since 1970; coordinator_epoch that of
    its markers. -1 for both: there is none.
    """

    producer_id: int
    producer_epoch: int
    seen_at_ms: int
    batches: tuple[StoredBatch, ...]
    last_timestamp: int = -1
    coordinator_epoch: int = -1

    @property
    def last_sequence(self) -> int:
        """Of its newest batch; -1 if its epoch has none here."""
        return self.batches[0].last_sequence if self.batches else -1


class SequenceTable:
    """The newest batches of every producer of one partition.

    `evicted_count` PIDs had to go for want of room; whoever has told the operator sets it to 0.

    Args:
        monotonic_ms: gives the time from which idleness is counted.
        kept: the PIDs that are not forgotten now: they have a transaction open here.
    """

    __slots__ = ("_began_ms", "_entries", "_kept", "_marks", "evicted_count", "monotonic_ms")

    def __init__(
        self, monotonic_ms: Callable[[], int] = lambda: 0, kept: Container[int] = ()
    ) -> None:
        self.monotonic_ms = monotonic_ms
        self._kept = kept
        self._began_ms = 0  # the monotonic time at which the table's own was 0
        self._entries: dict[int, bytes] = {}  # the longest idle first
        self._marks: dict[int, bytes] = {}  # of those PIDs that have one
        self.evicted_count = 0

    def __len__(self) -> int:
        """The number of PIDs."""
        return len(self._entries)

    def __iter__(self) -> Iterator[int]:
        """Every PID of which something is known."""
        return iter(self._entries)

    def check(self, header: BatchHeader) -> Append | Duplicate | Refused:
        """Whether this batch is new, was stored before, or may not be stored. Changes nothing.

        The order matters: a retry is recognised before anything can refuse it.

        Args:
            header: of a data batch with producer_id ≥ 0, as the client sent it.
        Returns: APPEND, Duplicate, or Refused with INVALID_PRODUCER_EPOCH (an older epoch),
            OUT_OF_ORDER_SEQUENCE_NUMBER (not the next, nor one of the five newest) or
            INVALID_RECORD (no sequence).
        Source: ProducerStateEntry.findDuplicateBatch, ProducerAppendInfo.checkSequence.
        """
        producer_id, producer_epoch = header.producer_id, header.producer_epoch
        first = header.base_sequence
        assert producer_id >= 0, "batches without a producer id are never checked"
        if first < 0:
            return _refused(header, ErrorCode.INVALID_RECORD, "0 or more is expected")
        entry = self._entries.get(producer_id, _NO_STATE)
        epoch_and_spans = _EPOCH_AND_SPANS.unpack(entry)
        epoch_known = epoch_and_spans[0]
        expected = 0
        if producer_epoch == epoch_known:
            # Looked for before it is measured against what comes next, and among five:
            # 1. batches 7 to 11 are in flight, all are stored  2. the connection breaks, no answer
            # arrives  3. all five come again, 7 first: it is not the next, nor is it the newest.
            span = first + 1 << 32 | sequence.add(first, header.last_offset_delta)
            if span in epoch_and_spans:
                return _duplicate(entry, epoch_and_spans.index(span) - 1, header.crc)
            expected = sequence.next_of(_last_of(epoch_and_spans[1]))
        elif producer_epoch < epoch_known:
            # 1. a producer hangs  2. another goes on in its place, one epoch up  3. the first
            # wakes, and sends what the second has sent since. Not looked for among the newest
            # batches, either: an acknowledgement would let it go on.
            why = f"an epoch of {epoch_known} or more is expected"
            return _refused(header, ErrorCode.INVALID_PRODUCER_EPOCH, why)
        # With no epoch known, that is with no state, any sequence will do:
        # 1. a producer is idle for so long that it is forgotten  2. it goes on with sequence 900
        # 3. refused, it would fail although nothing was lost. Kafka asks for no more, either.
        if first != expected and epoch_known != _NO_EPOCH:
            why = (
                f"{expected} is expected, or a retry of one of the newest {BATCHES_KEPT} batches"
                if producer_epoch == epoch_known
                else "0 is expected with a new epoch"
            )
            return _refused(header, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, why)
        return APPEND

    def entry(self, producer_id: int) -> bytes | None:
        """All that is known of a PID, packed and never changed; see state_of(). None if nothing."""
        return self._entries.get(producer_id)

    def record(
        self,
        header: BatchHeader,
        base_offset: int,
        seen_at_ms: int,
        sent_crc: int = CRC_UNKNOWN,
    ) -> None:
        """Publish a batch that the log has stored. Checks nothing: the log is right.

        Args:
            header: of a data batch with producer_id ≥ 0.
            base_offset: where the log has put it.
            seen_at_ms: when the broker received it, on the monotonic clock.
            sent_crc: of the batch as the producer sent it, which may not be how it is stored.
        """
        producer_id, producer_epoch = header.producer_id, header.producer_epoch
        first = header.base_sequence
        assert producer_id >= 0, "batches without a producer id are never recorded"
        entries = self._entries
        entry = entries.pop(producer_id, None)
        if entry is None:
            entry = self._new_entry()
        epoch_known, kept = _EPOCH_AND_KEPT.unpack(entry)
        entries[producer_id] = _ENTRY.pack(
            producer_epoch,
            seen_at_ms - self._began_ms,
            first + 1 << 32 | sequence.add(first, header.last_offset_delta),
            base_offset,
            header.max_timestamp,
            sent_crc,
            kept if producer_epoch == epoch_known else _NO_BATCHES,
        )

    def epochs_of(self, producer_id: int) -> tuple[int, int]:
        """The epochs of a PID and of its coordinator; -1 where none is known."""
        entry, mark = self._entries.get(producer_id), self._marks.get(producer_id)
        producer_epoch = _NO_EPOCH if entry is None else _HEAD.unpack_from(entry)[0]
        return producer_epoch, _NO_EPOCH if mark is None else _MARK.unpack(mark)[0]

    def mark(self, marker: Marker, offset: int, timestamp: int, seen_at_ms: int) -> None:
        """Publish a marker that the log has stored. Checks nothing: the log is right.

        Sequences go on behind it, unless it begins a new epoch; that begins with 0.

        Args:
            offset, timestamp: of the marker; ms since 1970.
            seen_at_ms: on the monotonic clock.
        """
        producer_id = marker.producer_id
        _, coordinator_epoch = self.epochs_of(producer_id)
        entry = self._entries.pop(producer_id, None)
        if entry is None:
            entry = self._new_entry()
        epoch, batches = _EPOCH_AND_BATCHES.unpack(entry)
        if marker.producer_epoch > epoch:
            epoch, batches = marker.producer_epoch, _NO_STATE[_HEAD.size :]
        self._entries[producer_id] = _HEAD.pack(epoch, seen_at_ms - self._began_ms) + batches
        # Neither epoch ever goes back: 1. a client sends a marker with a wild coordinator epoch
        # 2. the coordinator's own one, with epoch 0, ends the transaction all the same
        # 3. taken over, 0 would let the client's next one through that is older than its first.
        coordinator_epoch = max(coordinator_epoch, marker.coordinator_epoch)
        self._marks[producer_id] = _MARK.pack(coordinator_epoch, offset, timestamp)

    def forget_idle(self, until_ms: int, count_max: int) -> int:
        """Forget the PIDs whose newest batch was received at `until_ms` or before.

        Args:
            until_ms: on the monotonic clock.
            count_max: so many at most; call again when so many have gone.
        Returns: how many have gone.
        """
        until_ms -= self._began_ms
        idle: list[int] = []
        for producer_id, entry in self._entries.items():
            if _HEAD.unpack_from(entry)[1] > until_ms or len(idle) == count_max:
                break
            if producer_id not in self._kept:
                idle.append(producer_id)
        self._forget(idle)
        return len(idle)

    def _new_entry(self) -> bytes:
        """The entry of a PID of which nothing is known, for which there is room now."""
        if len(self._entries) >= PRODUCERS_MAX:
            self._evict()
        return _NO_STATE

    def _evict(self) -> None:
        # Several at once: each search for the first entry passes those that went before it.
        idle = (each for each in self._entries if each not in self._kept)
        evicted = [*islice(idle, PRODUCERS_EVICTED)]
        self._forget(evicted)
        self.evicted_count += len(evicted)

    def _forget(self, producer_ids: list[int]) -> None:
        for producer_id in producer_ids:
            del self._entries[producer_id]
            self._marks.pop(producer_id, None)

    def packed(self) -> bytes:
        """Everything, for a snapshot: time, counts, entries by PID, the longest idle first, marks.

        The time and those in the entries are the table's own; what they mean is how long each PID
        has been idle.
        """
        # A roll waits for this: without a line of Python for each PID it takes about half the time.
        entries, marks = self._entries, self._marks
        parts = zip(map(_PACKED_ID.pack, entries), entries.values(), strict=True)
        ends = zip(map(_PACKED_ID.pack, marks), marks.values(), strict=True)
        packed_at = _PACKED_AT.pack(self.monotonic_ms() - self._began_ms)
        counts = _PACKED_COUNTS.pack(len(entries), len(marks))
        return b"".join((packed_at, counts, *chain.from_iterable(chain(parts, ends))))

    def unpack(self, data: bytes, version: int = PACKED_VERSION) -> bytes:
        """Become what packed() gave, with every PID idle for as long as it was then.

        Args:
            version: of the snapshot: 1 to PACKED_VERSION.
        Returns: what stands behind it in `data`.
        Raises: ValueError if this cannot be.
        """
        if version < PACKED_VERSION:
            data = _from_older_version(data, version)
        begin = _PACKED_AT.size + _PACKED_COUNTS.size
        if len(data) < begin:
            raise ValueError(f"{len(data)} bytes are no table: its head takes {begin}")
        count, marks_count = _PACKED_COUNTS.unpack_from(data, _PACKED_AT.size)
        marks_begin = begin + count * _PACKED_BYTES
        end = marks_begin + marks_count * _PACKED_MARK.size
        if len(data) < end:
            raise ValueError(f"{len(data)} bytes are no table of {count} producers")
        self._entries = {
            int.from_bytes(data[at : at + 8]): data[at + 8 : at + _PACKED_BYTES]
            for at in range(begin, marks_begin, _PACKED_BYTES)
        }
        self._marks = dict(_PACKED_MARK.iter_unpack(data[marks_begin:end]))
        self._began_ms = self.monotonic_ms() - _PACKED_AT.unpack_from(data)[0]
        return data[end:]

    def clear(self) -> None:
        """Forget everything."""
        self._entries = {}
        self._marks = {}

    def producers(self) -> Iterator[ProducerState]:
        """The state of every PID, in the order in which they last wrote; on the monotonic clock."""
        for producer_id, entry in [*self._entries.items()]:  # as it is now: others go on meanwhile
            state, mark = state_of(producer_id, entry), self._marks.get(producer_id)
            state = state._replace(seen_at_ms=state.seen_at_ms + self._began_ms)
            if mark is not None:
                coordinator_epoch, offset, timestamp = _MARK.unpack(mark)
                state = state._replace(coordinator_epoch=coordinator_epoch)
                if not state.batches or state.batches[0].base_offset < offset:
                    state = state._replace(last_timestamp=timestamp)
            yield state


def state_of(producer_id: int, entry: bytes) -> ProducerState:
    """What SequenceTable.entry() has packed."""
    producer_epoch, seen_at_ms = _HEAD.unpack_from(entry)
    batches = tuple(
        StoredBatch(_first_of(span), _last_of(span), base_offset, max_timestamp, sent_crc)
        for span, base_offset, max_timestamp, sent_crc in _BATCH.iter_unpack(entry[_HEAD.size :])
        if span != _NO_SPAN
    )
    last_timestamp = batches[0].max_timestamp if batches else -1
    return ProducerState(producer_id, producer_epoch, seen_at_ms, batches, last_timestamp)


def _from_older_version(data: bytes, version: int) -> bytes:
    """A table of version 1 or 2 in today's form. Raises ValueError."""
    if version == 1:
        data = _from_version_1(data)
    count, rest = divmod(len(data) - _PACKED_AT.size, _PACKED_BYTES)
    if count < 0 or rest:
        raise ValueError(f"{len(data)} bytes are no table of entries of {_PACKED_BYTES}")
    packed_at, entries = data[: _PACKED_AT.size], data[_PACKED_AT.size :]
    return packed_at + _PACKED_COUNTS.pack(count, 0) + entries


def _from_version_1(data: bytes) -> bytes:
    """A table of version 1 in the form of version 2: nobody has been idle, the times say nothing.

    They are of the wall clock, which may have been wrong then, or may be now. A producer is
    remembered too long rather than too short.
    """
    if len(data) % _ENTRY_1.size:
        raise ValueError(f"{len(data)} bytes are no multiple of {_ENTRY_1.size}")
    parts = [_PACKED_AT.pack(0)]
    for producer_id, producer_epoch, _, batches in _ENTRY_1.iter_unpack(data):
        parts += (producer_id.to_bytes(8), _HEAD.pack(producer_epoch, 0))
        parts += (_BATCH.pack(*each, CRC_UNKNOWN) for each in _BATCH_1.iter_unpack(batches))
    return b"".join(parts)


def _first_of(span: int) -> int:
    return (span >> 32) - 1


def _last_of(span: int) -> int:
    return span & 0xFFFFFFFF


def _duplicate(entry: bytes, index: int, crc: int) -> Duplicate:
    at = _HEAD.size + index * _BATCH.size
    span, base_offset, max_timestamp, sent_crc = _BATCH.unpack_from(entry, at)
    next_offset = base_offset + sequence.add(_last_of(span), -_first_of(span)) + 1
    has_other_bytes = sent_crc not in (crc, CRC_UNKNOWN)
    return Duplicate(base_offset, next_offset, max_timestamp, has_other_bytes)


def _refused(header: BatchHeader, code: ErrorCode, why: str) -> Refused:
    return Refused(
        code,
        f"producer id {header.producer_id}, epoch {header.producer_epoch}, first sequence "
        f"{header.base_sequence} ({header.last_offset_delta + 1} records): {why}",
    )
