"""Configuration as DescribeConfigs tells it: value, source, synonyms, type, documentation.

Source: DescribeConfigsResponse.json; ConfigHelper of Kafka.
Tests: tests/unit/broker/cluster/test_config_changes.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...protocol.configs import ConfigSource
from ..config.broker import BrokerConfig
from ..config.properties import Property
from ..config.topic import TOPIC_PROPERTIES, topic_value
from .running_config import RunningConfig

_OWN = ConfigSource.DYNAMIC_BROKER_CONFIG
_ALL_BROKERS = ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG


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


def describe_topic(overrides: Mapping[str, str], broker: RunningConfig) -> list[Described]:
    """Every topic property with the value in force."""
    return [
        _topic_property(prop, overrides, broker)
        for prop in TOPIC_PROPERTIES.values()
        if prop.name != "internal.segment.bytes" or prop.name in overrides
    ]


def describe_broker(broker: RunningConfig) -> list[Described]:
    """Every broker property with the value in force."""
    declared = BrokerConfig.properties()
    return [_broker_property(declared[name], broker) for name in sorted(declared)]


def describe_all_brokers(broker: RunningConfig) -> list[Described]:
    """What has been set for every broker of the cluster, and nothing else."""
    described = []
    declared = BrokerConfig.properties()
    for name in sorted(broker.all_brokers.keys() & declared):
        prop = declared[name]
        stored = prop.parse_stored(broker.all_brokers[name], broker.started_with.value(name))
        value, source = prop.format(stored), _ALL_BROKERS
        synonyms = (Synonym(name, value, source),)
        described.append(Described(name, value, source, False, synonyms, prop))
    return described


def _topic_property(
    prop: Property, overrides: Mapping[str, str], broker: RunningConfig
) -> Described:
    if prop.broker_name is not None:
        inherited = _broker_property(BrokerConfig.properties()[prop.broker_name], broker)
        value, source, synonyms = inherited.value, inherited.source, inherited.synonyms
    else:
        value, source = prop.format(prop.default), ConfigSource.DEFAULT_CONFIG
        synonyms = () if prop.synonym is None else (Synonym(prop.synonym, value, source),)
    if prop.name in overrides:
        stored = topic_value(prop.name, overrides, broker.effective())
        value, source = prop.format(stored), ConfigSource.DYNAMIC_TOPIC_CONFIG
        synonyms = (Synonym(prop.name, value, source), *synonyms)
    return Described(prop.name, value, source, False, synonyms, prop)


def _broker_property(prop: Property, broker: RunningConfig) -> Described:
    static = broker.started_with.value(prop.name)
    layers: list[tuple[ConfigSource, str | None]] = [
        (source, prop.format(prop.parse_stored(texts[prop.name], static)))
        for source, texts in ((_OWN, broker.own), (_ALL_BROKERS, broker.all_brokers))
        if prop.name in texts
    ]
    if static != prop.default:
        layers.append((ConfigSource.STATIC_BROKER_CONFIG, prop.format(static)))
    if prop.default is not None and prop.default_listed:
        layers.append((ConfigSource.DEFAULT_CONFIG, prop.format(prop.default)))
    source, value = (
        layers[0] if layers else (ConfigSource.DEFAULT_CONFIG, prop.format(prop.default))
    )
    synonyms = tuple(Synonym(prop.name, each, where) for where, each in layers)
    return Described(prop.name, value, source, not prop.dynamic, synonyms, prop)
