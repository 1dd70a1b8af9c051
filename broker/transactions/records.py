"""What is durable of transactions, as Kafka writes it into `__transaction_state`.

One kind of key: a transactional id. Its newest record counts, and holds all there is to know of it;
one without a value removes the id. Key and value begin with an int16: the kind of key, the version
of the value. `transaction.version` decides the version: 0 is written as v0, which knows neither
former nor next producer ids, all others as v1. `kafka-dump-log --transaction-log-decoder` reads it.
Source: TransactionLogKey.json, TransactionLogValue.json; TransactionLog.scala for what is written.
"""

from __future__ import annotations

from typing import NamedTuple

from ...protocol.apis import Api
from ...protocol.codec.compiler import decoder, encoder
from ...protocol.codec.schema import (
    ArrayOf,
    Int8,
    Int16,
    Int32,
    Int64,
    String,
    request,
    struct,
    wire,
)
from ..cluster.records import MetadataError

KEY_KIND = 0
VALUE_VERSIONS = range(2)

_KEY = Api(0, "TransactionLogKey", versions=(0, 0), flexible=None)
_VALUE = Api(0, "TransactionLogValue", versions=(0, 1), flexible=1)


@request(_KEY)
class TransactionLogKey:
    transactional_id: str = wire(String)


@struct
class PartitionsSchema:
    topic: str = wire(String)
    partition_ids: list[int] = wire(ArrayOf(Int32))


@request(_VALUE)
class TransactionLogValue:
    producer_id: int = wire(Int64)
    previous_producer_id: int = wire(Int64, since=1, tag=0, default=-1, ignorable=True)
    next_producer_id: int = wire(Int64, since=1, tag=1, default=-1)
    producer_epoch: int = wire(Int16)
    next_producer_epoch: int = wire(Int16, since=1, tag=3, default=-1)  # KIP-939
    transaction_timeout_ms: int = wire(Int32)
    transaction_status: int = wire(Int8)
    transaction_partitions: list[PartitionsSchema] | None = wire(
        ArrayOf(PartitionsSchema), nullable_since=0
    )
    transaction_last_update_timestamp_ms: int = wire(Int64)
    transaction_start_timestamp_ms: int = wire(Int64)
    client_transaction_version: int = wire(Int16, since=1, tag=2, default=0)


class TransactionRecord(NamedTuple):
    """All that is durable of a transactional id; `value` None removes it."""

    transactional_id: str
    value: TransactionLogValue | None


class UnknownRecord(MetadataError):
    """A record of a kind that this version does not know; the text says what to do."""


def encode(record: TransactionRecord, version: int) -> tuple[bytes, bytes | None]:
    """Key and value of a record.

    Args:
        version: of the value, 0 or 1.
    Raises:
        EncodeError: the value says something that its version cannot.
    """
    key = TransactionLogKey(transactional_id=record.transactional_id)
    key_bytes = _versioned(KEY_KIND, encoder(TransactionLogKey, KEY_KIND)(key))
    if record.value is None:
        return key_bytes, None
    return key_bytes, _versioned(version, encoder(TransactionLogValue, version)(record.value))


def decode(key: bytes, value: bytes | None) -> TransactionRecord:
    """The record of a key and value.

    Raises:
        UnknownRecord: of a newer kind or version, or with what only KIP-939 has.
        DecodeError: the bytes are not what they say they are.
    """
    kind = int.from_bytes(key[:2], "big", signed=True)
    if kind != KEY_KIND:
        raise UnknownRecord(_unknown(f"a key of kind {kind}"))
    found, _ = decoder(TransactionLogKey, kind)(key, 2)
    if value is None:
        return TransactionRecord(found.transactional_id, None)
    version = int.from_bytes(value[:2], "big", signed=True)
    if version not in VALUE_VERSIONS:
        raise UnknownRecord(_unknown(f"{_VALUE.name} v{version}"))
    decoded, _ = decoder(TransactionLogValue, version)(value, 2)
    if decoded.next_producer_epoch != -1:
        # To take it for a transaction that a timeout may abort would break a promise to commit.
        raise UnknownRecord(_unknown("a transaction prepared in two phases"))
    return TransactionRecord(found.transactional_id, decoded)


def _versioned(version: int, body: list[bytes | memoryview]) -> bytes:
    return b"".join((version.to_bytes(2, "big"), *body))


def _unknown(what: str) -> str:
    return f"__transaction_state holds {what}: it was written by something newer; start that"
