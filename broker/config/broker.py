"""The broker's configuration: one frozen value, Kafka's property names, every default decided here.

A field is declared once, with its property name, default and documentation; DescribeConfigs, the
readers in sources.py and `minibroker serve --help` all derive from it. `durability`,
`replication.factor.lenient` and `transaction.version` (a feature there) are ours, all else Kafka's.
Those marked dynamic may change while the broker runs (cluster/running_config.py); all of them are
dynamic in Kafka too.
What a topic may override stands in topic.py, what TLS and SASL need in security.py; fixed bounds
stand in limits.py.
Tests: tests/unit/broker/config/test_config.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields, replace
from functools import cache
from typing import Any

from ...protocol.configs import ConfigType
from .addresses import counts_of_addresses
from .properties import INT_MAX, LONG_MAX, ConfigError, Property, Value, setting
from .security import SecurityConfig

DURABILITIES = ("fsync", "page-cache", "memory")
STANDARD_AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
WEEK_MS = 7 * 24 * 3600 * 1000

_BOOLEAN, _STRING, _LIST = ConfigType.BOOLEAN, ConfigType.STRING, ConfigType.LIST
_INT, _LONG = ConfigType.INT, ConfigType.LONG


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig(SecurityConfig):
    """Everything a broker is told. Units are those of the property names."""

    node_id: int = setting("node.id", _INT, 1, "This broker's id.", at_least=0)
    broker_rack: str | None = setting(
        "broker.rack", _STRING, None, "The rack named in metadata answers; free text."
    )
    listeners: tuple[str, ...] = setting(
        "listeners",
        _LIST,
        ("PLAINTEXT://127.0.0.1:9092",),
        "Where to listen, as NAME://HOST:PORT, several separated by commas; port 0 takes any.",
    )
    advertised_listeners: tuple[str, ...] = setting(
        "advertised.listeners",
        _LIST,
        (),
        "What clients are told to connect to, by listener name; by default the listeners.",
    )
    log_dirs: tuple[str, ...] = setting(
        "log.dirs",
        _LIST,
        (),
        "The data directory, exactly one. Without it everything is kept in memory.",
    )
    durability: str = setting(
        "durability",
        _STRING,
        "fsync",
        "What an acknowledgement means: fsync (survives power loss), page-cache (survives the "
        "death of the process), memory (survives nothing).",
        choices=DURABILITIES,
    )
    num_partitions: int = setting(
        "num.partitions", _INT, 1, "Partitions of a topic that names no number.", at_least=1
    )
    default_replication_factor: int = setting(
        "default.replication.factor", _INT, 1, "Kafka's; there is one replica here.", at_least=1
    )
    replication_factor_lenient: bool = setting(
        "replication.factor.lenient",
        _BOOLEAN,
        True,
        "Accept a replication factor above 1 as 1, with a warning, instead of refusing it.",
    )
    authorizer_class_name: str = setting(
        "authorizer.class.name",
        _STRING,
        "",
        "Who decides what a principal may do: Kafka's StandardAuthorizer, which goes by the rules "
        "of access (ACLs), or nobody: then everything is allowed.",
        choices=("", STANDARD_AUTHORIZER),
    )
    super_users: str = setting(
        "super.users",
        _STRING,
        "",
        "Principals who may do everything, separated by semicolons: User:admin;User:root.",
    )
    allow_everyone_if_no_acl_found: bool = setting(
        "allow.everyone.if.no.acl.found",
        _BOOLEAN,
        False,
        "Whether everything is allowed on what no rule of access speaks of.",
    )
    auto_create_topics_enable: bool = setting(
        "auto.create.topics.enable",
        _BOOLEAN,
        True,
        "Create an unknown topic when a client asks for its metadata.",
    )
    delete_topic_enable: bool = setting(
        "delete.topic.enable", _BOOLEAN, True, "Whether topics may be deleted."
    )
    connections_max_idle_ms: int = setting(
        "connections.max.idle.ms",
        _LONG,
        600_000,
        "A connection without a request for this long is closed, in ms; below 0 never.",
    )
    max_connections: int = setting(
        "max.connections", _INT, INT_MAX, "Connections beyond this are closed at once.", at_least=0
    )
    max_connections_per_ip: int = setting(
        "max.connections.per.ip",
        _INT,
        INT_MAX,
        "Connections of one address beyond this are closed at once.",
        at_least=0,
    )
    max_connections_per_ip_overrides: str = setting(
        "max.connections.per.ip.overrides",
        _STRING,
        "",
        "Addresses that may have another number: 10.0.0.1:200,::1:5. A host's name is refused.",
    )
    socket_request_max_bytes: int = setting(
        "socket.request.max.bytes",
        _INT,
        100 * 1024 * 1024,
        "The largest request; a larger one closes the connection, in bytes.",
        at_least=1,
    )
    queued_max_request_bytes: int = setting(
        "queued.max.request.bytes",
        _LONG,
        256 * 1024 * 1024,
        "What all connections together may hold, in bytes: requests not answered yet, answers not "
        "taken yet, and buffers. Where it gets short, answers to fetches are shorter and who owes "
        "waits; beyond it those who hold most are closed.",
        at_least=1,
    )
    fetch_max_bytes: int = setting(
        "fetch.max.bytes",
        _INT,
        55 * 1024 * 1024,
        "The largest response to a fetch, whatever the client asks, in bytes.",
        at_least=1024,
    )
    message_max_bytes: int = setting(
        "message.max.bytes",
        _INT,
        1_048_588,
        "The largest batch accepted, as it is stored, in bytes; topics override it.",
        at_least=0,
        dynamic=True,
    )
    min_insync_replicas: int = setting(
        "min.insync.replicas",
        _INT,
        1,
        "Kafka's; there is one replica here.",
        at_least=1,
        dynamic=True,
    )
    compression_type: str = setting(
        "compression.type",
        _STRING,
        "producer",
        "How batches are stored: as the producer compressed them, or compressed anew if they come "
        "otherwise; topics override it.",
        choices=("producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"),
        dynamic=True,
    )
    compression_gzip_level: int = setting(
        "compression.gzip.level",
        _INT,
        -1,
        "How hard gzip tries when batches are compressed anew; -1 for its own default.",
        at_least=-1,
        at_most=9,
        excluded=(0,),
        dynamic=True,
    )
    compression_lz4_level: int = setting(
        "compression.lz4.level",
        _INT,
        9,
        "How hard lz4 tries when batches are compressed anew.",
        at_least=1,
        at_most=17,
        dynamic=True,
    )
    compression_zstd_level: int = setting(
        "compression.zstd.level",
        _INT,
        3,
        "How hard zstd tries when batches are compressed anew.",
        at_least=-131_072,
        at_most=22,
        dynamic=True,
    )
    log_cleanup_policy: tuple[str, ...] = setting(
        "log.cleanup.policy",
        _LIST,
        ("delete",),
        "delete: old segments go by retention. compact: they stay, and nothing is compacted.",
        choices=("delete", "compact"),
        dynamic=True,
    )
    log_index_interval_bytes: int = setting(
        "log.index.interval.bytes",
        _INT,
        4096,
        "Bytes of log between index entries.",
        at_least=0,
        dynamic=True,
    )
    log_index_size_max_bytes: int = setting(
        "log.index.size.max.bytes",
        _INT,
        10 * 1024 * 1024,
        "The largest index.",
        at_least=4,
        dynamic=True,
    )
    log_message_timestamp_type: str = setting(
        "log.message.timestamp.type",
        _STRING,
        "CreateTime",
        "Whose time a record carries: the producer's or the broker's.",
        choices=("CreateTime", "LogAppendTime"),
        dynamic=True,
    )
    log_message_timestamp_after_max_ms: int = setting(
        "log.message.timestamp.after.max.ms",
        _LONG,
        3_600_000,
        "How far CreateTime may lie ahead of the broker's clock, in ms.",
        at_least=0,
        dynamic=True,
    )
    log_message_timestamp_before_max_ms: int = setting(
        "log.message.timestamp.before.max.ms",
        _LONG,
        LONG_MAX,
        "How far CreateTime may lie behind the broker's clock, in ms.",
        at_least=0,
        dynamic=True,
    )
    log_retention_bytes: int = setting(
        "log.retention.bytes",
        _LONG,
        -1,
        "The size a partition may keep, in bytes; -1 for any.",
        dynamic=True,
    )
    log_retention_ms: int = setting(
        "log.retention.ms",
        _LONG,
        WEEK_MS,
        "How long a segment is kept after its newest record, in ms; -1 for ever.",
        at_least=-1,
        excluded=(0,),
        dynamic=True,
        default_listed=False,
    )
    log_retention_check_interval_ms: int = setting(
        "log.retention.check.interval.ms",
        _LONG,
        300_000,
        "How often is looked for what retention lets go, in ms.",
        at_least=1,
    )
    log_initial_task_delay_ms: int = setting(
        "log.initial.task.delay.ms",
        _LONG,
        30_000,
        "How long after the start is first looked for what retention lets go, in ms.",
        at_least=0,
    )
    producer_id_expiration_ms: int = setting(
        "producer.id.expiration.ms",
        _INT,
        86_400_000,
        "A producer id that has not written to a partition for so long is forgotten there, in ms, "
        "by the broker's clock.",
        at_least=1,
        dynamic=True,
    )
    producer_id_expiration_check_interval_ms: int = setting(
        "producer.id.expiration.check.interval.ms",
        _INT,
        600_000,
        "How often is looked for such producer ids, in ms.",
        at_least=1,
    )
    transaction_version: int = setting(
        "transaction.version",
        _INT,
        2,
        "The level at which Kafka's feature of that name is finalized: 2 is KIP-890, 0 offers no "
        "client the new way.",
        at_least=0,
        at_most=2,
    )
    transaction_max_timeout_ms: int = setting(
        "transaction.max.timeout.ms",
        _INT,
        900_000,
        "The longest time a producer may let its transactions be open for, in ms.",
        at_least=1,
    )
    transactional_id_expiration_ms: int = setting(
        "transactional.id.expiration.ms",
        _INT,
        WEEK_MS,
        "A transactional id without an open transaction that has not been used for so long is "
        "forgotten, in ms.",
        at_least=1,
    )
    transaction_abort_timed_out_transaction_cleanup_interval_ms: int = setting(
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        _INT,
        10_000,
        "How often is looked for transactions that are open for too long, in ms.",
        at_least=1,
    )
    transaction_remove_expired_transaction_cleanup_interval_ms: int = setting(
        "transaction.remove.expired.transaction.cleanup.interval.ms",
        _INT,
        3_600_000,
        "How often is looked for transactional ids to forget, in ms.",
        at_least=1,
    )
    transaction_partition_verification_enable: bool = setting(
        "transaction.partition.verification.enable",
        _BOOLEAN,
        True,
        "Whether a batch of an older client is only taken where its partition was added to the "
        "transaction; without it a late batch may hold up readers for good.",
        dynamic=True,
    )
    log_roll_ms: int = setting(
        "log.roll.ms",
        _LONG,
        WEEK_MS,
        "A segment whose records span more than this is closed, in ms.",
        at_least=1,
        dynamic=True,
        default_listed=False,
    )
    log_segment_bytes: int = setting(
        "log.segment.bytes",
        _INT,
        1024 * 1024 * 1024,
        "A segment is closed before it grows beyond this, in bytes.",
        at_least=1024 * 1024,
        dynamic=True,
    )

    group_initial_rebalance_delay_ms: int = setting(
        "group.initial.rebalance.delay.ms",
        _INT,
        0,
        "How long the first rebalance of a group waits for more members, in ms; Kafka's 3000.",
        at_least=0,
    )
    group_min_session_timeout_ms: int = setting(
        "group.min.session.timeout.ms",
        _INT,
        6000,
        "The shortest session timeout a group member may have, in ms.",
        at_least=0,
    )
    group_max_session_timeout_ms: int = setting(
        "group.max.session.timeout.ms",
        _INT,
        1_800_000,
        "The longest session timeout a group member may have, in ms.",
        at_least=0,
    )
    group_max_size: int = setting(
        "group.max.size", _INT, INT_MAX, "Members of one group; more are refused.", at_least=1
    )
    offset_metadata_max_bytes: int = setting(
        "offset.metadata.max.bytes",
        _INT,
        4096,
        "The longest text that may be committed with an offset, in characters.",
        at_least=0,
    )
    offsets_retention_minutes: int = setting(
        "offsets.retention.minutes",
        _INT,
        10_080,
        "How long committed offsets outlive the members of their group, in minutes.",
        at_least=1,
    )
    offsets_retention_check_interval_ms: int = setting(
        "offsets.retention.check.interval.ms",
        _LONG,
        600_000,
        "How often to look for expired offsets, in ms.",
        at_least=1,
    )

    @property
    def connections_of_addresses(self) -> dict[str, int]:
        """max.connections.per.ip.overrides by address."""
        return counts_of_addresses(self.max_connections_per_ip_overrides)

    @classmethod
    def properties(cls) -> dict[str, Property]:
        """The properties that mean something here, by name."""
        return {name: prop for name, (_, prop) in _declared().items()}

    def value(self, name: str) -> Value:
        """The value in force for a property, by its Kafka name."""
        attribute, _ = _declared()[name]
        value: Value = getattr(self, attribute)
        return value

    def changed(self, values: Mapping[str, Value]) -> BrokerConfig:
        """This configuration with other values, by property name."""
        fields: dict[str, Any] = {_declared()[name][0]: value for name, value in values.items()}
        return replace(self, **fields)

    @classmethod
    def of(cls, values: Mapping[str, Value]) -> BrokerConfig:
        """A configuration from values by property name; what is absent takes its default.

        Without a `durability` among the values it is fsync with a data directory, else memory.

        Raises:
            ConfigError: a durability on disk without a data directory, several directories, or
            connections of what is no address.
        """
        values = dict(values)
        directories = values.get("log.dirs") or ()
        assert isinstance(directories, tuple)
        if len(directories) > 1:
            raise ConfigError(f"log.dirs={','.join(directories)}: give exactly one directory")
        durability = values.setdefault("durability", "fsync" if directories else "memory")
        if durability != "memory" and not directories:
            raise ConfigError(
                f"durability={durability} needs a data directory: give --log-dirs DIR"
            )
        fields: dict[str, Any] = {_declared()[name][0]: value for name, value in values.items()}
        made = cls(**fields)
        if not made.connections_of_addresses and not made.max_connections_per_ip:
            why = "nobody could connect; max.connections.per.ip.overrides says who may"
            raise ConfigError(f"max.connections.per.ip=0: {why}")
        return made


@cache
def _declared() -> dict[str, tuple[str, Property]]:
    """(attribute, property) by property name."""
    declared: dict[str, tuple[str, Property]] = {}
    each: Field[Any]
    for each in fields(BrokerConfig):
        prop: Property = each.metadata["property"]
        declared[prop.name] = (each.name, prop)
    return declared
