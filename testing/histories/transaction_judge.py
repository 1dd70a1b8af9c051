"""Judges a history of transactions against what is stored. Knows nothing but the history.

    for finding in transaction_findings(history, committed=..., stored=..., offsets=...):
        print(finding.text)

The promises: what is aborted is never read with read_committed, nor what nobody has asked to
commit; a transaction is seen whole or not at all, its offsets with its records; a commit that was
told stays, an abort too; who is fenced does nothing any more, and nobody is fenced for nothing;
what a reader was given stays; and all that history.py judges, of every record that is stored.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from .history import Acknowledged, Broken, Kept, Sent
from .history import findings as record_findings
from .transaction_history import (
    Claim,
    Fate,
    HandedOffset,
    OffsetKey,
    Read,
    Transaction,
    TransactionHistory,
)

NEVER = 2**63 - 1  # behind every step and every offset


class Breach(Enum):
    """Which promise of transactions was broken."""

    ABORTED_READ = "an aborted transaction was read"
    EARLY_READ = "read before its commit was asked for"
    PARTIAL = "partly committed"
    LOST_COMMIT = "a commit was lost"
    DECIDED_TWICE = "told to be committed, and to be aborted"
    OFFSETS_APART = "offsets and records are apart"
    FENCED_WENT_ON = "a fenced producer went on"
    FENCED_FOR_NOTHING = "aborted or fenced for nothing"
    TWINS = "two producers are the same one"
    TAKEN_BACK = "what a reader was given is gone"
    HIDDEN = "a record in no transaction is not shown"


class TransactionFinding(NamedTuple):
    """Something wrong: which promise, what was seen and why it may not be, and whose it was.

    Attributes:
        transaction: "" where it is none's.
    """

    broken: Breach | Broken
    text: str
    transaction: str = ""


@dataclass(slots=True)
class Signs:
    """What readers saw of one transaction with read_committed: of its fate the only evidence.

    Who reads past a record and is not given it, was told that it is aborted.

    Attributes:
        shown, left_out: (step, what was seen), oldest first.
    """

    shown: list[tuple[int, str]] = field(default_factory=list)
    left_out: list[tuple[int, str]] = field(default_factory=list)
    has_offset_shown: bool = False


class _Case:
    """A history with what is known at its end, and what follows from the two."""

    def __init__(
        self,
        history: TransactionHistory,
        committed: Mapping[int, Sequence[Kept]],
        stored: Mapping[int, Sequence[Kept]],
        offsets: Mapping[OffsetKey, int],
        log_starts: Mapping[int, int],
    ) -> None:
        self.history = history
        self.committed = committed
        self.stored = stored
        self.offsets = offsets
        self.log_starts = log_starts
        self.places = _places(history, stored)
        self.signs = {name: Signs() for name in history.transactions}
        self.hidden: list[TransactionFinding] = []
        final = [
            Read(partition, log_starts.get(partition, 0), NEVER, records, True, NEVER)
            for partition, records in committed.items()
        ]
        for read in (*history.reads, *final):
            if read.is_committed:
                self._take(read)
        for each in self.signs.values():
            each.shown.sort()
            each.left_out.sort()
        for key, offset_reads in history.offset_reads.items():
            given = {each.offset for each in offset_reads}
            for handed in history.offsets.get(key, ()):
                self.signs[handed.transaction].has_offset_shown |= handed.offset in given

    def _take(self, read: Read) -> None:
        """Note what a read says of each transaction with a record there."""
        given = {kept.value for kept in read.records}
        for kept in read.records:
            handed = self.history.records.get(kept.value)
            if handed is not None and handed.transaction is not None and not handed.is_dropped:
                text = f"{kept.value!r} at {read.partition}:{kept.offset} was {_when(read)}"
                self.signs[handed.transaction].shown.append((read.at, text))
        there = self.places.get(read.partition, [])
        first = bisect_left(there, (read.begin, b""))
        for offset, value in there[first:]:
            if offset >= read.end:
                break
            if value in given or self.history.records[value].is_dropped:
                continue
            where = f"{value!r} at {read.partition}:{offset}"
            transaction = self.history.records[value].transaction
            if transaction is not None:
                text = f"{where} was left out, {_when(read)} up to {_shown_end(read)}"
                self.signs[transaction].left_out.append((read.at, text))
            else:
                text = f"{where} is in no transaction and was left out, {_when(read)}"
                self.hidden.append(TransactionFinding(Breach.HIDDEN, text))

    def is_committed(self, name: str) -> bool:
        """Whether a transaction was told, or seen, to be committed."""
        signs = self.signs[name]
        is_told = Fate.COMMITTED in self.history.transactions[name].told
        return is_told or bool(signs.shown) or signs.has_offset_shown

    def is_aborted(self, name: str) -> bool:
        """Whether a transaction was told, or seen, to be aborted, or could be nothing else."""
        transaction, signs = self.history.transactions[name], self.signs[name]
        if Fate.COMMITTED not in transaction.asked or Fate.ABORTED in transaction.told:
            return True
        return Fate.COMMITTED not in transaction.told and bool(signs.left_out) and not signs.shown

    def succeeded_at(self, producer: str, *, without: str = "") -> int:
        """The step in which a producer had a successor; NEVER if it has none.

        Of two that ask at the same time it is not known whose epoch is the later one. That it was
        told to be fenced is not enough: a no may rest on what a power loss takes back.
        """
        mine = self.history.claims.get(producer)
        if mine is None or mine.answered_at is None:
            return NEVER
        later = [
            each.answered_at
            for each in self.history.claims.values()
            if each.producer not in (producer, without)
            and each.transactional_id == mine.transactional_id
            and each.is_granted
            and each.answered_at is not None
            and each.asked_at > mine.answered_at
        ]
        return min(later, default=NEVER)

    def may_be_fenced(self, producer: str, before: int) -> bool:
        """Whether there was a reason to fence a producer: somebody else's claim, or time."""
        mine = self.history.claims[producer]
        if any(
            each.is_overdue
            for each in self.history.transactions.values()
            if each.producer == producer
        ):
            return True
        return any(
            _reaches(each, mine) and each.asked_at < before for each in self.history.claims.values()
        )


