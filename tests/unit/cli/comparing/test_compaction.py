"""Compacted logs: what compaction may have removed is no difference, and nothing else is passed."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import pytest
from minibroker.cli.comparing import compaction
from minibroker.cli.comparing.compaction import COMPACTED, NOT_FOLLOWED, Missing
from minibroker.cli.comparing.differences import Kind
from minibroker.cli.comparing.pairing import A, B
from minibroker.protocol.batch.runs import Record

from tests.unit.cli.comparing.test_pairing import compared, stored

START_MS = 1_700_000_000_000
KEYS = 9
FULL = [
    Record(n, START_MS + n, b"k%d" % (n * n % KEYS), b"v%d" % n if n % 7 else None, ())
    for n in range(900)
]
OF_BOTH = (START_MS, START_MS)  # no tombstone is old enough


def compacted(records: Iterable[Record], until: int) -> list[Record]:
    """As the cleaner leaves it: up to an offset only the newest of each key."""
    records = [*records]
    newest = {each.key: each.offset for each in records if each.offset < until}
    return [e for e in records if e.offset >= until or newest[e.key] == e.offset]


@pytest.mark.parametrize("by_order", [False, True])
@pytest.mark.parametrize("untils", [(0, 880), (880, 0), (500, 880), (880, 880)])
@pytest.mark.parametrize("limits", [OF_BOTH, (None, START_MS), (START_MS, None)])
def test_what_compaction_has_removed_is_no_difference(
    by_order: bool, untils: tuple[int, int], limits: tuple[int | None, int | None]
) -> None:
    if any(until and limit is None for until, limit in zip(untils, limits, strict=True)):
        limits = OF_BOTH  # it is compacted after all
    logs = [compacted(FULL, until) for until in untils]
    pairing, found = compared(
        *(stored(each) for each in logs),
        by_order=by_order,
        marks=((600, 890), (600, 890)) if by_order else ((), ()),
        tombstones_before_ms=limits,
    )
    assert pairing.is_equal
    assert pairing.is_settled
    assert {(each.kind, each.by_design) for each in found} <= {(Kind.RECORD, COMPACTED)}
    missing = [{e.offset for e in FULL} - {e.offset for e in log} for log in logs]
    told = [f"{len(missing[1 - side] - missing[side]):,} records" for side in (A, B)]
    assert [each.a for each in found if each.a] == [told[A]] * (told[A] != "0 records")
    assert [each.b for each in found if each.b] == [told[B]] * (told[B] != "0 records")
    if by_order:
        assert pairing.ranks[A] == pairing.ranks[B]
        common = {each.offset for each in logs[A]} & {each.offset for each in logs[B]}
        assert pairing.mapped[600] == min(each for each in common if each >= 600)


@pytest.mark.parametrize("by_order", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_what_nothing_stands_for_is_a_difference(by_order: bool, seed: int) -> None:
    """The newest record of a key is never removed."""
    random = Random(seed)
    logs = [compacted(FULL, random.choice((0, 300, 850))) for _ in (A, B)]
    side = random.choice((A, B))
    newest = {each.key: each for each in FULL[:-1]}
    del newest[FULL[-1].key]
    wrong = random.choice([each for each in newest.values() if each.offset > 850])
    logs[side].remove(wrong)
    pairing, found = compared(
        *(stored(each) for each in logs), by_order=by_order, tombstones_before_ms=OF_BOTH
    )
    assert not pairing.is_equal
    lost = [(each.kind, each.offset) for each in found if not each.by_design]
    assert lost == [(Kind.RECORD, wrong.offset)]


@pytest.mark.parametrize("by_order", [False, True])
def test_one_byte_of_a_compacted_log_is_found(by_order: bool) -> None:
    log = compacted(FULL, 850)
    other = [
        each._replace(value=b"other") if each.offset == 872 else each for each in compacted(FULL, 0)
    ]
    pairing, found = compared(
        stored(log), stored(other), by_order=by_order, tombstones_before_ms=OF_BOTH
    )
    assert not pairing.is_equal
    assert [(e.kind, e.offset) for e in found if not e.by_design] == [(Kind.VALUE, 872)]


def test_without_compaction_nothing_may_be_missing() -> None:
    pairing, _ = compared(stored(FULL), stored(compacted(FULL, 850)), by_order=True)
    assert not pairing.is_equal


def test_a_tombstone_goes_only_when_it_is_old() -> None:
    tombstone = Record(5, START_MS, b"k", None, ())
    for limit, is_gone in ((START_MS, False), (START_MS + 1, True)):
        missing = Missing(limit)
        assert missing.miss(tombstone)
        assert missing.is_open is not is_gone
        assert [*missing.lost()] == ([] if is_gone else [(5, None)])
    assert not Missing(0).miss(Record(1, START_MS, None, b"no key", ()))


def test_keys_that_are_followed_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "FOLLOWED_MAX", 10)
    missing = Missing(0)
    for n in range(25):
        assert missing.miss(Record(n, START_MS, b"k%d" % n, b"v" * 100_000, ()))
    assert [(each.records, each.why) for each in missing.gone()] == [(15, NOT_FOLLOWED)]
    lost = [*missing.lost()]
    assert len(lost) == 10
    assert max(len(each.value or "") for each in lost) < 100  # not the values themselves
