"""What is read with read_committed, and which groups of records are seen in part."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pytest
from minibroker.protocol.batch.control import Marker, marker_batch
from minibroker.protocol.batch.header import TRANSACTIONAL_BIT, BatchHeader, read_header
from minibroker.protocol.batch.writing import build_batch
from minibroker.testing.assertions import Assertions, Group
from minibroker.testing.stored import InTransaction, Stored, all_stored, committed

NOW_MS = 1_700_000_000_000


def data(offset: int, producer_id: int, *values: bytes, plain: bool = False) -> bytes:
    return build_batch(
        [(None, value, (), NOW_MS) for value in values],
        attributes=0 if plain else TRANSACTIONAL_BIT,
        producer_id=producer_id,
        producer_epoch=0,
        base_sequence=offset,
        base_offset=offset,
    )


def marker(offset: int, producer_id: int, *, commit: bool) -> bytes:
    return marker_batch(
        Marker(producer_id, 0, commit, 0), now_ms=NOW_MS, base_offset=offset, leader_epoch=0
    )


def with_headers(*batches: bytes) -> list[tuple[BatchHeader, bytes]]:
    return [(read_header(batch), batch) for batch in batches]


def test_each_record_knows_what_became_of_its_transaction() -> None:
    log = with_headers(
        data(0, 7, b"a", b"b"),
        data(2, 8, b"c"),
        data(3, -1, b"plain", plain=True),
        marker(4, 7, commit=True),
        data(5, 7, b"d"),
        marker(6, 8, commit=False),
        data(7, 8, b"e"),
        marker(8, 7, commit=False),
        data(9, -1, b"behind", plain=True),
    )
    stored = all_stored(0, log)
    assert [(each.value, each.transaction) for each in stored] == [
        (b"a", "committed"),
        (b"b", "committed"),
        (b"c", "aborted"),
        (b"plain", None),
        (b"d", "aborted"),
        (b"e", "open"),
        (b"behind", None),
    ]
    assert [each.offset for each in stored] == [0, 1, 2, 3, 5, 7, 9], "markers are no records"
    assert [each.value for each in committed(stored)] == [b"a", b"b", b"plain"]


def test_what_is_open_hides_what_is_behind_it_in_its_own_partition_only() -> None:
    stored = [
        *all_stored(0, with_headers(data(0, 7, b"a"), data(1, -1, b"b", plain=True))),
        *all_stored(1, with_headers(data(0, -1, b"c", plain=True))),
    ]
    assert [each.value for each in committed(stored)] == [b"c"]


class Log(Assertions):
    """What two topics hold: (value, transaction) by topic."""

    def __init__(self, **topics: Sequence[tuple[bytes, InTransaction | None]]) -> None:
        self._topics = topics

    def _stored(self, topic: str) -> list[Stored]:
        return [
            Stored(0, offset, None, value, (), NOW_MS, 7, 0, offset, transaction)
            for offset, (value, transaction) in enumerate(self._topics[topic])
        ]


WHOLE: Group = {"orders": [b"a"], "payments": [b"1", b"2"]}


@pytest.mark.parametrize(
    "topics",
    [
        {"orders": [(b"a", "committed")], "payments": [(b"1", "committed"), (b"2", "committed")]},
        {"orders": [(b"a", "aborted")], "payments": [(b"1", "aborted")]},
        {"orders": [(b"a", "open")], "payments": []},
        {
            "orders": [(b"a", "aborted"), (b"a", "committed")],
            "payments": [(b"1", "committed"), (b"2", "committed")],
        },
    ],
)
def test_all_or_nothing_is_atomic(
    topics: Mapping[str, Sequence[tuple[bytes, InTransaction]]],
) -> None:
    Log(**topics).assert_atomic(WHOLE)


@pytest.mark.parametrize(
    ("topics", "said"),
    [
        (
            {"orders": [(b"a", "committed")], "payments": [(b"1", "aborted")]},
            (
                "read_committed: group 1 is seen in part: 2 of 3 records are missing\n"
                "  orders b'a': committed at 0@0\n"
                "  payments b'1': aborted at 0@0\n"
                "  payments b'2': not stored"
            ),
        ),
        (
            {
                "orders": [(b"a", "committed")],
                "payments": [(b"1", "committed"), (b"x", "open"), (b"2", "committed")],
            },
            (
                "1 of 3 records are missing\n"
                "  orders b'a': committed at 0@0\n"
                "  payments b'1': committed at 0@0\n"
                "  payments b'2': committed at 0@2, behind an open transaction"
            ),
        ),
        (
            {
                "orders": [(b"a", "committed"), (b"a", "committed")],
                "payments": [(b"1", "committed"), (b"2", "committed")],
            },
            (
                "group 1 is seen more than once: 1 of 3 records too often\n"
                "  orders b'a': committed at 0@0, committed at 0@1"
            ),
        ),
        (
            {"orders": [(b"a", None)], "payments": []},
            "orders b'a': in no transaction at 0@0",
        ),
    ],
)
def test_a_part_is_told_with_what_became_of_the_rest(
    topics: Mapping[str, Sequence[tuple[bytes, InTransaction | None]]], said: str
) -> None:
    with pytest.raises(AssertionError, match=re.escape(said)):
        Log(**topics).assert_atomic(WHOLE)


def test_a_value_as_often_as_it_is_listed() -> None:
    Log(orders=[(b"a", "committed")] * 2).assert_atomic({"orders": [b"a", b"a"]})
    with pytest.raises(AssertionError, match="1 of 2 records are missing"):
        Log(orders=[(b"a", "committed")]).assert_atomic({"orders": [b"a", b"a"]})


def test_only_the_group_that_is_broken_is_told() -> None:
    log = Log(orders=[(b"a", "committed"), (b"b", "committed"), (b"c", "aborted")])
    with pytest.raises(AssertionError) as caught:
        log.assert_atomic({"orders": [b"a"]}, {"orders": [b"b", b"c"]})
    assert "group 2 is seen in part" in str(caught.value)
    assert "group 1" not in str(caught.value)


def test_long_groups_are_told_shortly() -> None:
    values = [b"%d" % number for number in range(30)]
    with pytest.raises(AssertionError, match="and 20 more"):
        Log(orders=[(b"0", "committed")]).assert_atomic({"orders": values})


def test_a_value_of_two_groups_cannot_be_judged() -> None:
    with pytest.raises(ValueError, match="orders b'a' is in groups 1 and 2"):
        Log(orders=[]).assert_atomic({"orders": [b"a"]}, {"orders": [b"a"]})


def test_an_isolation_level_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="expected read_uncommitted or read_committed"):
        Log(orders=[]).records("orders", isolation_level="commited")  # type: ignore[arg-type]
