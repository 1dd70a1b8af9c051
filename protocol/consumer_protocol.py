"""What members of a consumer group tell each other, through a broker that does not look inside.

A subscription travels in JoinGroup, an assignment in SyncGroup: two bytes of version, then the
fields. Versions newer than ours are read as our newest, since newer ones only add fields at the
end. Nothing here is a request or response, so the two entries below stand in no registry.
Source: ConsumerProtocolSubscription.json, ConsumerProtocolAssignment.json, ConsumerProtocol.java;
KIP-429 (v1 owned_partitions), KIP-792 (v2 generation_id), KIP-881 (v3 rack_id).
Tests: tests/unit/client/group/test_assignors.py
"""

import struct as binary
from typing import TypeVar

from .apis import Api
from .codec.compiler import decoder, encoder
from .codec.schema import (
    ArrayOf,
    Int32,
    NullableBytes,
    NullableString,
    String,
    response,
    struct,
    wire,
)
from .errors import DecodeError

SUBSCRIPTION = Api(-1, "ConsumerProtocolSubscription", versions=(0, 3), flexible=None)
ASSIGNMENT = Api(-1, "ConsumerProtocolAssignment", versions=(0, 3), flexible=None)
VERSION_BYTES = 2

M = TypeVar("M")


@struct
class TopicPartitions:
    topic: str = wire(String)
    partitions: list[int] = wire(ArrayOf(Int32))


@response(SUBSCRIPTION)
class ConsumerProtocolSubscription:
    topics: list[str] = wire(ArrayOf(String))
    user_data: bytes | None = wire(NullableBytes, default=None)
    owned_partitions: list[TopicPartitions] = wire(ArrayOf(TopicPartitions), since=1, default=[])
    generation_id: int = wire(Int32, since=2, default=-1)
    rack_id: str | None = wire(NullableString, since=3, default=None)


@response(ASSIGNMENT)
class ConsumerProtocolAssignment:
    assigned_partitions: list[TopicPartitions] = wire(ArrayOf(TopicPartitions))
    user_data: bytes | None = wire(NullableBytes, default=None)


def encode_subscription(subscription: ConsumerProtocolSubscription, version: int = 3) -> bytes:
    """The bytes of JoinGroup's `metadata`. Raises EncodeError for a value that does not fit."""
    parts = encoder(ConsumerProtocolSubscription, version)(subscription)
    return b"".join((binary.pack(">h", version), *parts))


def encode_assignment(assignment: ConsumerProtocolAssignment, version: int = 3) -> bytes:
    """The bytes of SyncGroup's `assignment`. Raises EncodeError for a value that does not fit."""
    parts = encoder(ConsumerProtocolAssignment, version)(assignment)
    return b"".join((binary.pack(">h", version), *parts))


def decode_subscription(data: bytes) -> ConsumerProtocolSubscription:
    """What a member wrote. Raises DecodeError for bytes that are no subscription."""
    return _decode(ConsumerProtocolSubscription, data)


def decode_assignment(data: bytes) -> ConsumerProtocolAssignment:
    """What the leader wrote; no bytes at all are no partitions.

    Raises:
        DecodeError: bytes that are no assignment.
    """
    if not data:
        return ConsumerProtocolAssignment(assigned_partitions=[])
    return _decode(ConsumerProtocolAssignment, data)


def _decode(message: type[M], data: bytes) -> M:
    name = message.__name__
    if len(data) < VERSION_BYTES:
        raise DecodeError(name, 0, "version", 0, f"{len(data)} bytes hold no version")
    (version,) = binary.unpack_from(">h", data)
    if version < 0:
        raise DecodeError(name, version, "version", 0, "a version is 0 or more")
    newest = SUBSCRIPTION.versions[1]
    return decoder(message, min(version, newest))(data, VERSION_BYTES)[0]
