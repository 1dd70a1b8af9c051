"""What the coordinator says to a request: an answer, and when it may be given.

A request comes to one of four ends. Settled: write the changes, then answer. Ends: an ending has
begun, which endings.py takes through its steps; the answer is given on the way, or the request is
asked again when it is over. Postponed: somebody else's ending is under way; the same, later.
Tests: tests/unit/broker/transactions/test_adding.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple

from ...protocol.errors import ErrorCode
from .fold import Change
from .transaction import NONE, TopicPartition


class Answer(NamedTuple):
    """What a client is told; `by_partition` where partitions are answered one by one."""

    code: ErrorCode = ErrorCode.NONE
    producer_id: int = NONE
    producer_epoch: int = NONE
    by_partition: Mapping[TopicPartition, ErrorCode] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Settled:
    """Write `changes`, if there are any, as one batch; then give the answer.

    Duty 1: a yes is given when all that the state log holds by then is durable, also where there is
    nothing to write: 1. a partition is added, and not durable yet  2. the request is retried: it is
    in the transaction  3. a yes now, a crash, and the batch is acknowledged in no transaction.
    A no may be given at once. If the changes cannot be written, nothing has happened.

    Attributes:
        when_durable: the answer itself waits until all that is written of this id is durable, for
            what follows it must not be appended before: see claims.py.
    """

    answer: Answer
    changes: tuple[Change, ...] = ()
    when_durable: bool = False


@dataclass(frozen=True, slots=True)
class Postponed:
    """Ask the same again when the ending of this id is over.

    Attributes:
        otherwise: to be answered if that takes longer than a client should wait; Kafka's answer.
    """

    transactional_id: str
    otherwise: Answer = field(default=Answer(ErrorCode.CONCURRENT_TRANSACTIONS))


@dataclass(frozen=True, slots=True)
class Ends:
    """An ending has begun: before anything else is looked at, its partitions must be closed.

    Attributes:
        answer: to be given when its markers are appended; None: ask the same again when it is over,
            as if Postponed.
    """

    transactional_id: str
    answer: Answer | None = None


Outcome = Settled | Postponed | Ends


def refused(code: ErrorCode) -> Settled:
    """A no, with nothing to write."""
    return Settled(Answer(code))


_FENCED, _EPOCH = ErrorCode.PRODUCER_FENCED, ErrorCode.INVALID_PRODUCER_EPOCH
_ABORTABLE, _STATE = ErrorCode.TRANSACTION_ABORTABLE, ErrorCode.INVALID_TXN_STATE
_BUSY, _RETRY = ErrorCode.CONCURRENT_TRANSACTIONS, ErrorCode.NOT_ENOUGH_REPLICAS
NEVER: Final = 2**15  # no version of any API

_SINCE: Mapping[tuple[str, ErrorCode], tuple[int, ErrorCode]] = MappingProxyType(
    {
        ("InitProducerId", _FENCED): (4, _EPOCH),
        ("AddPartitionsToTxn", _FENCED): (2, _EPOCH),
        ("AddOffsetsToTxn", _FENCED): (2, _EPOCH),
        ("EndTxn", _FENCED): (2, _EPOCH),
        ("TxnOffsetCommit", _FENCED): (NEVER, _EPOCH),
        ("TxnOffsetCommit", _ABORTABLE): (4, _STATE),
        ("Produce", _FENCED): (NEVER, _EPOCH),
        ("Produce", _ABORTABLE): (11, _STATE),
        ("Produce", _BUSY): (12, _RETRY),
        ("Produce", ErrorCode.COORDINATOR_LOAD_IN_PROGRESS): (NEVER, _RETRY),
        ("Produce", ErrorCode.COORDINATOR_NOT_AVAILABLE): (NEVER, _RETRY),
        ("Produce", ErrorCode.NOT_COORDINATOR): (NEVER, _RETRY),
    }
)
"""(API, code): the first version whose clients know the code, and what others are told."""


def told(api: str, version: int, code: ErrorCode) -> ErrorCode:
    """A code of the coordinator as clients of a version of an API are told it."""
    since, before = _SINCE.get((api, code), (0, code))
    return code if version >= since else before
