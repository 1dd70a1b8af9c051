"""Batches that fill: append, ready, drain. Bounded by batch_size, linger_ms and buffer_memory.

Knows no sequences and no brokers (sender.py does). A batch leaves when it is full, when it is
older than linger_ms, or when somebody flushes or waits for memory; one that somebody awaits leaves
as soon as no other of its partition is on its way. A record larger than batch_size gets a batch of
its own. A batch takes its share of buffer_memory in steps, and keeps it until it is released.
Source: RecordAccumulator.java.
Tests: tests/unit/client/produce/test_sender.py
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from ..config import ProducerConfig
from ..errors import ClientError
from .batch import PLAIN_OVERHEAD_MAX, ProducerBatch

Place: TypeAlias = tuple[str, int]
"""(topic, partition)"""


GROWTH_BYTES: Final = 32_768  # what a batch that fills takes of buffer_memory at a time


class Accumulator:
    """The records that were accepted and not yet drained.

    Attributes:
        queues: by place, oldest batch first; only the last one still fills; none is empty.
        held: every batch not released, drained ones too, so that none can be lost sight of.
        held_bytes: of all of them.
        failed_count: how many records have failed.
    """

    def __init__(self, config: ProducerConfig) -> None:
        # A record that fits into the room of a batch is taken without another look, so that room
        # must never be more than the largest record allowed.
        self._batch_size = min(config.batch_size, config.max_request_size)
        self._linger_ms = config.linger_ms
        self._memory = config.buffer_memory
        self._codec = config.codec
        self._flushing = 0
        self.queues: dict[Place, deque[ProducerBatch]] = {}
        self.held: dict[ProducerBatch, None] = {}
        self.held_bytes = 0
        self.failed_count = 0

    def has_room(self, size_bytes: int) -> bool:
        """Whether buffer_memory has room for a new batch with a record of this size.

        A record larger than all of it may go alone.
        """
        # 1. A record is larger than buffer_memory, and within max_request_size.
        # 2. However much is released, it never fits: whoever sends it, and all who queue behind,
        #    wait until max_block_ms is over. So it goes when nothing else is held.
        return self.held_bytes + self._room_of(size_bytes) <= self._memory or self.held_bytes == 0

    def filling(self, place: Place, size_bytes: int) -> ProducerBatch | None:
        """The batch of a place that still takes a record of this size, if there is one."""
        queue = self.queues.get(place)
        return queue[-1] if queue and self.takes(queue[-1], size_bytes) else None

    def takes(self, batch: ProducerBatch, size_bytes: int) -> bool:
        """Whether a batch has room for a record; it takes more memory if that helps."""
        if batch.room >= size_bytes:
            return True
        # Below 0 it is closed, and may be sealed: 1. a batch that Intake still has as the one that
        # fills is drained. 2. A record put into it now is in no request, and is never done.
        if batch.room < 0 or batch.room + batch.growth_bytes < size_bytes:
            return False
        self.grow(batch, max(GROWTH_BYTES, size_bytes))
        return batch.room >= size_bytes

    def grow(self, batch: ProducerBatch, wanted_bytes: int) -> None:
        """Give a batch this much room in all, as far as its size and the memory allow."""
        free = min(batch.growth_bytes, self._memory - self.held_bytes)
        step = min(free, wanted_bytes - batch.room)
        if step > 0:
            batch.growth_bytes -= step
            batch.room += step
            batch.reserved_bytes += step
            self.held_bytes += step

    def open(self, place: Place, size_bytes: int, now_ms: float) -> ProducerBatch:
        """A new batch, with room for a record of this size at least; the one before is full."""
        queue = self.queues.setdefault(place, deque())
        # 1. A large record does not fit, and gets this new batch. 2. A small one would still fit
        # into the one before, which Producer.send may know as the one that fills.
        # 3. It would be stored before what was sent earlier: so that one closes.
        if queue:
            queue[-1].close()
        batch = ProducerBatch(*place, self._codec, now_ms, room=self._room_of(size_bytes))
        batch.growth_bytes = max(0, min(self._batch_size, self._memory) - batch.room)
        self.held_bytes += batch.reserved_bytes
        self.held[batch] = None
        queue.append(batch)
        return batch

    def adopt(self, batch: ProducerBatch) -> None:
        """Count a batch that was filled elsewhere and is drained already."""
        self.held[batch] = None
        self.held_bytes += batch.reserved_bytes

    def join(self, batch: ProducerBatch) -> None:
        """Take in a batch that was filled elsewhere, behind the others of its place; it fills on.

        It takes no more memory than its records need; has_room() was asked before.
        """
        queue = self.queues.setdefault((batch.topic, batch.partition), deque())
        if queue:
            queue[-1].close()
        batch.reserved_bytes = batch.size_bytes
        batch.growth_bytes, batch.room = max(0, batch.room), 0
        self.adopt(batch)
        queue.append(batch)

    def append(
        self,
        place: Place,
        key: bytes | None,
        value: bytes | None,
        headers: bytes,
        timestamp: float,
        *,
        size_bytes: int,
        now_ms: float,
    ) -> ProducerBatch:
        """Put a record into the newest batch of its place, or into a new one.

        Args:
            size_bytes: what record_bytes_max says of it.
        Returns: the batch; the record is its last so far.
        """
        batch = self.filling(place, size_bytes) or self.open(place, size_bytes, now_ms)
        batch.append(key, value, headers, timestamp, size_bytes)
        return batch

    def is_ready(self, queue: deque[ProducerBatch], now_ms: float) -> bool:
        """Whether the oldest batch of a queue may leave, whatever else is on its way."""
        oldest = queue[0]
        return (
            len(queue) > 1
            or self._flushing > 0
            or oldest.room + oldest.growth_bytes <= PLAIN_OVERHEAD_MAX
            or now_ms >= oldest.created_at_ms + self._linger_ms
        )

    def ready_at_ms(self, queue: deque[ProducerBatch]) -> float:
        """When linger_ms of the oldest batch ends."""
        return queue[0].created_at_ms + self._linger_ms

    def take(self, place: Place) -> ProducerBatch:
        """Drain the oldest batch of a place; nothing is added to it any more."""
        queue = self.queues[place]
        batch = queue.popleft()
        batch.close()
        if not queue:
            del self.queues[place]
        return batch

    def put_back(self, place: Place, batches: Sequence[ProducerBatch]) -> None:
        """Return drained batches, in order, to the front of their queue."""
        # In front of what came meanwhile: behind, they would be stored in another order than sent.
        if batches:
            queue = self.queues.setdefault(place, deque())
            queue.extendleft(reversed(batches))

    def release(self, batch: ProducerBatch) -> None:
        """A batch is done: its memory is free again."""
        if batch in self.held:
            del self.held[batch]
            self.held_bytes -= batch.reserved_bytes
            if isinstance(batch.outcome, ClientError):
                self.failed_count += batch.count
        batch.forget_records()

    def exchange(self, batch: ProducerBatch, pieces: Sequence[ProducerBatch]) -> None:
        """Pieces take the place of a batch, and the first of them its memory."""
        del self.held[batch]
        pieces[0].reserved_bytes = batch.reserved_bytes
        self.held.update(dict.fromkeys(pieces))

    def take_expired(self, place: Place, now_ms: float, age_ms: float) -> list[ProducerBatch]:
        """Drain the batches of a place that are `age_ms` old."""
        expired = []
        while place in self.queues and self.queues[place][0].created_at_ms + age_ms <= now_ms:
            expired.append(self.take(place))
        return expired

    def batches(self) -> Iterator[ProducerBatch]:
        """Every batch not drained."""
        for queue in self.queues.values():
            yield from queue

    def begin_flush(self) -> None:
        """Everything is ready until `end_flush`."""
        self._flushing += 1

    def end_flush(self) -> None:
        """One flush is over."""
        self._flushing -= 1

    def _room_of(self, size_bytes: int) -> int:
        return max(min(GROWTH_BYTES, self._batch_size, self._memory), size_bytes)
