"""A topic's configuration: Kafka's topic properties, what the broker's defaults make of them.

Overrides are kept as the texts a client gave (Kafka does the same), validated before they are
stored. A property that is absent takes its value from the broker property in `broker_name`.
Source: Kafka's TopicConfig and LogConfig.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .config import BrokerConfig
from .properties import LONG_MAX, ConfigError, Property, PropertyType, Value, nearest

_BOOLEAN, _STRING, _LIST = PropertyType.BOOLEAN, PropertyType.STRING, PropertyType.LIST
_INT, _LONG, _DOUBLE = PropertyType.INT, PropertyType.LONG, PropertyType.DOUBLE
CREATE_TIME = "CreateTime"
LOG_APPEND_TIME = "LogAppendTime"


def _used(
    name: str, kind: PropertyType, broker_name: str, documentation: str, at_least: int | None = None
) -> Property:
    return Property(
        name=name,
        type=kind,
        default=BrokerConfig.properties()[broker_name].default,
        documentation=documentation,
        at_least=at_least,
        choices=BrokerConfig.properties()[broker_name].choices,
        broker_name=broker_name,
    )


def _unused(
    name: str, kind: PropertyType, default: Value, why: str, synonym: str | None = None
) -> Property:
    return Property(
        name=name,
        type=kind,
        default=default,
        documentation=f"No effect here: {why}",
        synonym=synonym,
        used=False,
    )


_TABLE = (
    _used(
        "cleanup.policy",
        _LIST,
        "log.cleanup.policy",
        "delete: old segments go by retention. compact: they stay, and nothing is compacted.",
    ),
    _used(
        "compression.type",
        _STRING,
        "compression.type",
        "producer: batches are stored as the producer compressed them. Nothing else is done here.",
    ),
    _used(
        "index.interval.bytes",
        _INT,
        "log.index.interval.bytes",
        "How many bytes of log lie between two entries of the offset index.",
        0,
    ),
    Property(
        name="internal.segment.bytes",
        type=_INT,
        default=None,
        documentation="segment.bytes without its lower bound of 1 MiB, for tests.",
        at_least=1,
    ),
    _used(
        "max.message.bytes",
        _INT,
        "message.max.bytes",
        "The largest batch accepted, as it is stored (compressed, with its header), in bytes.",
        0,
    ),
    _used(
        "message.timestamp.after.max.ms",
        _LONG,
        "log.message.timestamp.after.max.ms",
        "How far a record's CreateTime may lie ahead of the broker's clock, in ms.",
        0,
    ),
    _used(
        "message.timestamp.before.max.ms",
        _LONG,
        "log.message.timestamp.before.max.ms",
        "How far a record's CreateTime may lie behind the broker's clock, in ms.",
        0,
    ),
    _used(
        "message.timestamp.type",
        _STRING,
        "log.message.timestamp.type",
        "CreateTime: the producer's time is kept. LogAppendTime: the broker's replaces it.",
    ),
    _used(
        "min.insync.replicas",
        _INT,
        "min.insync.replicas",
        "Replicas that must have a batch before acks=all is answered; there is one here.",
        1,
    ),
    _used(
        "retention.bytes",
        _LONG,
        "log.retention.bytes",
        "The size a partition may keep, in bytes; -1 for any.",
    ),
    _used(
        "retention.ms",
        _LONG,
        "log.retention.ms",
        "How long a segment is kept after its newest record, in ms; -1 for ever.",
        -1,
    ),
    _used(
        "segment.bytes",
        _INT,
        "log.segment.bytes",
        "A segment file is closed, and a new one begun, before it grows beyond this, in bytes.",
        1024 * 1024,
    ),
    _used(
        "segment.index.bytes",
        _INT,
        "log.index.size.max.bytes",
        "The largest offset index of a segment, in bytes; a full one begins a new segment.",
        4,
    ),
    _used(
        "segment.ms",
        _LONG,
        "log.roll.ms",
        "A segment whose records span more than this is closed, in ms.",
        1,
    ),
    _unused(
        "compression.gzip.level",
        _INT,
        -1,
        "batches are stored as they came.",
        "compression.gzip.level",
    ),
    _unused(
        "compression.lz4.level",
        _INT,
        9,
        "batches are stored as they came.",
        "compression.lz4.level",
    ),
    _unused(
        "compression.zstd.level",
        _INT,
        3,
        "batches are stored as they came.",
        "compression.zstd.level",
    ),
    _unused(
        "delete.retention.ms",
        _LONG,
        86_400_000,
        "nothing is compacted.",
        "log.cleaner.delete.retention.ms",
    ),
    _unused(
        "file.delete.delay.ms",
        _LONG,
        60_000,
        "files are removed at once.",
        "log.segment.delete.delay.ms",
    ),
    _unused(
        "flush.messages",
        _LONG,
        LONG_MAX,
        "the broker's durability decides.",
        "log.flush.interval.messages",
    ),
    _unused("flush.ms", _LONG, LONG_MAX, "the broker's durability decides."),
    _unused("follower.replication.throttled.replicas", _LIST, (), "there is no replication."),
    _unused("leader.replication.throttled.replicas", _LIST, (), "there is no replication."),
    _unused(
        "local.retention.bytes",
        _LONG,
        -2,
        "there is no tiered storage.",
        "log.local.retention.bytes",
    ),
    _unused(
        "local.retention.ms", _LONG, -2, "there is no tiered storage.", "log.local.retention.ms"
    ),
    _unused(
        "max.compaction.lag.ms",
        _LONG,
        LONG_MAX,
        "nothing is compacted.",
        "log.cleaner.max.compaction.lag.ms",
    ),
    _unused(
        "min.cleanable.dirty.ratio",
        _DOUBLE,
        0.5,
        "nothing is compacted.",
        "log.cleaner.min.cleanable.ratio",
    ),
    _unused(
        "min.compaction.lag.ms",
        _LONG,
        0,
        "nothing is compacted.",
        "log.cleaner.min.compaction.lag.ms",
    ),
    _unused("preallocate", _BOOLEAN, False, "files grow as they are written.", "log.preallocate"),
    _unused("remote.log.copy.disable", _BOOLEAN, False, "there is no tiered storage."),
    _unused("remote.log.delete.on.disable", _BOOLEAN, False, "there is no tiered storage."),
    _unused("remote.storage.enable", _BOOLEAN, False, "there is no tiered storage."),
    _unused("segment.jitter.ms", _LONG, 0, "partitions roll when they are due."),
    _unused(
        "unclean.leader.election.enable",
        _BOOLEAN,
        False,
        "there is no replication.",
        "unclean.leader.election.enable",
    ),
)
TOPIC_PROPERTIES = {each.name: each for each in sorted(_TABLE, key=lambda each: each.name)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicConfig:
    """The values a partition works with. Units are those of the property names.

    Args:
        deletes: whether old segments go: cleanup.policy names delete.
    """

    deletes: bool
    index_interval_bytes: int
    max_message_bytes: int
    message_timestamp_after_max_ms: int
    message_timestamp_before_max_ms: int
    log_append_time: bool
    retention_bytes: int
    retention_ms: int
    segment_bytes: int
    segment_index_bytes: int
    segment_ms: int


def validate_overrides(overrides: Mapping[str, str | None]) -> dict[str, str]:
    """Check a topic's overrides as a client gave them.

    Raises:
        ConfigError: an unknown name (with the nearest right one), null, or a value out of bounds.
    """
    checked: dict[str, str] = {}
    for name, text in overrides.items():
        if name not in TOPIC_PROPERTIES:
            hint = nearest(name, TOPIC_PROPERTIES)
            raise ConfigError(f"unknown topic property {name}{hint}")
        if text is None:
            raise ConfigError(f"{name}: null is no value; leave the property out for its default")
        TOPIC_PROPERTIES[name].parse(text)
        checked[name] = text
    check_compression(checked)
    return checked


def check_compression(overrides: Mapping[str, str]) -> None:
    """Raise ConfigError for a compression.type that would need batches to be compressed anew."""
    if overrides.get("compression.type", "producer") != "producer":
        raise ConfigError(
            "compression.type: batches are stored as the producer compressed them; "
            "leave it at 'producer' and set the compression in the producer"
        )


def topic_value(name: str, overrides: Mapping[str, str], broker: BrokerConfig) -> Value:
    """The value in force for one property of a topic."""
    prop = TOPIC_PROPERTIES[name]
    if name in overrides:
        return prop.parse(overrides[name])
    return prop.default if prop.broker_name is None else broker.value(prop.broker_name)


def topic_config(overrides: Mapping[str, str], broker: BrokerConfig) -> TopicConfig:
    """All values in force for a topic.

    Args:
        overrides: validated texts by property name.
        broker: gives what the topic does not say.
    """

    def integer(name: str) -> int:
        value = topic_value(name, overrides, broker)
        assert isinstance(value, int)
        return value

    small = topic_value("internal.segment.bytes", overrides, broker)
    policies = topic_value("cleanup.policy", overrides, broker)
    assert isinstance(policies, tuple)
    return TopicConfig(
        deletes="delete" in policies,
        index_interval_bytes=integer("index.interval.bytes"),
        max_message_bytes=integer("max.message.bytes"),
        message_timestamp_after_max_ms=integer("message.timestamp.after.max.ms"),
        message_timestamp_before_max_ms=integer("message.timestamp.before.max.ms"),
        log_append_time=(
            topic_value("message.timestamp.type", overrides, broker) == LOG_APPEND_TIME
        ),
        retention_bytes=integer("retention.bytes"),
        retention_ms=integer("retention.ms"),
        segment_bytes=small if isinstance(small, int) else integer("segment.bytes"),
        segment_index_bytes=integer("segment.index.bytes"),
        segment_ms=integer("segment.ms"),
    )
