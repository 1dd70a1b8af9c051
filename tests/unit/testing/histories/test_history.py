"""Every broken promise is found, with the records that show it, and nothing else is."""

from __future__ import annotations

import pytest
from minibroker.testing import Acknowledged, Broken, Failed, Kept, Sent, findings

A, B, C = Kept(0, b"a"), Kept(1, b"b"), Kept(2, b"c")


def told(value: bytes, outcome: Acknowledged | Failed | None, sender: str = "") -> Sent:
    return Sent(0, value, outcome, sender)


GOOD = [
    told(b"a", Acknowledged(0)),
    told(b"b", Acknowledged(-1)),
    told(b"c", Failed(True)),
    told(b"d", Failed(False)),
    told(b"e", Failed(True)),
]


def test_a_kept_promise_is_no_finding() -> None:
    assert findings(GOOD, {0: [A, B, C], 1: []}) == []


@pytest.mark.parametrize(
    ("stored", "broken", "shown"),
    [
        ([B, C], Broken.LOST, ()),
        ([A, B, C, Kept(3, b"a")], Broken.DUPLICATED, (A, Kept(3, b"a"))),
        ([A, Kept(1, b"c"), Kept(2, b"b")], Broken.REORDERED, (Kept(1, b"c"), Kept(2, b"b"))),
        ([A, B, C, Kept(3, b"x")], Broken.INVENTED, (Kept(3, b"x"),)),
        ([Kept(5, b"a"), Kept(6, b"b")], Broken.WRONG_OFFSET, (Kept(5, b"a"),)),
        ([A, B, C, Kept(3, b"d")], Broken.STORED_AFTER_ALL, (Kept(3, b"d"),)),
    ],
)
def test_a_broken_promise_is_found_with_its_records(
    stored: list[Kept], broken: Broken, shown: tuple[Kept, ...]
) -> None:
    (finding,) = findings(GOOD, {0: stored})
    assert (finding.broken, finding.kept) == (broken, shown)
    for each in shown:
        assert repr(each.value) in finding.text


def test_no_outcome_is_a_finding() -> None:
    (finding,) = findings([told(b"a", None)], {0: [A]})
    assert finding.broken is Broken.HANGING


def test_a_value_in_another_partition_is_invented_there_and_lost_here() -> None:
    found = findings([told(b"a", Acknowledged(0))], {1: [A]})
    assert [each.broken for each in found] == [Broken.LOST, Broken.INVENTED]


def test_order_is_promised_to_each_sender_alone() -> None:
    sent = [told(b"a", Acknowledged(1), "x"), told(b"b", Acknowledged(0), "y")]
    stored = {0: [Kept(0, b"b"), Kept(1, b"a")]}
    assert findings(sent, stored) == []
    same = [told(each.value, each.outcome) for each in sent]
    assert [each.broken for each in findings(same, stored)] == [Broken.REORDERED]
