"""EDGE: Producer, the asyncio API that stores every record exactly once.

    async with Producer("127.0.0.1:9092") as producer:
        receipt = await producer.send_and_wait("orders", b"value", key=b"key")
        delivery = await producer.send("orders", b"value")     # waits only for buffer room
        receipt = await delivery
        receipts = await producer.send_many("orders", values)  # one wait for all of them

Records are collected in batches (intake.py); what happens to a batch is decided in sender.py and
performed in sending.py. Cancelling a send or an await leaves the record on its way and nothing
else waiting. Names follow aiokafka where it has them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from time import time
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self

from ..protocol.batch import RecordHeader
from ..protocol.compression import Codec, compress
from ..protocol.errors import ErrorCode
from .accumulator import Accumulator
from .config import BATCH_SIZE, RETRIES_MAX, Acks, CompressionType, ProducerConfig, parse_servers
from .delivery import Delivery, Receipts, RecordMetadata, Run, outcome_at, until_all_done
from .errors import ClientError, DeliveryTimeout, Fatal
from .intake import Intake
from .producer_batch import PLAIN_OVERHEAD_MAX, PLAIN_VALUE_END, ProducerBatch, Split
from .sending import Sending

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    K = TypeVar("K", default=bytes)  # what a key is before key_serializer
    V = TypeVar("V", default=bytes)
else:
    from typing import TypeVar

    K = TypeVar("K")
    V = TypeVar("V")

LOG = logging.getLogger("minibroker.client")
STOP_ON_ERROR_MS = 1_000  # what leaving `async with` on an exception waits for open batches


class Producer(Generic[K, V]):
    """A producer for any Kafka; made inside a running loop, started by `async with` or start().

    Args:
        bootstrap_servers: "host:port,host:port", or a sequence of "host:port".
        linger_ms: how long a batch waits for more records, unless somebody awaits one of its
            own and no other batch of its partition is on its way; 0 sends what one loop turn
            brings.
        delivery_timeout_ms: bounds every record, counted from its send.
        batch_size: bytes of records that go together at most; memory is taken as they come.
        retries: attempts after the first; delivery_timeout_ms is the better bound.
        key_serializer, value_serializer: make bytes of what is sent, None stays None; without
            them keys and values are bytes.
        max_block_ms: bounds the wait of `send` for metadata and for buffer room.

    Every option has Kafka's name, meaning and default, but for batch_size, which is larger.

    Raises:
        ValueError: options that contradict each other, or a server that is no HOST:PORT.
        ImportError: compression_type needs a package that is not installed.
    """

    _leaving: asyncio.Timeout | None = None  # the wait of `async with` on an exception

    def __init__(
        self,
        bootstrap_servers: str | Sequence[str] = "127.0.0.1:9092",
        *,
        client_id: str = "minibroker",
        acks: Acks = "all",
        enable_idempotence: bool = True,
        linger_ms: float = 5,
        batch_size: int = BATCH_SIZE,
        buffer_memory: int = 33_554_432,
        max_request_size: int = 1_048_576,
        max_in_flight_requests_per_connection: int = 5,
        max_block_ms: int = 60_000,
        delivery_timeout_ms: int = 120_000,
        retries: int = RETRIES_MAX,
        request_timeout_ms: int = 30_000,
        compression_type: CompressionType = "none",
        key_serializer: Callable[[K], bytes] | None = None,
        value_serializer: Callable[[V], bytes] | None = None,
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
            retries=retries,
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
        self._key_serializer = key_serializer
        self._value_serializer = value_serializer
        self._accumulator = Accumulator(self._config)
        self._sending = Sending(self._config, self._accumulator, random, self._on_progress)
        self._intake = Intake(self._config, self._accumulator, self._sending, random)
        # by topic, where plain records go; empty if every record has to be serialized first
        self._filling = self._intake.filling if value_serializer is None else {}

    async def start(self) -> None:
        """Reach a broker. Raises ConnectionFailed if none of bootstrap_servers can be reached."""
        await self._sending.cluster.start()
        self._intake.closed = None

    async def stop(self, timeout_ms: float | None = None) -> None:
        """Wait for what was sent, then end. Does nothing the second time.

        Args:
            timeout_ms: bound of the wait; by default delivery_timeout_ms, within which every
                record has been confirmed or has failed. What is open then fails.
        """
        if self._intake.closed is not None:
            return
        self._intake.close(Fatal("the producer was stopped"))
        try:
            if not self._sending.sender.fatal:
                await self.flush(timeout_ms)
        except DeliveryTimeout as error:
            LOG.warning("stopped before everything was confirmed: %s", error)
        finally:
            self._sending.stop()
            self._sending.sender.fail_all(_stopped)
            self._intake.give_room()
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
        if error is not None:
            with suppress(TimeoutError, DeliveryTimeout):
                async with asyncio.timeout(STOP_ON_ERROR_MS / 1000) as self._leaving:
                    self._on_progress()
                    await self.flush()
            await self.stop(0)
        else:
            await self.stop()

    async def send(
        self,
        topic: str,
        value: V | None = None,
        *,
        key: K | None = None,
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
        # Most records end here; whatever is special about one goes the long way below.
        batch = self._filling.get(topic)
        if (
            batch is not None
            and value.__class__ is bytes
            and key is None
            and partition is None
            and timestamp_ms is None
            and not headers
            and (size := len(value) + PLAIN_OVERHEAD_MAX) <= batch.room
            and size < PLAIN_VALUE_END
        ):
            batch.room -= size
            values = batch.values
            index = len(values)
            values.append(value)
            batch.timestamps.append(time() * 1000)
            return Delivery(batch, index)
        run = await self._intake.add(
            topic,
            None if key is None else _serialized(key, self._key_serializer, "key"),
            None if value is None else _serialized(value, self._value_serializer, "value"),
            headers,
            partition=partition,
            timestamp=time() * 1000 if timestamp_ms is None else timestamp_ms,
        )
        return Delivery(run.batch, run.first)

    async def send_and_wait(
        self,
        topic: str,
        value: V | None = None,
        *,
        key: K | None = None,
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

    async def send_many(
        self,
        topic: str,
        values: Sequence[V | None],
        keys: Sequence[K | None] | None = None,
        *,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Receipts:
        """Send records in bulk and wait for all of them.

        Args:
            keys: one for each value.
            timestamp_ms: of all of them; by default now.

        Returns: the receipts, in the order of the values.

        Raises:
            ValueError: keys and values differ in number.
            ClientError: of the kind that the first failed record met; `outcomes` of the error says
                what became of each record, and possibly_persisted whether any may be stored.
        """
        timestamp = time() * 1000 if timestamp_ms is None else timestamp_ms
        if keys is not None and len(keys) != len(values):
            raise ValueError(f"{len(values)} values and {len(keys)} keys")
        encoded = _all_serialized(values, self._value_serializer, "value")
        runs: list[Run] = []
        refused: ClientError | None = None
        try:
            plain = [each for each in encoded if each is not None]
            if keys is None and len(plain) == len(encoded):
                await self._intake.add_values(topic, plain, partition, timestamp, runs)
            else:
                encoded_keys = _all_serialized(
                    keys or [None] * len(values), self._key_serializer, "key"
                )
                for key, value in zip(encoded_keys, encoded, strict=True):
                    runs.append(
                        await self._intake.add(
                            topic, key, value, (), partition=partition, timestamp=timestamp
                        )
                    )
        except ClientError as error:
            refused = error
        batches = [*dict.fromkeys(run.batch for run in runs)]
        for batch in batches:
            batch.is_awaited = True
        self._sending.wake()
        await until_all_done(batches)
        if refused is not None or any(_has_failed(batch) for batch in batches):
            raise _partly_failed(topic, runs, len(values), refused)
        return Receipts(runs)

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
                await until_all_done(self._sending.sender.open_batches())
        except TimeoutError:
            batches = self._sending.sender.open_batches()
            if not batches:
                return
            raise DeliveryTimeout(
                f"{sum(each.count for each in batches)} records not confirmed within "
                f"{limit_ms:.0f} ms; last problem: {self._sending.sender.in_doubt or 'none'}",
                code=ErrorCode.REQUEST_TIMED_OUT,
                possibly_persisted=any(each.sends for each in batches),
            ) from None
        finally:
            self._accumulator.end_flush()

    async def partitions_for(self, topic: str) -> list[int]:
        """The partitions of a topic, ascending. Raises as `send`."""
        self._intake.raise_if_closed()
        await self._sending.cluster.ensure_topic(topic, self._config.max_block_ms)
        return sorted(self._sending.cluster.metadata.topics[topic].leaders)

    def _on_progress(self) -> None:
        self._intake.give_room()
        if self._leaving is not None and not self._sending.cluster.is_connected:
            self._leaving.reschedule(0)  # nobody is there to confirm anything
            self._leaving = None


def _serialized(given: object, serializer: Callable[..., bytes] | None, what: str) -> bytes:
    encoded = given if serializer is None else serializer(given)
    if isinstance(encoded, bytes):
        return encoded
    if isinstance(encoded, bytearray | memoryview):
        return bytes(encoded)
    raise TypeError(f"a {what} must be bytes, not {type(encoded).__name__}; see {what}_serializer")


def _all_serialized(
    given: Sequence[object], serializer: Callable[..., bytes] | None, what: str
) -> list[bytes | None]:
    if serializer is None and {*map(type, given)} <= {bytes}:
        return [*given]  # type: ignore[list-item]  # bytes, as was just seen
    return [None if each is None else _serialized(each, serializer, what) for each in given]


def _has_failed(batch: ProducerBatch) -> bool:
    if isinstance(batch.outcome, Split):
        return any(map(_has_failed, batch.outcome.pieces))
    return isinstance(batch.outcome, ClientError)


def _partly_failed(
    topic: str, runs: Sequence[Run], count: int, refused: ClientError | None
) -> ClientError:
    """The error of a send_many of which not everything was stored."""
    outcomes: list[RecordMetadata | ClientError] = [
        outcome_at(run.batch, index)
        for run in runs
        for index in range(run.first, run.first + run.length)
    ]
    if refused is not None:
        outcomes += [refused] * (count - len(outcomes))
    failed = [each for each in outcomes if isinstance(each, ClientError)]
    error = type(failed[0])(
        f"{len(failed)} of {count} records for {topic} failed, {count - len(failed)} are stored; "
        f"the first failure: {failed[0]}",
        code=failed[0].code,
        possibly_persisted=len(failed) < count or any(each.possibly_persisted for each in failed),
    )
    error.outcomes = outcomes
    return error


def _stopped(batch: ProducerBatch) -> ClientError:
    state = "it may have been stored" if batch.possibly_persisted else "it was not stored"
    return Fatal(
        f"{batch.describe()}: the producer was stopped before it was confirmed; {state}",
        possibly_persisted=batch.possibly_persisted,
    )
