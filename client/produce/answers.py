"""What an answer to Produce means for its batch: what follows, and what the caller is told.

OUTCOMES is the whole table. Read next: sender.py, which does what follows.
Source: Errors.java, Sender.java (completeBatch, canRetry).
Tests: tests/unit/client/produce/test_sender.py
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, NamedTuple

from ...protocol.acls import AclOperation
from ...protocol.errors import ErrorCode
from ..errors import ClientError, Fatal, Fenced, words
from .batch import OFFSET_UNKNOWN, ProducerBatch


class Then(Enum):
    """What follows an answer."""

    DONE = auto()  # the batch is stored
    RETRY = auto()  # the same bytes again
    GAP = auto()  # the sequence does not follow: lane.py decides
    SPLIT = auto()  # the same records and sequences in two batches; a single record fails
    FAIL = auto()  # this batch fails, later ones go on
    FENCE = auto()  # this batch fails, somebody else has its epoch
    END = auto()  # the producer can do nothing more


E = ErrorCode
# One record is at fault, and brokers refuse the whole batch: its neighbours go again without. The
# record alone would be refused again and again.
OF_ONE_RECORD: Final = (
    E.MESSAGE_TOO_LARGE,
    E.RECORD_LIST_TOO_LARGE,
    E.INVALID_RECORD,
    E.INVALID_TIMESTAMP,
)
LIMITS: Final = {
    E.MESSAGE_TOO_LARGE: "max.message.bytes of the topic, or message.max.bytes of the broker,",
    E.RECORD_LIST_TOO_LARGE: "segment.bytes of the topic, or log.segment.bytes of the broker,",
}
OUTCOMES: Final[dict[ErrorCode, tuple[Then, bool]]] = {
    # code: (what follows, whether this attempt may have been stored)
    E.NONE: (Then.DONE, True),
    E.DUPLICATE_SEQUENCE_NUMBER: (Then.DONE, True),  # its offset is not known
    E.OUT_OF_ORDER_SEQUENCE_NUMBER: (Then.GAP, False),
    E.UNKNOWN_PRODUCER_ID: (Then.GAP, False),
    E.INVALID_PRODUCER_EPOCH: (Then.FENCE, False),
    E.PRODUCER_FENCED: (Then.END, False),
    E.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: (Then.END, False),
    E.CLUSTER_AUTHORIZATION_FAILED: (Then.END, False),
    E.UNSUPPORTED_VERSION: (Then.END, False),
    E.INVALID_PRODUCER_ID_MAPPING: (Then.END, False),
    **dict.fromkeys(OF_ONE_RECORD, (Then.SPLIT, False)),
    # Refused before the leader appends:
    E.CORRUPT_MESSAGE: (Then.RETRY, False),
    E.UNKNOWN_TOPIC_OR_PARTITION: (Then.RETRY, False),
    E.LEADER_NOT_AVAILABLE: (Then.RETRY, False),
    E.NOT_ENOUGH_REPLICAS: (Then.RETRY, False),
    E.THROTTLING_QUOTA_EXCEEDED: (Then.RETRY, False),
    # The leader may have appended and lost its place, its disk or its patience afterwards:
    E.UNKNOWN_SERVER_ERROR: (Then.FAIL, True),
}
# Every other retriable code is (RETRY, True), every other code (FAIL, False).


def outcome_of(code: ErrorCode) -> tuple[Then, bool]:
    """(what follows, whether the attempt may have been stored) for any error of Produce."""
    row = OUTCOMES.get(code)
    if row is not None:
        return row
    return (Then.RETRY, True) if code.retriable else (Then.FAIL, False)


class Answer(NamedTuple):
    """What a broker says about one batch."""

    code: ErrorCode
    base_offset: int = OFFSET_UNKNOWN
    log_append_time_ms: int = -1
    log_start_offset: int = -1
    message: str | None = None


def ended(batch: ProducerBatch, error: ClientError) -> ClientError:
    """The producer can do nothing more, because of `error`."""
    return Fatal(
        f"{batch.describe()}: {error}",
        code=error.code,
        possibly_persisted=batch.possibly_persisted,
        reason=error.reason,
    )


def failure(batch: ProducerBatch, answer: Answer) -> ClientError:
    """A batch that a broker has refused for good."""
    then, _ = outcome_of(answer.code)
    is_fenced = then is Then.FENCE or answer.code is ErrorCode.PRODUCER_FENCED
    kind = Fenced if is_fenced else Fatal
    told = words(answer.code, AclOperation.WRITE, answer.message)
    return kind(
        f"{batch.describe()}: {answer.code.name}: {told}{_limit(batch, answer.code)}",
        code=answer.code,
        possibly_persisted=batch.is_unknown,
        reason=answer.message or None,
    )


def _limit(batch: ProducerBatch, code: ErrorCode) -> str:
    """Which setting has to change, and to what."""
    setting = LIMITS.get(code)
    if setting is None:
        return ""
    return f" It takes {len(batch.wire)} bytes for {batch.topic}: {setting} must be at least that"
