"""The sequence table of one partition: how a retried batch is told from a new one.

For each producer id (PID) it keeps the epoch and the five newest batches. check() reads and
decides, record() publishes what the log has stored; nothing else changes the table, and recovery
calls only record(), so that a table rebuilt from the log answers like the one that was lost.

A PID is one immutable bytes object of 150 bytes: five objects in a deque would cost 2 KB. They are
kept in the order in which they last wrote, so that those idle longest are at hand: forgotten when
producer.id.expiration.ms has passed, or to make room. A forgotten PID is as good as one never seen.
Idleness is measured on the monotonic clock, and kept over restarts as an age: a wall clock that was
set forward by two days would make a producer that wrote a second ago forgotten.
Batches without a PID never come here, nor do transaction markers.

Read next: protocol/sequence.py, and the partition, which calls check, append, record in this order.
Source: ProducerStateManager.java, ProducerAppendInfo.java, ProducerStateEntry.java; KIP-98.
"""

import struct
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Final, NamedTuple

from ...protocol import sequence
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
_PACKED_ID: Final = struct.Struct(">q")
_PACKED_AT: Final = struct.Struct(">q")  # the table's time when it was packed
_PACKED_BYTES: Final = 8 + _ENTRY.size
_NO_SPAN: Final = sequence.SEQUENCE_MAX
_NO_BATCHES: Final = _BATCH.pack(_NO_SPAN, -1, -1, CRC_UNKNOWN) * (BATCHES_KEPT - 1)
_NO_EPOCH: Final = -1
_NO_STATE: Final = _ENTRY.pack(_NO_EPOCH, -1, _NO_SPAN, -1, -1, CRC_UNKNOWN, _NO_BATCHES)

PACKED_VERSION: Final = 2
# Version 1, of minibroker 0.1.0: no time of packing, wall clock times, no CRCs.
_BATCH_1: Final = struct.Struct(">Qqq")
_ENTRY_1: Final = struct.Struct(">qhq" + f"{BATCHES_KEPT * _BATCH_1.size}s")


class Append:
    """The batch is new and in order."""

    __slots__ = ()


APPEND: Final = Append()


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
    """All that is known of one PID: `batches` newest first; seen_at_ms by the table's time."""

    producer_id: int
    producer_epoch: int
    seen_at_ms: int
    batches: tuple[StoredBatch, ...]


class SequenceTable:
    """The newest batches of every producer of one partition.

    `evicted_count` PIDs had to go for want of room; whoever has told the operator sets it to 0.

    Args:
        monotonic_ms: gives the time from which idleness is counted.
    """

    __slots__ = ("_began_ms", "_entries", "evicted_count", "monotonic_ms")

    def __init__(self, monotonic_ms: Callable[[], int] = lambda: 0) -> None:
        self.monotonic_ms = monotonic_ms
        self._began_ms = 0  # the monotonic time at which the table's own was 0
        self._entries: dict[int, bytes] = {}  # the longest idle first
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
            entry = _NO_STATE
            if len(entries) >= PRODUCERS_MAX:
                self._evict()
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

    def forget_idle(self, until_ms: int, count_max: int) -> int:
        """Forget the PIDs whose newest batch was received at `until_ms` or before.

        Args:
            until_ms: on the monotonic clock.
            count_max: so many at most; call again when so many have gone.
        Returns: how many have gone.
        """
        until_ms -= self._began_ms
        idle: list[int] = []
        for producer_id, entry in islice(self._entries.items(), count_max):
            if _HEAD.unpack_from(entry)[1] > until_ms:
                break
            idle.append(producer_id)
        for producer_id in idle:
            del self._entries[producer_id]
        return len(idle)

    def _evict(self) -> None:
        # Several at once: each search for the first entry passes those that went before it.
        for producer_id in [*islice(self._entries, PRODUCERS_EVICTED)]:
            del self._entries[producer_id]
        self.evicted_count += PRODUCERS_EVICTED

    def packed(self) -> bytes:
        """Everything, for a snapshot: the time, then PIDs and entries, the longest idle first.

        The time and those in the entries are the table's own; what they mean is how long each PID
        has been idle.
        """
        # A roll waits for this: without a line of Python for each PID it takes about half the time.
        parts = zip(map(_PACKED_ID.pack, self._entries), self._entries.values(), strict=True)
        packed_at = _PACKED_AT.pack(self.monotonic_ms() - self._began_ms)
        return b"".join((packed_at, *chain.from_iterable(parts)))

    def unpack(self, data: bytes, version: int = PACKED_VERSION) -> None:
        """Become what packed() gave, with every PID idle for as long as it was then.

        Args:
            version: of the snapshot: 1 or PACKED_VERSION.
        Raises: ValueError if this cannot be.
        """
        if version == 1:
            data = _from_version_1(data)
        if len(data) < _PACKED_AT.size or (len(data) - _PACKED_AT.size) % _PACKED_BYTES:
            raise ValueError(f"{len(data)} bytes are no table of entries of {_PACKED_BYTES}")
        starts = range(_PACKED_AT.size, len(data), _PACKED_BYTES)
        self._entries = {
            int.from_bytes(data[at : at + 8]): data[at + 8 : at + _PACKED_BYTES] for at in starts
        }
        self._began_ms = self.monotonic_ms() - _PACKED_AT.unpack_from(data)[0]

    def clear(self) -> None:
        """Forget everything."""
        self._entries = {}

    def producers(self) -> Iterator[ProducerState]:
        """The state of every PID, in the order in which they last wrote; on the monotonic clock."""
        for producer_id, entry in [*self._entries.items()]:  # as it is now: others go on meanwhile
            state = state_of(producer_id, entry)
            yield state._replace(seen_at_ms=state.seen_at_ms + self._began_ms)


def state_of(producer_id: int, entry: bytes) -> ProducerState:
    """What SequenceTable.entry() has packed."""
    producer_epoch, seen_at_ms = _HEAD.unpack_from(entry)
    batches = tuple(
        StoredBatch(_first_of(span), _last_of(span), base_offset, max_timestamp, sent_crc)
        for span, base_offset, max_timestamp, sent_crc in _BATCH.iter_unpack(entry[_HEAD.size :])
        if span != _NO_SPAN
    )
    return ProducerState(producer_id, producer_epoch, seen_at_ms, batches)


def _from_version_1(data: bytes) -> bytes:
    """A table of version 1 in today's form: nobody has been idle, for the times say nothing.

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
