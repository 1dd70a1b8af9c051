"""The blocking face: Producer, Consumer, Admin and process() without await.

    from minibroker.client.blocking import Consumer, Producer

    with Producer("127.0.0.1:9092") as producer:
        print(producer.send_and_wait("orders", b"value").offset)

Each object has an event loop in a thread of its own (in_thread/loop_thread.py), so that it can be
used from scripts, threads, Django and beside a running loop, as in Jupyter. Names, options and
errors are those of the asyncio faces, which do the work. Written by
tests/support/pages/blocking_face.py (`make blocking`): change those, not this file.
Tests: tests/system/client/test_client_blocking.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self

import minibroker.client as _async

from .administer.access import EVERY_RULE
from .administer.acl_bindings import AclBinding, AclBindingFilter
from .administer.quota_entities import Asked, ClientQuotaEntity
from .administer.results import (
    ClusterDescription,
    ConfigEntry,
    ConfigResource,
    GroupDescription,
    GroupListing,
    HangingTransaction,
    LogDirDescription,
    ProducerDescription,
    ScramCredentialInfo,
    ScramMechanism,
    TopicDescription,
    TransactionDescription,
    TransactionListing,
)
from .administer.topics import DEFAULT_COUNT
from .administer.transactions import MAX_TIMEOUT_MS
from .cluster.list_offsets import OffsetAndTimestamp
from .config import (
    BATCH_SIZE,
    RETRIES_MAX,
    Acks,
    CompressionType,
    IsolationLevel,
    OffsetReset,
    SessionDurability,
)
from .door.door import Headers
from .door.secret import hidden
from .door.security_options import SaslMechanism, SecurityProtocol, TokenProvider
from .fetch.position import ConsumerRecord, Deserializer, K, V
from .group.subscription import ConsumerRebalanceListener
from .in_thread.loop_thread import LoopThread
from .in_thread.parts import Delivery, InThreads
from .in_thread.processing import process
from .in_thread.session import Session
from .in_thread.transaction import Transaction
from .partitions import GroupOffsets, Mark, OffsetAndMetadata, RecordMetadata, TopicPartition
from .produce.intake import Partitioner
from .produce.receipts import Receipts

if TYPE_CHECKING:
    from ssl import SSLContext


__all__ = ["Admin", "Consumer", "Delivery", "Producer", "Session", "Transaction", "process"]


class Producer(Generic[K, V]):
    """A producer for any Kafka; started by `with`.

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

    def __init__(
        self,
        bootstrap_servers: str | Sequence[str] = "127.0.0.1:9092",
        *,
        client_id: str = "minibroker",
        acks: Acks = "all",
        enable_idempotence: bool = True,
        linger_ms: float = 5,
        batch_size: int = BATCH_SIZE,
        buffer_memory: int = 33554432,
        max_request_size: int = 1048576,
        max_in_flight_requests_per_connection: int = 5,
        max_block_ms: float = 60000,
        delivery_timeout_ms: float = 120000,
        retries: int = RETRIES_MAX,
        request_timeout_ms: int = 30000,
        compression_type: CompressionType = "none",
        key_serializer: Callable[[K], bytes] | None = None,
        value_serializer: Callable[[V], bytes] | None = None,
        partitioner: Partitioner | None = None,
        retry_backoff_ms: float = 100,
        retry_backoff_max_ms: float = 1000,
        reconnect_backoff_ms: float = 50,
        reconnect_backoff_max_ms: float = 1000,
        metadata_max_age_ms: float = 300000,
        metadata_max_idle_ms: float = 300000,
        socket_connection_setup_timeout_ms: float = 10000,
        allow_auto_create_topics: bool = True,
        transactional_id: str | None = None,
        transaction_timeout_ms: int = 60000,
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
        ssl_password, sasl_plain_password = (hidden(ssl_password), hidden(sasl_plain_password))
        self._loop = LoopThread("producer")
        self._inner: _async.Producer[K, V] = self._loop.make(
            lambda: _async.Producer(
                bootstrap_servers,
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
                key_serializer=key_serializer,
                value_serializer=value_serializer,
                partitioner=partitioner,
                retry_backoff_ms=retry_backoff_ms,
                retry_backoff_max_ms=retry_backoff_max_ms,
                reconnect_backoff_ms=reconnect_backoff_ms,
                reconnect_backoff_max_ms=reconnect_backoff_max_ms,
                metadata_max_age_ms=metadata_max_age_ms,
                metadata_max_idle_ms=metadata_max_idle_ms,
                socket_connection_setup_timeout_ms=socket_connection_setup_timeout_ms,
                allow_auto_create_topics=allow_auto_create_topics,
                transactional_id=transactional_id,
                transaction_timeout_ms=transaction_timeout_ms,
                session=session,
                session_durability=session_durability,
                security_protocol=security_protocol,
                ssl_context=ssl_context,
                ssl_check_hostname=ssl_check_hostname,
                ssl_cafile=ssl_cafile,
                ssl_cadata=ssl_cadata,
                ssl_certfile=ssl_certfile,
                ssl_keyfile=ssl_keyfile,
                ssl_password=ssl_password,
                sasl_mechanism=sasl_mechanism,
                sasl_plain_username=sasl_plain_username,
                sasl_plain_password=sasl_plain_password,
                sasl_oauth_token_provider=sasl_oauth_token_provider,
            )
        )

    def start(self) -> None:
        """Reach a broker; with a transactional_id, also end what a predecessor has left open.

        Raises:
            ConnectionFailed: none of bootstrap_servers can be reached.
            Retriable: no producer id within max_block_ms.
            Fatal, Fenced: there never will be one; or the session cannot be gone on with
                (SessionInUse, JournalDamaged, StaleJournal and the like).
        """
        self._loop.run(self._inner.start)

    def stop(self, timeout_ms: float | None = None) -> None:
        """Wait for what was sent, then end. Does nothing the second time.

        Args:
            timeout_ms: bound of the wait; by default delivery_timeout_ms, within which every
                record has been confirmed or has failed. What is open then fails.
        """
        if not self._loop.is_open:
            return
        try:
            self._loop.run(lambda: self._inner.stop(timeout_ms))
        finally:
            self._loop.close()

    def transaction(self) -> Transaction[K, V]:
        """All that is sent in it is committed together, or nothing: `with` it.

        Raises:
            RuntimeError: the producer was made without a transactional_id, or with a session.
        """
        return Transaction(self._loop, self._loop.do(self._inner.transaction))

    @property
    def session(self) -> Session:
        """The durable session: marks, steps, and what waits for a decision.

        Raises:
            RuntimeError: the producer was made without one.
        """
        return Session(self._loop, self._loop.do(lambda: self._inner.session))

    def send(
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
        """Put a record into its batch; returns what waits for the receipt.

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
        return Delivery(
            self._loop,
            self._loop.run(
                lambda: self._inner.send(
                    topic,
                    value,
                    key=key,
                    partition=partition,
                    timestamp_ms=timestamp_ms,
                    headers=headers,
                    mark=mark,
                )
            ),
        )

    def send_and_wait(
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
        return self._loop.run(
            lambda: self._inner.send_and_wait(
                topic,
                value,
                key=key,
                partition=partition,
                timestamp_ms=timestamp_ms,
                headers=headers,
                mark=mark,
            )
        )

    def send_many(
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
        return self._loop.run(
            lambda: self._inner.send_many(
                topic,
                values,
                keys,
                partition=partition,
                timestamp_ms=timestamp_ms,
                headers=headers,
                timestamps=timestamps,
            )
        )

    def flush(self, timeout_ms: float | None = None) -> None:
        """Send at once what was handed over so far, and wait until each has its outcome.

        Deliveries carry the outcomes; flush itself raises nothing about them.

        Raises:
            DeliveryTimeout: some are open after `timeout_ms`; they stay on their way.
        """
        self._loop.run(lambda: self._inner.flush(timeout_ms))

    def partitions_for(self, topic: str) -> list[int]:
        """The partitions of a topic, ascending. Raises as `send`."""
        return self._loop.run(lambda: self._inner.partitions_for(topic))

    def metrics(self) -> dict[str, float]:
        """What the producer has counted so far, by Kafka's metric names (figures.py)."""
        return self._loop.do(self._inner.metrics)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._loop.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._loop.is_open:
            return
        try:
            self._loop.run(lambda: self._inner.__aexit__(kind, error, trace))
        finally:
            self._loop.close()

    def __del__(self) -> None:
        if hasattr(self, "_loop"):
            self._loop.dropped()


class Consumer(Generic[K, V]):
    """A consumer of partitions; started by `with`.

    Args:
        topics: read from the start; none leaves the choice to subscribe() or assign().
        bootstrap_servers: "host:port,host:port", or a sequence of "host:port".
        group_id: members of a group share the partitions of their topics.
        group_instance_id: a name that outlives this process: coming back within
            session_timeout_ms moves no partition (KIP-345).
        auto_offset_reset: where to begin without a position: "earliest", "latest", or "none",
            which raises.
        isolation_level: "read_committed" hands out no record of an open or aborted transaction,
            and ends (end_offsets, lag) before the first open one.
        partition_assignment_strategy: of "range", "roundrobin" and "cooperative-sticky", the one
            liked best first. All members of a group need one in common; only "cooperative-sticky"
            alone lets members read on while the group rebalances.
        max_poll_interval_ms: how long the application may be busy with records before its
            partitions are given to others; heartbeats go on meanwhile.
        enable_auto_commit: every auto_commit_interval_ms, before partitions are given up and at
            the end, commit what the application is done with: all it got before its newest call.
        key_deserializer, value_deserializer: called with the bytes, or None, of each record.
        consumer_timeout_ms: `async for` ends when no record has come for so long; by default never.
        security_protocol: "PLAINTEXT", "SSL", "SASL_PLAINTEXT" or "SASL_SSL".
        ssl_cafile, ssl_cadata: whose certificates are trusted, as a file or text of PEM; by default
            the system's. ssl_certfile, ssl_keyfile, ssl_password: this client's own.
        ssl_context: an ssl.SSLContext instead of all other ssl_ options.
        sasl_mechanism: "SCRAM-SHA-256", "SCRAM-SHA-512" or "PLAIN" with sasl_plain_username and
            sasl_plain_password, or "OAUTHBEARER".
        sasl_oauth_token_provider: called at each login; gives the token, or what to await for it.

    Every other option has Kafka's name, meaning and default.

    Raises:
        TypeError, ValueError: an option that cannot work, or a server that is no HOST or HOST:PORT.
        OSError: a file of certificates cannot be read.
        RuntimeError: no event loop runs; and from every call in another loop, thread or forked
            process.
    """

    def __init__(
        self,
        *topics: str,
        bootstrap_servers: str | Sequence[str] = "127.0.0.1:9092",
        client_id: str = "minibroker",
        group_id: str | None = None,
        group_instance_id: str | None = None,
        key_deserializer: Deserializer[K] | None = None,
        value_deserializer: Deserializer[V] | None = None,
        auto_offset_reset: OffsetReset = "latest",
        isolation_level: IsolationLevel = "read_uncommitted",
        enable_auto_commit: bool = True,
        auto_commit_interval_ms: float = 5000,
        partition_assignment_strategy: Sequence[str] = ("range", "cooperative-sticky"),
        session_timeout_ms: int = 45000,
        heartbeat_interval_ms: float = 3000,
        max_poll_interval_ms: int = 300000,
        fetch_min_bytes: int = 1,
        fetch_max_bytes: int = 52428800,
        fetch_max_wait_ms: int = 500,
        max_partition_fetch_bytes: int = 1048576,
        max_poll_records: int = 500,
        check_crcs: bool = True,
        request_timeout_ms: int = 30000,
        retry_backoff_ms: float = 100,
        retry_backoff_max_ms: float = 1000,
        reconnect_backoff_ms: float = 50,
        reconnect_backoff_max_ms: float = 1000,
        metadata_max_age_ms: float = 300000,
        socket_connection_setup_timeout_ms: float = 10000,
        allow_auto_create_topics: bool = True,
        consumer_timeout_ms: float | None = None,
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
        ssl_password, sasl_plain_password = (hidden(ssl_password), hidden(sasl_plain_password))
        self._loop = LoopThread("consumer")
        self._inner: _async.Consumer[K, V] = self._loop.make(
            lambda: _async.Consumer(
                *topics,
                bootstrap_servers=bootstrap_servers,
                client_id=client_id,
                group_id=group_id,
                group_instance_id=group_instance_id,
                key_deserializer=key_deserializer,
                value_deserializer=value_deserializer,
                auto_offset_reset=auto_offset_reset,
                isolation_level=isolation_level,
                enable_auto_commit=enable_auto_commit,
                auto_commit_interval_ms=auto_commit_interval_ms,
                partition_assignment_strategy=partition_assignment_strategy,
                session_timeout_ms=session_timeout_ms,
                heartbeat_interval_ms=heartbeat_interval_ms,
                max_poll_interval_ms=max_poll_interval_ms,
                fetch_min_bytes=fetch_min_bytes,
                fetch_max_bytes=fetch_max_bytes,
                fetch_max_wait_ms=fetch_max_wait_ms,
                max_partition_fetch_bytes=max_partition_fetch_bytes,
                max_poll_records=max_poll_records,
                check_crcs=check_crcs,
                request_timeout_ms=request_timeout_ms,
                retry_backoff_ms=retry_backoff_ms,
                retry_backoff_max_ms=retry_backoff_max_ms,
                reconnect_backoff_ms=reconnect_backoff_ms,
                reconnect_backoff_max_ms=reconnect_backoff_max_ms,
                metadata_max_age_ms=metadata_max_age_ms,
                socket_connection_setup_timeout_ms=socket_connection_setup_timeout_ms,
                allow_auto_create_topics=allow_auto_create_topics,
                consumer_timeout_ms=consumer_timeout_ms,
                security_protocol=security_protocol,
                ssl_context=ssl_context,
                ssl_check_hostname=ssl_check_hostname,
                ssl_cafile=ssl_cafile,
                ssl_cadata=ssl_cadata,
                ssl_certfile=ssl_certfile,
                ssl_keyfile=ssl_keyfile,
                ssl_password=ssl_password,
                sasl_mechanism=sasl_mechanism,
                sasl_plain_username=sasl_plain_username,
                sasl_plain_password=sasl_plain_password,
                sasl_oauth_token_provider=sasl_oauth_token_provider,
            )
        )

    def start(self) -> None:
        """Reach a broker; without a group, also wait for the partitions of the topics named.

        Raises:
            ConnectionFailed: none of bootstrap_servers can be reached.
            Fatal, Retriable: a topic cannot be, or has no leader within request_timeout_ms.
        """
        self._loop.run(self._inner.start)

    def stop(self) -> None:
        """Commit what was handed out, leave the group and end all fetching, within seconds."""
        if not self._loop.is_open:
            return
        try:
            self._loop.run(self._inner.stop)
        finally:
            self._loop.close()

    def subscribe(
        self,
        topics: Iterable[str] = (),
        *,
        pattern: str | None = None,
        listener: ConsumerRebalanceListener | None = None,
    ) -> None:
        """Read these topics, or all whose whole name matches the pattern, instead of those before.

        Raises:
            TypeError: `topics` is one name instead of several.
            ValueError: both or neither are given, or partitions were assigned by hand.
        """
        self._loop.do(
            lambda: self._inner.subscribe(
                topics, pattern=pattern, listener=None if listener is None else InThreads(listener)
            )
        )

    def subscription(self) -> frozenset[str]:
        """The topics that are read."""
        return self._loop.do(self._inner.subscription)

    def unsubscribe(self) -> None:
        """Read nothing more; a group is left soon after."""
        self._loop.do(self._inner.unsubscribe)

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """Read these partitions from now on; those read before keep their position.

        Raises:
            ValueError: topics are subscribed to.
        """
        self._loop.do(lambda: self._inner.assign(partitions))

    def partitions_for_topic(self, topic: str, *, timeout_ms: float | None = None) -> list[int]:
        """The partitions of a topic, ascending. Raises as start().

        Args:
            timeout_ms: how long it may take to appear; by default request_timeout_ms.
        """
        return self._loop.run(
            lambda: self._inner.partitions_for_topic(topic, timeout_ms=timeout_ms)
        )

    def getone(self, *partitions: TopicPartition) -> ConsumerRecord[K, V]:
        """Wait for the next record, of these partitions only if any are named.

        Raises:
            Fatal: a partition cannot be read, or the consumer was stopped.
            Fenced: another consumer has taken over this group_instance_id.
        """
        return self._loop.run(lambda: self._inner.getone(*partitions))

    def getmany(
        self, *partitions: TopicPartition, timeout_ms: float = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[ConsumerRecord[K, V]]]:
        """Records that have come, by partition; empty if none come within `timeout_ms`.

        Args:
            partitions: take records of these only, if any are named.
            max_records: at most so many; by default max_poll_records.

        Raises: as getone().
        """
        return self._loop.run(
            lambda: self._inner.getmany(*partitions, timeout_ms=timeout_ms, max_records=max_records)
        )

    def assignment(self) -> set[TopicPartition]:
        """The partitions that are read."""
        return self._loop.do(self._inner.assignment)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on at an offset (0 or more)."""
        self._loop.do(lambda: self._inner.seek(partition, offset))

    def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        """Go on at the first record of these partitions, or of all."""
        self._loop.run(lambda: self._inner.seek_to_beginning(*partitions))

    def seek_to_end(self, *partitions: TopicPartition) -> None:
        """Go on behind the last record of these partitions, or of all."""
        self._loop.run(lambda: self._inner.seek_to_end(*partitions))

    def position(self, partition: TopicPartition, *, timeout_ms: float | None = None) -> int:
        """The offset of the next record the application gets.

        Raises:
            Fatal: there is none, and auto_offset_reset is "none"; or the partition cannot be read.
            Retriable: it was not found within `timeout_ms`, by default request_timeout_ms.
        """
        return self._loop.run(lambda: self._inner.position(partition, timeout_ms=timeout_ms))

    def highwater(self, partition: TopicPartition) -> int | None:
        """The end of the partition as of the newest fetch; None before the first."""
        return self._loop.do(lambda: self._inner.highwater(partition))

    def lag(self, *partitions: TopicPartition) -> dict[TopicPartition, int]:
        """How many offsets lie between position and end, of these partitions or of all assigned.

        Raises: as position() and end_offsets().
        """
        return self._loop.run(lambda: self._inner.lag(*partitions))

    def beginning_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset of the first record of each partition. Raises as end_offsets()."""
        return self._loop.run(lambda: self._inner.beginning_offsets(partitions))

    def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset behind the last readable record of each partition.

        Raises:
            Fatal: a partition does not exist, or may not be read.
            Retriable: no answer within request_timeout_ms.
        """
        return self._loop.run(lambda: self._inner.end_offsets(partitions))

    def offsets_for_times(
        self, timestamps: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp | None]:
        """The first record of each partition at or after a time (ms since 1970), if any."""
        return self._loop.run(lambda: self._inner.offsets_for_times(timestamps))

    def pause(self, *partitions: TopicPartition) -> None:
        """Hand out no records of these partitions until resume()."""
        self._loop.do(lambda: self._inner.pause(*partitions))

    def resume(self, *partitions: TopicPartition) -> None:
        """Undo pause()."""
        self._loop.do(lambda: self._inner.resume(*partitions))

    def metrics(self) -> dict[str, float]:
        """What the consumer has counted so far, by Kafka's metric names (figures.py)."""
        return self._loop.do(self._inner.metrics)

    def commit(
        self,
        offsets: Mapping[TopicPartition, OffsetAndMetadata | int] | None = None,
        *,
        timeout_ms: float | None = None,
    ) -> None:
        """Store positions for the group: of the next records to read, not of the last ones read.

        Args:
            offsets: by default the position of every assigned partition.
            timeout_ms: by default request_timeout_ms.

        Raises:
            Fenced: the group went on without this consumer.
            Retriable: the group rebalances, or no answer within `timeout_ms`.
            Fatal: the broker refuses for good.
            ValueError: there is no group_id, or an offset is below 0.
        """
        self._loop.run(lambda: self._inner.commit(offsets, timeout_ms=timeout_ms))

    def committed(
        self, partition: TopicPartition, *, timeout_ms: float | None = None
    ) -> OffsetAndMetadata | None:
        """What the group has committed for a partition; None if nothing. Raises as commit()."""
        return self._loop.run(lambda: self._inner.committed(partition, timeout_ms=timeout_ms))

    def group_offsets(self) -> GroupOffsets:
        """The positions and the membership they belong to, for Transaction.commit_offsets.

        Raises:
            Abortable: the group has gone on without this consumer, or gave a partition away of
                which records were handed out since the newest call.
            ValueError: there is no group_id, or the consumer commits by itself.
        """
        return self._loop.do(self._inner.group_offsets)

    def seek_to_committed(self, *, timeout_ms: float | None = None) -> None:
        """Go back to what the group has committed, as after a transaction that was aborted.

        Partitions for which nothing is committed go where auto_offset_reset says.

        Raises:
            Fatal: there is none, and auto_offset_reset is "none". Otherwise as commit().
        """
        self._loop.run(lambda: self._inner.seek_to_committed(timeout_ms=timeout_ms))

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._loop.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._loop.is_open:
            return
        try:
            self._loop.run(lambda: self._inner.__aexit__(kind, error, trace))
        finally:
            self._loop.close()

    def __del__(self) -> None:
        if hasattr(self, "_loop"):
            self._loop.dropped()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ConsumerRecord[K, V]:
        try:
            return self._loop.run(self._inner.__anext__)
        except StopAsyncIteration:
            raise StopIteration from None


class Admin:
    """Looks after topics, groups, transactions, rights and quotas; started by `with`.

    Args:
        bootstrap_servers: "host:port,host:port", or a sequence of "host:port".
        timeout_ms: bound of every call, with all that is asked again within it; what does not
            succeed raises Retriable with the newest reason.
        request_timeout_ms: bound of one answer.
        security_protocol: "PLAINTEXT", "SSL", "SASL_PLAINTEXT" or "SASL_SSL".
        ssl_cafile, ssl_cadata: whose certificates are trusted, as a file or text of PEM; by default
            the system's. ssl_certfile, ssl_keyfile, ssl_password: this client's own.
        ssl_context: an ssl.SSLContext instead of all other ssl_ options.
        sasl_mechanism: "SCRAM-SHA-256", "SCRAM-SHA-512" or "PLAIN" with sasl_plain_username and
            sasl_plain_password, or "OAUTHBEARER".
        sasl_oauth_token_provider: called at each login; gives the token, or what to await for it.

    Every other option has Kafka's name, meaning and default.

    Raises:
        TypeError, ValueError: an option that cannot be, or a server that is no HOST or HOST:PORT.
        OSError: a file of certificates cannot be read.
        RuntimeError: no event loop runs; and from every call in another loop, thread or forked
            process.
    """

    def __init__(
        self,
        bootstrap_servers: str | Sequence[str] = "127.0.0.1:9092",
        *,
        client_id: str = "minibroker-admin",
        request_timeout_ms: int = 30000,
        timeout_ms: float = 60000,
        retry_backoff_ms: float = 100,
        retry_backoff_max_ms: float = 1000,
        reconnect_backoff_ms: float = 50,
        reconnect_backoff_max_ms: float = 1000,
        socket_connection_setup_timeout_ms: float = 10000,
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
        ssl_password, sasl_plain_password = (hidden(ssl_password), hidden(sasl_plain_password))
        self._loop = LoopThread("admin")
        self._inner: _async.Admin = self._loop.make(
            lambda: _async.Admin(
                bootstrap_servers,
                client_id=client_id,
                request_timeout_ms=request_timeout_ms,
                timeout_ms=timeout_ms,
                retry_backoff_ms=retry_backoff_ms,
                retry_backoff_max_ms=retry_backoff_max_ms,
                reconnect_backoff_ms=reconnect_backoff_ms,
                reconnect_backoff_max_ms=reconnect_backoff_max_ms,
                socket_connection_setup_timeout_ms=socket_connection_setup_timeout_ms,
                security_protocol=security_protocol,
                ssl_context=ssl_context,
                ssl_check_hostname=ssl_check_hostname,
                ssl_cafile=ssl_cafile,
                ssl_cadata=ssl_cadata,
                ssl_certfile=ssl_certfile,
                ssl_keyfile=ssl_keyfile,
                ssl_password=ssl_password,
                sasl_mechanism=sasl_mechanism,
                sasl_plain_username=sasl_plain_username,
                sasl_plain_password=sasl_plain_password,
                sasl_oauth_token_provider=sasl_oauth_token_provider,
            )
        )

    def start(self) -> None:
        """Reach a broker. Raises ConnectionFailed if none of bootstrap_servers can be reached."""
        self._loop.run(self._inner.start)

    def stop(self) -> None:
        """Close all connections, within seconds."""
        if not self._loop.is_open:
            return
        try:
            self._loop.run(self._inner.stop)
        finally:
            self._loop.close()

    def describe_cluster(self) -> ClusterDescription:
        """The brokers and the controller."""
        return self._loop.run(self._inner.describe_cluster)

    def describe_log_dirs(
        self, node_id: int, partitions: Iterable[TopicPartition] | None = None
    ) -> dict[str, LogDirDescription]:
        """The data directories of one broker, by path, and what lies there. KIP-113.

        Args:
            partitions: only these, or all; what the broker has not is left out.

        Raises:
            Fatal: the broker refuses, or does not tell.
            Retriable: no such broker, or no answer, within timeout_ms.
        """
        return self._loop.run(lambda: self._inner.describe_log_dirs(node_id, partitions))

    def list_topics(self, *, list_internal: bool = False) -> list[str]:
        """Names of all topics, in order.

        Args:
            list_internal: those of the broker itself as well, such as "__consumer_offsets".
        """
        return self._loop.run(lambda: self._inner.list_topics(list_internal=list_internal))

    def describe_topics(self, topics: Iterable[str] | None = None) -> dict[str, TopicDescription]:
        """Partitions and leaders of these topics, or of all.

        Raises:
            Fatal: one of them does not exist.
        """
        return self._loop.run(lambda: self._inner.describe_topics(topics))

    def create_topic(
        self,
        topic: str,
        *,
        num_partitions: int = DEFAULT_COUNT,
        replication_factor: int = DEFAULT_COUNT,
        configs: Mapping[str, str] | None = None,
    ) -> None:
        """Create a topic; counts of -1 leave the choice to the broker.

        Raises:
            Fatal: it exists already, or the broker refuses the name, a count or a property.
        """
        self._loop.run(
            lambda: self._inner.create_topic(
                topic,
                num_partitions=num_partitions,
                replication_factor=replication_factor,
                configs=configs,
            )
        )

    def delete_topics(self, topics: Iterable[str]) -> None:
        """Delete topics with all their records.

        Raises:
            Fatal: one of them does not exist, or the broker refuses; the others are deleted.
        """
        self._loop.run(lambda: self._inner.delete_topics(topics))

    def create_partitions(self, topic: str, total_count: int) -> None:
        """Give a topic more partitions, `total_count` altogether. Raises Fatal if it is refused."""
        self._loop.run(lambda: self._inner.create_partitions(topic, total_count))

    def describe_configs(
        self,
        resource: ConfigResource,
        *,
        include_synonyms: bool = False,
        include_documentation: bool = False,
    ) -> dict[str, ConfigEntry]:
        """Every property in force, by name. KIP-133.

        Args:
            include_synonyms: tell of each where else it has a value, and what would be in force
                without this one (KIP-226).
            include_documentation: tell of each what it is for (KIP-569); brokers before Kafka 2.6
                do not.

        Raises:
            Fatal: there is no such resource.
            Retriable: no such broker, or no answer, within timeout_ms.
        """
        return self._loop.run(
            lambda: self._inner.describe_configs(
                resource,
                include_synonyms=include_synonyms,
                include_documentation=include_documentation,
            )
        )

    def alter_configs(self, resource: ConfigResource, changes: Mapping[str, str | None]) -> None:
        """Set properties, or take their default again where the value is None; all or none.

        Raises:
            Fatal: the broker refuses a name or a value.
        """
        self._loop.run(lambda: self._inner.alter_configs(resource, changes))

    def delete_records(self, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Delete every record below an offset of each partition; -1 stands for all there are.

        Returns: the first offset that is left.

        Raises:
            Fatal: an offset lies behind the end, or a partition does not exist.
        """
        return self._loop.run(lambda: self._inner.delete_records(offsets))

    def list_offsets(
        self, timestamps: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp]:
        """Offsets at EARLIEST, LATEST, MAX_TIMESTAMP (the newest record) or a time in ms.

        Raises:
            Fatal: a partition does not exist, or may not be read.
            Retriable: no answer within timeout_ms.
        """
        return self._loop.run(lambda: self._inner.list_offsets(timestamps))

    def list_groups(self, states: Iterable[str] = ()) -> list[GroupListing]:
        """The groups of all brokers, by name.

        Args:
            states: only groups in these, such as "Stable" or "Empty"; all if none is named.
        """
        return self._loop.run(lambda: self._inner.list_groups(states))

    def describe_group(self, group_id: str) -> GroupDescription:
        """State and members of a group; one that does not exist is described as "Dead"."""
        return self._loop.run(lambda: self._inner.describe_group(group_id))

    def delete_group(self, group_id: str) -> None:
        """Forget a group and its offsets. Raises Fatal if it has members or does not exist."""
        self._loop.run(lambda: self._inner.delete_group(group_id))

    def remove_member(self, group_id: str, group_instance_id: str) -> None:
        """Make the group forget a static member, at once. Raises Fatal if there is none."""
        self._loop.run(lambda: self._inner.remove_member(group_id, group_instance_id))

    def list_group_offsets(
        self, group_id: str, partitions: Iterable[TopicPartition] | None = None
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        """What a group has committed, of these partitions or of all; the others are left out."""
        return self._loop.run(lambda: self._inner.list_group_offsets(group_id, partitions))

    def alter_group_offsets(
        self, group_id: str, offsets: Mapping[TopicPartition, OffsetAndMetadata | int]
    ) -> None:
        """Commit offsets for a group; one that does not exist is made.

        Raises:
            Fatal: the group has members, or a partition does not exist.
        """
        self._loop.run(lambda: self._inner.alter_group_offsets(group_id, offsets))

    def delete_group_offsets(self, group_id: str, partitions: Iterable[TopicPartition]) -> None:
        """Forget what a group has committed for partitions that none of its members reads.

        Raises:
            Fatal: members read such a topic, or the group does not exist.
        """
        self._loop.run(lambda: self._inner.delete_group_offsets(group_id, partitions))

    def list_transactions(
        self,
        states: Iterable[str] = (),
        *,
        producer_ids: Iterable[int] = (),
        duration_ms: int | None = None,
        pattern: str | None = None,
    ) -> list[TransactionListing]:
        """The transactional ids of all coordinators, by name; those that pass every filter.

        Args:
            states: only ids in these, such as "Ongoing"; all if none is named.
            producer_ids: only ids of these producers.
            duration_ms: only ids whose transaction began longer ago than this, and those that
                never had one (ListTransactions v1, KIP-994).
            pattern: RE2 that the whole id matches (ListTransactions v2, KIP-1152).

        Raises:
            UnsupportedApi: a broker does not know the filter.
            Fatal: it does not know a state, or cannot read the pattern.
        """
        return self._loop.run(
            lambda: self._inner.list_transactions(
                states, producer_ids=producer_ids, duration_ms=duration_ms, pattern=pattern
            )
        )

    def describe_transactions(
        self, transactional_ids: Iterable[str]
    ) -> dict[str, TransactionDescription]:
        """State, producer and partitions of each transactional id.

        Raises:
            Fatal: its coordinator does not know one of them.
        """
        return self._loop.run(lambda: self._inner.describe_transactions(transactional_ids))

    def describe_producers(
        self, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, tuple[ProducerDescription, ...]]:
        """The producers that each partition's leader knows, by producer id.

        Raises:
            Fatal: a partition does not exist.
        """
        return self._loop.run(lambda: self._inner.describe_producers(partitions))

    def abort_transaction(self, partition: TopicPartition, start_offset: int) -> None:
        """End what is open in one partition with an abort marker, whatever its coordinator says.

        For hanging transactions only: of one that a coordinator knows, the other partitions may
        still be committed. See force_terminate_transaction() for those.

        Raises:
            Fatal: no transaction is open there that began at this offset.
        """
        self._loop.run(lambda: self._inner.abort_transaction(partition, start_offset))

    def force_terminate_transaction(self, transactional_id: str) -> None:
        """Abort what is open under a transactional id, and fence its producer.

        Raises:
            Fatal: no coordinator knows the id; none is created.
        """
        self._loop.run(lambda: self._inner.force_terminate_transaction(transactional_id))

    def find_hanging_transactions(
        self,
        partitions: Iterable[TopicPartition],
        *,
        max_transaction_timeout_ms: int = MAX_TIMEOUT_MS,
    ) -> list[HangingTransaction]:
        """Transactions open in these partitions for longer than any may be, and unknown elsewhere.

        Args:
            max_transaction_timeout_ms: transaction.max.timeout.ms of the brokers; one whose newest
                record is younger is left to its coordinator.

        Raises:
            Fatal: a partition does not exist.
        """
        return self._loop.run(
            lambda: self._inner.find_hanging_transactions(
                partitions, max_transaction_timeout_ms=max_transaction_timeout_ms
            )
        )

    def describe_user_scram_credentials(
        self, users: Iterable[str] | None = None
    ) -> dict[str, tuple[ScramCredentialInfo, ...]]:
        """The users that can log in by SCRAM, by name, and the mechanisms of each.

        Args:
            users: only these; by default all.

        Raises:
            Fatal: one of them has no password, or this client has no right to look.
        """
        return self._loop.run(lambda: self._inner.describe_user_scram_credentials(users))

    def upsert_user_scram_credential(
        self, user: str, mechanism: ScramMechanism, password: str, *, iterations: int = 4096
    ) -> None:
        """Give a user a password for one mechanism, or another one in its place.

        Args:
            password: salted and iterated here; only what comes of it is sent.
            iterations: 4096 to 16384: how often; what guessing costs, and each login.

        Raises:
            Fatal: the broker refuses.
        """
        password = hidden(password)
        self._loop.run(
            lambda: self._inner.upsert_user_scram_credential(
                user, mechanism, password, iterations=iterations
            )
        )

    def delete_user_scram_credential(self, user: str, mechanism: ScramMechanism) -> None:
        """Take a user's password for one mechanism away; sessions that are open go on.

        Raises:
            Fatal: there is none.
        """
        self._loop.run(lambda: self._inner.delete_user_scram_credential(user, mechanism))

    def create_acls(self, acls: Iterable[AclBinding]) -> None:
        """Add rules of access; one that is there already changes nothing. KIP-140.

        Raises:
            Fatal: the broker refuses one of them, or has no authorizer; the others are added.
        """
        self._loop.run(lambda: self._inner.create_acls(acls))

    def describe_acls(self, wanted: AclBindingFilter = EVERY_RULE) -> list[AclBinding]:
        """The rules of access that a filter means, in order; by default all.

        Raises:
            Fatal: this client has no right to look, or the broker has no authorizer.
        """
        return self._loop.run(lambda: self._inner.describe_acls(wanted))

    def delete_acls(self, filters: Iterable[AclBindingFilter]) -> list[AclBinding]:
        """Delete the rules of access that these filters mean.

        Returns: those that were there, in order; after a lost answer only those that were still.

        Raises:
            Fatal: the broker refuses, or has no authorizer.
        """
        return self._loop.run(lambda: self._inner.delete_acls(filters))

    def alter_client_quotas(
        self,
        entity: ClientQuotaEntity,
        changes: Mapping[str, float | None],
        *,
        validate_only: bool = False,
    ) -> None:
        """Set quotas of a user, client id or address, or take them away where the value is None.

        Args:
            changes: by Kafka's names, all or none: producer_byte_rate, consumer_byte_rate (bytes a
                second), request_percentage, controller_mutation_rate (partitions a second), and
                of an ip connection_creation_rate.
            validate_only: only ask whether the broker would take it.

        Raises:
            Fatal: the broker refuses a name or a value.
        """
        self._loop.run(
            lambda: self._inner.alter_client_quotas(entity, changes, validate_only=validate_only)
        )

    def describe_client_quotas(
        self, *, user: Asked = None, client_id: Asked = None, ip: Asked = None, strict: bool = False
    ) -> dict[ClientQuotaEntity, dict[str, float]]:
        """The quotas that are set, by entity and name; by default all.

        Args:
            user, client_id, ip: only entities with these parts, of this name, QuotaName.DEFAULT or
                QuotaName.ANY.
            strict: only entities that have no other part.

        Raises:
            Fatal: this client has no right to look.
        """
        return self._loop.run(
            lambda: self._inner.describe_client_quotas(
                user=user, client_id=client_id, ip=ip, strict=strict
            )
        )

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._loop.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._loop.is_open:
            return
        try:
            self._loop.run(lambda: self._inner.__aexit__(kind, error, trace))
        finally:
            self._loop.close()

    def __del__(self) -> None:
        if hasattr(self, "_loop"):
            self._loop.dropped()