def transaction_findings(
    history: TransactionHistory,
    *,
    committed: Mapping[int, Sequence[Kept]],
    stored: Mapping[int, Sequence[Kept]],
    offsets: Mapping[OffsetKey, int] | None = None,
    log_starts: Mapping[int, int] | None = None,
) -> list[TransactionFinding]:
    """Everything wrong; empty if all is well. To be asked when no transaction is open any more.

    Args:
        committed: of every partition, all that a read_committed reader is given, in offset order.
        stored: of every partition, all that a read_uncommitted reader is given.
        offsets: committed offsets, -1 for none; a group that is not listed is not judged.
        log_starts: below these nothing is missed; 0 for a partition that is not listed.
    """
    case = _Case(history, committed, stored, offsets or {}, log_starts or {})
    found = [*_records(case), *case.hidden, *_taken_back(case), *_twins(history)]
    for transaction in history.transactions.values():
        found += _fate(case, transaction)
    for key in {*history.offsets, *case.offsets}:
        found += _offsets(case, key)
    for claim in history.claims.values():
        found += _fencing(case, claim)
    return found


def _records(case: _Case) -> Iterator[TransactionFinding]:
    """What each record is promised, in a transaction or not: stored once, in order."""
    sent = [
        Sent(each.partition, each.value, each.outcome, each.producer)
        for each in case.history.records.values()
        if not _may_be_removed(case, each.partition, each.outcome)
    ]
    for found in record_findings(sent, case.stored):
        names = {case.history.records[each.value].transaction or "" for each in found.sent}
        yield TransactionFinding(found.broken, found.text, min(names, default=""))
    for partition, records in case.committed.items():
        there = {(kept.offset, kept.value) for kept in case.stored.get(partition, ())}
        for kept in records:
            if (kept.offset, kept.value) not in there:
                text = (
                    f"{kept.value!r} at {partition}:{kept.offset} is read with read_committed and "
                    "is not there with read_uncommitted"
                )
                yield TransactionFinding(Broken.INVENTED, text)


def _may_be_removed(case: _Case, partition: int, outcome: object) -> bool:
    start = case.log_starts.get(partition, 0)
    return isinstance(outcome, Acknowledged) and 0 <= outcome.offset < start


