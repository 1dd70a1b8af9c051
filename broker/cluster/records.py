"""What the metadata log holds: typed records, each stored as one JSON object with a "type".

The bytes are a contract with every directory there is: a field may be added, none renamed. A new
type of record needs no new format, since a version that does not know it refuses the log.
Ids are hexadecimal; numbers of partitions are keys of objects, so they are texts there.
What records do to the state: metadata.py. Who decides which to write: broker.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from ...protocol.sasl.scram_credentials import ScramCredential
from .acls import Acl
from .quotas import Entity


class MetadataError(Exception):
    """A log of the broker holds what this version cannot understand; the text says what to do."""


class FormatRecord(NamedTuple):
    """The first of a new log; one more when a newer version goes on with it."""

    version: int
    cluster_id: str


class StartedRecord(NamedTuple):
    """A broker was started here; how often that makes."""

    start_count: int


class SnapshotRecord(NamedTuple):
    """Everything before it is void: the records that follow say it all."""


class ProducerIdsRecord(NamedTuple):
    """0.1.0 counted its ids here; they are drawn now (producer_ids.py)."""

    next_id: int


class TopicRecord(NamedTuple):
    """A topic as it is, whether it is new or the log is written anew; fields as Topic has them."""

    name: str
    topic_id: bytes
    partition_count: int
    overrides: dict[str, str]
    log_starts: Mapping[int, int]
    removed: Mapping[int, int]


class TopicDeletedRecord(NamedTuple):
    """From now on there is no such topic; its directories may still be there."""

    topic_id: bytes


class DeletionRecord(NamedTuple):
    """A deletion that a rewritten log must still tell of."""

    topic_id: bytes
    name: str
    partition_count: int


class DeletionsDoneRecord(NamedTuple):
    """Deleted topics of which nothing is left on disk, durably."""

    topic_ids: tuple[bytes, ...]


class PartitionsRecord(NamedTuple):
    """A topic has grown to `partition_count` in all."""

    topic_id: bytes
    partition_count: int


class LogStartsRecord(NamedTuple):
    """Partitions of a topic that begin further on, by number."""

    topic_id: bytes
    log_starts: Mapping[int, int]


class RemovedRecord(NamedTuple):
    """Partitions of a topic whose segments go up to an offset, by number."""

    topic_id: bytes
    offsets: Mapping[int, int]


class TopicConfigRecord(NamedTuple):
    """All overrides of a topic, in place of those it had."""

    topic_id: bytes
    overrides: dict[str, str]


class ScramCredentialRecord(NamedTuple):
    """What is kept of a user's password for one mechanism, in place of what there was.

    Its bytes prove nothing without the password, but whoever reads them can guess at it.
    """

    user: str
    mechanism: str
    credential: ScramCredential


class ScramCredentialDeletedRecord(NamedTuple):
    """A user has no password for a mechanism any more."""

    user: str
    mechanism: str


class BrokerConfigRecord(NamedTuple):
    """All overrides of one broker ("" for every broker), in place of those there were."""

    broker: str
    overrides: dict[str, str]


class AclRecord(NamedTuple):
    """A rule of access is there."""

    acl: Acl


class AclRemovedRecord(NamedTuple):
    """A rule of access is gone."""

    acl: Acl


class ClientQuotaRecord(NamedTuple):
    """All quotas of an entity, in place of those it had; none: it has none any more."""

    entity: Entity
    values: dict[str, float]


MetadataRecord: TypeAlias = (
    FormatRecord
    | StartedRecord
    | SnapshotRecord
    | ProducerIdsRecord
    | TopicRecord
    | TopicDeletedRecord
    | DeletionRecord
    | DeletionsDoneRecord
    | PartitionsRecord
    | LogStartsRecord
    | RemovedRecord
    | TopicConfigRecord
    | BrokerConfigRecord
    | ScramCredentialRecord
    | ScramCredentialDeletedRecord
    | AclRecord
    | AclRemovedRecord
    | ClientQuotaRecord
)


def encode(record: MetadataRecord) -> bytes:
    """A record as it is stored."""
    return json.dumps(_fields(record), separators=(",", ":")).encode()


def decode(value: bytes) -> MetadataRecord:
    """The record of a stored value. Raises MetadataError for one of a newer version."""
    fields = json.loads(value)
    match fields["type"]:
        case "format":
            return FormatRecord(fields["version"], fields["cluster_id"])
        case "start":
            return StartedRecord(fields["count"])
        case "snapshot":
            return SnapshotRecord()
        case "producer-ids":
            return ProducerIdsRecord(fields["next"])
        case "topic":
            log_starts, removed = _offsets(fields, "starts"), _offsets(fields, "removed")
            name, count, overrides = fields["name"], fields["partitions"], fields["configs"]
            return TopicRecord(name, _id(fields), count, overrides, log_starts, removed)
        case "topic-deleted":
            return TopicDeletedRecord(_id(fields))
        case "deletion":
            return DeletionRecord(_id(fields), fields["name"], fields["partitions"])
        case "deletions-done":
            return DeletionsDoneRecord(tuple(map(bytes.fromhex, fields["ids"])))
        case "partitions":
            return PartitionsRecord(_id(fields), fields["count"])
        case "log-starts":
            return LogStartsRecord(_id(fields), _offsets(fields, "starts"))
        case "removed":
            return RemovedRecord(_id(fields), _offsets(fields, "removed"))
        case "topic-config":
            return TopicConfigRecord(_id(fields), fields["configs"])
        case "broker-config":
            return BrokerConfigRecord(fields["broker"], fields["configs"])
        case "scram-credential":
            return _scram_record(fields)
        case "scram-credential-deleted":
            return ScramCredentialDeletedRecord(fields["user"], fields["mechanism"])
        case "acl":
            return AclRecord(_acl(fields))
        case "acl-removed":
            return AclRemovedRecord(_acl(fields))
        case "client-quota":
            entity = tuple((kind, name) for kind, name in fields["entity"])
            return ClientQuotaRecord(entity, fields["values"])
        case unknown:
            raise MetadataError(
                f"the metadata log holds a record of unknown type {unknown!r}: "
                "it was written by a newer minibroker; start that one"
            )


def _fields(record: MetadataRecord) -> dict[str, Any]:
    match record:
        case FormatRecord(version, cluster_id):
            return {"type": "format", "version": version, "cluster_id": cluster_id}
        case StartedRecord(count):
            return {"type": "start", "count": count}
        case SnapshotRecord():
            return {"type": "snapshot"}
        case ProducerIdsRecord(next_id):
            return {"type": "producer-ids", "next": next_id}
        case TopicRecord():
            return _topic_fields(record)
        case TopicDeletedRecord(topic_id):
            return {"type": "topic-deleted", "id": topic_id.hex()}
        case DeletionRecord(topic_id, name, count):
            return {"type": "deletion", "id": topic_id.hex(), "name": name, "partitions": count}
        case DeletionsDoneRecord(topic_ids):
            return {"type": "deletions-done", "ids": [topic_id.hex() for topic_id in topic_ids]}
        case PartitionsRecord(topic_id, count):
            return {"type": "partitions", "id": topic_id.hex(), "count": count}
        case LogStartsRecord(topic_id, log_starts):
            return {"type": "log-starts", "id": topic_id.hex(), "starts": dict(log_starts)}
        case RemovedRecord(topic_id, offsets):
            return {"type": "removed", "id": topic_id.hex(), "removed": dict(offsets)}
        case TopicConfigRecord(topic_id, overrides):
            return {"type": "topic-config", "id": topic_id.hex(), "configs": overrides}
        case BrokerConfigRecord(broker, overrides):
            return {"type": "broker-config", "broker": broker, "configs": overrides}
        case AclRecord(acl):
            return {"type": "acl", **acl._asdict()}
        case AclRemovedRecord(acl):
            return {"type": "acl-removed", **acl._asdict()}
        case ClientQuotaRecord(entity, values):
            return {"type": "client-quota", "entity": [*map(list, entity)], "values": values}
        case ScramCredentialRecord():
            return _scram_fields(record)
        case ScramCredentialDeletedRecord(user, mechanism):
            return {"type": "scram-credential-deleted", "user": user, "mechanism": mechanism}


def _acl(fields: dict[str, Any]) -> Acl:
    return Acl(*(fields[name] for name in Acl._fields))


def _topic_fields(record: TopicRecord) -> dict[str, Any]:
    fields = {
        "type": "topic",
        "name": record.name,
        "id": record.topic_id.hex(),
        "partitions": record.partition_count,
        "configs": record.overrides,
    }
    if record.log_starts:
        fields["starts"] = dict(record.log_starts)
    if record.removed:
        fields["removed"] = dict(record.removed)
    return fields


def _scram_fields(record: ScramCredentialRecord) -> dict[str, Any]:
    credential = record.credential
    return {
        "type": "scram-credential",
        "user": record.user,
        "mechanism": record.mechanism,
        "salt": credential.salt.hex(),
        "iterations": credential.iterations,
        "stored_key": credential.stored_key.hex(),
        "server_key": credential.server_key.hex(),
    }


def _scram_record(fields: dict[str, Any]) -> ScramCredentialRecord:
    salt, stored_key, server_key = (
        bytes.fromhex(fields[name]) for name in ("salt", "stored_key", "server_key")
    )
    credential = ScramCredential(salt, fields["iterations"], stored_key, server_key)
    return ScramCredentialRecord(fields["user"], fields["mechanism"], credential)


def _offsets(fields: dict[str, Any], name: str) -> dict[int, int]:
    return {int(number): offset for number, offset in fields.get(name, {}).items()}


def _id(fields: dict[str, Any]) -> bytes:
    return bytes.fromhex(fields["id"])
