"""Changes of configuration: what a request asks for, checked; a metadata record or a refusal.

Nothing is changed here: broker.py commits what these functions return. A change is SET, DELETE,
APPEND or SUBTRACT of one property; the result, not the change, is checked, so that a name that is
no longer known can be deleted. Replacing everything is a list of SETs on nothing.
Source: ConfigAdminManager.preprocess, ConfigurationControlManager.incrementalAlterConfigResource,
ControllerConfigurationValidator; KIP-133, KIP-339.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ...protocol.configs import AlterOperation, ConfigType, ResourceType
from ...protocol.errors import ErrorCode, Refused
from ..config.broker import BrokerConfig
from ..config.properties import ConfigError, Property, nearest
from ..config.sources import is_kafkas
from ..config.topic import TOPIC_PROPERTIES, check_codec, topic_value, validate_overrides
from .metadata import ClusterMetadata, Topic
from .records import BrokerConfigRecord, MetadataRecord, TopicConfigRecord
from .running_config import ALL_BROKERS
from .topic_names import name_refusal, no_topic

_OPERATIONS = frozenset(AlterOperation)
_VERBS: dict[int, str] = {
    AlterOperation.APPEND: "append to",
    AlterOperation.SUBTRACT: "subtract from",
}

INVALID_REQUEST, INVALID_CONFIG = ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_CONFIG


@dataclass(frozen=True, slots=True)
class Change:
    """One property; `operation` is an AlterOperation, or a number that a peer made up."""

    name: str
    operation: int
    value: str | None


def plan_changes(
    kind: int, name: str, changes: Sequence[Change], state: ClusterMetadata, config: BrokerConfig
) -> MetadataRecord | Refused:
    """The record that changes some properties of a resource, or why they cannot change.

    Args:
        kind, name: the resource; a ResourceType, or a number that a peer made up.
        config: the broker's values in force.
    """
    refused = _form_refusal(changes) or _resource_refusal(kind, name, state, config)
    if refused is not None:
        return refused
    if kind == ResourceType.BROKER:
        return _plan_broker(name, state.broker_overrides.get(name, {}), changes, config)
    topic = state.topics[name]
    return _plan_topic(topic, topic.overrides, changes, config)


def plan_replacement(
    kind: int,
    name: str,
    values: Sequence[tuple[str, str | None]],
    state: ClusterMetadata,
    config: BrokerConfig,
) -> MetadataRecord | Refused:
    """The record that puts `values` in place of all overrides of a resource, or why it cannot be.

    Args: as plan_changes().
    """
    changes = [Change(key, AlterOperation.SET, value) for key, value in values]
    refused = _form_refusal(changes) or _resource_refusal(kind, name, state, config)
    if refused is not None:
        return refused
    if kind == ResourceType.BROKER:
        return _plan_broker(name, {}, changes, config)
    return _plan_topic(state.topics[name], {}, changes, config)


def _form_refusal(changes: Sequence[Change]) -> Refused | None:
    """What is wrong with the changes, whatever they are for."""
    twice = [name for name, times in Counter(each.name for each in changes).items() if times > 1]
    if twice:
        return Refused(INVALID_REQUEST, f"listed more than once: {', '.join(twice)}")
    without = [
        each.name
        for each in changes
        if each.value is None and each.operation != AlterOperation.DELETE
    ]
    if without:
        return Refused(
            INVALID_REQUEST, f"null is no value for {', '.join(without)}; delete the property"
        )
    for change in changes:
        if change.operation not in _OPERATIONS:
            why = f"{change.name}: operation {change.operation} is unknown"
            return Refused(INVALID_REQUEST, why)
    return None


def _resource_refusal(
    kind: int, name: str, state: ClusterMetadata, config: BrokerConfig
) -> Refused | None:
    """Why this resource has no configuration that can change."""
    if kind == ResourceType.BROKER:
        return broker_refusal(name, config)
    if kind != ResourceType.TOPIC:
        return Refused(INVALID_REQUEST, f"resource type {kind} is not kept here")
    if not name:
        return Refused(INVALID_REQUEST, "topics have no default resource; set the broker's")
    if name in state.topics:
        return None
    why = name_refusal(name)
    if why is not None:
        return Refused(ErrorCode.INVALID_TOPIC_EXCEPTION, why)
    return no_topic(name)


def broker_refusal(name: str, config: BrokerConfig) -> Refused | None:
    """Why a resource name is no broker of this cluster; None for this one, and for all."""
    if name in (ALL_BROKERS, str(config.node_id)):
        return None
    return Refused(INVALID_REQUEST, f"there is no broker {name!r} here, only {config.node_id}")


def _plan_topic(
    topic: Topic, before: Mapping[str, str], changes: Sequence[Change], config: BrokerConfig
) -> TopicConfigRecord | Refused:
    def in_force(prop: Property) -> str | None:
        return prop.format(topic_value(prop.name, before, config))

    try:
        after = _changed(before, changes, TOPIC_PROPERTIES, in_force)
        after = validate_overrides(after, config)
    except ConfigError as error:
        return Refused(INVALID_CONFIG, str(error))
    return TopicConfigRecord(topic.topic_id, after)


def _plan_broker(
    name: str, before: Mapping[str, str], changes: Sequence[Change], config: BrokerConfig
) -> BrokerConfigRecord | Refused:
    properties = BrokerConfig.properties()

    def in_force(prop: Property) -> str | None:
        return before.get(prop.name, prop.format(config.value(prop.name)))

    try:
        after = _changed(before, changes, properties, in_force)
    except ConfigError as error:
        return Refused(INVALID_CONFIG, str(error))
    for key, text in after.items():
        refused = _value_refusal(key, text)
        if refused is not None:
            return refused
    return BrokerConfigRecord(name, after)


def _value_refusal(name: str, text: str) -> Refused | None:
    """Why a broker property cannot be given this value while the broker runs."""
    properties = BrokerConfig.properties()
    prop = properties.get(name)
    if prop is None:
        if is_kafkas(name):
            return Refused(INVALID_REQUEST, f"{name} is Kafka's and has no value of its own here")
        hint = nearest(name, properties)
        return Refused(INVALID_CONFIG, f"unknown broker property {name}{hint}")
    if not prop.dynamic:
        return Refused(INVALID_REQUEST, f"{name} cannot change while the broker runs")
    try:
        check_codec(name, prop.parse(text))
    except ConfigError as error:
        return Refused(INVALID_REQUEST, str(error))
    return None


def _changed(
    before: Mapping[str, str],
    changes: Sequence[Change],
    properties: Mapping[str, Property],
    in_force: Callable[[Property], str | None],
) -> dict[str, str]:
    """The overrides after all changes. Raises ConfigError: no list to append to."""
    after = dict(before)
    for change in changes:
        if change.operation == AlterOperation.DELETE:
            after.pop(change.name, None)
            continue
        assert change.value is not None
        if change.operation == AlterOperation.SET:
            after[change.name] = change.value
            continue
        prop = properties.get(change.name)
        if prop is None or prop.type is not ConfigType.LIST:
            raise ConfigError(f"{change.name} is no list: cannot {_VERBS[change.operation]} it")
        had, named = _words(in_force(prop) or ""), _words(change.value)
        if change.operation == AlterOperation.APPEND:
            words = [*had, *(word for word in named if word not in had)]
        else:
            words = [word for word in had if word not in named]
        after[change.name] = ",".join(words)
    return after


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
