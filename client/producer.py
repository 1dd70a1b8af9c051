"""EDGE: Producer, the asyncio API that stores every record exactly once.

    async with Producer("127.0.0.1:9092") as producer:
        receipt = await producer.send_and_wait("orders", b"value", key=b"key")
        delivery = await producer.send("orders", b"value")     # waits only for buffer room
        receipt = await delivery
        receipts = await producer.send_many("orders", values)  # one wait for all of them

Records are collected in batches (produce/intake.py); what happens to a batch is decided in
produce/sender.py and performed in produce/pump.py. Cancelling a send or an await leaves the record
on its way and nothing else waiting. Names follow aiokafka where it has them.
Tests: tests/system/client/test_client.py
"""

from __future__ import annotations

import asyncio
import logging
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from random import Random
from ssl import SSLContext
from time import time
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self

from ..protocol.compression import Codec, compress
from .config import (
    BATCH_SIZE,
    RETRIES_MAX,
    Acks,
    CompressionType,
    ProducerConfig,
    SessionDurability,
    options_of,
)
from .door import door
from .door.door import Headers
from .door.owner import Owner, here
from .door.secret import hidden
from .door.security_options import SaslMechanism, SecurityProtocol, TokenProvider
from .errors import ClientError, DeliveryTimeout, Fatal
from .partitions import Mark, RecordMetadata
from .produce.accumulator import Accumulator
from .produce.batch import PLAIN_OVERHEAD_MAX, PLAIN_VALUE_END, ProducerBatch
from .produce.intake import Intake, Partitioner
from .produce.pump import Sending
from .produce.receipts import Delivery, Receipts
from .produce.transacting import Transacting

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from .session.session import Session
    from .transaction import Transaction

    K = TypeVar("K", default=bytes)  # what a key is before key_serializer
    V = TypeVar("V", default=bytes)
else:
    from typing import TypeVar

    K = TypeVar("K")
    V = TypeVar("V")

logger = logging.getLogger("minibroker.client")
NO_HEADERS: Headers = ()  # the default, by identity; an empty tuple that is another costs only time
STOP_ON_ERROR_MS = 1_000  # what leaving `async with` on an exception waits for open batches


def _stamp(given: float | None) -> float:
    return time() * 1000 if given is None else door.timestamp_ms("timestamp_ms", given)


