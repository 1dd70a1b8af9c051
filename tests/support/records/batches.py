"""Batches in bytes, as the format's description has them."""

from typing import Final

from minibroker.protocol.batch.check import check_records
from minibroker.protocol.batch.header import HEADER_BYTES, BatchHeader, Buffer

GOLDEN: Final = bytes.fromhex(
    "00000000000000000000004cffffffff029859492d0000000000010000018bcfe568000000018bcfe56805000000"
    "00000003e80000000000000000000214000000046b31047631001e000a02010476320402680278026e01"
)
"""PID 1000, epoch 0, sequence 0; k1 = v1 at 1700000000000; null = v2, 5 ms on, two headers."""

COMMIT_MARKER: Final = bytes.fromhex(
    "0000000000000002000000420000000002132fbf7c0030000000000000018bcfe568640000018bcfe56864000000"
    "00000003e80000ffffffff000000012000000008000000010c00000000000000"
)
"""The end of a committed transaction of PID 1000 at offset 2."""


def records_are_good(batch: Buffer, header: BatchHeader) -> bool:
    """Whether the broker would store the records of an uncompressed batch."""
    count = header.records_count
    if header.last_offset_delta != count - 1:
        return False
    return check_records(bytes(batch), HEADER_BYTES, count) is not None
