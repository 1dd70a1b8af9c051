"""EDGE: Producer, the asyncio API that stores every record exactly once.

    async with Producer("127.0.0.1:9092") as producer:
        receipt = await producer.send_and_wait("orders", b"value", key=b"key")
        delivery = await producer.send("orders", b"value")     # waits only for buffer room
        receipt = await delivery

`send` encodes the record into its batch at once; what happens to the batch is decided in sender.py
and performed in sending.py. Cancelling a send or an await leaves the record on its way and nothing
else waiting. Names follow aiokafka where it has them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Generator, Sequence
from random import Random
from types import TracebackType
from typing import Any, NamedTuple, Self

from ..protocol.batch import RecordHeader
from ..protocol.compression import Codec, compress
from ..protocol.errors import ErrorCode
from .accumulator import Accumulator
from .config import Acks, CompressionType, ProducerConfig, parse_servers
from .errors import ClientError, DeliveryTimeout, Fatal, Retriable
from .partitioner import StickyPartitioner, partition_for_key
from .producer_batch import OFFSET_UNKNOWN, ProducerBatch, record_bytes_max
from .sending import Sending

LOG = logging.getLogger("minibroker.client")
STOP_ON_ERROR_MS = 1_000  # what leaving `async with` on an exception waits for open batches


class RecordMetadata(NamedTuple):
    """The receipt of a stored record.

    Attributes:
        offset: -1 where the broker did not tell: acks=0, or stored by an attempt whose answer
            was lost and that the broker no longer remembers in detail.
        timestamp: ms since 1970; the broker's own on topics with LogAppendTime.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int


class Delivery:
    """A record on its way: await it for its receipt, as often and from as many tasks as you like.

    Raises when awaited: DeliveryTimeout, Fatal, Fenced or Retriable.
    """

    __slots__ = ("_batch", "_index", "_timestamp")

    def __init__(self, batch: ProducerBatch, index: int, timestamp: int) -> None:
        self._batch = batch
        self._index = index
        self._timestamp = timestamp

    @property
    def done(self) -> bool:
        """Whether awaiting would return or raise at once."""
        return self._batch.outcome is not None

    def __await__(self) -> Generator[Any, None, RecordMetadata]:
        batch = self._batch
        if batch.outcome is None:
            yield from _until_done(batch).__await__()
        outcome = batch.outcome
        if isinstance(outcome, ClientError):
            raise outcome.with_traceback(None)
        assert outcome is not None
        offset = outcome.base_offset
        append_time_ms = outcome.log_append_time_ms
        return RecordMetadata(
            batch.topic,
            batch.partition,
            offset + self._index if offset >= 0 else OFFSET_UNKNOWN,
            self._timestamp if append_time_ms < 0 else append_time_ms,
        )


async def _until_done(batch: ProducerBatch) -> None:
    waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not waiting.done():
            waiting.set_result(None)

    batch.on_done.append(wake)
    try:
        await waiting
    finally:
        if batch.outcome is None:
            batch.on_done.remove(wake)


