"""A topic's configuration: Kafka's topic properties, what the broker's defaults make of them.

Overrides are kept as the texts a client gave (Kafka does the same), validated before they are
stored. A property that is absent takes its value from the broker property in `broker_name`.
Source: Kafka's TopicConfig and LogConfig.
Tests: tests/unit/broker/config/test_config.py
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ...protocol.compression import Codec, missing_codec
from ...protocol.configs import ConfigType
from .broker import BrokerConfig
from .properties import LONG_MAX, ConfigError, Property, Value, nearest

_BOOLEAN, _STRING, _LIST = ConfigType.BOOLEAN, ConfigType.STRING, ConfigType.LIST
_INT, _LONG, _DOUBLE = ConfigType.INT, ConfigType.LONG, ConfigType.DOUBLE
LOG_APPEND_TIME = "LogAppendTime"


def _used(
    name: str, kind: ConfigType, broker_name: str, documentation: str, at_least: int | None = None
) -> Property:
    """A property that the broker has, too; its bounds there count unless others are given."""
    brokers = BrokerConfig.properties()[broker_name]
    return Property(
        name=name,
        type=kind,
        default=brokers.default,
        documentation=documentation,
        at_least=brokers.at_least if at_least is None else at_least,
        at_most=brokers.at_most,
        excluded=brokers.excluded if at_least is None else (),
        choices=brokers.choices,
        broker_name=broker_name,
    )


def _unused(
    name: str,
    kind: ConfigType,
    default: Value,
    why: str,
    synonym: str | None = None,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Property:
    return Property(
        name=name,
        type=kind,
        default=default,
        documentation=f"No effect here: {why}",
        at_least=at_least,
        at_most=at_most,
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
        "producer: batches are stored as the producer compressed them. Any other: those that come"
        " compressed in another way are compressed anew; uncompressed: not at all.",
    ),
    *(
        _used(
            f"compression.{codec}.level",
            _INT,
            f"compression.{codec}.level",
            f"How hard {codec} tries when batches are compressed anew (compression.type).",
        )
        for codec in ("gzip", "lz4", "zstd")
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
        "delete.retention.ms",
        _LONG,
        86_400_000,
        "nothing is compacted.",
        "log.cleaner.delete.retention.ms",
        at_least=0,
    ),
    _unused(
        "file.delete.delay.ms",
        _LONG,
        60_000,
        "files are removed at once.",
        "log.segment.delete.delay.ms",
        at_least=0,
    ),
    _unused(
        "flush.messages",
        _LONG,
        LONG_MAX,
        "the broker's durability decides.",
        "log.flush.interval.messages",
        at_least=1,
    ),
    _unused("flush.ms", _LONG, LONG_MAX, "the broker's durability decides.", at_least=0),
    _unused("follower.replication.throttled.replicas", _LIST, (), "there is no replication."),
    _unused("leader.replication.throttled.replicas", _LIST, (), "there is no replication."),
    _unused(
        "local.retention.bytes",
        _LONG,
        -2,
        "there is no tiered storage.",
        "log.local.retention.bytes",
        at_least=-2,
    ),
    _unused(
        "local.retention.ms",
        _LONG,
        -2,
        "there is no tiered storage.",
        "log.local.retention.ms",
        at_least=-2,
    ),
    _unused(
        "max.compaction.lag.ms",
        _LONG,
        LONG_MAX,
        "nothing is compacted.",
        "log.cleaner.max.compaction.lag.ms",
        at_least=1,
    ),
    _unused(
        "min.cleanable.dirty.ratio",
        _DOUBLE,
        0.5,
        "nothing is compacted.",
        "log.cleaner.min.cleanable.ratio",
        at_least=0,
        at_most=1,
    ),
    _unused(
        "min.compaction.lag.ms",
        _LONG,
        0,
        "nothing is compacted.",
        "log.cleaner.min.compaction.lag.ms",
        at_least=0,
    ),
    _unused("preallocate", _BOOLEAN, False, "files grow as they are written.", "log.preallocate"),
    _unused("remote.log.copy.disable", _BOOLEAN, False, "there is no tiered storage."),
    _unused("remote.log.delete.on.disable", _BOOLEAN, False, "there is no tiered storage."),
    _unused("remote.storage.enable", _BOOLEAN, False, "there is no tiered storage."),
    _unused("segment.jitter.ms", _LONG, 0, "partitions roll when they are due.", at_least=0),
    _unused(
        "unclean.leader.election.enable",
        _BOOLEAN,
        False,
        "there is no replication.",
        "unclean.leader.election.enable",
    ),
)
_FLUSHES = ("flush.messages", "flush.ms")
_THROTTLED = re.compile(r"[0-9]+:[0-9]+")
_CODECS = {"uncompressed": Codec.NONE} | {
    codec.name.lower(): codec for codec in Codec if codec is not Codec.NONE
}
_LEVELS: dict[Codec | None, str] = {
    codec: f"compression.{codec.name.lower()}.level"
    for codec in (Codec.GZIP, Codec.LZ4, Codec.ZSTD)
}
TOPIC_PROPERTIES = {each.name: each for each in sorted(_TABLE, key=lambda each: each.name)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicConfig:
    """The values a partition works with. Units are those of the property names.

    Args:
        deletes: whether old segments go: cleanup.policy names delete.
        codec: how batches are stored; None for as the producer compressed them.
        codec_level: of `codec`, as its compression.*.level has it; 0 where there is none.
    """

    deletes: bool
    codec: Codec | None
    codec_level: int
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


def validate_overrides(overrides: Mapping[str, str | None], broker: BrokerConfig) -> dict[str, str]:
    """Check a topic's overrides as a client gave them.

    What would change what is stored or acknowledged, and is not done here, is refused.

    Args:
        broker: the values in force.
    Raises:
        ConfigError: an unknown name (with the nearest right one), null, a value out of bounds, or
            one that would have no effect.
    """
    checked: dict[str, str] = {}
    for name, text in overrides.items():
        if name not in TOPIC_PROPERTIES:
            hint = nearest(name, TOPIC_PROPERTIES)
            raise ConfigError(f"unknown topic property {name}{hint}")
        if text is None:
            raise ConfigError(f"{name}: null is no value; leave the property out for its default")
        value = TOPIC_PROPERTIES[name].parse(text)
        check_codec(name, value)
        _check_is_done(name, value, broker)
        checked[name] = text
    return checked


def check_codec(name: str, value: Value) -> None:
    """Raise ConfigError for a compression.type whose package is not installed, naming the extra."""
    codec = _CODECS.get(str(value)) if name == "compression.type" else None
    missing = missing_codec(codec) if codec else None
    if missing is not None:
        raise ConfigError(f"{name}={value}: {missing}")


def _check_is_done(name: str, value: Value, broker: BrokerConfig) -> None:
    if name == "remote.storage.enable" and value:
        raise ConfigError(f"{name}: there is no tiered storage here; everything stays on the disk")
    if name in _FLUSHES and value != LONG_MAX and broker.durability == "page-cache":
        raise ConfigError(
            f"{name}={value}: nothing is flushed with durability=page-cache; start the broker with"
            " durability=fsync, which flushes before every acknowledgement"
        )
    if name.endswith(".replication.throttled.replicas") and isinstance(value, tuple):
        bad = [word for word in value if _THROTTLED.fullmatch(word) is None]
        if bad and value != ("*",):
            raise ConfigError(f"{name}={bad[0]}: expected * or PARTITION:BROKER,...")


def topic_value(name: str, overrides: Mapping[str, str], broker: BrokerConfig) -> Value:
    """The value in force for one property of a topic."""
    prop = TOPIC_PROPERTIES[name]
    default = prop.default if prop.broker_name is None else broker.value(prop.broker_name)
    return prop.parse_stored(overrides[name], default) if name in overrides else default


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
    codec = _CODECS.get(str(topic_value("compression.type", overrides, broker)))
    return TopicConfig(
        codec=codec,
        codec_level=integer(_LEVELS[codec]) if codec in _LEVELS else 0,
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
