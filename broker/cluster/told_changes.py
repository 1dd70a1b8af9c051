"""What a change of metadata is called in the log: an Event for each record an operator cares for.

Asked before the records are applied, because a deleted topic has no name afterwards; told when they
are written. So every way in (each API, auto-creation) is told, and no one twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import TypeAlias

from ...protocol.acls import AclOperation, AclPermission, AclResourceType, PatternType
from ..log_lines import Event
from .acls import Acl
from .metadata import ClusterMetadata
from .quotas import told_entity
from .records import (
    AclRecord,
    AclRemovedRecord,
    BrokerConfigRecord,
    ClientQuotaRecord,
    MetadataRecord,
    PartitionsRecord,
    ScramCredentialDeletedRecord,
    ScramCredentialRecord,
    TopicConfigRecord,
    TopicDeletedRecord,
    TopicRecord,
)

Told: TypeAlias = (
    TopicRecord
    | TopicDeletedRecord
    | PartitionsRecord
    | TopicConfigRecord
    | BrokerConfigRecord
    | ScramCredentialRecord
    | ScramCredentialDeletedRecord
    | AclRecord
    | AclRemovedRecord
    | ClientQuotaRecord
)

TOLD_MAX = 20  # a line each for so many changes of one request, one for all the rest


def told_changes(records: Sequence[MetadataRecord], state: ClusterMetadata) -> list[Event]:
    """The events of records about to be applied to `state`."""
    told = [record for record in records if isinstance(record, Told)]
    events = [_event(record, state) for record in told[:TOLD_MAX]]
    if len(told) > TOLD_MAX:
        names = {event.name for event in events}
        events.append(Event("and-more", of="/".join(sorted(names)), count=len(told) - TOLD_MAX))
    return events


def _event(record: Told, state: ClusterMetadata) -> Event:
    match record:
        case TopicRecord(name, _, count, overrides):
            return Event("topic-created", topic=name, partitions=count, configs=_pairs(overrides))
        case BrokerConfigRecord(broker, overrides):
            before = state.broker_overrides.get(broker, {})
            changed = ", ".join(_changed(before, overrides)) or "nothing"
            return Event("broker-altered", broker=broker or "all", changed=changed)
        case TopicDeletedRecord(topic_id):
            topic = state.by_id(topic_id)
            return Event("topic-deleted", topic=topic.name, partitions=topic.partition_count)
        case PartitionsRecord(topic_id, count):
            topic = state.by_id(topic_id)
            had = topic.partition_count
            return Event("topic-grew", topic=topic.name, partitions=count, before=had)
        case TopicConfigRecord(topic_id, overrides):
            topic = state.by_id(topic_id)
            changed = ", ".join(_changed(topic.overrides, overrides)) or "nothing"
            return Event("topic-altered", topic=topic.name, changed=changed)
        case ScramCredentialRecord(user, mechanism):
            return Event("user-altered", user=user, mechanism=mechanism)
        case ScramCredentialDeletedRecord(user, mechanism):
            return Event("user-removed", user=user, mechanism=mechanism)
        case AclRecord(acl):
            return Event("acl-added", **told_acl(acl))
        case AclRemovedRecord(acl):
            return Event("acl-removed", **told_acl(acl))
        case ClientQuotaRecord(entity, values):
            changed = ", ".join(f"{name}={value:g}" for name, value in values.items()) or "nothing"
            return Event("quota-altered", of=told_entity(entity), values=changed)


def told_acl(acl: Acl) -> dict[str, str]:
    """A rule in words."""
    return {
        "principal": acl.principal,
        "host": acl.host,
        "permission": _word(AclPermission, acl.permission),
        "operation": _word(AclOperation, acl.operation),
        "resource": f"{_word(AclResourceType, acl.resource_type)}:{acl.name}",
        "pattern": _word(PatternType, acl.pattern_type),
    }


def _word(enum: type[IntEnum], value: int) -> str:
    return enum(value).name.lower()


def _pairs(configs: Mapping[str, str]) -> str | None:
    return ", ".join(f"{name}={value}" for name, value in configs.items()) or None


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for name, value in after.items():
        if before.get(name) != value:
            yield f"{name}={value}"
    yield from (f"{name} deleted" for name in before if name not in after)
