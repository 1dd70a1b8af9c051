"""EDGE: Consumer, the asyncio API that reads partitions from first to last record.

    async with Consumer("orders", bootstrap_servers="127.0.0.1:9092", group_id="billing",
                        auto_offset_reset="earliest") as consumer:
        async for record in consumer: ...

With a group_id the members of the group share the partitions, and positions are committed; without
one every partition is read. What to fetch is decided in fetch/fetcher.py and performed in
fetch/pump.py, the group is group/member.py, what is committed commits.py. Names follow aiokafka
where it has them.
Tests: tests/system/client/test_client.py, tests/system/client/test_client_groups.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from ssl import SSLContext
from types import TracebackType
from typing import Self

from .cluster.cluster import Cluster
from .cluster.list_offsets import EARLIEST, LATEST, OffsetAndTimestamp, OffsetLookup
from .commits import Commits
from .config import ConsumerConfig, IsolationLevel, OffsetReset, options_of
from .door import door, place_door
from .door.owner import Owner
from .door.secret import hidden
from .door.security_options import SaslMechanism, SecurityProtocol, TokenProvider
from .errors import ClientError
from .fetch.fetcher import Fetcher
from .fetch.position import ConsumerRecord, Deserializer, K, V
from .fetch.positions import Positions
from .fetch.pump import Fetching
from .group.member import GroupMember
from .group.subscription import ConsumerRebalanceListener, Subscription
from .partitions import OffsetAndMetadata, TopicPartition

__all__ = [
    "Consumer",
    "ConsumerRebalanceListener",
    "ConsumerRecord",
    "OffsetAndMetadata",
    "OffsetAndTimestamp",
    "TopicPartition",
]


class Consumer(Commits[K, V]):
    """A consumer of partitions; made inside a running loop, started by `async with` or start().

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
        auto_commit_interval_ms: float = 5_000,
        partition_assignment_strategy: Sequence[str] = ("range", "cooperative-sticky"),
        session_timeout_ms: int = 45_000,
        heartbeat_interval_ms: float = 3_000,
        max_poll_interval_ms: int = 300_000,
        fetch_min_bytes: int = 1,
        fetch_max_bytes: int = 52_428_800,
        fetch_max_wait_ms: int = 500,
        max_partition_fetch_bytes: int = 1_048_576,
        max_poll_records: int = 500,
        check_crcs: bool = True,
        request_timeout_ms: int = 30_000,
        retry_backoff_ms: float = 100,
        retry_backoff_max_ms: float = 1_000,
        reconnect_backoff_ms: float = 50,
        reconnect_backoff_max_ms: float = 1_000,
        metadata_max_age_ms: float = 300_000,
        socket_connection_setup_timeout_ms: float = 10_000,
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
        ssl_password, sasl_plain_password = hidden(ssl_password), hidden(sasl_plain_password)
        self._owner = Owner("Consumer")
        config = options_of(ConsumerConfig, locals())
        door.call("key_deserializer", key_deserializer)
        door.call("value_deserializer", value_deserializer)
        self._prepare(config, Fetcher(config, Random(), key_deserializer, value_deserializer))
        if topics:
            self._subscription.subscribe(door.texts("topics", topics), None, None)

    def _prepare(self, config: ConsumerConfig, fetcher: Fetcher[K, V]) -> None:
        self._config = config
        self._polled_at_ms = self._owner.loop.time() * 1000
        self._fetcher = fetcher
        self._subscription = Subscription()
        self._cluster = Cluster(config, Random(), self._on_change, self._on_failure)
        offsets = OffsetLookup(config, self._cluster, config.isolation)
        self._fetching = Fetching(config, self._cluster, fetcher, offsets, self._committed)
        self._positions = Positions(config, self._cluster, fetcher, self._fetching, offsets)
        self._member: GroupMember[K, V] | None = None
        if config.group_id is not None:
            self._member = GroupMember(
                config,
                config.group_id,
                self._cluster,
                self._fetching,
                subscription=self._subscription,
                random=Random(),
            )

    async def start(self) -> None:
        """Reach a broker; without a group, also wait for the partitions of the topics named.

        Raises:
            ConnectionFailed: none of bootstrap_servers can be reached.
            Fatal, Retriable: a topic cannot be, or has no leader within request_timeout_ms.
        """
        self._owner.check()
        if self._cluster.is_started:
            self._cluster.raise_if_ended()
            return
        await self._cluster.start()
        try:
            if self._member is None:
                topics, limit_ms = self._subscription.topics, self._config.request_timeout_ms
                await self._cluster.ensure_topics(topics, limit_ms)
        except BaseException:
            await self._cluster.stop()
            self._cluster.take_back()
            raise
        self._fetching.start()
        if self._member is not None:
            self._member.start()
        self._on_change()

    async def stop(self) -> None:
        """Commit what was handed out, leave the group and end all fetching, within seconds."""
        self._owner.check()
        self._fetcher.handed_out.settle()
        await self._end()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            await self.stop()
        else:  # what the application was busy with is not committed: somebody reads it again
            await self._end()

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
        self._owner.check()
        self._cluster.raise_if_ended()
        names = door.texts("topics", topics)
        self._subscription.subscribe(names, pattern, listener)
        metadata = self._cluster.metadata
        metadata.wanted.update(self._subscription.topics)
        if self._member is None and pattern is not None:
            metadata.wants_all = True
        self._on_change()
        if self._fetching.failure is None:
            self._cluster.refresh_soon()

    def subscription(self) -> frozenset[str]:
        """The topics that are read."""
        self._owner.check()
        return self._subscription.wanted_topics(self._cluster.metadata)

    def unsubscribe(self) -> None:
        """Read nothing more; a group is left soon after."""
        self._owner.check()
        self._fetcher.handed_out.settle()
        self._fetcher.hold_back(self._fetcher.readings)
        was_manual = self._subscription.is_manual
        if self._member is not None and self._subscription.is_set:
            self._member.unsubscribed()
        self._subscription.clear()
        if was_manual or self._member is None:
            self._fetcher.assign(())
        self._on_change()

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """Read these partitions from now on; those read before keep their position.

        Raises:
            ValueError: topics are subscribed to.
        """
        self._owner.check()
        self._cluster.raise_if_ended()
        places = place_door.places("partitions", partitions)
        self._subscription.assign()
        self._cluster.metadata.wanted.update(topic for topic, _ in places)
        self._fetcher.assign(places)
        self._fetcher.let_go(places)  # unsubscribe() has held back what the group gave
        self._fetching.wake()

    async def partitions_for_topic(
        self, topic: str, *, timeout_ms: float | None = None
    ) -> list[int]:
        """The partitions of a topic, ascending. Raises as start().

        Args:
            timeout_ms: how long it may take to appear; by default request_timeout_ms.
        """
        self._owner.check()
        name, limit_ms = door.text("topic", topic), self._limit_ms(timeout_ms)
        await self._cluster.ensure_topic(name, limit_ms)
        return sorted(self._cluster.metadata.topics[name].leaders)

    async def getone(self, *partitions: TopicPartition) -> ConsumerRecord[K, V]:
        """Wait for the next record, of these partitions only if any are named.

        Raises:
            Fatal: a partition cannot be read, or the consumer was stopped.
            Fenced: another consumer has taken over this group_instance_id.
        """
        self._owner.check()
        among = frozenset(place_door.places("partitions", partitions)) if partitions else None
        self._call_begins()
        try:
            while True:
                for records in self._fetching.take(1, among).values():
                    return records[0]
                await self._fetching.until_more()
        finally:
            self._call_ends()

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: float = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[ConsumerRecord[K, V]]]:
        """Records that have come, by partition; empty if none come within `timeout_ms`.

        Args:
            partitions: take records of these only, if any are named.
            max_records: at most so many; by default max_poll_records.

        Raises: as getone().
        """
        self._owner.check()
        count_max = self._config.max_poll_records
        if max_records is not None:
            count_max = door.whole("max_records", max_records, 1)
        limit_ms = door.within_ms("timeout_ms", timeout_ms, 0)
        among = frozenset(place_door.places("partitions", partitions)) if partitions else None
        self._call_begins()
        try:
            taken = self._fetching.take(count_max, among)
            if taken or not limit_ms:
                return taken
            async with asyncio.timeout(limit_ms / 1000) as timeout:
                while not taken:
                    await self._fetching.until_more()
                    taken = self._fetching.take(count_max, among)
        except TimeoutError:
            if not timeout.expired():
                raise  # it is what ended the consumer
            return {}
        finally:
            self._call_ends()
        return taken

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ConsumerRecord[K, V]:
        timeout_ms = self._config.consumer_timeout_ms
        if timeout_ms is None:
            return await self.getone()
        for records in (await self.getmany(timeout_ms=timeout_ms, max_records=1)).values():
            return records[0]
        raise StopAsyncIteration

    def assignment(self) -> set[TopicPartition]:
        """The partitions that are read."""
        self._owner.check()
        return set(self._fetcher.readings)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on at an offset (0 or more)."""
        self._owner.check()
        self._positions.seek(partition, offset)

    async def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        """Go on at the first record of these partitions, or of all."""
        self._owner.check()
        await self._positions.seek_to(EARLIEST, partitions)

    async def seek_to_end(self, *partitions: TopicPartition) -> None:
        """Go on behind the last record of these partitions, or of all."""
        self._owner.check()
        await self._positions.seek_to(LATEST, partitions)

    async def position(self, partition: TopicPartition, *, timeout_ms: float | None = None) -> int:
        """The offset of the next record the application gets.

        Raises:
            Fatal: there is none, and auto_offset_reset is "none"; or the partition cannot be read.
            Retriable: it was not found within `timeout_ms`, by default request_timeout_ms.
        """
        self._owner.check()
        return await self._positions.position(partition, self._limit_ms(timeout_ms))

    def highwater(self, partition: TopicPartition) -> int | None:
        """The end of the partition as of the newest fetch; None before the first."""
        self._owner.check()
        return self._positions.highwater(partition)

    async def lag(self, *partitions: TopicPartition) -> dict[TopicPartition, int]:
        """How many offsets lie between position and end, of these partitions or of all assigned.

        Raises: as position() and end_offsets().
        """
        self._owner.check()
        return await self._positions.lag(partitions)

    async def beginning_offsets(
        self, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """The offset of the first record of each partition. Raises as end_offsets()."""
        self._owner.check()
        return await self._positions.at(EARLIEST, partitions)

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset behind the last readable record of each partition.

        Raises:
            Fatal: a partition does not exist, or may not be read.
            Retriable: no answer within request_timeout_ms.
        """
        self._owner.check()
        return await self._positions.at(LATEST, partitions)

    async def offsets_for_times(
        self, timestamps: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp | None]:
        """The first record of each partition at or after a time (ms since 1970), if any."""
        self._owner.check()
        return await self._positions.for_times(timestamps)

    def pause(self, *partitions: TopicPartition) -> None:
        """Hand out no records of these partitions until resume()."""
        self._owner.check()
        self._positions.set_paused(partitions, True)

    def resume(self, *partitions: TopicPartition) -> None:
        """Undo pause()."""
        self._owner.check()
        self._positions.set_paused(partitions, False)

    def metrics(self) -> dict[str, float]:
        """What the consumer has counted so far, by Kafka's metric names (figures.py)."""
        self._owner.check()
        now_ms = self._owner.loop.time() * 1000
        return {
            **self._fetcher.metrics(),
            **self._cluster.metrics(now_ms),
            "last-poll-seconds-ago": (now_ms - self._polled_at_ms) / 1000,
        }

    def _call_begins(self) -> None:
        self._polled_at_ms = self._owner.loop.time() * 1000
        self._fetcher.handed_out.settle()
        if self._member is not None:
            self._member.call_begins()

    def _call_ends(self) -> None:
        if self._member is not None:
            self._member.call_ends()

    async def _end(self) -> None:
        self._cluster.begin_stop()
        try:
            if self._member is not None:
                await self._member.stop()
        finally:
            self._fetching.stop()
            await self._cluster.stop()

    def _on_failure(self, error: ClientError) -> None:
        """Everybody who waits for records, or asks for some later, is told."""
        self._fetching.fail(error)
        if self._member is not None:
            self._member.changed()

    def _on_change(self) -> None:
        """Connections, metadata or the subscription have changed."""
        for topic in self._cluster.metadata.take_made_again():
            self._fetcher.made_again(topic)
            if self._member is not None:
                self._member.made_again(topic)
        self._fetching.wake()
        if self._member is not None:
            self._member.changed()
        elif self._subscription.is_set:
            metadata = self._cluster.metadata
            metadata.wanted.update(self._subscription.wanted_topics(metadata))
            places = self._subscription.wanted_places(metadata)
            if set(places) != self._fetcher.readings.keys():
                self._fetcher.assign(places)

    async def _committed(
        self, places: Iterable[TopicPartition]
    ) -> Mapping[TopicPartition, OffsetAndMetadata]:
        limit_ms = self._config.request_timeout_ms
        return await self._group().committing.committed(places, limit_ms)
