"""Where a reset leads: kafka-consumer-groups' rules, and never outside the partition."""

from __future__ import annotations

import pytest
from minibroker.client.administer.resetting import Goal, Known, new_offset
from minibroker.client.partitions import TopicPartition

PLACE = TopicPartition("orders", 3)
KNOWN = Known(committed=50, start=10, end=100)


@pytest.mark.parametrize(
    ("goal", "by", "expected"),
    [
        (Goal.EARLIEST, 0, 10),
        (Goal.LATEST, 0, 100),
        (Goal.CURRENT, 0, 50),
        (Goal.OFFSET, 42, 42),
        (Goal.OFFSET, 9, 10),
        (Goal.OFFSET, -1, 10),
        (Goal.OFFSET, 100, 100),
        (Goal.OFFSET, 101, 100),
        (Goal.SHIFT, 7, 57),
        (Goal.SHIFT, -7, 43),
        (Goal.SHIFT, 51, 100),
        (Goal.SHIFT, -41, 10),
        (Goal.TIME, 0, 100),  # all is older
    ],
)
def test_each_goal(goal: Goal, by: int, expected: int) -> None:
    assert new_offset(PLACE, KNOWN, goal, by) == expected


def test_what_is_committed_may_lie_outside_by_now() -> None:
    assert new_offset(PLACE, Known(5, 10, 100), Goal.CURRENT) == 10
    assert new_offset(PLACE, Known(101, 10, 100), Goal.CURRENT) == 100


def test_a_time_leads_to_the_first_record_since() -> None:
    assert new_offset(PLACE, Known(None, 10, 100, since=64), Goal.TIME) == 64


def test_where_nothing_is_committed() -> None:
    known = Known(None, 10, 100)
    assert new_offset(PLACE, known, Goal.CURRENT) == 100
    with pytest.raises(ValueError, match="orders-3 has no committed offset to shift"):
        new_offset(PLACE, known, Goal.SHIFT, -1)
