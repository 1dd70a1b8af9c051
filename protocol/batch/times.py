"""The offsets and timestamps of a batch's records, read without making records of them.

Seven hundred thousand records fit into a megabyte of gzip; as objects they would take minutes and
hundreds of megabytes to look through. Keys, values and headers are passed over.
Tests: tests/unit/broker/log/test_timestamps.py
"""

from collections.abc import Iterator

from .header import BatchError, BatchHeader
from .reading import read_varint

PORTION = 300  # a record takes about a microsecond
_LENGTH_MIN = 6  # of what a record's length counts
_INT64 = range(-(2**63), 2**63)


def record_times(body: bytes, header: BatchHeader) -> Iterator[list[tuple[int, int]]]:
    """The (offset, timestamp) of each record in order, in portions.

    Args:
        body: what follows the header, decompressed.
    Raises: BatchError where a record cannot be; what comes before it has been given by then.
    """
    append_time = header.max_timestamp if header.is_log_append_time else None
    portion: list[tuple[int, int]] = []
    delta_before, position = -1, 0
    try:
        for _ in range(header.records_count):
            length, position = read_varint(body, position)
            end = position + length
            if length < _LENGTH_MIN or end > len(body):
                raise BatchError(f"a record of {length} bytes, {len(body) - position} are left")
            timestamp, position = read_varint(body, position + 1)
            delta, _ = read_varint(body, position)
            if not delta_before < delta <= header.last_offset_delta:
                raise BatchError(f"a record of offset delta {delta} after {delta_before}")
            timestamp = header.base_timestamp + timestamp if append_time is None else append_time
            if timestamp not in _INT64:
                raise BatchError(f"a record of timestamp {timestamp}")
            portion.append((header.base_offset + delta, timestamp))
            delta_before, position = delta, end
            if len(portion) == PORTION:
                yield portion
                portion = []
    except IndexError:
        raise BatchError("the last record is cut short") from None
    if position != len(body):
        raise BatchError(f"{len(body) - position} bytes left over after the last record")
    yield portion
