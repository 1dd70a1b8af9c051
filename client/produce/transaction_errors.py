"""What is told of a transaction that did not go well: which class, and what to do next.

Abortable: the transaction is over, do all of it again. Fenced and Fatal: the producer is at its
end, or a right is missing. DeliveryTimeout: nobody knows yet.
Read next: ../errors.py.
Tests: tests/unit/client/produce/test_transactional.py
"""

from __future__ import annotations

from ...protocol.acls import AclOperation
from ...protocol.errors import ErrorCode
from ..errors import (
    LACKING,
    Abortable,
    ClientError,
    DeliveryTimeout,
    Fatal,
    Fenced,
    Retriable,
    words,
)
from .answers import OF_ONE_RECORD
from .batch import NO_PRODUCER_ID

E = ErrorCode
OF_A_GROUP = ("AddOffsets", "CommitOffsets")
AGAIN = "nothing of it is seen by read_committed: do all of it again in a new transaction()"
OTHERWISE = (
    "nothing of it is seen by read_committed, and with the same record a new transaction() would "
    "fail again"
)
ABORTED = "it is aborted, and nothing of it is seen by read_committed"
HINTS = {
    E.INVALID_TRANSACTION_TIMEOUT: "transaction_timeout_ms is above transaction.max.timeout.ms of "
    "the broker",
    E.UNKNOWN_MEMBER_ID: "the group went on without this consumer, and others read its partitions",
    E.ILLEGAL_GENERATION: "the group has rebalanced since, and others may read its partitions",
    E.FENCED_INSTANCE_ID: "another consumer has joined with the same group_instance_id",
    E.INVALID_TXN_STATE: "the coordinator has ended it, as it does after transaction_timeout_ms",
    E.INVALID_PRODUCER_ID_MAPPING: "the coordinator no longer knows this producer, as after "
    "transactional.id.expiration.ms without a transaction",
}


class Naming:
    """Errors of one transactional id."""

    def __init__(self, transactional_id: str, timeout_ms: int) -> None:
        self._who = f"transactional id {transactional_id}"
        self._timeout_ms = timeout_ms

    def cannot_commit(self, error: ClientError) -> ClientError:
        """A part of the transaction has failed."""
        if isinstance(error, Abortable):
            return error
        kind, then = _what_follows(error.code)
        return kind(
            f"{self._who}: the transaction cannot be committed; {then}. Cause: {error}",
            code=error.code,
            reason=error.reason,
        )

    def part_refused(self, question: object, code: ErrorCode, in_doubt: bool) -> ClientError:
        """A coordinator has refused a part of the transaction, or its commit."""
        what = type(question).__name__
        # 1. A commit is not answered  2. the same again is refused, because the id is not known.
        is_unknown = in_doubt and code is E.INVALID_PRODUCER_ID_MAPPING
        end = "whether it was committed is not known: look before you do it again"
        kind, then = _what_follows(code)
        return kind(
            f"{self._who}: {what}: {code.name}: {_words(code, what)}; "
            f"{end if is_unknown else then}",
            code=code,
            possibly_persisted=is_unknown,
        )

    def fenced(
        self, code: ErrorCode, producer_id: int, producer_epoch: int, *, in_doubt: bool
    ) -> ClientError:
        """Somebody else has the id."""
        mine = "" if producer_id == NO_PRODUCER_ID else f" {producer_id}, epoch {producer_epoch}"
        state = (
            "whether its transaction was committed is not known"
            if in_doubt
            else "its transaction was not committed"
        )
        return Fenced(
            f"{self._who}: {code.name}: a newer producer was started under this id, or the "
            f"transaction was open for longer than transaction_timeout_ms={self._timeout_ms}; "
            f"producer id{mine} is at its end, and {state}. Stop it; if no other should be running "
            "under this id, make a new Producer",
            code=code,
            possibly_persisted=in_doubt,
        )

    def succeeded_by(
        self, error: Fenced, producer_id: int, producer_epoch: int, state: str
    ) -> ClientError:
        """The same, with what is known of whoever has the id now."""
        return Fenced(
            f"{error}. The coordinator now has producer id {producer_id}, epoch {producer_epoch}, "
            f"state {state}",
            code=error.code,
            possibly_persisted=error.possibly_persisted,
        )

    def refused(self, what: str, code: ErrorCode) -> ClientError:
        """Asking again would not help."""
        return Fatal(f"{self._who}: {what}: {code.name}: {_words(code, what)}", code=code)

    def too_old(self, what: str, why: str) -> ClientError:
        """The broker lacks an API, or a version of it that can say what must be said."""
        return Fatal(f"{self._who}: {what}: {why}", code=E.UNSUPPORTED_VERSION)

    def commit_unknown(self, limit_ms: float, problem: str) -> ClientError:
        """No answer about a commit."""
        return DeliveryTimeout(
            f"{self._who}: not known to be committed within max_block_ms={limit_ms:.0f}; it is "
            "still asked for, and the next transaction begins when that is decided; do not send "
            f"the same again before you have looked; last problem: {problem or 'none'}",
            code=E.REQUEST_TIMED_OUT,
            possibly_persisted=True,
        )

    def late(self, what: str, limit_ms: float, problem: str) -> ClientError:
        """Something has not happened yet."""
        return Retriable(
            f"{self._who}: {what} within {limit_ms:.0f} ms; last problem: {problem or 'none'}",
            code=E.REQUEST_TIMED_OUT,
        )


def _what_follows(code: ErrorCode) -> tuple[type[ClientError], str]:
    """A missing right is missing in the next transaction, too; but the producer can go on."""
    if code in LACKING:
        return Fatal, ABORTED
    return Abortable, OTHERWISE if code in OF_ONE_RECORD else AGAIN


def _words(code: ErrorCode, asked: str) -> str:
    """What is told of a code; `asked` is the name of a question."""
    needed = AclOperation.WRITE
    if asked in OF_A_GROUP and code is not E.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
        needed = AclOperation.READ
    return HINTS.get(code) or words(code, needed)