def _taken_back(case: _Case) -> Iterator[TransactionFinding]:
    """What a reader was given stays, where it was."""
    now = {
        is_committed: {
            partition: {kept.offset: kept.value for kept in records}
            for partition, records in whole.items()
        }
        for is_committed, whole in ((True, case.committed), (False, case.stored))
    }
    for read in case.history.reads:
        here = now[read.is_committed].get(read.partition, {})
        start = case.log_starts.get(read.partition, 0)
        for kept in read.records:
            if kept.offset >= start and here.get(kept.offset) != kept.value:
                text = (
                    f"{kept.value!r} at {read.partition}:{kept.offset} was {_when(read)} and is "
                    f"{here.get(kept.offset)!r} now"
                )
                yield TransactionFinding(Breach.TAKEN_BACK, text)


def _twins(history: TransactionHistory) -> Iterator[TransactionFinding]:
    for (producer_id, epoch), producers in history.identities.items():
        if len(producers) > 1:
            text = f"producer id {producer_id}, epoch {epoch} was granted to {sorted(producers)}"
            yield TransactionFinding(Breach.TWINS, text)


def _fate(case: _Case, transaction: Transaction) -> Iterator[TransactionFinding]:
    """All or nothing, as it was told."""
    name, signs, told = transaction.name, case.signs[transaction.name], transaction.told
    asked_at = transaction.asked.get(Fate.COMMITTED, NEVER + 1)
    if len(told) > 1:
        text = f"{name} was told to be committed, and to be aborted"
        yield TransactionFinding(Breach.DECIDED_TWICE, text, name)
    if signs.shown and Fate.ABORTED in told:
        why = "it was told to be aborted"
        yield TransactionFinding(Breach.ABORTED_READ, f"{name}: {signs.shown[0][1]}; {why}", name)
    elif signs.shown and signs.shown[0][0] < asked_at:
        why = "nobody had asked to commit it"
        yield TransactionFinding(Breach.EARLY_READ, f"{name}: {signs.shown[0][1]}; {why}", name)
    if signs.left_out and Fate.COMMITTED in told:
        why = "it was told to be committed"
        yield TransactionFinding(Breach.LOST_COMMIT, f"{name}: {signs.left_out[0][1]}; {why}", name)
    elif signs.left_out and signs.shown and not told:
        text = f"{name}: {signs.left_out[0][1]}, but {signs.shown[0][1]}"
        yield TransactionFinding(Breach.PARTIAL, text, name)
    is_unasked = Fate.ABORTED in told and Fate.ABORTED not in transaction.asked
    if is_unasked and not case.may_be_fenced(transaction.producer, told[Fate.ABORTED]):
        text = f"{name} was told to be aborted, and nobody had asked for it"
        yield TransactionFinding(Breach.FENCED_FOR_NOTHING, text, name)


def _offsets(case: _Case, key: OffsetKey) -> Iterator[TransactionFinding]:
    """An offset is committed if, and only if, the records of its transaction are."""
    handed = case.history.offsets.get(key, [])
    for read in case.history.offset_reads.get(key, ()):
        yield from _offset_is_allowed(case, key, handed, read.offset, read.at)
    if key not in case.offsets:
        return
    offset = case.offsets[key]
    wrong = list(_offset_is_allowed(case, key, handed, offset, NEVER))
    yield from wrong
    sources = [each for each in handed if each.offset == offset]
    for each in handed if not wrong else ():
        if each.accepted_at is None or not case.is_committed(each.transaction):
            continue
        if each not in sources and all(_settled_at(case, one) < each.handed_at for one in sources):
            text = (
                f"{each.transaction} is committed with the offset {each.offset} of {_named(key)}, "
                f"which is {offset}"
            )
            yield TransactionFinding(Breach.OFFSETS_APART, text, each.transaction)


def _offset_is_allowed(
    case: _Case, key: OffsetKey, handed: Sequence[HandedOffset], offset: int, at: int
) -> Iterator[TransactionFinding]:
    """Whether a committed offset may be what it is, by itself."""
    sources = [each.transaction for each in handed if each.offset == offset]
    if offset < 0:
        return
    if not sources:
        text = f"the committed offset of {_named(key)} is {offset}, which nobody has sent"
        yield TransactionFinding(Broken.INVENTED, text)
    elif all(case.is_aborted(name) for name in sources):
        text = (
            f"the committed offset of {_named(key)} is {offset}, that of {sources[0]}, which is "
            "aborted"
        )
        yield TransactionFinding(Breach.OFFSETS_APART, text, sources[0])
    elif all(
        case.history.transactions[name].asked[Fate.COMMITTED] > at
        for name in sources
        if not case.is_aborted(name)
    ):
        text = (
            f"the committed offset of {_named(key)} was {offset}, that of {sources[0]}, before "
            "anybody asked to commit it"
        )
        yield TransactionFinding(Breach.EARLY_READ, text, sources[0])


