"""What is durable of groups, as Kafka writes it into `__consumer_offsets`.

How records stand in batches, those of transactions among them, is told in batches.py.
Two kinds of keys: a committed offset of (group, topic, partition), and a group with its members.
The newest record of a key counts; one without a value is a tombstone. Key and value begin with an
int16: the kind of key, the version of the value. `kafka-dump-log --offsets-decoder` reads this.
Source: OffsetCommitKey.json, OffsetCommitValue.json, GroupMetadataKey.json,
GroupMetadataValue.json; GroupCoordinatorRecordHelpers.java for the versions that are written.
Tests: tests/unit/broker/groups/test_ledger.py
"""

from __future__ import annotations

from typing import NamedTuple

from ...protocol.apis import Api
from ...protocol.batch.control import Marker
from ...protocol.codec.compiler import decoder, encoder
from ...protocol.codec.schema import (
    ZERO_UUID,
    ArrayOf,
    Bytes,
    Int32,
    Int64,
    NullableString,
    String,
    Uuid,
    request,
    struct,
    wire,
)
from ..cluster.records import MetadataError

OFFSET_KEYS = (0, 1)  # 0 is of old Kafkas
GROUP_KEY = 2
OFFSET_VALUE_VERSION = 4
EXPIRING_VALUE_VERSION = 1  # the only one with an expire timestamp
GROUP_VALUE_VERSION = 3

_OFFSET_KEY = Api(1, "OffsetCommitKey", versions=(0, 1), flexible=None)
_OFFSET_VALUE = Api(1, "OffsetCommitValue", versions=(0, 4), flexible=4)
_GROUP_KEY = Api(2, "GroupMetadataKey", versions=(2, 2), flexible=None)
_GROUP_VALUE = Api(2, "GroupMetadataValue", versions=(0, 4), flexible=4)


@request(_OFFSET_KEY)
class OffsetCommitKey:
    group: str = wire(String)
    topic: str = wire(String)
    partition: int = wire(Int32)


@request(_OFFSET_VALUE)
class OffsetCommitValue:
    offset: int = wire(Int64)
    leader_epoch: int = wire(Int32, since=3, default=-1, ignorable=True)
    metadata: str = wire(String)
    commit_timestamp: int = wire(Int64)
    expire_timestamp: int = wire(Int64, since=1, until=1, default=-1, ignorable=True)
    topic_id: bytes = wire(Uuid, since=4, tag=0, default=ZERO_UUID, ignorable=True)


@request(_GROUP_KEY)
class GroupMetadataKey:
    group: str = wire(String)


@struct
class MemberMetadata:
    member_id: str = wire(String)
    group_instance_id: str | None = wire(NullableString, since=3, default=None, ignorable=True)
    client_id: str = wire(String)
    client_host: str = wire(String)
    rebalance_timeout: int = wire(Int32, since=1, default=-1, ignorable=True)
    session_timeout: int = wire(Int32)
    subscription: bytes = wire(Bytes)
    assignment: bytes = wire(Bytes)


@request(_GROUP_VALUE)
class GroupMetadataValue:
    protocol_type: str = wire(String)
    generation: int = wire(Int32)
    protocol: str | None = wire(NullableString)
    leader: str | None = wire(NullableString)
    current_state_timestamp: int = wire(Int64, since=2, default=-1, ignorable=True)
    members: list[MemberMetadata] = wire(ArrayOf(MemberMetadata))


class OffsetRecord(NamedTuple):
    """A partition's committed offset in a group; `value` None removes it."""

    group_id: str
    topic: str
    partition: int
    value: OffsetCommitValue | None


class GroupRecord(NamedTuple):
    """A group as of its newest generation; `value` None removes it."""

    group_id: str
    value: GroupMetadataValue | None


class CopiedOffset(NamedTuple):
    """A committed offset that a rewrite writes again: what is pending knows it already."""

    offset: OffsetRecord


class PendingRecord(NamedTuple):
    """An offset that a transaction commits if its marker says so (pending.py).

    Attributes:
        at: where in the log it was first written; the later of two of a key wins.
        offset: its value None takes back what the transaction has committed there before.
        is_superseded: something later of its key counts already.
        is_copy: written again by a rewrite.
    """

    producer_id: int
    producer_epoch: int
    at: int
    offset: OffsetRecord
    is_superseded: bool = False
    is_copy: bool = False


StateRecord = OffsetRecord | GroupRecord | CopiedOffset | PendingRecord | Marker
"""A Marker ends the transaction of its producer id, in all groups."""


class UnknownRecord(MetadataError):
    """A record of a kind that this version does not know; the text says what to do."""


def encode(record: OffsetRecord | GroupRecord) -> tuple[bytes, bytes | None]:
    """Key and value as they are stored."""
    if isinstance(record, GroupRecord):
        group_key = GroupMetadataKey(group=record.group_id)
        key = _versioned(GROUP_KEY, encoder(GroupMetadataKey, GROUP_KEY)(group_key))
        if record.value is None:
            return key, None
        body = encoder(GroupMetadataValue, GROUP_VALUE_VERSION)(record.value)
        return key, _versioned(GROUP_VALUE_VERSION, body)
    offset_key = OffsetCommitKey(
        group=record.group_id, topic=record.topic, partition=record.partition
    )
    key = _versioned(1, encoder(OffsetCommitKey, 1)(offset_key))
    value = record.value
    if value is None:
        return key, None
    version = OFFSET_VALUE_VERSION if value.expire_timestamp == -1 else EXPIRING_VALUE_VERSION
    return key, _versioned(version, encoder(OffsetCommitValue, version)(value))


def decode(key: bytes, value: bytes | None) -> OffsetRecord | GroupRecord:
    """The record of a stored key and value.

    Raises:
        UnknownRecord: a kind of key or a version of a value that was not known here.
        DecodeError: the bytes are not what they say they are.
    """
    kind = int.from_bytes(key[:2], "big", signed=True)
    if kind == GROUP_KEY:
        group, _ = decoder(GroupMetadataKey, GROUP_KEY)(key, 2)
        if value is None:
            return GroupRecord(group.group, None)
        version = _version_of(value, _GROUP_VALUE)
        return GroupRecord(group.group, decoder(GroupMetadataValue, version)(value, 2)[0])
    if kind in OFFSET_KEYS:
        found, _ = decoder(OffsetCommitKey, kind)(key, 2)
        committed = None
        if value is not None:
            version = _version_of(value, _OFFSET_VALUE)
            committed, _ = decoder(OffsetCommitValue, version)(value, 2)
        return OffsetRecord(found.group, found.topic, found.partition, committed)
    raise UnknownRecord(_unknown(f"a key of kind {kind}"))


def _version_of(value: bytes, api: Api) -> int:
    version = int.from_bytes(value[:2], "big", signed=True)
    if not api.versions[0] <= version <= api.versions[1]:
        raise UnknownRecord(_unknown(f"{api.name} v{version}"))
    return version


def _versioned(version: int, body: list[bytes | memoryview]) -> bytes:
    return b"".join((version.to_bytes(2, "big"), *body))


def _unknown(what: str) -> str:
    return f"__consumer_offsets holds {what}: it was written by something newer; start that"