class Producer:
    """A producer for any Kafka; made inside a running loop, started by `async with` or start().

    Args:
        bootstrap_servers: "host:port,host:port", or a sequence of "host:port".
        linger_ms: how long a batch waits for more records; 0 sends what one loop turn brings.
        delivery_timeout_ms: bounds every record, counted from its send.
        max_block_ms: bounds the wait of `send` for metadata and for buffer room.

    Every option has Kafka's name, meaning and default.

    Raises:
        ValueError: options that contradict each other, or a server that is no HOST:PORT.
        ImportError: compression_type needs a package that is not installed.
    """

    def __init__(
        self,
        bootstrap_servers: str | Sequence[str] = "127.0.0.1:9092",
        *,
        client_id: str = "minibroker",
        acks: Acks = "all",
        enable_idempotence: bool = True,
        linger_ms: float = 5,
        batch_size: int = 16_384,
        buffer_memory: int = 33_554_432,
        max_request_size: int = 1_048_576,
        max_in_flight_requests_per_connection: int = 5,
        max_block_ms: int = 60_000,
        delivery_timeout_ms: int = 120_000,
        request_timeout_ms: int = 30_000,
        compression_type: CompressionType = "none",
        retry_backoff_ms: int = 100,
        retry_backoff_max_ms: int = 1_000,
        reconnect_backoff_ms: int = 50,
        reconnect_backoff_max_ms: int = 1_000,
        metadata_max_age_ms: int = 300_000,
        socket_connection_setup_timeout_ms: int = 10_000,
        allow_auto_create_topics: bool = True,
    ) -> None:
        self._config = ProducerConfig(
            bootstrap_servers=parse_servers(bootstrap_servers),
            client_id=client_id,
            acks=acks,
            enable_idempotence=enable_idempotence,
            linger_ms=linger_ms,
            batch_size=batch_size,
            buffer_memory=buffer_memory,
            max_request_size=max_request_size,
            max_in_flight_requests_per_connection=max_in_flight_requests_per_connection,
            max_block_ms=max_block_ms,
            delivery_timeout_ms=delivery_timeout_ms,
            request_timeout_ms=request_timeout_ms,
            compression_type=compression_type,
            retry_backoff_ms=retry_backoff_ms,
            retry_backoff_max_ms=retry_backoff_max_ms,
            reconnect_backoff_ms=reconnect_backoff_ms,
            reconnect_backoff_max_ms=reconnect_backoff_max_ms,
            metadata_max_age_ms=metadata_max_age_ms,
            socket_connection_setup_timeout_ms=socket_connection_setup_timeout_ms,
            allow_auto_create_topics=allow_auto_create_topics,
        )
        if self._config.codec != Codec.NONE:
            compress(self._config.codec, b"")
        random = Random()
        self._accumulator = Accumulator(self._config)
        self._sticky = StickyPartitioner(batch_size, random)
        self._sending = Sending(self._config, self._accumulator, random, self._give_room)
        self._waiting_for_room: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._closed: ClientError | None = Fatal("the producer has not been started")

    async def start(self) -> None:
        """Reach a broker. Raises ConnectionFailed if none of bootstrap_servers can be reached."""
        await self._sending.cluster.start()
        self._closed = None

    async def stop(self, timeout_ms: float | None = None) -> None:
        """Wait for what was sent, then end. Does nothing the second time.

        Args:
            timeout_ms: bound of the wait; by default delivery_timeout_ms, within which every
                record has been confirmed or has failed. What is open then fails.
        """
        if self._closed is not None:
            return
        self._closed = Fatal("the producer was stopped")
        try:
            if not self._sending.sender.fatal:
                await self.flush(timeout_ms)
        except DeliveryTimeout as error:
            LOG.warning("stopped before everything was confirmed: %s", error)
        finally:
            self._sending.stop()
            self._sending.sender.fail_all(_stopped)
            while self._waiting_for_room:
                self._wake_waiting()
            await self._sending.cluster.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop(None if error is None else STOP_ON_ERROR_MS)

    async def send(
        self,
        topic: str,
        value: bytes | None = None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Sequence[RecordHeader] = (),
    ) -> Delivery:
        """Put a record into its batch; waits only for metadata and buffer room.

        Args:
            partition: by default that of the key's hash, or whichever fills a batch.
            timestamp_ms: since 1970; by default now.

        Returns: what to await for the receipt.

        Raises:
            Fatal: the topic cannot be, the record is too large, or the producer is at its end.
            Retriable: no metadata or no room within max_block_ms.
        """
        sending = self._sending
        size = record_bytes_max(key, value, headers)
        known = sending.cluster.metadata.topics.get(topic)
        if (
            self._closed is not None
            or sending.sender.fatal is not None
            or known is None
            or not known.available
            or not self._accumulator.has_room(size)
            or self._waiting_for_room
            or size > self._config.max_request_size
        ):
            await self._until_ready(topic, size)
            known = sending.cluster.metadata.topics[topic]
        if partition is None:
            if key is None:
                partition = self._sticky.pick(topic, known.available, size)
            else:
                partition = partition_for_key(key, len(known.leaders))
        elif partition not in known.leaders:
            raise _no_partition(topic, partition, len(known.leaders))
        if timestamp_ms is None:
            timestamp_ms = int(time.time() * 1000)
        now_ms = sending.now_ms()
        batch = self._accumulator.append(
            (topic, partition), key, value, headers, timestamp_ms, size_bytes=size, now_ms=now_ms
        )
        if self._accumulator.calls_for_attention(batch):
            self._arrange(batch, now_ms)
        return Delivery(batch, batch.count - 1, timestamp_ms)

    async def send_and_wait(
        self,
        topic: str,
        value: bytes | None = None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Sequence[RecordHeader] = (),
    ) -> RecordMetadata:
        """As `send`, and wait for the receipt."""
        return await (
            await self.send(
                topic,
                value,
                key=key,
                partition=partition,
                timestamp_ms=timestamp_ms,
                headers=headers,
            )
        )

    async def flush(self, timeout_ms: float | None = None) -> None:
        """Send at once what was handed over so far, and wait until each has its outcome.

        Deliveries carry the outcomes; flush itself raises nothing about them.

        Raises:
            DeliveryTimeout: some are open after `timeout_ms`; they stay on their way.
        """
        limit_ms = self._config.delivery_timeout_ms if timeout_ms is None else timeout_ms
        self._accumulator.begin_flush()
        try:
            self._sending.wake()
            async with asyncio.timeout(limit_ms / 1000):
                for batch in self._sending.sender.open_batches():
                    if batch.outcome is None:
                        await _until_done(batch)
        except TimeoutError:
            count, persisted = self._unconfirmed()
            if not count:
                return
            raise DeliveryTimeout(
                f"{count} records not confirmed within {limit_ms:.0f} ms; "
                f"last problem: {self._sending.sender.in_doubt or 'none'}",
                code=ErrorCode.REQUEST_TIMED_OUT,
                possibly_persisted=persisted,
            ) from None
        finally:
            self._accumulator.end_flush()

    async def partitions_for(self, topic: str) -> list[int]:
        """The partitions of a topic, ascending. Raises as `send`."""
        await self._sending.cluster.ensure_topic(topic, self._config.max_block_ms)
        return sorted(self._sending.cluster.metadata.topics[topic].leaders)

    async def _until_ready(self, topic: str, size: int) -> None:
        """Wait for what `send` lacks, or say why it cannot be had."""
        self._raise_if_closed()
        if size > self._config.max_request_size:
            raise Fatal(
                f"a record of about {size} bytes for {topic}: max_request_size is "
                f"{self._config.max_request_size}",
                code=ErrorCode.MESSAGE_TOO_LARGE,
            )
        started_ms = self._sending.now_ms()
        limit_ms = self._config.max_block_ms
        await self._sending.cluster.ensure_topic(topic, limit_ms)
        left_ms = limit_ms - (self._sending.now_ms() - started_ms)
        if self._waiting_for_room or not self._accumulator.has_room(size):
            await self._until_room(size, left_ms)
        self._raise_if_closed()

    async def _until_room(self, size: int, left_ms: float) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (size, waiting)
        self._waiting_for_room.append(entry)
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
            if entry in self._waiting_for_room:
                self._waiting_for_room.remove(entry)
            self._give_room()

    def _give_room(self) -> None:
        """Wake those who wait for room, in order, as far as it reaches."""
        room = self._accumulator.held_bytes
        while self._waiting_for_room:
            size = self._waiting_for_room[0][0]
            if not (room == 0 or room + size <= self._config.buffer_memory):
                return
            room += size
            self._wake_waiting()

    def _wake_waiting(self) -> None:
        _, waiting = self._waiting_for_room.popleft()
        if not waiting.done():
            waiting.set_result(None)

    def _arrange(self, batch: ProducerBatch, now_ms: float) -> None:
        """A batch began or is full: look at once, or when its linger ends."""
        if batch.count > 1 or self._config.linger_ms == 0:
            self._sending.wake()
            return
        full = len(self._accumulator.queues[batch.topic, batch.partition]) > 1
        if full or len(batch.buffer) >= self._config.batch_size:
            self._sending.wake()
        else:
            self._sending.wake_at(now_ms + self._config.linger_ms)

    def _unconfirmed(self) -> tuple[int, bool]:
        batches = self._sending.sender.open_batches()
        return sum(each.count for each in batches), any(each.sends for each in batches)

    def _raise_if_closed(self) -> None:
        error = self._closed or self._sending.sender.fatal
        if error is not None:
            raise Fatal(str(error), code=error.code)


def _stopped(batch: ProducerBatch) -> ClientError:
    state = "it may have been stored" if batch.possibly_persisted else "it was not stored"
    return Fatal(
        f"{batch.describe()}: the producer was stopped before it was confirmed; {state}",
        possibly_persisted=batch.possibly_persisted,
    )


def _no_partition(topic: str, partition: int, count: int) -> Fatal:
    return Fatal(
        f"{topic} has {count} partitions, and {partition} is none of them",
        code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    )
