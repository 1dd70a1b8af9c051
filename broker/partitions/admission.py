"""Whether a batch may go into the transaction that its producer has in a partition, or begin one.

Asked behind the sequence, of batches that are in a transaction and of those whose producer has one
open here. The coordinator's word is needed once a transaction and partition: for the batch that
begins it (Admission). Source: UnifiedLog.analyzeAndValidateProducerState, ProducerAppendInfo of
Kafka; KIP-98, KIP-890.
Tests: tests/unit/broker/partitions/test_transactions.py
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from ...protocol.batch.header import BatchHeader
from ...protocol.errors import ErrorCode, Refused
from .open_transactions import OpenTransaction
from .sequences import APPEND_IN_TRANSACTION, Append, Duplicate

Verdict: TypeAlias = Append | Duplicate | Refused
_BUMPING: Final = (
    2  # the client's version whose every transaction begins with a new epoch (KIP-890)
)


class Admission(NamedTuple):
    """The coordinator has said yes to a batch that begins a transaction in a partition.

    Attributes:
        client_version: 0, or 2 for a client of KIP-890.
    """

    client_version: int


def admitted(
    header: BatchHeader,
    by_sequence: Verdict,
    opened: OpenTransaction | None,
    admission: Admission | None,
    *,
    is_closed: bool,
    is_known: bool,
) -> Verdict:
    """What is to become of a batch that its producer says is new, or of a part of a transaction.

    Args:
        by_sequence: what the sequence table says, no Duplicate: those are answered before.
        opened: the transaction that the producer has open here.
        is_closed: its ending has begun.
        is_known: whether the partition knows the producer.
    """
    if not header.is_transactional:
        if opened is None or isinstance(by_sequence, Refused):
            return by_sequence
        return _refused(header, ErrorCode.INVALID_TXN_STATE, "it has a transaction open here")
    if isinstance(by_sequence, Refused) and by_sequence.code is ErrorCode.INVALID_PRODUCER_EPOCH:
        return by_sequence  # whatever is open, and whoever asks: it is not the producer any more
    if is_closed:
        # 1. EndTxn is asked for  2. a batch of the same transaction arrives late  3. taken, it
        # would be part of what was decided without it, or of what was aborted before it came.
        return _refused(header, ErrorCode.CONCURRENT_TRANSACTIONS, "its transaction is being ended")
    if isinstance(by_sequence, Append):
        by_sequence = APPEND_IN_TRANSACTION
    if opened is None:
        if admission is None:
            why = "it is not part of a transaction that the coordinator knows"
            return _refused(header, ErrorCode.INVALID_TXN_STATE, why)
        if admission.client_version >= _BUMPING and not is_known and header.base_sequence != 0:
            # Each transaction of such a client has an epoch of its own, so nothing came before.
            why = "0 is expected of a producer that is not known here"
            return _refused(header, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, why)
        return by_sequence
    if header.producer_epoch > opened.producer_epoch:
        why = f"its transaction has epoch {opened.producer_epoch}, and is open here"
        return _refused(header, ErrorCode.INVALID_PRODUCER_EPOCH, why)
    return by_sequence


def aborted_before(header: BatchHeader, stored: Duplicate) -> Refused:
    """The refusal of a batch that was stored in a transaction, which was then aborted.

    1. a batch is stored, its answer lost  2. its transaction is aborted  3. the producer begins the
    next one, under the same epoch, and sends it again  4. answered as a retry, it would count as
    part of a transaction that commits, and no reader would ever see it.
    """
    why = f"it was stored at offset {stored.base_offset}, in a transaction that has been aborted"
    return _refused(header, ErrorCode.TRANSACTION_ABORTABLE, why)


def _refused(header: BatchHeader, code: ErrorCode, why: str) -> Refused:
    return Refused(
        code,
        f"producer id {header.producer_id}, epoch {header.producer_epoch}, first sequence "
        f"{header.base_sequence}: {why}",
    )
