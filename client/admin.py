"""EDGE: Admin, the asyncio API to look after a cluster.

    async with Admin("127.0.0.1:9092") as admin:
        await admin.create_topic("orders", num_partitions=12)
        print(await admin.describe_topics(["orders"]))
        await admin.alter_group_offsets("billing", {TopicPartition("orders", 0): 0})

Topics, partitions and records are in administer/topics.py, properties in administer/configs.py,
brokers and their directories in administer/brokers.py, groups and their offsets in
administer/groups.py, transactions in administer/transactions.py; users, rights and quotas in
administer/access.py; how the right broker is found and asked is in administer/asking.py.
Tests: tests/system/client/test_client_groups.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ssl import SSLContext
from types import TracebackType
from typing import Self

from ..protocol.acls import AclOperation, AclPermission, AclResourceType, PatternType
from ..protocol.configs import ConfigSource, ConfigType
from .administer.access import Access
from .administer.acl_bindings import AclBinding, AclBindingFilter
from .administer.acls import Acls
from .administer.asking import Asking
from .administer.brokers import Brokers
from .administer.configs import Configs
from .administer.groups import Groups
from .administer.quota_entities import ClientQuotaEntity, QuotaName
from .administer.quotas import Quotas
from .administer.results import (
    BrokerNode,
    ClusterDescription,
    ConfigEntry,
    ConfigResource,
    ConfigSynonym,
    GroupDescription,
    GroupListing,
    GroupMemberDescription,
    HangingTransaction,
    LogDirDescription,
    PartitionDescription,
    ProducerDescription,
    ReplicaDescription,
    ScramCredentialInfo,
    TopicDescription,
    TransactionDescription,
    TransactionListing,
)
from .administer.topics import DEFAULT_COUNT, Topics
from .administer.transactions import MAX_TIMEOUT_MS, Transactions
from .administer.users import Users
from .cluster.list_offsets import OffsetAndTimestamp
from .config import AdminConfig, options_of
from .door.owner import Owner
from .door.secret import hidden
from .door.security_options import SaslMechanism, SecurityProtocol, TokenProvider
from .partitions import OffsetAndMetadata, TopicPartition

__all__ = [
    "AclBinding",
    "AclBindingFilter",
    "AclOperation",
    "AclPermission",
    "AclResourceType",
    "Admin",
    "BrokerNode",
    "ClientQuotaEntity",
    "ClusterDescription",
    "ConfigEntry",
    "ConfigResource",
    "ConfigSource",
    "ConfigSynonym",
    "ConfigType",
    "GroupDescription",
    "GroupListing",
    "GroupMemberDescription",
    "HangingTransaction",
    "LogDirDescription",
    "PartitionDescription",
    "PatternType",
    "ProducerDescription",
    "QuotaName",
    "ReplicaDescription",
    "ScramCredentialInfo",
    "TopicDescription",
    "TransactionDescription",
    "TransactionListing",
]


class Admin(Access):
    """Looks after topics, groups, transactions, rights and quotas; made inside a running loop.

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
        request_timeout_ms: int = 30_000,
        timeout_ms: float = 60_000,
        retry_backoff_ms: float = 100,
        retry_backoff_max_ms: float = 1_000,
        reconnect_backoff_ms: float = 50,
        reconnect_backoff_max_ms: float = 1_000,
        socket_connection_setup_timeout_ms: float = 10_000,
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
        self._owner = Owner("Admin")
        self._asking = asking = Asking(self._owner, options_of(AdminConfig, locals()))
        self._cluster = asking.cluster
        self._brokers = Brokers(asking)
        self._topics = Topics(asking)
        self._configs = Configs(asking)
        self._groups = Groups(asking)
        self._transactions = Transactions(asking)
        self._users = Users(asking)
        self._acls = Acls(asking)
        self._quotas = Quotas(asking)

    async def start(self) -> None:
        """Reach a broker. Raises ConnectionFailed if none of bootstrap_servers can be reached."""
        self._owner.check()
        await self._cluster.start()

    async def stop(self) -> None:
        """Close all connections, within seconds."""
        self._owner.check()
        await self._cluster.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def describe_cluster(self) -> ClusterDescription:
        """The brokers and the controller."""
        return await self._brokers.describe_cluster()

    async def describe_log_dirs(
        self, node_id: int, partitions: Iterable[TopicPartition] | None = None
    ) -> dict[str, LogDirDescription]:
        """The data directories of one broker, by path, and what lies there. KIP-113.

        Args:
            partitions: only these, or all; what the broker has not is left out.

        Raises:
            Fatal: the broker refuses, or does not tell.
            Retriable: no such broker, or no answer, within timeout_ms.
        """
        return await self._brokers.describe_log_dirs(node_id, partitions)

    async def list_topics(self, *, list_internal: bool = False) -> list[str]:
        """Names of all topics, in order.

        Args:
            list_internal: those of the broker itself as well, such as "__consumer_offsets".
        """
        return await self._topics.list_topics(list_internal=list_internal)

    async def describe_topics(
        self, topics: Iterable[str] | None = None
    ) -> dict[str, TopicDescription]:
        """Partitions and leaders of these topics, or of all.

        Raises:
            Fatal: one of them does not exist.
        """
        return await self._topics.describe_topics(topics)

    async def create_topic(
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
        await self._topics.create_topic(
            topic,
            num_partitions=num_partitions,
            replication_factor=replication_factor,
            configs=configs,
        )

    async def delete_topics(self, topics: Iterable[str]) -> None:
        """Delete topics with all their records.

        Raises:
            Fatal: one of them does not exist, or the broker refuses; the others are deleted.
        """
        await self._topics.delete_topics(topics)

    async def create_partitions(self, topic: str, total_count: int) -> None:
        """Give a topic more partitions, `total_count` altogether. Raises Fatal if it is refused."""
        await self._topics.create_partitions(topic, total_count)

    async def describe_configs(
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
        return await self._configs.describe_configs(
            resource,
            include_synonyms=include_synonyms,
            include_documentation=include_documentation,
        )

    async def alter_configs(
        self, resource: ConfigResource, changes: Mapping[str, str | None]
    ) -> None:
        """Set properties, or take their default again where the value is None; all or none.

        Raises:
            Fatal: the broker refuses a name or a value.
        """
        await self._configs.alter_configs(resource, changes)

    async def delete_records(
        self, offsets: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """Delete every record below an offset of each partition; -1 stands for all there are.

        Returns: the first offset that is left.

        Raises:
            Fatal: an offset lies behind the end, or a partition does not exist.
        """
        return await self._topics.delete_records(offsets)

    async def list_offsets(
        self, timestamps: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp]:
        """Offsets at EARLIEST, LATEST, MAX_TIMESTAMP (the newest record) or a time in ms.

        Raises:
            Fatal: a partition does not exist, or may not be read.
            Retriable: no answer within timeout_ms.
        """
        return await self._topics.list_offsets(timestamps)

    async def list_groups(self, states: Iterable[str] = ()) -> list[GroupListing]:
        """The groups of all brokers, by name.

        Args:
            states: only groups in these, such as "Stable" or "Empty"; all if none is named.
        """
        return await self._groups.list_groups(states)

    async def describe_group(self, group_id: str) -> GroupDescription:
        """State and members of a group; one that does not exist is described as "Dead"."""
        return await self._groups.describe_group(group_id)

    async def delete_group(self, group_id: str) -> None:
        """Forget a group and its offsets. Raises Fatal if it has members or does not exist."""
        await self._groups.delete_group(group_id)

    async def remove_member(self, group_id: str, group_instance_id: str) -> None:
        """Make the group forget a static member, at once. Raises Fatal if there is none."""
        await self._groups.remove_member(group_id, group_instance_id)

    async def list_group_offsets(
        self, group_id: str, partitions: Iterable[TopicPartition] | None = None
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        """What a group has committed, of these partitions or of all; the others are left out."""
        return await self._groups.list_group_offsets(group_id, partitions)

    async def alter_group_offsets(
        self, group_id: str, offsets: Mapping[TopicPartition, OffsetAndMetadata | int]
    ) -> None:
        """Commit offsets for a group; one that does not exist is made.

        Raises:
            Fatal: the group has members, or a partition does not exist.
        """
        await self._groups.alter_group_offsets(group_id, offsets)

    async def delete_group_offsets(
        self, group_id: str, partitions: Iterable[TopicPartition]
    ) -> None:
        """Forget what a group has committed for partitions that none of its members reads.

        Raises:
            Fatal: members read such a topic, or the group does not exist.
        """
        await self._groups.delete_group_offsets(group_id, partitions)

    async def list_transactions(
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
        return await self._transactions.list_transactions(
            states, producer_ids=producer_ids, duration_ms=duration_ms, pattern=pattern
        )

    async def describe_transactions(
        self, transactional_ids: Iterable[str]
    ) -> dict[str, TransactionDescription]:
        """State, producer and partitions of each transactional id.

        Raises:
            Fatal: its coordinator does not know one of them.
        """
        return await self._transactions.describe_transactions(transactional_ids)

    async def describe_producers(
        self, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, tuple[ProducerDescription, ...]]:
        """The producers that each partition's leader knows, by producer id.

        Raises:
            Fatal: a partition does not exist.
        """
        return await self._transactions.describe_producers(partitions)

    async def abort_transaction(self, partition: TopicPartition, start_offset: int) -> None:
        """End what is open in one partition with an abort marker, whatever its coordinator says.

        For hanging transactions only: of one that a coordinator knows, the other partitions may
        still be committed. See force_terminate_transaction() for those.

        Raises:
            Fatal: no transaction is open there that began at this offset.
        """
        await self._transactions.abort_transaction(partition, start_offset)

    async def force_terminate_transaction(self, transactional_id: str) -> None:
        """Abort what is open under a transactional id, and fence its producer.

        Raises:
            Fatal: no coordinator knows the id; none is created.
        """
        await self._transactions.force_terminate_transaction(transactional_id)

    async def find_hanging_transactions(
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
        return await self._transactions.find_hanging_transactions(
            partitions, max_transaction_timeout_ms=max_transaction_timeout_ms
        )
