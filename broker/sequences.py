"""The sequence table of one partition: how a retried batch is told from a new one.

For each producer id (PID) it keeps the epoch and the five newest batches. check() reads and
decides, record() publishes what the log has stored; nothing else changes the table, and recovery
calls only record(), so that a table rebuilt from the log answers like the one that was lost.

A PID is one immutable bytes object of 130 bytes: five objects in a deque would cost 2 KB. PIDs are
never forgotten here; batches without a PID never come here, nor do transaction markers.

Read next: protocol/sequence.py, and the partition, which calls check, append, record in this order.
Source: ProducerStateManager.java, ProducerAppendInfo.java, ProducerStateEntry.java; KIP-98.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..protocol import sequence
from ..protocol.batch import BatchHeader
from ..protocol.errors import ErrorCode, Refused

BATCHES_KEPT: Final = 5  # as many as an idempotent producer may have in flight

# An entry is its producer_epoch (int16) and received_at_ms (int64), then BATCHES_KEPT batches,
# newest first, each a span, base_offset and max_timestamp (int64). A span is the first and last
# sequence of a batch in one number, so that "the same batch" is one comparison.
_HEAD_AND_NEWEST: Final = struct.Struct(">hqqqq")
_HEAD: Final = struct.Struct(">hq")
_BATCH: Final = struct.Struct(">qqq")
_EPOCH_AND_SPANS: Final = struct.Struct(">h8x" + "q16x" * BATCHES_KEPT)
_KEPT: Final = slice(_HEAD.size, _HEAD.size + (BATCHES_KEPT - 1) * _BATCH.size)
_NO_SPAN: Final = -1
_NO_BATCHES: Final = _BATCH.pack(_NO_SPAN, -1, -1) * BATCHES_KEPT
_NO_EPOCH: Final = -1


@dataclass(frozen=True, slots=True)
class Append:
    """The batch is new and in order."""


APPEND: Final = Append()


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The batch has been stored before: answer as if it had been stored now.

    base_offset is where it was stored, next_offset follows its last record.
    """

    base_offset: int
    next_offset: int
    max_timestamp: int


class StoredBatch(NamedTuple):
    """One of a producer's newest batches; first_sequence and last_sequence are inclusive."""

    first_sequence: int
    last_sequence: int
    base_offset: int
    max_timestamp: int


@dataclass(frozen=True, slots=True)
class ProducerState:
    """All that is known of one PID: `batches` newest first, received_at_ms of the newest."""

    producer_id: int
    producer_epoch: int
    received_at_ms: int
    batches: tuple[StoredBatch, ...]


class SequenceTable:
    """The newest batches of every producer of one partition."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: dict[int, bytes] = {}

    def __len__(self) -> int:
        """The number of PIDs."""
        return len(self._entries)

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
        producer_epoch, first = header[10], header[11]  # by number: twice as fast as by name
        assert header[9] >= 0, "a batch without a producer id has no place in the sequence table"
        if first < 0:
            return _refused(header, ErrorCode.INVALID_RECORD, "0 or more is expected")
        entry = self._entries.get(header[9])
        if entry is None:
            epoch_known, *spans = _NO_EPOCH, _NO_SPAN
        else:
            epoch_known, *spans = _EPOCH_AND_SPANS.unpack(entry)
            if producer_epoch == epoch_known:
                span = first << 32 | sequence.add(first, header[6])
                if span in spans:
                    return _duplicate(entry, spans.index(span))
        if producer_epoch < epoch_known:
            why = f"an epoch of {epoch_known} or more is expected"
            return _refused(header, ErrorCode.INVALID_PRODUCER_EPOCH, why)
        # With no epoch known, that is with no state, any sequence will do: producers outlive state.
        expected = sequence.next_of(spans[0] & 0xFFFFFFFF) if producer_epoch == epoch_known else 0
        if first != expected and epoch_known != _NO_EPOCH:
            why = f"{expected} is expected, or a retry of one of the newest {BATCHES_KEPT} batches"
            return _refused(header, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, why)
        return APPEND

    def record(self, header: BatchHeader, base_offset: int, received_at_ms: int) -> None:
        """Publish a batch that the log has stored. Checks nothing: the log is right.

        Args:
            header: of a data batch with producer_id ≥ 0.
            base_offset: where the log has put it.
            received_at_ms: when the broker received it, by the broker's clock.
        """
        producer_id, producer_epoch, first = header[9:12]
        assert producer_id >= 0, "a batch without a producer id has no place in the sequence table"
        newest = _HEAD_AND_NEWEST.pack(
            producer_epoch,
            received_at_ms,
            first << 32 | sequence.add(first, header[6]),
            base_offset,
            header[8],
        )
        entry = self._entries.get(producer_id)
        if entry is None or entry[:2] != newest[:2]:  # a new epoch starts with an empty window
            self._entries[producer_id] = newest + _NO_BATCHES[: -_BATCH.size]
        else:
            self._entries[producer_id] = newest + entry[_KEPT]

    def producers(self) -> Iterator[ProducerState]:
        """The state of every PID, in the order in which they first wrote."""
        for producer_id, entry in self._entries.items():
            producer_epoch, received_at_ms = _HEAD.unpack_from(entry)
            batches = tuple(
                StoredBatch(span >> 32, span & 0xFFFFFFFF, base_offset, max_timestamp)
                for span, base_offset, max_timestamp in _BATCH.iter_unpack(entry[_HEAD.size :])
                if span != _NO_SPAN
            )
            yield ProducerState(producer_id, producer_epoch, received_at_ms, batches)


def _duplicate(entry: bytes, index: int) -> Duplicate:
    span, base_offset, max_timestamp = _BATCH.unpack_from(entry, _HEAD.size + index * _BATCH.size)
    count = sequence.add(span & 0xFFFFFFFF, 1 - (span >> 32))
    return Duplicate(base_offset, base_offset + count, max_timestamp)


def _refused(header: BatchHeader, code: ErrorCode, why: str) -> Refused:
    return Refused(
        code,
        f"producer id {header.producer_id}, epoch {header.producer_epoch}, first sequence "
        f"{header.base_sequence} ({header.last_offset_delta + 1} records): {why}",
    )
