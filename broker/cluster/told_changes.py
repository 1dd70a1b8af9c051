"""What a change of metadata is called in the log: an Event for each record an operator cares for.

Asked before the records are applied, because a deleted topic has no name afterwards; told when they
are written. So every way in (each API, auto-creation) is told, and no one twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..log_lines import Event
from .metadata import ClusterMetadata, Record

TOLD_MAX = 20  # a line each for so many changes of one request, one for all the rest
_TOLD = {"topic", "topic-deleted", "partitions", "topic-config", "broker-config"}


def told_changes(records: Sequence[Record], state: ClusterMetadata) -> list[Event]:
    """The events of records about to be applied to `state`."""
    told = [each for each in records if each["type"] in _TOLD]
    events = [_event(each, state) for each in told[:TOLD_MAX]]
    if len(told) > TOLD_MAX:
        names = {event.name for event in events}
        events.append(Event("and-more", of="/".join(sorted(names)), count=len(told) - TOLD_MAX))
    return events


def _event(record: Record, state: ClusterMetadata) -> Event:
    match record["type"]:
        case "topic":
            return Event(
                "topic-created",
                topic=record["name"],
                partitions=record["partitions"],
                configs=_pairs(record["configs"]),
            )
        case "broker-config":
            before = state.broker_overrides.get(record["broker"], {})
            changed = ", ".join(_changed(before, record["configs"])) or "nothing"
            return Event("broker-altered", broker=record["broker"] or "all", changed=changed)
    topic = state.topics[state.names_by_id[bytes.fromhex(record["id"])]]
    match record["type"]:
        case "topic-deleted":
            return Event("topic-deleted", topic=topic.name, partitions=topic.partition_count)
        case "partitions":
            return Event(
                "topic-grew",
                topic=topic.name,
                partitions=record["count"],
                before=topic.partition_count,
            )
    changed = ", ".join(_changed(topic.overrides, record["configs"])) or "nothing"
    return Event("topic-altered", topic=topic.name, changed=changed)


def _pairs(configs: Mapping[str, str]) -> str | None:
    return ", ".join(f"{name}={value}" for name, value in configs.items()) or None


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for name, value in after.items():
        if before.get(name) != value:
            yield f"{name}={value}"
    yield from (f"{name} deleted" for name in before if name not in after)
