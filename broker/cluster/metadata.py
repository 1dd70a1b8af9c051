"""What the cluster is: topics, configs, deletions, starts, users; a fold over records.

What records there are and their bytes: records.py. The state changes in `apply` and nowhere else,
so that start-up and running are one path. Records are kept in the log `__cluster_metadata`
(log/state_log.py); who decides which records to write is broker.py.
The first record names the format; a newer one is refused, since it cannot be understood. A new type
of record needs no new format; what else is in the directory and an older version would misread
does: 2 came with version 2 of producer snapshots, which 0.1.0 would remove. A start writes the
format of today behind an older one.
Tests: tests/unit/broker/test_broker.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ...protocol.sasl.scram_credentials import ScramCredential
from ..log.state_log import PlainState
from . import records
from .acls import Acls
from .quotas import Quotas
from .records import (
    AclRecord,
    AclRemovedRecord,
    BrokerConfigRecord,
    ClientQuotaRecord,
    DeletionRecord,
    DeletionsDoneRecord,
    FormatRecord,
    LogStartsRecord,
    MetadataError,
    MetadataRecord,
    PartitionsRecord,
    ProducerIdsRecord,
    RemovedRecord,
    ScramCredentialDeletedRecord,
    ScramCredentialRecord,
    SnapshotRecord,
    StartedRecord,
    TopicConfigRecord,
    TopicDeletedRecord,
    TopicRecord,
)
from .topic_names import folded

FORMAT_VERSION = 2


@dataclass(slots=True)
class Topic:
    """One topic.

    Args:
        topic_id: 16 bytes, never all zero.
        partition_count: partitions are numbered from 0.
        overrides: validated texts by topic property name.
        log_starts: where a partition begins, by number, if records were deleted from it.
        removed: up to where segments were removed, or were going to be.
    """

    name: str
    topic_id: bytes
    partition_count: int
    overrides: dict[str, str]
    log_starts: dict[int, int] = field(default_factory=dict)
    removed: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeletedTopic:
    """A topic that is deleted and whose directories have not all gone yet."""

    name: str
    partition_count: int


@dataclass(slots=True)
class ClusterMetadata(PlainState[MetadataRecord]):
    """The state after all records so far. Implements state_log.State.

    Args:
        format_version: the newest that has been written here; 0 for an empty log.
        cluster_id: 22 characters, drawn once.
        start_count: how often a broker has been started on this data; the leader epoch derives
            from it.
        broker_overrides: validated texts by broker property name, by broker: a node id, or "" for
            every broker of the cluster. Changed only while a broker runs.
        partition_count: of all topics.
        names_by_fold: topic names by what they are when '.' and '_' are the same.
        deleted: by id, the topics whose directories may still be there; only what stands here is
            ever removed by a start.
        scram: what is kept of passwords, by user and by mechanism; no user is without any.
        acls: who may do what, if an authorizer asks.
        quotas: how much who may do, by entity.
    """

    format_version: int = 0
    cluster_id: str = ""
    start_count: int = 0
    topics: dict[str, Topic] = field(default_factory=dict)
    names_by_id: dict[bytes, str] = field(default_factory=dict)
    broker_overrides: dict[str, dict[str, str]] = field(default_factory=dict)
    partition_count: int = 0
    names_by_fold: dict[str, set[str]] = field(default_factory=dict)
    deleted: dict[bytes, DeletedTopic] = field(default_factory=dict)
    scram: dict[str, dict[str, ScramCredential]] = field(default_factory=dict)
    acls: Acls = field(default_factory=Acls)
    quotas: Quotas = field(default_factory=Quotas)

    def encode(self, record: MetadataRecord) -> tuple[None, bytes]:
        """A record as it is stored: without a key."""
        return None, records.encode(record)

    def decode(self, key: bytes | None, value: bytes | None) -> MetadataRecord:
        """The record of a stored value. Raises MetadataError for one of a newer version."""
        return records.decode(value or b"")

    def apply(self, record: MetadataRecord) -> None:
        """Take one record into the state. Raises MetadataError for one of a newer format."""
        match record:
            case SnapshotRecord():  # everything before it is void
                self.topics.clear()
                self.names_by_id.clear()
                self.names_by_fold.clear()
                self.partition_count = 0
                self.broker_overrides.clear()
                self.deleted.clear()
                self.scram.clear()
                self.acls.clear()
                self.quotas.clear()
            case FormatRecord(version, cluster_id):
                _check_format(version)
                self.format_version, self.cluster_id = version, cluster_id
            case StartedRecord(count):
                self.start_count = count
            case ProducerIdsRecord():
                pass
            case TopicRecord(name, topic_id, count, overrides, log_starts, removed):
                self._add(Topic(name, topic_id, count, overrides, {**log_starts}, {**removed}))
                self.deleted.pop(topic_id, None)  # adopted by people, before it had gone
            case TopicDeletedRecord(topic_id):
                topic = self._remove(self.names_by_id.pop(topic_id))
                self.deleted[topic_id] = DeletedTopic(topic.name, topic.partition_count)
            case DeletionRecord(topic_id, name, count):
                self.deleted[topic_id] = DeletedTopic(name, count)
            case DeletionsDoneRecord(topic_ids):
                for topic_id in topic_ids:
                    self.deleted.pop(topic_id, None)
            case PartitionsRecord(topic_id, count):
                topic = self.by_id(topic_id)
                self.partition_count += count - topic.partition_count
                topic.partition_count = count
            case LogStartsRecord(topic_id, log_starts):
                self.by_id(topic_id).log_starts.update(log_starts)
            case RemovedRecord(topic_id, offsets):
                self.by_id(topic_id).removed.update(offsets)
            case TopicConfigRecord(topic_id, overrides):
                self.by_id(topic_id).overrides = overrides
            case BrokerConfigRecord(broker, overrides):
                self.broker_overrides[broker] = overrides
            case AclRecord(acl):
                self.acls.add(acl)
            case AclRemovedRecord(acl):
                self.acls.remove(acl)
            case ClientQuotaRecord(entity, values):
                self.quotas.put(entity, values)
            case ScramCredentialRecord(user, mechanism, credential):
                self.scram.setdefault(user, {})[mechanism] = credential
            case ScramCredentialDeletedRecord(user, mechanism):
                kept = self.scram[user]
                del kept[mechanism]
                if not kept:
                    del self.scram[user]

    def by_id(self, topic_id: bytes) -> Topic:
        """The topic of an id; there must be one."""
        return self.topics[self.names_by_id[topic_id]]

    def live_count(self) -> int:
        """How many records `snapshot` would take."""
        rules = sum(map(len, self.scram.values())) + len(self.acls)
        rules += len(self.quotas.by_entity)
        return len(self.topics) + len(self.deleted) + len(self.broker_overrides) + rules + 3

    def snapshot(self) -> Iterator[Sequence[MetadataRecord]]:
        """Records that make this state from nothing, whatever was before: all in one portion."""
        yield [
            SnapshotRecord(),
            format_record(self.cluster_id),
            StartedRecord(self.start_count),
            *map(topic_record, self.topics.values()),
            *(
                DeletionRecord(topic_id, deleted.name, deleted.partition_count)
                for topic_id, deleted in self.deleted.items()
            ),
            *(BrokerConfigRecord(*overridden) for overridden in self.broker_overrides.items()),
            *(
                ScramCredentialRecord(user, mechanism, credential)
                for user, kept in self.scram.items()
                for mechanism, credential in kept.items()
            ),
            *map(AclRecord, self.acls),
            *(ClientQuotaRecord(*each) for each in self.quotas.by_entity.items()),
        ]

    def _add(self, topic: Topic) -> None:
        self.topics[topic.name] = topic
        self.names_by_id[topic.topic_id] = topic.name
        self.names_by_fold.setdefault(folded(topic.name), set()).add(topic.name)
        self.partition_count += topic.partition_count

    def _remove(self, name: str) -> Topic:
        topic = self.topics.pop(name)
        self.partition_count -= topic.partition_count
        names = self.names_by_fold[folded(name)]
        names.discard(name)
        if not names:
            del self.names_by_fold[folded(name)]
        return topic


def format_record(cluster_id: str) -> FormatRecord:
    """The first record of a new log."""
    return FormatRecord(FORMAT_VERSION, cluster_id)


def topic_record(topic: Topic) -> TopicRecord:
    """A topic as it is."""
    return TopicRecord(
        topic.name,
        topic.topic_id,
        topic.partition_count,
        topic.overrides,
        topic.log_starts,
        topic.removed,
    )


def _check_format(version: int) -> None:
    if version > FORMAT_VERSION:
        raise MetadataError(
            f"the data directory has format {version}; this minibroker knows up to "
            f"{FORMAT_VERSION}: start the newer version that wrote it"
        )
