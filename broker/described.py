"""Configuration as DescribeConfigs tells it: value, source, synonyms, type, documentation.

Source: DescribeConfigsResponse.json; ConfigHelper and ConfigEntry.ConfigSource of Kafka.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from .config import BrokerConfig
from .properties import Property
from .topic_config import TOPIC_PROPERTIES, topic_value


class ConfigSource(IntEnum):
    """Where a value comes from, by the numbers of DescribeConfigs."""

    TOPIC = 1
    STATIC_BROKER = 4
    DEFAULT = 5


@dataclass(frozen=True, slots=True)
class Synonym:
    """One place a value could come from, the strongest first."""

    name: str
    value: str | None
    source: ConfigSource


@dataclass(frozen=True, slots=True)
class Described:
    """One property of a topic or of the broker."""

    name: str
    value: str | None
    source: ConfigSource
    read_only: bool
    synonyms: tuple[Synonym, ...]
    property: Property


def describe_topic(overrides: Mapping[str, str], broker: BrokerConfig) -> list[Described]:
    """Every topic property with the value in force."""
    declared = BrokerConfig.properties()
    return [
        _topic_property(prop, overrides, broker, declared)
        for prop in TOPIC_PROPERTIES.values()
        if prop.name != "internal.segment.bytes" or prop.name in overrides
    ]


def describe_broker(broker: BrokerConfig) -> list[Described]:
    """Every broker property with the value in force; none can be changed while it runs."""
    described = []
    for prop in sorted(BrokerConfig.properties().values(), key=lambda each: each.name):
        synonyms = _broker_synonyms(prop, broker)
        first = synonyms[0]
        described.append(Described(prop.name, first.value, first.source, True, synonyms, prop))
    return described


def _topic_property(
    prop: Property,
    overrides: Mapping[str, str],
    broker: BrokerConfig,
    declared: Mapping[str, Property],
) -> Described:
    synonyms: tuple[Synonym, ...] = ()
    if prop.name in overrides:
        own = prop.format(topic_value(prop.name, overrides, broker))
        synonyms = (Synonym(prop.name, own, ConfigSource.TOPIC),)
    if prop.broker_name is None:
        default = prop.format(prop.default)
        synonyms += (Synonym(prop.name, default, ConfigSource.DEFAULT),)
    else:
        synonyms += _broker_synonyms(declared[prop.broker_name], broker)
    return Described(prop.name, synonyms[0].value, synonyms[0].source, False, synonyms, prop)


def _broker_synonyms(prop: Property, broker: BrokerConfig) -> tuple[Synonym, ...]:
    value = broker.value(prop.name)
    default = Synonym(prop.name, prop.format(prop.default), ConfigSource.DEFAULT)
    if value == prop.default:
        return (default,)
    return (Synonym(prop.name, prop.format(value), ConfigSource.STATIC_BROKER), default)
