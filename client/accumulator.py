"""Batches that fill: append, ready, drain. Bounded by batch_size, linger_ms and buffer_memory.

Knows no sequences and no brokers (sender.py does). A batch leaves when it is full, when it is
older than linger_ms, or when somebody flushes; a record larger than batch_size gets a batch of its
own. Memory counts from append until the sender releases a batch.
Source: RecordAccumulator.java.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from ..protocol.batch import HEADER_BYTES, RecordHeader
from .config import ProducerConfig
from .producer_batch import ProducerBatch

Place: TypeAlias = tuple[str, int]
"""(topic, partition)"""


class Accumulator:
    """The records that were accepted and not yet drained.

    Attributes:
        queues: by place, oldest batch first; only the last one still fills; none is empty.
        held_bytes: of all batches not released, drained ones too.
    """

    def __init__(self, config: ProducerConfig) -> None:
        self._batch_size = config.batch_size
        self._linger_ms = config.linger_ms
        self._memory = config.buffer_memory
        self._codec = config.codec
        self._flushing = 0
        self.queues: dict[Place, deque[ProducerBatch]] = {}
        self.held_bytes = 0

    def has_room(self, size_bytes: int) -> bool:
        """Whether buffer_memory has room; a record larger than all of it may go alone."""
        return self.held_bytes + size_bytes <= self._memory or self.held_bytes == 0

    def append(
        self,
        place: Place,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[RecordHeader],
        timestamp: int,
        *,
        size_bytes: int,
        now_ms: float,
    ) -> ProducerBatch:
        """Put a record into the newest batch of its place, or into a new one.

        Args:
            size_bytes: what record_bytes_max says of it.
        Returns: the batch; the record is its last so far.
        """
        queue = self.queues.get(place)
        if queue is None:
            queue = self.queues[place] = deque()
        if queue:
            batch = queue[-1]
            if batch.sends or len(batch.buffer) + size_bytes > self._batch_size:
                batch = self._open(queue, place, now_ms)
        else:
            batch = self._open(queue, place, now_ms)
        buffer = batch.buffer
        before = len(buffer)
        batch.append(key, value, headers, timestamp)
        self.held_bytes += len(buffer) - before
        return batch

    def calls_for_attention(self, batch: ProducerBatch) -> bool:
        """Whether the append just made changes when the next batch is ready."""
        return batch.count == 1 or len(batch.buffer) + HEADER_BYTES >= self._batch_size

    def is_ready(self, queue: deque[ProducerBatch], now_ms: float) -> bool:
        """Whether the oldest batch of a queue may leave."""
        if len(queue) > 1 or self._flushing:
            return bool(queue)
        oldest = queue[0]
        return (
            now_ms >= oldest.created_at_ms + self._linger_ms
            or len(oldest.buffer) + HEADER_BYTES >= self._batch_size
            or oldest.sends > 0
        )

    def ready_at_ms(self, queue: deque[ProducerBatch]) -> float:
        """When linger_ms of the oldest batch ends."""
        return queue[0].created_at_ms + self._linger_ms

    def take(self, place: Place) -> ProducerBatch:
        """Drain the oldest batch of a place; nothing is added to it any more."""
        queue = self.queues[place]
        batch = queue.popleft()
        if not queue:
            del self.queues[place]
        return batch

    def put_back(self, place: Place, batches: Sequence[ProducerBatch]) -> None:
        """Return drained batches, in order, to the front of their queue."""
        if batches:
            queue = self.queues.setdefault(place, deque())
            queue.extendleft(reversed(batches))

    def release(self, batch: ProducerBatch) -> None:
        """A batch is done: its memory is free again."""
        self.held_bytes -= len(batch.buffer) - HEADER_BYTES

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

    def _open(self, queue: deque[ProducerBatch], place: Place, now_ms: float) -> ProducerBatch:
        batch = ProducerBatch(*place, self._codec, now_ms)
        queue.append(batch)
        return batch
