"""What became of the batches that a process left in doubt: what to ask next, or the outcomes. Pure.

One Settling is for one run: open batches of one partition, producer id P and epoch e, in order.
`step` says what to find out; `looked`, `scanned` and `answered` take it in. The table of cases, and
the proofs, stand at the class.
A broker (KIP-98) appends a batch of a P that it remembers only behind the last sequence s of the
newest epoch, or with sequence 0 of a higher one; one of the five newest batches is answered as
stored without being appended (after a restart: the newest alone); anything else is refused. Of a P
that it does not remember it appends whatever comes first.
Read first: open_batch.py, outcomes.py, log_scan.py. Read next: settler.py (EDGE).
Source: ProducerStateManager.java, ProducerAppendInfo.java, ProducerStateEntry.java; KIP-664.
Tests: tests/unit/client/session/test_settling.py, tests/property/test_settling_model.py
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, NamedTuple, TypeAlias

from ...protocol import sequence
from ...protocol.errors import ErrorCode
from ..errors import StaleJournal
from ..produce.answers import Answer, Then, outcome_of
from ..produce.batch import OFFSET_UNKNOWN
from .log_scan import LogScan
from .open_batch import NO_SEQUENCE, Floor, OpenBatch
from .outcomes import Anew, Outcome, Reason, Refused, Stored, TooLarge, Unsettled

DOUBTS_MAX: Final = 2  # refusals of one batch that are not explained by a new look
FAILURES_MAX: Final = 5  # answers of one batch with an error that says nothing
HALF_RING: Final = sequence.SEQUENCE_MAX // 2
# What follows the owner's word that a batch is not stored.
SENT_WHEN_TOLD: Final = {
    *(Reason.NOT_ALLOWED, Reason.RETENTION, Reason.COMPACTED, Reason.TRUNCATED),
}
ANEW_WHEN_TOLD: Final = {*Reason} - {Reason.GONE}


class Presence(Enum):
    """Whether the partition is the one of the journal."""

    THERE = auto()
    GONE = auto()
    MADE_AGAIN = auto()
    NOT_ALLOWED = auto()  # the broker does not say


class Listed(NamedTuple):
    """What a leader remembers of a producer id; NO_SEQUENCE: no batch of the epoch."""

    producer_epoch: int
    last_sequence: int


@dataclass(frozen=True, slots=True)
class Look:
    """What the leader says of the partition and of the producer id.

    Attributes:
        listed: None where the producer id is not remembered, or the broker cannot tell.
        said: the broker's words, where presence is not THERE.
    """

    presence: Presence = Presence.THERE
    listed: Listed | None = None
    said: str = ""


@dataclass(frozen=True, slots=True)
class AskLeader:
    """Find out a Look. It has to begin after this was asked for."""


@dataclass(frozen=True, slots=True)
class ReadLog:
    """Find out a LogScan, begun after the last Look.

    Attributes:
        until: enough is read when these are found; empty: read to the end.
    """

    until: tuple[OpenBatch, ...] = ()


@dataclass(frozen=True, slots=True)
class Send:
    """Send a batch with acks=all, its bytes as they are, and tell the answer."""

    batch: OpenBatch


Step: TypeAlias = AskLeader | ReadLog | Send


class Settling:
    """The settlement of one run of batches.

    THE TABLE; rows are tried in order; h is the first open batch, n any of them. A late request is
    one of a dead process that the broker has not worked off: it carries a batch of the journal,
    whole, under its own identity, and may come at any moment, also between a look and a sending.

    F  the floor is unknown: Anew. A batch leaves only when its floor is flushed: it never left.
    P  no partition, another topic id, no right to look: Unsettled; the answers to all further
       questions would be about another log.
    M  e is shut out, and the partition remembers a later epoch (a marker of it): the log decides,
       and what is absent is Anew [proof 5].
    1  listed with an epoch above all of the journal's, or with s beyond its newest sequence:
       StaleJournal. We never sent that, so another copy of the journal has.
    2  listed with an epoch above e: the log decides, nothing is sent (SUPERSEDED).
    3  listed with an epoch below e, or without a batch: h is sent if it begins with 0. Otherwise
       Anew: a higher epoch is accepted only with 0, so no late request of this run ever is.
    4  listed, n ends with s: all up to n are looked for in the log, from the floor on. Where that
       cannot tell, n is sent again [proof 1].
    5  listed, h begins with s + 1: h is sent [proof 2].
    6  listed, s is the newest confirmed sequence: Anew; what lay between was refused [proof 3].
    7  listed, s is none of these: the log decides, nothing is sent (FORGOTTEN, MISFIT).
    8  not listed, or the broker cannot list: the log decides; what is absent is sent [proof 4].

    THE LOG, read from the floor to the end the leader has after the look:
    found, by ranges of (P, e, sequence): Stored. It lies below the high watermark.
    absent, and a later one is found: OVERTAKEN. Sent now it would stand behind that one.
    absent, and a part of it is found: MISFIT.
    absent, and not every offset could be read: TRUNCATED, RETENTION or COMPACTED. Where every
    offset from the floor to the end holds its record, nothing can have been removed, whatever
    cleanup.policy says: then absent means not stored.

    ANSWERS: 0 and 46: Stored. 45, 47, 59 prove nothing: a new look; when that changes nothing, the
    log decides what was listed, and the rest is REFUSED. Refused for good: Refused, or TooLarge, if
    it was known to be absent, else the log decides. Nothing, or what passes: a new look, never the
    same bytes blindly, since the broker may have forgotten P by the records' own timestamps.

    THE OWNER'S WORD counts only where a batch would be Unsettled. "Not stored": where nothing of
    its run stands behind it, it is sent, since a late request is then the same batch; where its
    identity is of no use any more, Anew, and with it what is absent behind it.

    Proof 1. (1) Each append is behind s, so everything from where the chain began up to n is at the
    leader. (2) A chain begins with sequence 0 or, after P was forgotten, with what comes first;
    lanes have one batch in flight where P may be forgotten, so that is the oldest not confirmed.
    (3) Found below the high watermark, a batch is stored; reading changes nothing, while a batch
    that is sent again may meet a broker that has just forgotten P. (4) Where the log cannot tell
    (no right, compacted, cut off by retention), n goes again with acks=all: answered, it and all
    before it are on all replicas that acks=all asks for.
    Proof 2. While P is remembered, of a late h and ours one is appended and the other is known as
    the same batch; a late one before h does not follow s; one behind h does not yet.
    Proof 3. To be appended a late request must begin with s + 1, and none of the run does: its
    predecessor was refused, and nobody sends it. Under another identity it is stored once.
    Proof 4. (1) At the look P is not remembered. (2) The end is asked afterwards: what was appended
    before lies below it, and is looked for. (3) What is appended after the look makes P remembered.
    (4) So when ours comes, P is either unknown and h in no log, or known by a late h, and ours is
    the same batch. (5) A late one behind h cannot come before a late h: both are on one connection.
    (6) h goes alone; once it is answered, row 5 holds for the rest.
    Proof 5. (1) An owner of the transactional id has had a marker of an epoch above e written into
    the partition. (2) At the look it is there: from the marker on, every batch of e is refused.
    (3) The end is asked afterwards, so that what was appended before the marker lies below it.
    (4) What is absent can never be stored under its identity: under another it is stored once.
    Limit: between a look and the sending that follows, the broker must not append a late request
    and forget P at once. It may, at its next sweep, where records are older than its
    producer.id.expiration.ms.

    Args:
        batches: one or more.
        floor: of their producer id in their partition.
        told_absent: numbers of batches that their owner says are not stored.
        shut_out_below: epochs of P below this one are, in this partition.

    Attributes:
        outcomes: so far, in the order in which they became known. When `step` is None and some
            batches have none, these wait until the unsettled ones before them are decided.
    """

    def __init__(
        self,
        batches: Sequence[OpenBatch],
        floor: Floor,
        told_absent: Collection[int] = (),
        shut_out_below: int = 0,
    ) -> None:
        self.outcomes: list[Outcome] = []
        self._floor = floor
        self._epoch = batches[0].producer_epoch
        self._shut_out_below = shut_out_below
        self._is_shut_out = False  # of this epoch nothing can be stored any more
        self._open = [*batches]
        self._told_absent = told_absent
        self._in_doubt: set[int] = set()  # sent from here, and perhaps stored
        self._doubts: Counter[int] = Counter()
        self._failures: Counter[int] = Counter()
        self._look: Look | None = None
        self._scan: LogScan | None = None
        self._is_listed = False  # what is being sent was listed as stored
        self._is_log_silent = False
        self._is_over = False
        self._has_anew = False
        is_of_epoch = floor.producer_epoch == self._epoch
        self._confirmed = floor.confirmed_sequence if is_of_epoch else NO_SEQUENCE

    def step(self) -> Step | None:
        """What to find out next; None when there is nothing more to do.

        Raises:
            StaleJournal: somebody else has gone on with another copy of the journal.
        """
        while self._open and not self._is_over:
            step = self._next()
            if step is not None:
                return step
        return None

    def looked(self, look: Look) -> None:
        """The answer to AskLeader."""
        self._look, self._scan, self._is_shut_out = look, None, False

    def look_again(self) -> None:
        """A question could not be asked, or took too long: what was known may not hold any more."""
        self._look = self._scan = None
        self._is_listed = False

    def scanned(self, scan: LogScan) -> None:
        """The answer to ReadLog."""
        self._scan = scan

    def answered(self, batch: OpenBatch, answer: Answer | None) -> None:
        """The answer to Send; None: none came, and whether it was stored is not known."""
        number = batch.number
        is_listed, self._is_listed = self._is_listed, False
        then, may_be_stored = (Then.RETRY, True) if answer is None else outcome_of(answer.code)
        if answer is not None and then is Then.DONE:
            self._confirm(batch, answer)
            return
        if may_be_stored:
            self._in_doubt.add(number)
            self._failures[number] += then is not Then.RETRY
        if answer is None or may_be_stored or then is Then.RETRY:
            self.look_again()
        elif then in (Then.GAP, Then.FENCE):
            self._doubts[number] += 1
            self.look_again()
        elif is_listed:
            self._doubts[number] = DOUBTS_MAX  # it is there, and not from now on
        elif then is Then.END:
            self._unsettle(batch, Reason.NOT_ALLOWED, f"{answer.code.name}: {answer.code.text}")
        elif then is Then.SPLIT and batch.count > 1:
            self._close(TooLarge(batch))
            self._is_over = True
        else:
            self._close(Refused(batch, answer.code, answer.message or answer.code.text))

    def _next(self) -> Step | None:
        look = self._look
        if self._floor.offset < 0:
            return self._renew()
        if look is None:
            return AskLeader()
        if look.presence is not Presence.THERE:
            return self._hold(self._open, Reason[look.presence.name], look.said)
        if look.listed is None:
            return self._by_log(None)
        return self._by_listing(look.listed)

    def _by_listing(self, listed: Listed) -> Step | None:
        """Rows 1 to 7."""
        head, (epoch, last) = self._open[0], listed
        self._is_shut_out = self._epoch < self._shut_out_below <= epoch
        if self._is_shut_out and last == NO_SEQUENCE:  # a marker says nothing of batches
            return self._by_log(None)
        check_not_beyond(self._floor, listed)
        if self._is_shut_out:
            return self._by_log(None)
        if epoch > self._epoch:
            return self._by_log(Reason.SUPERSEDED)
        if epoch < self._epoch or last == NO_SEQUENCE:
            if self._confirmed != NO_SEQUENCE:
                return self._by_log(Reason.FORGOTTEN)
            return self._send(head) if head.base_sequence == 0 else self._renew()
        for index, batch in enumerate(self._open):
            if batch.last_sequence == last:
                return self._up_to(self._open[: index + 1])
        if sequence.next_of(last) == head.base_sequence:
            return self._send(head)
        if last == self._confirmed:
            return self._renew()
        is_behind = self._confirmed != NO_SEQUENCE and is_beyond(self._confirmed, last)
        return self._by_log(Reason.FORGOTTEN if is_behind else Reason.MISFIT)

    def _up_to(self, listed: list[OpenBatch]) -> Step | None:
        """Row 4: these are at the leader."""
        # Reading takes its time, so that there is a new look behind it:
        # 1. n is listed 2. while the log is read, m behind it comes late, and P is forgotten
        # 3. m, sent by what was known before, would be new to the broker.
        newest = listed[-1]
        hopeless = self._hopeless(newest)
        if hopeless is not None:
            return self._by_log(hopeless)
        if self._is_log_silent:
            self._is_listed = True
            return Send(newest)
        scan = self._scan
        if scan is None:
            return ReadLog(tuple(listed))
        for batch in [*listed]:
            place = scan.find(batch)
            if place.is_found:
                self._close(Stored(batch, place.base_offset))
        if newest not in self._open:
            left = [batch for batch in listed if batch in self._open]
            is_whole = scan.is_whole and scan.what_is_missing(self._floor) is None
            self.look_again()
            return self._hold(left, Reason.OVERTAKEN) if is_whole else self._store(left)
        self._is_log_silent = True
        self.look_again()
        return None

    def _store(self, batches: list[OpenBatch]) -> Step | None:
        for batch in batches:
            self._close(Stored(batch))
        return None

    def _send(self, head: OpenBatch) -> Step | None:
        """Rows 3, 5 and 8: it is not stored, and nothing late can come between."""
        hopeless = self._hopeless(head)
        if hopeless is not None:
            return self._hold([head], hopeless)
        if self._has_anew:  # 1. b is to be sent anew 2. c would be stored before it
            return self._renew()
        return Send(head)

    def _hopeless(self, batch: OpenBatch) -> Reason | None:
        if self._doubts[batch.number] >= DOUBTS_MAX:
            return Reason.REFUSED
        return Reason.FAILED if self._failures[batch.number] >= FAILURES_MAX else None

    def _by_log(self, held_for: Reason | None) -> Step | None:
        """What the log holds, decides.

        Args:
            held_for: why what is absent may not be sent; None: it may.
        """
        scan = self._scan
        if scan is None or not (scan.is_whole or scan.refusal):
            return ReadLog()
        if scan.refusal:
            return self._hold(self._open, Reason.NOT_ALLOWED, scan.refusal)
        for span in scan.spans:
            check_not_beyond(self._floor, Listed(span.producer_epoch, span.last_sequence))
        places = {batch.number: scan.find(batch) for batch in self._open}
        missing = scan.what_is_missing(self._floor)
        while self._open:
            batch = self._open[0]
            place = places[batch.number]
            reason = missing or held_for
            if any(places[later.number].is_found for later in self._open[1:]):
                reason = missing or Reason.OVERTAKEN
            if place.is_found:
                self._close(Stored(batch, place.base_offset))
                continue
            if place.is_partly:
                reason = Reason.MISFIT
            if reason is None and self._is_shut_out and not self._is_over:
                self._close(Anew(batch))
                continue
            if reason is None:
                return None if self._is_over else self._send(batch)
            step = self._hold([batch], reason)
            if step is not None:
                return step
        return None

    def _confirm(self, batch: OpenBatch, answer: Answer) -> None:
        """A batch is stored on all replicas; with it everything before, if it was listed."""
        self._store(self._open[: self._open.index(batch)])
        is_told = answer.code is ErrorCode.NONE
        offset = answer.base_offset if is_told else OFFSET_UNKNOWN
        self._close(Stored(batch, offset, answer.log_append_time_ms))
        self._look = Look(listed=Listed(self._epoch, batch.last_sequence))

    def _renew(self) -> Step | None:
        """Rows F, 3 and 6: nothing of the run can be stored under its identity any more."""
        for batch in [*self._open]:
            self._close(Anew(batch))
        return None

    def _close(self, outcome: Outcome) -> None:
        batch = outcome.batch
        self._open.remove(batch)
        self.outcomes.append(outcome)
        if isinstance(outcome, Stored):
            self._confirmed = batch.last_sequence
        self._has_anew |= isinstance(outcome, Anew)

    def _hold(self, batches: Sequence[OpenBatch], reason: Reason, said: str = "") -> Step | None:
        """Nobody can know, but for the owner; what is behind waits, as order is promised."""
        for batch in [*batches]:
            number = batch.number
            is_told = number in self._told_absent and not self._is_over
            is_useful = reason in SENT_WHEN_TOLD and not self._doubts[number]
            is_useful &= not self._is_shut_out
            if is_told and is_useful and not self._has_anew:
                return Send(batch)
            if is_told and reason in ANEW_WHEN_TOLD and number not in self._in_doubt:
                self._close(Anew(batch))
            else:
                self._unsettle(batch, reason, said)
        return None

    def _unsettle(self, batch: OpenBatch, reason: Reason, said: str) -> None:
        text = (
            f"{batch.describe()}: {reason.value}{f' ({said})' if said else ''}. Nobody can know "
            "whether these records are stored, so nothing is sent to this partition until you "
            "say: look into the topic, then settle(batch, stored=True or False)"
        )
        self._close(Unsettled(batch, reason, text))
        self._is_over = True


def is_beyond(last: int, newest: int) -> bool:
    """Whether a sequence lies behind another on the ring; of what is open there is far less."""
    return 0 < sequence.add(last, -newest) <= HALF_RING


def check_not_beyond(floor: Floor, listed: Listed) -> None:
    """Row 1: raise StaleJournal where a partition holds what its journal does not."""
    epoch, last = listed
    is_newer = epoch > floor.producer_epoch
    if epoch == floor.producer_epoch and last != NO_SEQUENCE:
        is_newer = floor.last_sequence == NO_SEQUENCE or is_beyond(last, floor.last_sequence)
    if is_newer:
        raise StaleJournal(
            f"{floor.topic}-{floor.partition} holds records of producer id {floor.producer_id} up "
            f"to epoch {epoch}, sequence {last}, and the journal ends at epoch "
            f"{floor.producer_epoch}, sequence {floor.last_sequence}: it is an old copy, or a "
            "backup that was put back. Use the newest one; with this one records would be sent "
            "twice"
        )
