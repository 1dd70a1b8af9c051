"""The transactions of one transactional id, as its producer sees them. Sans-IO.

FOLLOWS says which phase may follow which. next_question() is what to ask of a coordinator now, one
thing at a time, and may be asked again at any time; answered() and unanswered() take in what came
of it. Old brokers are told of each partition first and keep the epoch; those of KIP-890 learn of
partitions from what is written there, and give every transaction an epoch of its own.
Source: TransactionManager.java; KIP-98, KIP-360, KIP-447, KIP-588, KIP-890.
Read next: transaction_errors.py (what is told), coordinating.py (who asks), sender.py (batches).
Tests: tests/unit/client/produce/test_transactional.py
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, NamedTuple, TypeAlias

from ...protocol.errors import ErrorCode
from ..errors import Abortable, ClientError, Fenced
from ..partitions import GroupOffsets
from .accumulator import Place
from .batch import NO_EPOCH, NO_PRODUCER_ID
from .completing import Completing
from .transaction_errors import Naming


class Phase(Enum):
    """Where a producer stands."""

    STARTING = auto()  # it asks for its id, which ends what a predecessor left open
    READY = auto()  # no transaction is open
    OPEN = auto()
    CLOSING = auto()  # to be committed; what was sent is still on its way
    COMMITTING = auto()
    BROKEN = auto()  # open, and can only be aborted
    ABORTING = auto()
    RECOVERING = auto()  # ended; a new epoch makes late batches harmless (KIP-360)
    FATAL = auto()


P = Phase
FOLLOWS: Final[dict[Phase, frozenset[Phase]]] = {
    P.STARTING: frozenset({P.READY, P.FATAL}),
    P.READY: frozenset({P.OPEN, P.FATAL}),
    P.OPEN: frozenset({P.CLOSING, P.BROKEN, P.ABORTING, P.FATAL}),
    P.CLOSING: frozenset({P.COMMITTING, P.BROKEN, P.ABORTING, P.FATAL}),
    P.COMMITTING: frozenset({P.READY, P.BROKEN, P.FATAL}),
    P.BROKEN: frozenset({P.ABORTING, P.FATAL}),
    P.ABORTING: frozenset({P.READY, P.RECOVERING, P.FATAL}),
    P.RECOVERING: frozenset({P.READY, P.FATAL}),
    P.FATAL: frozenset(),
}
UNENDED: Final = frozenset({P.OPEN, P.CLOSING, P.BROKEN})


class Initialise(NamedTuple):
    """InitProducerId; NO_PRODUCER_ID ends what others have open under the transactional id."""

    producer_id: int
    producer_epoch: int


class AddPartitions(NamedTuple):
    """AddPartitionsToTxn, before the first batch of each (old brokers)."""

    places: tuple[Place, ...]


class AddOffsets(NamedTuple):
    """AddOffsetsToTxn, before the first offsets of a group (old brokers)."""

    group_id: str


class CommitOffsets(NamedTuple):
    """TxnOffsetCommit, to the coordinator of the group."""

    taken: GroupOffsets


class End(NamedTuple):
    """EndTxn."""

    is_commit: bool


class Look(NamedTuple):
    """DescribeTransactions: is the transaction before complete? (completing.py)"""


Question: TypeAlias = Initialise | AddPartitions | AddOffsets | CommitOffsets | End | Look


class After(Enum):
    """What follows an answer."""

    DONE = auto()  # ask for the next question
    SOON = auto()  # the same after a short while: an earlier transaction is being completed
    AGAIN = auto()
    FIND = auto()  # the coordinator may be another


E = ErrorCode
FIND_ANEW: Final = frozenset({E.COORDINATOR_NOT_AVAILABLE, E.NOT_COORDINATOR, E.REQUEST_TIMED_OUT})
FENCING: Final = frozenset({E.INVALID_PRODUCER_EPOCH, E.PRODUCER_FENCED})
FINAL: Final = frozenset(
    {
        E.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        E.CLUSTER_AUTHORIZATION_FAILED,
        E.UNSUPPORTED_VERSION,
    }
)


class Transactional:
    """One transactional id's transactions.

    Attributes:
        phase: changed along FOLLOWS only.
        producer_id, producer_epoch: of the present or next transaction.
        bumps: this transaction follows KIP-890; learn() says it for those to come.
        number: how many were begun; the present one's, while one is open.
        committed_number: of the newest that is known to be committed.
        error: why the phase is BROKEN or FATAL.
        in_doubt: the newest reason why something had to be repeated, for texts.
        has_begun: the coordinator may know of the present one.
        has_lost_sequences: batches were given up: without a new epoch later ones would not follow.
        offsets: of a group, to be committed with the transaction.
        is_outdated: they were refused as of an older generation; whoever offered them has others.
    """

    def __init__(self, transactional_id: str, timeout_ms: int) -> None:
        self.phase = Phase.STARTING
        self.producer_id = NO_PRODUCER_ID
        self.producer_epoch = NO_EPOCH
        self.bumps = False
        self.number = 0
        self.committed_number = 0
        self.error: ClientError | None = None
        self.in_doubt = ""
        self.has_begun = False
        self.has_lost_sequences = False
        self.offsets: GroupOffsets | None = None
        self.is_outdated = False
        self._are_last = True
        self._naming = Naming(transactional_id, timeout_ms)
        self._completing = Completing()
        self._next_bumps = False
        self._knows_id = True  # the coordinator has the producer id, as far as is known
        self._is_commit_unknown = False
        self._wanted: dict[Place, None] = {}
        self._added: set[Place] = set()
        self._groups: set[str] = set()

    def learn(self, bumps: bool) -> None:
        """The coordinator has said whether it follows KIP-890; the next transaction heeds it."""
        self._next_bumps = bumps

    def begin(self) -> None:
        """Open a transaction, which nobody is told before something is sent."""
        self._move(Phase.OPEN)
        self.number += 1
        self.bumps = self._next_bumps
        self.error = self.offsets = None
        self.has_begun = self.has_lost_sequences = self._is_commit_unknown = False
        self.is_outdated = False
        self._wanted.clear()
        self._added.clear()
        self._groups.clear()

    def offer(self, taken: GroupOffsets, *, is_last: bool) -> None:
        """Offsets to commit.

        Args:
            is_last: a refusal breaks the transaction, even if only the generation is an old one.
        """
        self.offsets, self._are_last, self.is_outdated = taken, is_last, False

    def close(self) -> None:
        """It is to be committed: nothing more is taken."""
        self.raise_unless_open()
        if self.is_outdated:  # committed now, it would be without them
            self.fall(Abortable("it was committed while offsets were offered again"))
        else:
            self._move(Phase.CLOSING)

    def commit(self) -> None:
        """All that was sent is stored. One that has sent nothing has ended with this."""
        self._move(Phase.COMMITTING)
        if not self.has_begun:
            self._end(is_commit=True)

    def abort(self) -> None:
        """Give it up; does nothing if that is under way, or there is none."""
        if self.phase in UNENDED:
            self._move(Phase.ABORTING)
            self.offsets = None

    def fall(self, error: ClientError, *, loses_sequences: bool = False) -> None:
        """Something has failed that is part of the transaction: it can only be aborted."""
        self.has_lost_sequences = self.has_lost_sequences or loses_sequences
        if self.phase in (Phase.OPEN, Phase.CLOSING, Phase.COMMITTING):
            self.error = self._naming.cannot_commit(error)
            self.offsets = None
            self._move(Phase.BROKEN)

    def fail(self, error: ClientError) -> None:
        """Nothing goes on."""
        if self.phase is not Phase.FATAL:
            self.error = error
            self.offsets = None
            self._move(Phase.FATAL)

    def raise_unless_open(self, number: int | None = None) -> None:
        """Raise why nothing can be sent now, or not in the transaction of this number.

        Raises:
            RuntimeError: no transaction is open, or another.
            Abortable, Fatal, Fenced: it is broken.
        """
        if self.phase in (Phase.BROKEN, Phase.FATAL) and self.error is not None:
            raise self.error.with_traceback(None)
        if self.phase is not Phase.OPEN:
            raise RuntimeError(
                "no transaction is open: with a transactional_id, records are sent within "
                "`async with producer.transaction()`"
            )
        if number is not None and number != self.number:
            raise RuntimeError("the transaction in which this was sent has ended without it")

    def admits(self, place: Place) -> bool:
        """Whether a batch may be written there now; if not, that is seen to."""
        if self.phase not in (Phase.OPEN, Phase.CLOSING):
            return False
        if self.bumps:
            return not self._completing.hold()
        if place in self._added:
            return True
        self._wanted[place] = None
        return False

    def next_question(self, on_wire_count: int) -> Question | None:
        """What to ask now; None if nothing is to be asked.

        Args:
            on_wire_count: batches that brokers have not answered.
        """
        if self.phase is Phase.STARTING:
            return Initialise(NO_PRODUCER_ID, NO_EPOCH)
        # 1. A batch is on its way, the transaction is aborted, the next begins in the same epoch.
        # 2. The batch arrives: it would be part of the next one. So the wire must be empty first.
        if self.phase is Phase.ABORTING and not on_wire_count:
            if self.has_begun and self._knows_id:
                return End(is_commit=False)
            self._after_abort()
        if self.phase is Phase.RECOVERING:
            return Initialise(self.producer_id, self.producer_epoch)
        if self.phase is Phase.COMMITTING:
            return End(is_commit=True)
        if self.offsets is not None and self.bumps:
            self._completing.hold()
        if self._completing.wants_look and self.phase in (Phase.READY, Phase.OPEN, Phase.CLOSING):
            return Look()
        if self.phase in (Phase.OPEN, Phase.CLOSING):
            question = self._part_to_add()
            self.has_begun = self.has_begun or question is not None
            return question
        return None

    def answered(
        self,
        question: Question,
        code: ErrorCode,
        producer_id: int = NO_PRODUCER_ID,
        producer_epoch: int = NO_EPOCH,
    ) -> After:
        """Take in an answer.

        Args:
            code: for several partitions, the one that weighs most (heaviest()); for Look
                CONCURRENT_TRANSACTIONS while it is not complete.
        """
        if isinstance(question, Look):
            return self._looked(code)
        if code is ErrorCode.NONE:
            self._succeeded(question, producer_id, producer_epoch)
            return After.DONE
        self.in_doubt = f"{type(question).__name__}: {code.name}: {code.text}"
        if code in FIND_ANEW:
            return After.FIND
        if code is ErrorCode.CONCURRENT_TRANSACTIONS:
            return After.SOON
        if code.retriable:
            return After.AGAIN
        self._refused(question, code)
        return After.DONE

    def unanswered(self, question: Question, why: str) -> After:
        """No answer will come: whether the question took effect is unknown."""
        self.in_doubt = why
        if isinstance(question, Look):
            self._completing.leave_it()
        if question == End(is_commit=True):
            self._is_commit_unknown = True
        return After.FIND

    def refused_by_version(self, question: Question, why: str) -> None:
        """The coordinator lacks what is asked."""
        if isinstance(question, Look):
            self._completing.leave_it()
            return
        self.fail(self._naming.too_old(type(question).__name__, why))

    def name_successor(self, producer_id: int, producer_epoch: int, state: str) -> None:
        """Say what the coordinator knows of the id since this producer was fenced."""
        if isinstance(self.error, Fenced):
            self.error = self._naming.succeeded_by(self.error, producer_id, producer_epoch, state)

    def late_to_commit(self, limit_ms: float, problem: str) -> ClientError:
        """What a caller is told who waits for a commit no longer."""
        return self._naming.commit_unknown(limit_ms, problem)

    def late(self, what: str, limit_ms: float, problem: str) -> ClientError:
        """What a caller is told who waits no longer, and has nothing to fear from that."""
        return self._naming.late(what, limit_ms, problem)

    def _part_to_add(self) -> Question | None:
        if self._wanted:
            return AddPartitions(tuple(self._wanted))
        if self.offsets is None:
            return None
        if not self.bumps and self.offsets.group_id not in self._groups:
            return AddOffsets(self.offsets.group_id)
        return CommitOffsets(self.offsets)

    def _looked(self, code: ErrorCode) -> After:
        if code not in (E.NONE, E.CONCURRENT_TRANSACTIONS):
            self._completing.leave_it()
            return After.FIND if code in FIND_ANEW else After.DONE
        self._completing.looked(is_complete=code is E.NONE)
        return After.SOON if self._completing.wants_look else After.DONE

    def _succeeded(self, question: Question, producer_id: int, producer_epoch: int) -> None:
        if isinstance(question, Initialise):
            self.producer_id, self.producer_epoch = producer_id, producer_epoch
            self._knows_id = True
            self._move(Phase.READY)
        elif isinstance(question, AddPartitions):
            self._added.update(question.places)
            for place in question.places:
                self._wanted.pop(place, None)
        elif isinstance(question, AddOffsets):
            self._groups.add(question.group_id)
        elif isinstance(question, CommitOffsets):
            if self.offsets is question.taken:
                self.offsets = None
        elif isinstance(question, End):
            if producer_id >= 0:
                self.producer_id, self.producer_epoch = producer_id, producer_epoch
                self.has_lost_sequences = False
                self._completing.begin()
            self._end(is_commit=question.is_commit)

    def _end(self, *, is_commit: bool) -> None:
        if is_commit:
            self.committed_number = self.number
            self._move(Phase.READY)
        else:
            self._after_abort()

    def _after_abort(self) -> None:
        needs_epoch = self.has_lost_sequences or not self._knows_id
        self._move(Phase.RECOVERING if needs_epoch else Phase.READY)

    def _refused(self, question: Question, code: ErrorCode) -> None:
        ids = (self.producer_id, self.producer_epoch)
        if code in FENCING:
            in_doubt = question == End(is_commit=True) and self._is_commit_unknown
            self.fail(self._naming.fenced(code, *ids, in_doubt=in_doubt))
        elif isinstance(question, Initialise) or code in FINAL:
            self.fail(self._naming.refused(type(question).__name__, code))
        elif code is ErrorCode.INVALID_PRODUCER_ID_MAPPING:
            # The coordinator has forgotten the id, or gave it to a successor with another producer
            # id. InitProducerId with ours tells which, and harms no successor.
            self._knows_id = False
            self._broken_by(question, code)
        elif code is E.ILLEGAL_GENERATION and self.phase is Phase.OPEN and not self._are_last:
            self.offsets, self.is_outdated = None, True
        elif question == End(is_commit=False):
            if code is ErrorCode.INVALID_TXN_STATE:
                # Nothing of it was open there. A new epoch, whatever still arrives.
                self.has_lost_sequences = True
                self._after_abort()
            else:
                self.fail(self._naming.refused("End", code))
        else:
            self._broken_by(question, code)

    def _broken_by(self, question: Question, code: ErrorCode) -> None:
        if self.phase is Phase.ABORTING:
            return  # told already; the next question sees to the id
        self.fall(self._naming.part_refused(question, code, self._is_commit_unknown))

    def _move(self, phase: Phase) -> None:
        assert phase in FOLLOWS[self.phase], f"{phase.name} does not follow {self.phase.name}"
        self.phase = phase


def heaviest(codes: list[ErrorCode]) -> ErrorCode:
    """Of the codes of several partitions, the one that decides what follows."""
    found = [code for code in codes if code not in (E.NONE, E.OPERATION_NOT_ATTEMPTED)]
    final = [code for code in found if not code.retriable]
    weighed = final or found
    return weighed[0] if weighed else ErrorCode.NONE
