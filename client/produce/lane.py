"""The sequenced batches of one partition: which may be sent, and what a gap means.

A lane has its own epoch: brokers keep epochs per partition, so a bump disturbs nobody else.
In flight are at most five batches, in sequence order, each with bytes that never change.
- After a failure nothing is sent until every attempt has been answered or given up; then the same
  bytes go again, in order. A broker accepts a batch only behind the one before it, so order holds.
- A later batch of the same epoch that was stored proves that the earlier ones were.
- The epoch is bumped, and batches get new sequences, only when no batch left in flight may have
  been stored. Where one may have been, it fails with Fatal: sending it under a new sequence could
  store it twice (Apache Kafka's producer takes that risk).
- In a transaction the epoch is the transactional id's: instead of a bump everything in flight
  fails, and with it the transaction.
Source: TransactionManager.java, Sender.java; KIP-98, KIP-360, KIP-679. Stricter than both.
Tests: tests/unit/client/produce/test_sender.py
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ...protocol.errors import ErrorCode
from ..errors import ClientError, Fatal
from .batch import (
    NO_EPOCH,
    NO_PRODUCER_ID,
    NO_SEQUENCE,
    OFFSET_UNKNOWN,
    ProducerBatch,
    StoredAt,
)

EPOCH_MAX: Final = 32_766  # one less than fits: brokers keep the last one for fencing


class Lane:
    """One partition's batches in flight.

    Attributes:
        in_flight: stamped and not done, in sequence order; expired ones while they are on the wire.
        is_broken: an attempt has failed; nothing is sent before the wire is empty.
        is_unresolved: a batch has left without being stored, as far as is known: the next
            sequence may be a gap.
        retry_at_ms: nothing is sent again before.
        attempts: failures since the last success.
        is_established: the partition is known to have state of this producer id. Before, a broker
            accepts any sequence, so that a second batch in flight could overtake the first.
    """

    __slots__ = (
        "attempts",
        "in_flight",
        "is_broken",
        "is_established",
        "is_transactional",
        "is_unresolved",
        "next_sequence",
        "on_wire_count",
        "producer_epoch",
        "producer_id",
        "resend_from",
        "retry_at_ms",
    )

    def __init__(self, *, is_transactional: bool = False) -> None:
        self.is_transactional = is_transactional
        self.in_flight: list[ProducerBatch] = []
        self.is_broken = False
        self.is_unresolved = False
        self.is_established = False
        self.next_sequence = 0
        self.on_wire_count = 0
        self.producer_id = NO_PRODUCER_ID
        self.producer_epoch = NO_EPOCH
        self.resend_from = 0  # of in_flight, what is before is on the wire
        self.retry_at_ms = 0.0
        self.attempts = 0

    def adopt(self, producer_id: int, producer_epoch: int = 0) -> None:
        """Begin with a producer id and epoch, at sequence 0."""
        self.producer_id, self.producer_epoch = producer_id, producer_epoch
        self.next_sequence = 0
        self.is_established = False

    def stamp(self, batch: ProducerBatch) -> None:
        """Give a drained batch its sequence; without a producer id it gets none."""
        if self.producer_id == NO_PRODUCER_ID:
            batch.seal(NO_PRODUCER_ID, NO_EPOCH, NO_SEQUENCE)
        else:
            batch.is_transactional = self.is_transactional
            batch.seal(self.producer_id, self.producer_epoch, self.next_sequence)
            self.next_sequence = batch.next_sequence
        self.in_flight.append(batch)

    def next_to_resend(self) -> ProducerBatch | None:
        """The oldest batch in flight that is not on the wire."""
        if self.resend_from < len(self.in_flight):
            return self.in_flight[self.resend_from]
        return None

    def put_on_wire(self, batch: ProducerBatch) -> None:
        """An attempt begins; batches go in order, so this is the one `next_to_resend` names."""
        assert self.in_flight[self.resend_from] is batch, "batches are sent in sequence order"
        self.resend_from += 1
        self.on_wire_count += 1
        batch.is_on_wire = True
        batch.is_refused = False
        batch.sends += 1

    def take_off_wire(self, batch: ProducerBatch) -> None:
        """An attempt is over, one way or the other."""
        batch.is_on_wire = False
        self.on_wire_count -= 1

    def acknowledge(self, batch: ProducerBatch) -> None:
        """A batch was stored; so was everything before it in this epoch."""
        for earlier in self.in_flight[: self.in_flight.index(batch)]:
            earlier.is_passed = True
        self.remove(batch)
        self.is_unresolved = False
        self.is_established = True
        self.attempts = 0

    def give_up(self, batch: ProducerBatch) -> None:
        """A batch leaves without being known to be stored."""
        self.remove(batch)
        if not batch.is_passed:
            self.is_unresolved = True

    def replace(self, batch: ProducerBatch, pieces: Sequence[ProducerBatch]) -> None:
        """Pieces under the same sequences take the place of a batch that was refused as a whole."""
        index = self.in_flight.index(batch)
        self.in_flight[index : index + 1] = pieces
        self.is_broken = True

    def break_until(self, retry_at_ms: float) -> None:
        """An attempt has failed and is to be repeated."""
        self.is_broken = True
        self.attempts += 1
        self.retry_at_ms = max(self.retry_at_ms, retry_at_ms)

    def settle(self) -> tuple[list[ProducerBatch], list[ProducerBatch]]:
        """Decide, with nothing on the wire, what failures and gaps mean; then sending goes on.

        Returns: (batches that are done, batches to be drained again under new sequences). The
            former have their outcome.
        """
        assert self.on_wire_count == 0, "settled only when every attempt is over"
        self.is_broken = False
        self.resend_from = 0
        if self.producer_id == NO_PRODUCER_ID:
            self.is_unresolved = False
            return [], []
        done = self._take_proven()
        # Batches are told here by the number of their turn. Refused behind another open one says
        # nothing yet:
        #   1. 7 and 8 leave; what 7 met is not known; 8 finds a broker without 7, and is refused.
        #   2. Both go again, 7 first. It is stored, or was, and 8 follows: no epoch was wasted.
        # Refused at the head does: nobody will send again what lies before.
        #   1. 7 expires and was never stored; 8 is refused, and under its sequence always will be.
        #   2. Or the broker has forgotten this producer. Either way only a new epoch helps.
        head_refused = bool(self.in_flight) and self.in_flight[0].is_refused
        # But nothing that may be stored goes under a new epoch, nor what was sent before it:
        #   1. 8 is stored, and its answer is lost; the broker forgets this producer.
        #   2. 8 goes again and is refused. In a new epoch it would be new: stored twice.
        #   3. 7, refused before 8 was stored, would stand behind it.
        # So everything up to the last such batch fails, and says what is known of it.
        cut = max((n for n, batch in enumerate(self.in_flight, 1) if batch.is_unknown), default=0)
        # With a gap in front (7 has expired) and no refusal at the head, it depends: where some
        # batch may be stored, the same bytes ask; where none may, a new epoch costs nothing.
        if not head_refused and (cut or not self.is_unresolved):
            for batch in self.in_flight:
                batch.is_refused = False  # said behind one that was not there; the next will tell
            return done, []
        if self.is_transactional:
            cut = len(self.in_flight)
        for batch in self.in_flight[:cut]:
            batch.complete(_fatal_gap(batch))
        done += self.in_flight[:cut]
        unsent = self.in_flight[cut:]
        self._bump()
        return done, unsent

    def remove(self, batch: ProducerBatch) -> None:
        """Take a batch out of the order."""
        index = self.in_flight.index(batch)
        del self.in_flight[index]
        if index < self.resend_from:
            self.resend_from -= 1

    def _take_proven(self) -> list[ProducerBatch]:
        """Refused batches in front of one that was stored."""
        done = []
        while self.in_flight and self.in_flight[0].is_refused and self.in_flight[0].is_passed:
            batch = self.in_flight.pop(0)
            batch.complete(_proven(batch))
            done.append(batch)
        return done

    def _bump(self) -> None:
        self.in_flight = []
        self.is_unresolved = False
        if self.is_transactional:
            return  # a new epoch comes with the next transaction
        self.next_sequence = 0
        self.producer_epoch += 1
        if self.producer_epoch > EPOCH_MAX:
            self.producer_id, self.producer_epoch = NO_PRODUCER_ID, NO_EPOCH


def _proven(batch: ProducerBatch) -> StoredAt | ClientError:
    if batch.is_unknown:
        return StoredAt(OFFSET_UNKNOWN, -1, -1)
    return Fatal(
        f"{batch.describe()}: the broker has stored later records and not these: it has lost "
        "what it knew of this producer; send them again if their order does not matter",
        code=ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    )


def _fatal_gap(batch: ProducerBatch) -> Fatal:
    state = "may have been stored" if batch.is_unknown else "was not stored"
    return Fatal(
        f"{batch.describe()}: the broker no longer knows this sequence, and the batch {state}; "
        "look into the topic before you send it again",
        code=ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
        possibly_persisted=batch.is_unknown,
    )


def born_at_ms(batches: Sequence[ProducerBatch]) -> float:
    """When the oldest of some batches that still wait was created; infinity for none."""
    return min(
        (batch.created_at_ms for batch in batches if batch.outcome is None), default=float("inf")
    )
