"""EDGE: finds the batch a record goes into: topic, partition, room; waits for what is lacking.

Every wait ends within max_block_ms. Those who wait for room are served in order.
    Producer.send -> Intake.add -> _batch_for: the batch that is there, or room and a new one
                  -> ProducerBatch.append
Plain values for a batch that is filling do not come here: Producer.send appends those itself to
one of `Intake.filling`. Read next: accumulator.py, partitioner.py.
Tests: tests/system/client/test_client_door.py
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from itertools import accumulate
from random import Random

from ...protocol.errors import ErrorCode
from ..cluster.metadata import TopicMetadata
from ..config import ProducerConfig
from ..door import door
from ..errors import (
    AuthenticationFailed,
    ClientError,
    Fatal,
    Fenced,
    JournalFailed,
    Retriable,
    StaleJournal,
)
from .accumulator import Accumulator
from .batch import (
    PLAIN_OVERHEAD_MAX,
    PLAIN_VALUE_END,
    ProducerBatch,
    record_bytes_max,
)
from .partitioner import StickyPartitioner, partition_for_key
from .pump import Sending
from .receipts import Run

# Why a producer has ended, in its own kind.
SAID_AS_IT_IS = (AuthenticationFailed, Fenced, JournalFailed, StaleJournal)
Partitioner = Callable[[bytes | None, list[int], list[int]], int]
"""(key, all partitions, those that have a leader) -> one of them; as in aiokafka"""


class Intake:
    """What stands between `send` and the accumulator.

    Attributes:
        filling: by topic, the batch that takes records without key and partition.
        mark: notes how far a source has been read with what is added in this turn of the loop.
        closed: why nothing is taken any more.
    """

    def __init__(
        self,
        config: ProducerConfig,
        accumulator: Accumulator,
        sending: Sending,
        random: Random,
        partitioner: Partitioner | None,
    ) -> None:
        self._partitioner = partitioner
        self._leaving: asyncio.Timeout | None = None
        self._config = config
        self._accumulator = accumulator
        self._sending = sending
        self._sticky = StickyPartitioner(config.batch_size, random)
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.filling: dict[str, ProducerBatch] = {}
        self._used_at_ms: dict[str, float] = {}  # by topic, when it was last looked at
        self.mark: Callable[[object], object] = self.checked_mark
        self.closed: ClientError | None = Fatal("the producer has not been started")
        sending.on_progress = self.on_progress
        sending.on_failure = self.close
        sending.on_metadata = self.heed_metadata

    @property
    def has_partitioner(self) -> bool:
        """Whether the application chooses each record's partition."""
        return self._partitioner is not None

    @property
    def waiting_count(self) -> int:
        """How many wait for room."""
        return len(self._waiting)

    def wake(self) -> None:
        """Let what is ready leave."""
        self._sending.wake()

    def on_progress(self) -> None:
        """Batches may have come to an end, or connections."""
        self.give_room()
        if self._leaving is not None and not self._sending.cluster.is_connected:
            self._leaving.reschedule(0)  # nobody is there to confirm anything
            self._leaving = None

    def leave_within(self, timeout: asyncio.Timeout | None) -> None:
        """End this wait as soon as no broker is connected; None ends that."""
        self._leaving = timeout
        if timeout is not None:
            self.on_progress()

    def close(self, error: ClientError) -> None:
        """Refuse records from now on."""
        self.closed = error
        self.filling.clear()

    async def add(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: bytes,
        *,
        partition: int | None,
        timestamp: float,
        mark: object = None,
    ) -> Run:
        """Put one record into its batch.

        Args:
            mark: taken in the turn that adds the record, where there is a session.
        """
        if mark is not None:
            mark = self.checked_mark(mark)
        size = record_bytes_max(key, value, headers)
        held_before = self._accumulator.held_bytes
        batch = await self._batch_for(topic, key, partition, size, self.transaction_number)
        if mark is not None:
            self.mark(mark)
        batch.append(key, value, headers, timestamp, size)
        run = Run(batch, batch.count - 1, 1)
        if self._accumulator.held_bytes > held_before and (run.first or self._is_behind(batch)):
            await asyncio.sleep(0)  # one that sends and sends lets others have a turn now and then
        return run

    def checked_mark(self, mark: object) -> object:
        """A mark that can be, for mark(). Raises as marked(); RuntimeError: there is no session."""
        from ..door.mark_door import marked  # not for those who have none

        marked(mark)
        raise RuntimeError("a mark needs a durable session: give the Producer session=DIRECTORY")

    async def add_values(
        self,
        topic: str,
        values: Sequence[bytes],
        partition: int | None,
        timestamp: float,
        runs: list[Run],
    ) -> None:
        """Put records that are values and nothing else into as few batches as they fit in.

        Args:
            runs: takes up where they went, as far as this got.
        """
        if max(map(len, values), default=0) < PLAIN_VALUE_END:
            sizes = [len(value) + PLAIN_OVERHEAD_MAX for value in values]
        else:
            sizes = [record_bytes_max(None, value, b"") for value in values]
        ends = [*accumulate(sizes, initial=0)]
        at, number = 0, self.transaction_number
        while at < len(values):
            batch = await self._batch_for(topic, None, partition, sizes[at], number)
            self._accumulator.grow(batch, ends[-1] - ends[at])
            end = _reach(ends, at, batch.room)
            first = batch.count
            batch.extend(values[at:end], timestamp, ends[end] - ends[at])
            runs.append(Run(batch, first, end - at))
            at = end
            if at < len(values):
                await asyncio.sleep(0)

    def give_room(self) -> None:
        """Wake the first of those who wait for room, if there is enough for it."""
        if self._waiting:
            size, waiting = self._waiting[0]
            if not waiting.done() and (self.closed or self._accumulator.has_room(size)):
                waiting.set_result(None)

    def raise_if_closed(self) -> None:
        """Raise what ended the producer."""
        error = self.closed or self._sending.sender.fatal
        if error is not None:
            kind = type(error) if isinstance(error, SAID_AS_IT_IS) else Fatal
            raise kind(str(error), code=error.code)

    @property
    def transaction_number(self) -> int | None:
        """Of the newest transaction; None without a transactional id."""
        transactional = self._sending.sender.transactional
        return None if transactional is None else transactional.number

    def raise_unless_taking(self, number: int | None) -> None:
        """As raise_if_closed; and where there are transactions, raise unless that one is open."""
        self.raise_if_closed()
        # 1. A send waits for room; meanwhile its transaction ends, and the next begins.
        # 2. There is room: the record would be part of the wrong transaction.
        if self._sending.sender.transactional is not None:
            self._sending.sender.transactional.raise_unless_open(number)

    def use(self, topic: str) -> None:
        """Keep a topic known for metadata_max_idle_ms."""
        self._used_at_ms[topic] = self._sending.now_ms()

    def _forget_idle(self) -> None:
        """Topics that nothing was sent to for metadata_max_idle_ms are asked for no more.

        Their sequences stay: brokers may remember them for longer.
        """
        now_ms, idle_ms = self._sending.now_ms(), self._config.metadata_max_idle_ms
        for topic in [each for each, at in self._used_at_ms.items() if at + idle_ms <= now_ms]:
            if any(batch.topic == topic for batch in self._accumulator.held):
                continue
            del self._used_at_ms[topic]
            self.filling.pop(topic, None)
            self._sticky.forget(topic)
            self._sending.cluster.metadata.forget(topic)

    def heed_metadata(self) -> None:
        """Records are not put any more into batches of partitions that are gone."""
        self._forget_idle()
        topics = self._sending.cluster.metadata.topics
        for topic, batch in [*self.filling.items()]:
            known = topics.get(topic)
            if known is not None and known.leaders and batch.partition not in known.leaders:
                del self.filling[topic]

    async def _batch_for(
        self, topic: str, key: bytes | None, partition: int | None, size: int, number: int | None
    ) -> ProducerBatch:
        """The batch for a record; the caller adds it at once.

        Args:
            number: of the transaction it is part of.
        """
        began_ms = self._sending.now_ms()
        known = await self._known(topic, partition, size, number)
        fixed = self._fixed_partition(known, key, partition)
        batch = self._present(topic, fixed, size)
        if batch is not None:
            return batch
        if not self._waiting and self._accumulator.has_room(size):
            return self._open(topic, fixed, known.available, size, began_ms)
        left_ms = self._config.max_block_ms - (self._sending.now_ms() - began_ms)
        entry = (size, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        try:
            await self._until_room(entry, left_ms)
            self.raise_unless_taking(number)
            batch = self._present(topic, fixed, size)
            return batch or self._open(topic, fixed, known.available, size, began_ms)
        finally:
            self._waiting.remove(entry)
            self.give_room()

    async def _known(
        self, topic: str, partition: int | None, size: int, number: int | None
    ) -> TopicMetadata:
        """What is known of a topic that takes a record of this size; waits for what is lacking."""
        self.raise_unless_taking(number)
        self.use(topic)
        if size > self._config.max_request_size:
            raise Fatal(
                f"a record of about {size} bytes for {topic}: max_request_size is "
                f"{self._config.max_request_size}",
                code=ErrorCode.MESSAGE_TOO_LARGE,
            )
        metadata = self._sending.cluster.metadata
        known = metadata.topics.get(topic)
        if known is None or not known.available:
            await self._sending.cluster.ensure_topic(topic, self._config.max_block_ms)
            self.raise_unless_taking(number)
            known = metadata.topics[topic]
        if partition is not None and partition not in known.leaders:
            left_ms = self._config.max_block_ms
            await self._sending.cluster.ensure_partition(topic, partition, left_ms)
            self.raise_unless_taking(number)
            known = metadata.topics[topic]
        return known

    def _fixed_partition(
        self, known: TopicMetadata, key: bytes | None, partition: int | None
    ) -> int | None:
        """The partition that the caller, or the key, has chosen; None if any will do."""
        if partition is not None:
            return partition
        if self._partitioner is not None:
            places = sorted(known.leaders)
            chosen = self._partitioner(key, places, [*known.available])
            chosen = door.whole("the partitioner's choice", chosen)
            if chosen not in known.leaders:
                raise ValueError(f"partitioner chose {chosen}, which is none of {places}")
            return chosen
        return None if key is None else partition_for_key(key, len(known.leaders))

    def _present(self, topic: str, fixed: int | None, size: int) -> ProducerBatch | None:
        """A batch that is there and has room."""
        if fixed is not None:
            return self._accumulator.filling((topic, fixed), size)
        batch = self.filling.get(topic)
        return batch if batch is not None and self._accumulator.takes(batch, size) else None

    def _open(
        self, topic: str, fixed: int | None, available: Sequence[int], size: int, now_ms: float
    ) -> ProducerBatch:
        """A new batch; it is looked at when its linger ends, the one before at once."""
        if fixed is not None:
            batch = self._accumulator.open((topic, fixed), size, now_ms)
        else:
            before = self.filling.get(topic)
            spent = 0 if before is None else before.size_bytes + size
            place = (topic, self._sticky.pick(topic, available, spent))
            filling = self._accumulator.filling(place, size)
            batch = filling or self._accumulator.open(place, size, now_ms)
            self.filling[topic] = batch
        batch.home = self._sending
        batch.is_heard = self._config.transactional_id is not None  # its transaction will tell
        linger_ms = self._config.linger_ms
        is_full = size >= batch.room + batch.growth_bytes
        if linger_ms == 0 or is_full or self._is_behind(batch):
            self._sending.wake()
        else:
            self._sending.wake_at(now_ms + linger_ms)
        return batch

    def _is_behind(self, batch: ProducerBatch) -> bool:
        """Whether an older batch of the same partition has not left yet."""
        return len(self._accumulator.queues[batch.topic, batch.partition]) > 1

    async def _until_room(self, entry: tuple[int, asyncio.Future[None]], left_ms: float) -> None:
        size, waiting = entry
        self._accumulator.begin_flush()  # batches need not linger while somebody waits for room
        self._sending.wake()
        try:
            async with asyncio.timeout(left_ms / 1000):
                await waiting
        except TimeoutError:
            raise Retriable(
                f"no room for {size} bytes within max_block_ms={self._config.max_block_ms}: "
                f"buffer_memory={self._config.buffer_memory} is full; "
                f"last problem: {self._sending.sender.in_doubt or 'none'}",
                code=ErrorCode.REQUEST_TIMED_OUT,
            ) from None
        finally:
            self._accumulator.end_flush()


def _reach(ends: Sequence[int], at: int, room: int) -> int:
    """Up to which record, exclusive, the records from `at` on fit into `room` bytes; one at least.

    Args:
        ends: the sizes of all records before each, and of all.
    """
    return bisect_right(ends, ends[at] + room, lo=at + 1) - 1
