"""The broker's configuration while it runs: what it was started with, and what was changed since.

Kafka's order, the strongest first: this broker's own dynamic value, the dynamic default of all
brokers, the static value it was started with, the default. Changes are records of the metadata log
(config_changes.py makes them); only properties marked dynamic in config/broker.py can be changed.
Source: DynamicBrokerConfig.java; KIP-226.
Tests: tests/unit/broker/cluster/test_config_changes.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..config.broker import BrokerConfig
from ..config.properties import Value
from .metadata import ClusterMetadata

ALL_BROKERS = ""


@dataclass(frozen=True, slots=True)
class RunningConfig:
    """The layers of a broker's configuration.

    Args:
        started_with: the static values and the defaults.
        all_brokers, own: validated texts by property name; `own` wins.
    """

    started_with: BrokerConfig
    all_brokers: Mapping[str, str]
    own: Mapping[str, str]

    def effective(self) -> BrokerConfig:
        """The values in force. A stored name that has lost its meaning since has no effect."""
        properties = BrokerConfig.properties()
        values: dict[str, Value] = {
            name: properties[name].parse_stored(text, self.started_with.value(name))
            for name, text in {**self.all_brokers, **self.own}.items()
            if name in properties
        }
        return self.started_with.changed(values)


def running_config(started_with: BrokerConfig, state: ClusterMetadata) -> RunningConfig:
    """The layers as the metadata has them."""
    overrides = state.broker_overrides
    return RunningConfig(
        started_with,
        overrides.get(ALL_BROKERS, {}),
        overrides.get(str(started_with.node_id), {}),
    )
