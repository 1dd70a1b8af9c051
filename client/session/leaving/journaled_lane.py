"""One partition's batches of a durable session: journaled and not done, in the order of `send`.

Unlike a Lane's, there may be any number of them, and most have not been on the wire. None is given
up because time has passed, and none fails because it is in doubt: where the ordinary lane says
Fatal, this one asks that somebody look (session/settling.py).
- In front may stand batches of a dead process, under its producer id. They leave by way of the
  settler only; all that is sent from here has the lane's own identity.
- The epoch is bumped, and batches get new sequences, only when none left may have been stored.
Read first: produce/lane.py. Read next: gate.py.
Tests: tests/unit/client/session/test_gate.py
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from ...produce.batch import ProducerBatch
from ...produce.lane import EPOCH_MAX, Lane

NEVER_JOURNALED: Final = 2**63


class Verdict(Enum):
    """What failures and gaps mean, once nothing is on the wire."""

    GO_ON = auto()
    RESTAMP = auto()  # what is left goes under new sequences: nothing of it was stored
    LOOK = auto()  # something of it may be stored, and brokers do not say by themselves


class JournaledLane(Lane):
    """One partition's batches in flight.

    Attributes:
        floor_group: of the journal, with which the partition's floor became known; nothing leaves
            before that is flushed.
        waits_for: batches that are being looked for, or that people must decide about, in order;
            they and all behind them do not leave.
        is_looked_for: somebody is at it.
        has_anew: some are to go under another identity, and nothing leaves before they have it.
        wants_look: brokers will say nothing more of a batch that may be stored.
        confirmed_at_ms: when the newest batch was.
    """

    __slots__ = (
        "confirmed_at_ms",
        "floor_group",
        "has_anew",
        "is_looked_for",
        "waits_for",
        "wants_look",
    )

    def __init__(self) -> None:
        super().__init__()
        self.floor_group = NEVER_JOURNALED
        self.waits_for: dict[ProducerBatch, None] = {}  # in order
        self.is_looked_for = False
        self.has_anew = False
        self.wants_look = False
        self.confirmed_at_ms = 0.0

    @property
    def front(self) -> list[ProducerBatch]:
        """What may leave: everything before the first batch that is waited for."""
        if not self.waits_for:
            return self.in_flight
        return self.in_flight[: self.in_flight.index(next(iter(self.waits_for)))]

    @property
    def is_well(self) -> bool:
        """Whether nothing has failed and nothing is in doubt."""
        if self.is_broken or self.is_unresolved or self.waits_for:
            return False
        unsent = self.resend_from < len(self.in_flight)
        return not unsent or not self.in_flight[self.resend_from].is_unknown

    @property
    def needs_judging(self) -> bool:
        """Whether something has failed, and nothing is on the wire any more."""
        return not self.on_wire_count and (self.is_broken or self.is_unresolved)

    def judge(self) -> Verdict:
        """Decide, with nothing on the wire, what failures and gaps mean."""
        assert self.on_wire_count == 0, "judged only when every attempt is over"
        self.is_broken = False
        self.resend_from = 0
        # The same reasons as in Lane.settle(): refused behind another open one says nothing yet,
        # refused at the head does; with a gap in front the same bytes ask.
        front = self.front
        is_refused = bool(front) and front[0].is_refused
        in_doubt = any(batch.is_unknown for batch in front)
        if in_doubt and self.wants_look:
            return Verdict.LOOK
        if not is_refused and (in_doubt or not self.is_unresolved):
            for batch in front:
                batch.is_refused = False
            return Verdict.GO_ON
        return Verdict.LOOK if in_doubt else Verdict.RESTAMP

    def wait_for_doubts(self) -> None:
        """Wait until somebody has looked for all up to the last batch in doubt."""
        front = self.front
        last = max((n for n, batch in enumerate(front, 1) if batch.is_unknown), default=0)
        self.waits_for = {**dict.fromkeys(front[:last]), **self.waits_for}
        self.wants_look = False

    def take_lost(self) -> list[ProducerBatch]:
        """Batches in front that were refused, while a later one of their epoch was stored.

        None of them may be stored: the broker has lost what it knew of this producer.
        """
        lost = []
        while self.in_flight and self.in_flight[0].is_refused and self.in_flight[0].is_passed:
            if self.in_flight[0].is_unknown:
                break  # somebody has to look
            lost.append(self.in_flight[0])
            self.remove(self.in_flight[0])
        return lost

    def has_used(self, producer_id: int, producer_epoch: int) -> bool:
        """Whether it has sequences of this epoch, so that to begin anew takes a later one."""
        is_of_it = (self.producer_id, self.producer_epoch) == (producer_id, producer_epoch)
        return is_of_it and self.next_sequence > 0

    def restamp(self, producer_id: int, granted_epoch: int | None = None) -> list[ProducerBatch]:
        """Give everything that may leave, now or later, a new identity, in order; returns it.

        Args:
            granted_epoch: that a coordinator has given, and this lane has not used; None: the lane
                has epochs of its own.

        Raises OverflowError: the epochs are used up.
        """
        front = self.front
        behind = self.in_flight[len(front) :]
        epoch = self.producer_epoch
        if granted_epoch is not None:
            epoch = granted_epoch
        elif producer_id != self.producer_id:
            epoch = 0
        elif self.next_sequence:
            epoch += 1
        if epoch > EPOCH_MAX:
            raise OverflowError(f"epoch {epoch}")
        self.in_flight = []
        self.resend_from = 0
        self.is_broken = self.is_unresolved = self.wants_look = self.has_anew = False
        # All of it at once: 1. what stands in front goes to epoch 1; behind it, and behind batches
        # of a dead process, one of our own has epoch 0, and waits. 2. Epoch 1 is stored, and we
        # die. 3. The broker says that epoch 1 has begun: of epoch 0 nobody can know any more.
        mine = [each for each in behind if each not in self.waits_for]
        self.adopt(producer_id, epoch)
        for batch in (*front, *mine):
            batch.is_refused = batch.is_passed = batch.is_unknown = False
            self.stamp(batch)
        self.in_flight = [*front, *behind]
        return [*front, *mine]