def _settled_at(case: _Case, handed: HandedOffset) -> int:
    """The step from which on an offset is certain to stand before later ones in the log."""
    told = case.history.transactions[handed.transaction].told.values()
    return min([handed.accepted_at or NEVER, *told])


def _fencing(case: _Case, claim: Claim) -> Iterator[TransactionFinding]:
    """Who has a successor does nothing any more, and nobody is fenced for nothing."""
    history, producer = case.history, claim.producer
    end = case.succeeded_at(producer)
    for name, what in _done_after(case, producer, end):
        text = f"{producer} had a successor, and {what}"
        yield TransactionFinding(Breach.FENCED_WENT_ON, text, name)
    after = claim.after
    is_next = after is not None and claim.is_granted
    if is_next and case.succeeded_at(after or "", without=producer) < claim.asked_at:
        text = f"{after} had a successor, and {producer} was granted what follows on it"
        yield TransactionFinding(Breach.FENCED_WENT_ON, text)
    told_at = history.fenced_at.get(producer)
    if told_at is not None and not case.may_be_fenced(producer, told_at):
        text = f"{producer} was told that it is fenced, and nobody had claimed its id"
        yield TransactionFinding(Breach.FENCED_FOR_NOTHING, text)


def _done_after(case: _Case, producer: str, end: int) -> Iterator[tuple[str, str]]:
    """(transaction, what it was) of all that was asked by a producer after `end`, and granted."""
    history = case.history
    for each in history.records.values():
        is_late = each.producer == producer and each.handed_at > end
        if is_late and isinstance(each.outcome, Acknowledged):
            yield each.transaction or "", f"{each.value!r}, sent then, was acknowledged"
    for run in history.transactions.values():
        asked_at = run.asked.get(Fate.COMMITTED)
        is_late = run.producer == producer and asked_at is not None and asked_at > end
        if is_late and case.is_committed(run.name):
            yield run.name, f"{run.name}, to be committed then, was"
    for key, offsets in history.offsets.items():
        for handed in offsets:
            owner = history.transactions[handed.transaction].producer
            if owner == producer and handed.handed_at > end and handed.accepted_at is not None:
                what = f"the offset {handed.offset} of {_named(key)} in {handed.transaction}"
                text = f"{what}, sent then, was accepted"
                yield handed.transaction, text


def _reaches(other: Claim, mine: Claim) -> bool:
    """Whether a claim can have fenced a producer.

    One that names an id and epoch speaks for that producer alone: a zombie's must not.
    """
    is_before = other.answered_at is not None and other.answered_at < mine.asked_at
    return (
        other.producer != mine.producer
        and other.transactional_id == mine.transactional_id
        and other.after in (None, mine.producer)
        and not is_before
    )


def _places(
    history: TransactionHistory, stored: Mapping[int, Sequence[Kept]]
) -> dict[int, list[tuple[int, bytes]]]:
    """Where each record that was sent stands, by what is stored, else by its acknowledgement."""
    where = {
        (each.partition, value): each.outcome.offset
        for value, each in history.records.items()
        if isinstance(each.outcome, Acknowledged) and each.outcome.offset >= 0
    }
    for partition, records in stored.items():
        for kept in records:
            if kept.value in history.records:
                where[partition, kept.value] = kept.offset
    places: dict[int, list[tuple[int, bytes]]] = {}
    for (partition, value), offset in where.items():
        places.setdefault(partition, []).append((offset, value))
    for there in places.values():
        there.sort()
    return places


def _when(read: Read) -> str:
    isolation = "read_committed" if read.is_committed else "read_uncommitted"
    return f"read with {isolation} {'at the end' if read.at == NEVER else f'at step {read.at}'}"


def _shown_end(read: Read) -> str:
    return "the end" if read.end == NEVER else f"offset {read.end}"


def _named(key: OffsetKey) -> str:
    return f"group {key[0]}, partition {key[1]}"
