"""Transaction markers: control batches that end a transaction in a partition.

A marker is a batch of one record, transactional and control, never compressed, without a sequence.
It takes an offset that no application ever sees. Who writes one decides the epoch: that of the
transaction, or one above it (KIP-890). Other kinds of control records are KRaft's own.
Source: EndTransactionMarker.java, ControlRecordType.java, ControlRecordTypeSchema of Kafka; KIP-98.
"""

import struct
from typing import Final, NamedTuple

from .header import (
    CONTROL_BIT,
    LOG_APPEND_TIME_BIT,
    TRANSACTIONAL_BIT,
    BatchError,
    Buffer,
    read_header,
)
from .reading import records_in
from .writing import build_batch

ABORT: Final = 0
COMMIT: Final = 1
MARKER_BYTES: Final = 78

_KEY: Final = struct.Struct(">hh")  # version, type
_VALUE: Final = struct.Struct(">hi")  # version, coordinator epoch
_VERSION: Final = 0


class Marker(NamedTuple):
    """The end of a transaction in a partition.

    Attributes:
        producer_epoch: of the marker, 0…32767: data of a lower one is refused from here on.
        coordinator_epoch: of who decided; a lower one is refused later.
    """

    producer_id: int
    producer_epoch: int
    is_commit: bool
    coordinator_epoch: int


def marker_batch(
    marker: Marker,
    *,
    now_ms: int,
    base_offset: int,
    leader_epoch: int,
    is_log_append_time: bool = False,
) -> bytes:
    """The batch of a marker, byte for byte as Kafka writes it.

    Args:
        now_ms: the broker's clock, ms since 1970.
        is_log_append_time: whether the topic has that timestamp type.
    """
    attributes = TRANSACTIONAL_BIT | CONTROL_BIT
    if is_log_append_time:
        attributes |= LOG_APPEND_TIME_BIT
    key = _KEY.pack(_VERSION, COMMIT if marker.is_commit else ABORT)
    value = _VALUE.pack(_VERSION, marker.coordinator_epoch)
    return build_batch(
        [(key, value, (), now_ms)],
        attributes=attributes,
        base_offset=base_offset,
        leader_epoch=leader_epoch,
        producer_id=marker.producer_id,
        producer_epoch=marker.producer_epoch,
    )


def read_marker(batch: Buffer) -> Marker | None:
    """The marker in a control batch; None for a control record of another type.

    Versions above ours are read as ours, as Kafka does: a newer one only adds fields at the end.

    Args:
        batch: one whole batch; its CRC is not checked.
    Raises:
        BatchError: not a control batch, or not one record that can be read.
    """
    header = read_header(batch)
    if not header.is_control:
        raise BatchError(f"the batch of offset {header.base_offset} is no control batch")
    records = records_in(batch)
    if len(records) != 1:
        raise BatchError(f"a control batch of {len(records)} records; it has exactly one")
    key, value = records[0].key or b"", records[0].value or b""
    version, kind = _unpacked(_KEY, key, "key")
    if version < 0:
        raise BatchError(f"a control record's key of version {version}")
    if kind not in (ABORT, COMMIT):
        return None
    version, coordinator_epoch = _unpacked(_VALUE, value, "value")
    if version < 0:
        raise BatchError(f"a marker's value of version {version}")
    return Marker(header.producer_id, header.producer_epoch, kind == COMMIT, coordinator_epoch)


def _unpacked(fields: struct.Struct, data: bytes, what: str) -> tuple[int, int]:
    if len(data) < fields.size:
        raise BatchError(f"a control record's {what} takes {fields.size} bytes, {len(data)} found")
    first, second = fields.unpack_from(data)
    return first, second
