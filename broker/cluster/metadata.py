"""What the cluster is: topics, configs, producer-id blocks, starts; a fold over records.

A record is a JSON object with a "type"; the types and their fields are those of `apply`. The
state changes nowhere else, so that start-up and running are one path. Records are kept in the log
`__cluster_metadata` (log/state_log.py); who decides which records to write is broker.py.
The first record names the format; a newer one is refused, since it cannot be understood. A new type
of record needs no new format: a version that does not know it refuses it as well. What else is in
the directory and an older version would misread does: 2 came with version 2 of producer snapshots,
which 0.1.0 would remove. A start writes the format of today behind an older one.
Tests: tests/unit/broker/test_broker.py
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .topic_names import folded

Record = dict[str, Any]

FORMAT_VERSION = 2


class MetadataError(Exception):
    """The metadata log holds what this version cannot understand; the text says what to do."""


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
class ClusterMetadata:
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

    def encode(self, record: Record) -> tuple[None, bytes]:
        """A record as it is stored: no key, and JSON."""
        return None, json.dumps(record, separators=(",", ":")).encode()

    def decode(self, key: bytes | None, value: bytes | None) -> Record:
        """The record of a stored value."""
        record: Record = json.loads(value or b"")
        return record

    def apply(self, record: Record) -> None:
        """Take one record into the state. Raises MetadataError for one of a newer format."""
        match record["type"]:
            case "snapshot":  # everything before it is void: the records that follow say it all
                self.topics.clear()
                self.names_by_id.clear()
                self.names_by_fold.clear()
                self.partition_count = 0
                self.broker_overrides.clear()
                self.deleted.clear()
            case "format":
                _check_format(record["version"])
                self.format_version = record["version"]
                self.cluster_id = record["cluster_id"]
            case "start":
                self.start_count = record["count"]
            case "producer-ids":
                pass  # 0.1.0 counted its ids here; they are drawn now (producer_ids.py)
            case "topic":
                topic_id = bytes.fromhex(record["id"])
                topic = Topic(
                    record["name"],
                    topic_id,
                    record["partitions"],
                    record["configs"],
                    _by_number(record.get("starts", {})),
                    _by_number(record.get("removed", {})),
                )
                self._add(topic)
                self.deleted.pop(topic_id, None)  # adopted by people, before it had gone
            case "topic-deleted":
                topic_id = bytes.fromhex(record["id"])
                topic = self._remove(self.names_by_id.pop(topic_id))
                self.deleted[topic_id] = DeletedTopic(topic.name, topic.partition_count)
            case "deletion":
                deleted = DeletedTopic(record["name"], record["partitions"])
                self.deleted[bytes.fromhex(record["id"])] = deleted
            case "deletions-done":
                for hex_id in record["ids"]:
                    self.deleted.pop(bytes.fromhex(hex_id), None)
            case "partitions":
                topic = self._by_id(record["id"])
                self.partition_count += record["count"] - topic.partition_count
                topic.partition_count = record["count"]
            case "log-starts":
                self._by_id(record["id"]).log_starts.update(_by_number(record["starts"]))
            case "removed":
                self._by_id(record["id"]).removed.update(_by_number(record["removed"]))
            case "topic-config":
                self._by_id(record["id"]).overrides = record["configs"]
            case "broker-config":
                self.broker_overrides[record["broker"]] = record["configs"]
            case unknown:
                raise MetadataError(
                    f"the metadata log holds a record of unknown type {unknown!r}: "
                    "it was written by a newer minibroker; start that one"
                )

    def live_count(self) -> int:
        """How many records `snapshot` would take."""
        return len(self.topics) + len(self.deleted) + len(self.broker_overrides) + 3

    def snapshot(self) -> Iterator[Sequence[Record]]:
        """Records that make this state from nothing, whatever was before: all in one portion."""
        yield [
            {"type": "snapshot"},
            format_record(self.cluster_id),
            {"type": "start", "count": self.start_count},
            *map(topic_record, self.topics.values()),
            *(_deletion_record(*each) for each in self.deleted.items()),
            *(broker_config_record(*each) for each in self.broker_overrides.items()),
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

    def _by_id(self, hex_id: str) -> Topic:
        return self.topics[self.names_by_id[bytes.fromhex(hex_id)]]


def format_record(cluster_id: str) -> Record:
    """The first record of a new log."""
    return {"type": "format", "version": FORMAT_VERSION, "cluster_id": cluster_id}


def topic_record(topic: Topic) -> Record:
    """A topic as it is."""
    return {
        "type": "topic",
        "name": topic.name,
        "id": topic.topic_id.hex(),
        "partitions": topic.partition_count,
        "configs": topic.overrides,
        **({"starts": topic.log_starts} if topic.log_starts else {}),
        **({"removed": topic.removed} if topic.removed else {}),
    }


def log_starts_record(topic: Topic, log_starts: Mapping[int, int]) -> Record:
    """Partitions of a topic that begin further on, by number."""
    return {"type": "log-starts", "id": topic.topic_id.hex(), "starts": dict(log_starts)}


def removed_record(topic: Topic, offsets: Mapping[int, int]) -> Record:
    """Partitions of a topic whose segments go up to an offset, by number."""
    return {"type": "removed", "id": topic.topic_id.hex(), "removed": dict(offsets)}


def _deletion_record(topic_id: bytes, deleted: DeletedTopic) -> Record:
    """A deletion that a rewritten log must still tell of."""
    return {
        "type": "deletion",
        "id": topic_id.hex(),
        "name": deleted.name,
        "partitions": deleted.partition_count,
    }


def deletions_done_record(topic_ids: Iterable[bytes]) -> Record:
    """Deleted topics of which nothing is left on disk, durably."""
    return {"type": "deletions-done", "ids": [each.hex() for each in topic_ids]}


def _by_number(offsets: dict[str, int]) -> dict[int, int]:
    return {int(number): offset for number, offset in offsets.items()}


def topic_config_record(topic: Topic, overrides: dict[str, str]) -> Record:
    """All overrides of a topic, in place of those it had."""
    return {"type": "topic-config", "id": topic.topic_id.hex(), "configs": overrides}


def broker_config_record(broker: str, overrides: dict[str, str]) -> Record:
    """All overrides of one broker ("" for every broker), in place of those there were."""
    return {"type": "broker-config", "broker": broker, "configs": overrides}


def _check_format(version: int) -> None:
    if version > FORMAT_VERSION:
        raise MetadataError(
            f"the data directory has format {version}; this minibroker knows up to "
            f"{FORMAT_VERSION}: start the newer version that wrote it"
        )
