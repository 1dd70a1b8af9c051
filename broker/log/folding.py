"""What is made of the batches of a log while it is opened: who hears of each, data or control.

Batches that recovery has read whole are handed over there. Here are those of segments that are
taken as their summary says: headers only, and control batches, whose records say what they are.
Tests: tests/unit/broker/partitions/test_transactions.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ...protocol.batch.header import CONTROL_BIT, BatchError, BatchHeader, Buffer, crc_is_valid
from ..storage.port import DamagedLog
from .aborted_index import AbortedTransaction
from .segment import Segment


def no_control(header: BatchHeader, batch: Buffer) -> None:
    """For logs whose control batches say nothing that must be known when they are opened."""


class Fold(NamedTuple):
    """Who hears of batches, in order.

    Attributes:
        on_batch: of data.
        on_control: of control batches, with their bytes; it returns the transaction that one has
            aborted. Raises BatchError for one that cannot be read.
    """

    on_batch: Callable[[BatchHeader], None]
    on_control: Callable[[BatchHeader, Buffer], AbortedTransaction | None] = no_control


def fold_headers(segment: Segment, offset: int, fold: Fold) -> None:
    """Hand over every batch of a segment that begins at `offset` or above.

    Raises:
        DamagedLog: a control batch does not hold. Data that is spoilt is seen by its readers; of a
            marker one bit decides between commit and abort.
        StorageError.
    """
    on_batch = fold.on_batch
    for position, header in segment.headers():
        if header.base_offset < offset:
            continue
        if not header[5] & CONTROL_BIT:  # by number: there may be millions
            on_batch(header)
            continue
        batch = segment.batch_from(position, header.size_bytes)
        try:
            if not crc_is_valid(batch, header):
                raise BatchError("its CRC is wrong")
            fold.on_control(header, batch)
        except BatchError as error:
            why = f"the control batch there does not hold ({error})"
            raise DamagedLog(segment.file.path, position, why) from None
    segment.close()
