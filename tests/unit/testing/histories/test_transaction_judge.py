"""Every broken promise of transactions is found and named, and a history that keeps them is not.

One history keeps all promises; each test changes one thing in it, and says what must be found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from minibroker.testing import (
    Acknowledged,
    Breach,
    Broken,
    Failed,
    Fate,
    Kept,
    TransactionFinding,
    TransactionHistory,
    transaction_findings,
)

COMMITTED, ABORTED = Fate.COMMITTED, Fate.ABORTED
GROUP = ("g", 0)


@dataclass
class Case:
    """A history and what is known at its end; t1 is committed, t2 aborted, t3 in doubt."""

    history: TransactionHistory = field(default_factory=TransactionHistory)
    committed: dict[int, list[Kept]] = field(default_factory=dict)
    stored: dict[int, list[Kept]] = field(default_factory=dict)
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)
    log_starts: dict[int, int] = field(default_factory=dict)

    def findings(self) -> list[TransactionFinding]:
        return transaction_findings(
            self.history,
            committed=self.committed,
            stored=self.stored,
            offsets=self.offsets,
            log_starts=self.log_starts,
        )


def sent(history: TransactionHistory, name: str | None, partition: int, offset: int) -> None:
    value = b"%s%d" % ((name or "plain").encode(), partition)
    history.send(name, partition, value, "p")
    history.answered(value, Acknowledged(offset))


def good() -> Case:
    """Partition 0: t1, its marker, t2, its marker, t3, its marker, plain; 1: the same, no plain."""
    case = Case()
    history = case.history
    history.claim("p1", "app")
    history.granted("p1", 7, 0)
    for name, offset in (("t1", 0), ("t2", 2), ("t3", 4)):
        history.begin(name, "p1")
        sent(history, name, 0, offset)
        sent(history, name, 1, offset)
        history.send_offset(name, *GROUP, offset + 10)
        history.offset_accepted(name, *GROUP, offset + 10)
        history.ask(name, ABORTED if name == "t2" else COMMITTED)
        if name != "t3":
            history.tell(name, ABORTED if name == "t2" else COMMITTED)
        if name == "t1":
            history.read_offset(*GROUP, 10)
            history.read(0, 0, 2, [Kept(0, b"t10")], is_committed=True)
    sent(history, None, 0, 6)
    history.claim("p2", "app")
    history.granted("p2", 7, 1)
    history.fenced("p1")
    history.read(0, 0, 3, [Kept(0, b"t10"), Kept(2, b"t20")], is_committed=False)
    case.stored = {
        0: [Kept(0, b"t10"), Kept(2, b"t20"), Kept(4, b"t30"), Kept(6, b"plain0")],
        1: [Kept(0, b"t11"), Kept(2, b"t21"), Kept(4, b"t31")],
    }
    case.committed = {
        partition: [kept for kept in records if not kept.value.startswith(b"t2")]
        for partition, records in case.stored.items()
    }
    case.offsets = {GROUP: 14}
    return case


def test_a_history_that_keeps_all_promises() -> None:
    assert good().findings() == []


def test_what_is_in_doubt_may_be_aborted_as_well() -> None:
    case = good()
    for records in case.committed.values():
        records[:] = [kept for kept in records if not kept.value.startswith(b"t3")]
    case.offsets[GROUP] = 10
    assert case.findings() == []


def test_what_was_refused_is_in_no_transaction() -> None:
    case = good()
    case.history.begin("t4", "p2")
    sent(case.history, "t4", 0, 7)
    sent(case.history, "t4", 1, 7)
    case.history.dropped(b"t41")
    case.history.ask("t4", COMMITTED)
    case.history.tell("t4", COMMITTED)
    case.stored[0].append(Kept(7, b"t40"))
    case.stored[1].append(Kept(7, b"t41"))
    case.committed[0].append(Kept(7, b"t40"))
    assert case.findings() == []


def test_what_retention_removed_nobody_misses() -> None:
    case = good()
    case.log_starts = {0: 4}
    del case.stored[0][:2], case.committed[0][:1]
    assert case.findings() == []


def aborted_is_read(case: Case) -> None:
    case.committed[0].insert(1, Kept(2, b"t20"))


def aborted_was_read(case: Case) -> None:
    case.history.read(1, 2, 3, [Kept(2, b"t21")], is_committed=True)


def read_too_early(case: Case) -> None:
    case.history.begin("t4", "p2")
    sent(case.history, "t4", 0, 7)
    case.history.read(0, 7, 8, [Kept(7, b"t40")], is_committed=True)
    case.history.ask("t4", COMMITTED)
    case.history.tell("t4", COMMITTED)
    case.stored[0].append(Kept(7, b"t40"))
    case.committed[0].append(Kept(7, b"t40"))


def never_asked_and_read(case: Case) -> None:
    read_too_early(case)
    del case.history.transactions["t4"].asked[COMMITTED]
    case.history.transactions["t4"].told.clear()


def in_doubt_and_half_there(case: Case) -> None:
    del case.committed[1][1]


def last_stable_offset_ran_ahead(case: Case) -> None:
    """A reader was led past a record of t3, which is committed in the end."""
    case.history.read(1, 2, 5, [], is_committed=True)


def commit_lost(case: Case) -> None:
    del case.committed[1][0]


def told_both(case: Case) -> None:
    case.history.tell("t2", COMMITTED)
    for partition, records in case.stored.items():
        case.committed[partition] = list(records)


def commit_after_an_abort_was_told(case: Case) -> None:
    case.history.tell("t3", ABORTED)


def offset_of_an_aborted_one(case: Case) -> None:
    case.offsets[GROUP] = 12


def offset_missing(case: Case) -> None:
    case.offsets[GROUP] = -1


def offset_of_the_one_before(case: Case) -> None:
    case.offsets[GROUP] = 10


def offset_out_of_nowhere(case: Case) -> None:
    case.offsets[GROUP] = 99


def offset_too_early(case: Case) -> None:
    history = case.history
    history.begin("t4", "p2")
    history.send_offset("t4", *GROUP, 20)
    history.offset_accepted("t4", *GROUP, 20)
    history.read_offset(*GROUP, 20)
    history.ask("t4", COMMITTED)
    history.tell("t4", COMMITTED)
    case.offsets[GROUP] = 20


def zombie_writes(case: Case) -> None:
    case.history.begin("t4", "p1")
    sent(case.history, "t4", 0, 7)
    case.stored[0].append(Kept(7, b"t40"))


def zombie_commits_an_offset(case: Case) -> None:
    case.history.begin("t4", "p1")
    case.history.send_offset("t4", *GROUP, 20)
    case.history.offset_accepted("t4", *GROUP, 20)


def zombie_commits(case: Case) -> None:
    case.history.begin("t4", "p1")
    case.history.ask("t4", COMMITTED)
    case.history.tell("t4", COMMITTED)


def zombie_goes_on(case: Case) -> None:
    case.history.claim("p3", "app", after="p1")
    case.history.granted("p3", 7, 2)


def fenced_by_nobody(case: Case) -> None:
    case.history.fenced("p2")


def fenced_by_a_zombie(case: Case) -> None:
    case.history.claim("p3", "app", after="p1")
    case.history.refused("p3")
    case.history.fenced("p2")


def aborted_by_nobody(case: Case) -> None:
    case.history.begin("t4", "p2")
    case.history.ask("t4", COMMITTED)
    case.history.tell("t4", ABORTED)


def twins(case: Case) -> None:
    case.history.claim("p3", "app")
    case.history.granted("p3", 7, 1)


def taken_back(case: Case) -> None:
    case.history.read(0, 6, 7, [Kept(6, b"other")], is_committed=False)


def plain_is_hidden(case: Case) -> None:
    del case.committed[0][-1]


def acknowledged_and_lost(case: Case) -> None:
    """An aborted record is promised to be stored like any other."""
    del case.stored[0][1]


def stored_twice(case: Case) -> None:
    case.stored[0].append(Kept(7, b"t20"))


def out_of_order(case: Case) -> None:
    for records in (case.stored[1], case.committed[1]):
        records[0], records[-1] = Kept(0, b"t31"), Kept(4, b"t11")
    for value, offset in ((b"t31", 0), (b"t11", 4)):
        case.history.answered(value, Acknowledged(offset))


def read_and_not_stored(case: Case) -> None:
    case.committed[1].append(Kept(9, b"x"))


def unanswered(case: Case) -> None:
    case.history.records[b"t30"].outcome = None


def refused_and_stored(case: Case) -> None:
    case.history.answered(b"t20", Failed(possibly_persisted=False))


@pytest.mark.parametrize(
    ("change", "broken", "whose"),
    [
        (aborted_is_read, Breach.ABORTED_READ, "t2"),
        (aborted_was_read, Breach.ABORTED_READ, "t2"),
        (read_too_early, Breach.EARLY_READ, "t4"),
        (never_asked_and_read, Breach.EARLY_READ, "t4"),
        (in_doubt_and_half_there, Breach.PARTIAL, "t3"),
        (last_stable_offset_ran_ahead, Breach.PARTIAL, "t3"),
        (commit_lost, Breach.LOST_COMMIT, "t1"),
        (told_both, Breach.DECIDED_TWICE, "t2"),
        (commit_after_an_abort_was_told, Breach.ABORTED_READ, "t3"),
        (offset_of_an_aborted_one, Breach.OFFSETS_APART, "t2"),
        (offset_missing, Breach.OFFSETS_APART, "t1"),
        (offset_of_the_one_before, Breach.OFFSETS_APART, "t3"),
        (offset_out_of_nowhere, Broken.INVENTED, ""),
        (offset_too_early, Breach.EARLY_READ, "t4"),
        (zombie_writes, Breach.FENCED_WENT_ON, "t4"),
        (zombie_commits, Breach.FENCED_WENT_ON, "t4"),
        (zombie_commits_an_offset, Breach.FENCED_WENT_ON, "t4"),
        (zombie_goes_on, Breach.FENCED_WENT_ON, ""),
        (fenced_by_nobody, Breach.FENCED_FOR_NOTHING, ""),
        (fenced_by_a_zombie, Breach.FENCED_FOR_NOTHING, ""),
        (aborted_by_nobody, Breach.FENCED_FOR_NOTHING, "t4"),
        (twins, Breach.TWINS, ""),
        (taken_back, Breach.TAKEN_BACK, ""),
        (plain_is_hidden, Breach.HIDDEN, ""),
        (acknowledged_and_lost, Broken.LOST, "t2"),
        (stored_twice, Broken.DUPLICATED, "t2"),
        (out_of_order, Broken.REORDERED, "t1"),
        (read_and_not_stored, Broken.INVENTED, ""),
        (unanswered, Broken.HANGING, "t3"),
        (refused_and_stored, Broken.STORED_AFTER_ALL, "t2"),
    ],
)
def test_each_broken_promise_is_found(
    change: Callable[[Case], None], broken: Breach | Broken, whose: str
) -> None:
    case = good()
    change(case)
    found = case.findings()
    assert (broken, whose) in [(each.broken, each.transaction) for each in found], found
    shown = [each for each in found if (each.broken, each.transaction) == (broken, whose)]
    assert all(whose in each.text for each in shown), found


def test_a_reason_is_told() -> None:
    case = good()
    aborted_is_read(case)
    (found,) = case.findings()
    assert found.text == (
        "t2: b't20' at 0:2 was read with read_committed at the end; it was told to be aborted"
    )


def test_time_is_a_reason_to_abort() -> None:
    case = good()
    aborted_by_nobody(case)
    case.history.overdue("t4")
    assert case.findings() == []


def test_a_claim_nobody_answered_is_a_reason_to_be_fenced() -> None:
    case = good()
    case.history.claim("p3", "app")
    case.history.fenced("p2")
    assert case.findings() == []


def test_of_two_claims_at_once_either_may_be_the_later_one() -> None:
    case = good()
    history = case.history
    history.claim("p3", "app")
    history.claim("p4", "app")
    history.granted("p4", 7, 2)
    history.granted("p3", 7, 3)
    history.begin("t4", "p4")
    sent(history, "t4", 0, 7)
    case.stored[0].append(Kept(7, b"t40"))
    assert case.findings() == []


def test_names_and_values_are_used_once() -> None:
    history = good().history
    with pytest.raises(ValueError, match=r"p1: .*used once"):
        history.claim("p1", "app")
    with pytest.raises(ValueError, match=r"t1: .*used once"):
        history.begin("t1", "p1")
    with pytest.raises(ValueError, match=r"t10: .*used once"):
        history.send("t1", 0, b"t10")