class Producer(Generic[K, V]):
    """A producer for any Kafka; made inside a running loop, started by `async with` or start().

    Args:
        bootstrap_servers: "host:port,host:port", or a sequence of "host:port"; the port may be
            left out (9092).
        linger_ms: how long a batch waits for more records, unless somebody awaits one of its
            own and no other batch of its partition is on its way; 0 sends what one loop turn
            brings.
        delivery_timeout_ms: bounds every record, counted from its send.
        batch_size: bytes of records that go together at most; memory is taken as they come.
        retries: attempts after the first; delivery_timeout_ms is the better bound.
        key_serializer, value_serializer: make bytes of what is sent, None stays None; without
            them keys and values are bytes.
        partitioner: chooses the partition of every record that names none, from (key as bytes or
            None, all partitions, those that have a leader).
        transactional_id: a name that outlives this process and that no other running producer
            has; records are then sent within transaction(), and whoever starts under the same id
            fences this one. With a session there are no transactions: the id says which of all
            copies of its directory is the one that sends.
        transaction_timeout_ms: after so long the broker aborts a transaction; up to its
            transaction.max.timeout.ms.
        metadata_max_idle_ms: topics to which nothing was sent for so long are forgotten.
        max_block_ms: bounds the wait of `send` for metadata and for buffer room, and each wait for
            a transaction's coordinator.
        session: a directory in which everything is written down before it leaves: after a death of
            this process the next producer with it goes on, and no record is stored twice.
        session_durability: "fsync", or "page-cache", which does not survive this machine.
        security_protocol: "PLAINTEXT", "SSL", "SASL_PLAINTEXT" or "SASL_SSL".
        ssl_cafile, ssl_cadata: whose certificates are trusted, as a file or text of PEM; by default
            the system's. ssl_certfile, ssl_keyfile, ssl_password: this client's own.
        ssl_context: an ssl.SSLContext instead of all other ssl_ options.
        sasl_mechanism: "SCRAM-SHA-256", "SCRAM-SHA-512" or "PLAIN" with sasl_plain_username and
            sasl_plain_password, or "OAUTHBEARER".
        sasl_oauth_token_provider: called at each login; gives the token, or what to await for it.

    Every option has Kafka's name, meaning and default, but for batch_size, which is larger.

    Raises:
        TypeError, ValueError: an option that cannot be, options that contradict each other, or a
            server that is no HOST or HOST:PORT.
        OSError: a file of certificates cannot be read.
        ImportError: compression_type needs a package that is not installed.
        RuntimeError: no event loop runs; and from every call in another loop, thread or forked
            process.
    """

    _is_stopped = False
    _made_at = ""  # file:line, for who forgets to stop it
    _stamp = staticmethod(_stamp)

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
        max_block_ms: float = 60_000,
        delivery_timeout_ms: float = 120_000,
        retries: int = RETRIES_MAX,
        request_timeout_ms: int = 30_000,
        compression_type: CompressionType = "none",
        key_serializer: Callable[[K], bytes] | None = None,
        value_serializer: Callable[[V], bytes] | None = None,
        partitioner: Partitioner | None = None,
        retry_backoff_ms: float = 100,
        retry_backoff_max_ms: float = 1_000,
        reconnect_backoff_ms: float = 50,
        reconnect_backoff_max_ms: float = 1_000,
        metadata_max_age_ms: float = 300_000,
        metadata_max_idle_ms: float = 300_000,
        socket_connection_setup_timeout_ms: float = 10_000,
        allow_auto_create_topics: bool = True,
        transactional_id: str | None = None,
        transaction_timeout_ms: int = 60_000,
        session: str | None = None,
        session_durability: SessionDurability = "fsync",
        security_protocol: SecurityProtocol = "PLAINTEXT",
        ssl_context: SSLContext | None = None,
        ssl_check_hostname: bool = True,
        ssl_cafile: str | None = None,
        ssl_cadata: str | None = None,
        ssl_certfile: str | None = None,
        ssl_keyfile: str | None = None,
        ssl_password: str | None = None,
        sasl_mechanism: SaslMechanism | None = None,
        sasl_plain_username: str | None = None,
        sasl_plain_password: str | None = None,
        sasl_oauth_token_provider: TokenProvider | None = None,
    ) -> None:
        ssl_password, sasl_plain_password = hidden(ssl_password), hidden(sasl_plain_password)
        self._config = options_of(ProducerConfig, locals())
        self._key_serializer = door.call("key_serializer", key_serializer)
        self._value_serializer = door.call("value_serializer", value_serializer)
        self._prepare(door.call("partitioner", partitioner))
        caller = sys._getframe(1)
        self._made_at = f"{caller.f_code.co_filename}:{caller.f_lineno}"

    def _prepare(self, partitioner: Partitioner | None) -> None:
        config, random = self._config, Random()
        if config.codec != Codec.NONE:
            compress(config.codec, b"")
        self._owner = Owner("Producer")
        self._accumulator = Accumulator(config)
        self._session: Session | None = None
        if config.session is not None:
            self._prepare_session(random, partitioner)
        else:
            self._sending = Sending(config, self._accumulator, random, self._owner)
            self._intake = Intake(config, self._accumulator, self._sending, random, partitioner)
        self._transacting: Transacting | None = None
        if config.transactional_id is not None and config.session is None:
            self._transacting = Transacting(config, self._sending, self._sending.flush)
        self._mark = self._intake.mark
        # by topic, where plain records go; empty if every record has to be looked at first
        is_plain = self._value_serializer is None and partitioner is None
        self._filling = self._intake.filling if is_plain else {}

    def _prepare_session(self, random: Random, partitioner: Partitioner | None) -> None:
        from .session.session import Session  # not for those who have none

        session = Session(self._config, self._accumulator, random, self._owner, partitioner)
        self._session = session
        self._sending, self._intake = session.sending, session.intake
        self._stamp = session.stamp

    def __del__(self) -> None:
        if self._made_at and self._intake.closed is None:
            warnings.warn(
                f"the Producer made at {self._made_at} was dropped without stop(): what it has "
                "not sent yet may be lost; use `async with`, or await its stop()",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    async def start(self) -> None:
        """Reach a broker; with a transactional_id, also end what a predecessor has left open.

        Raises:
            ConnectionFailed: none of bootstrap_servers can be reached.
            Retriable: no producer id within max_block_ms.
            Fatal, Fenced: there never will be one; or the session cannot be gone on with
                (SessionInUse, JournalDamaged, StaleJournal and the like).
        """
        self._owner.check()
        await self._sending.start()
        if self._transacting is not None and not self._is_stopped:
            await self._start_transactions(self._transacting)
        if not self._is_stopped:
            self._intake.closed = None

    async def stop(self, timeout_ms: float | None = None) -> None:
        """Wait for what was sent, then end. Does nothing the second time.

        Args:
            timeout_ms: bound of the wait; by default delivery_timeout_ms, within which every
                record has been confirmed or has failed. What is open then fails.
        """
        self._owner.check()
        limit_ms = door.within_ms("timeout_ms", timeout_ms, self._config.delivery_timeout_ms)
        cluster = self._sending.cluster
        if self._is_stopped or not cluster.is_started:
            return
        self._is_stopped = True
        self._intake.close(Fatal("the producer was stopped"))
        try:
            if self._transacting is not None and cluster.failure is None:
                await self._transacting.end(limit_ms)
            if cluster.failure is None and not self._sending.sender.fatal:
                await self._sending.flush(limit_ms)
        except DeliveryTimeout as error:
            logger.warning("stopped before everything was confirmed: %s", error)
        finally:
            await self._sending.close(_stopped)

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
                async with asyncio.timeout(STOP_ON_ERROR_MS / 1000) as leaving:
                    self._intake.leave_within(leaving)
                    if self._transacting is not None:
                        await self._transacting.end(STOP_ON_ERROR_MS)
                    await self._sending.flush(self._config.delivery_timeout_ms)
            self._intake.leave_within(None)
            await self.stop(0)
        else:
            await self.stop()

    def transaction(self) -> Transaction[K, V]:
        """All that is sent in it is committed together, or nothing: `async with` it.

        Raises:
            RuntimeError: the producer was made without a transactional_id, or with a session.
        """
        from .transaction import Transaction  # not for those who have none

        self._owner.check()
        if self._session is not None:
            raise RuntimeError(
                "a session has no transactions: take a step(), which is one for its source, or "
                "a Producer without session"
            )
        if self._transacting is None:
            raise RuntimeError("give the Producer a transactional_id: a name that outlives it")
        return Transaction(self, self._transacting)

    @property
    def session(self) -> Session:
        """The durable session: marks, steps, and what waits for a decision.

        Raises:
            RuntimeError: the producer was made without one.
        """
        if self._session is None:
            raise RuntimeError("give the Producer session=DIRECTORY, which outlives it")
        return self._session

    async def send(
        self,
        topic: str,
        value: V | None = None,
        *,
        key: K | None = None,
        partition: int | None = None,
        timestamp_ms: float | None = None,
        headers: Headers | None = (),
        mark: Mark | None = None,
    ) -> Delivery:
        """Put a record into its batch; returns what to await for the receipt.

        Waits only for metadata and room. What is handed over may change afterwards.

        Args:
            partition: by default that of the key's hash, or whichever fills a batch.
            timestamp_ms: since 1970; by default now.
            headers: (name, value) pairs or a mapping; values are bytes, None, or text for UTF-8.
            mark: (source, position) that this record reaches, or only a position; for a session.

        Raises:
            TypeError, ValueError: an argument that cannot be; nothing else is touched.
            Fatal: the topic cannot be, the record is too large, or the producer is at its end.
            Retriable: no metadata or no room within max_block_ms.
            Abortable: the open transaction can only be aborted. RuntimeError: there is none.
        """
        # Most records end here; whatever is special about one goes the long way below.
        try:
            batch = self._filling.get(topic)
        except TypeError:
            batch = None  # no name at all: told below
        if (
            batch is not None
            and value.__class__ is bytes
            and key is None
            and partition is None
            and timestamp_ms is None
            and headers is NO_HEADERS
            and (size := len(value) + PLAIN_OVERHEAD_MAX) <= batch.room
            and size < PLAIN_VALUE_END
            and here() == self._owner.home
        ):
            if mark is not None:
                self._mark(mark)
            batch.room -= size
            batch.values.append(value)
            (timestamps := batch.timestamps).append(time() * 1000)
            return Delivery(batch, len(timestamps) - 1)
        self._owner.check()
        run = await self._intake.add(
            door.text("topic", topic),
            door.content("key", key, self._key_serializer),
            door.content("value", value, self._value_serializer),
            door.headers("headers", headers),
            partition=door.partition("partition", partition),
            timestamp=self._stamp(timestamp_ms),
            mark=mark,
        )
        return Delivery(run.batch, run.first)

    async def send_and_wait(
        self,
        topic: str,
        value: V | None = None,
        *,
        key: K | None = None,
        partition: int | None = None,
        timestamp_ms: float | None = None,
        headers: Headers | None = (),
        mark: Mark | None = None,
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
                mark=mark,
            )
        )

    async def send_many(
        self,
        topic: str,
        values: Iterable[V | None],
        keys: Iterable[K | None] | None = None,
        *,
        partition: int | None = None,
        timestamp_ms: float | None = None,
        headers: Iterable[Headers | None] | None = None,
        timestamps: Iterable[float] | None = None,
    ) -> Receipts:
        """Send records in bulk and wait for all of them.

        Args:
            values, keys, headers, timestamps: one for each record; each is read once, and all are
                examined before the first record is sent.
            timestamp_ms: of all of them; by default now.

        Returns: the receipts, in the order of the values.

        Raises:
            TypeError, ValueError: an argument that cannot be, or they differ in number; nothing
                is sent then.
            ClientError: of the kind that the first failed record met; `outcomes` of the error says
                what became of each record, and possibly_persisted whether any may be stored.
        """
        from .produce import bulk  # not for those who never send in bulk

        self._owner.check()
        records = bulk.bulk_of(
            topic,
            door.contents("values", values, self._value_serializer),
            None if keys is None else door.contents("keys", keys, self._key_serializer),
            headers=headers,
            timestamps=timestamps,
            timestamp_ms=timestamp_ms,
            partition=partition,
        )
        if self._session is not None:
            self._stamp(min(records.timestamps or [records.timestamp]))
        self._intake.raise_if_closed()
        return await bulk.sent(records, self._intake)

    async def flush(self, timeout_ms: float | None = None) -> None:
        """Send at once what was handed over so far, and wait until each has its outcome.

        Deliveries carry the outcomes; flush itself raises nothing about them.

        Raises:
            DeliveryTimeout: some are open after `timeout_ms`; they stay on their way.
        """
        self._owner.check()
        default_ms = self._config.delivery_timeout_ms
        await self._sending.flush(door.within_ms("timeout_ms", timeout_ms, default_ms))

    async def _start_transactions(self, transacting: Transacting) -> None:
        try:
            await transacting.start()
        except BaseException:
            transacting.disconnect()
            await self._sending.cluster.stop()
            self._sending.cluster.take_back()
            raise

    async def partitions_for(self, topic: str) -> list[int]:
        """The partitions of a topic, ascending. Raises as `send`."""
        self._owner.check()
        name = door.text("topic", topic)
        self._intake.raise_if_closed()
        self._intake.use(name)
        await self._sending.cluster.ensure_topic(name, self._config.max_block_ms)
        return sorted(self._sending.cluster.metadata.topics[name].leaders)

    def metrics(self) -> dict[str, float]:
        """What the producer has counted so far, by Kafka's metric names (figures.py)."""
        self._owner.check()
        return {**self._sending.metrics(), "waiting-threads": self._intake.waiting_count}


def _stopped(batch: ProducerBatch) -> ClientError:
    state = "it may have been stored" if batch.possibly_persisted else "it was not stored"
    return Fatal(
        f"{batch.describe()}: the producer was stopped before it was confirmed; {state}",
        possibly_persisted=batch.possibly_persisted,
    )
