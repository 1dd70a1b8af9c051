"""Which positions a transaction may take, and as whose."""

from __future__ import annotations

import pytest
from minibroker.client.config import ConsumerConfig
from minibroker.client.errors import Abortable, Fatal
from minibroker.client.group.group_offsets import group_offsets
from minibroker.client.group.membership import Membership
from minibroker.client.partitions import GroupOffsets, OffsetAndMetadata, TopicPartition

KEPT, GIVEN = TopicPartition("t", 0), TopicPartition("t", 1)
POSITIONS = {KEPT: OffsetAndMetadata(7)}


def member(generation: int) -> Membership:
    """As it is after joining in a generation; -1: outside."""
    config = ConsumerConfig(bootstrap_servers=(("x", 1),), group_id="g")
    made = Membership(config, "g")
    made.generation, made.member_id = generation, "m"
    return made


def test_positions_go_with_the_membership() -> None:
    taken = group_offsets(member(3), "i", True, set(), POSITIONS)
    assert taken == GroupOffsets("g", 3, "m", "i", POSITIONS)


def test_who_is_outside_commits_nothing_as_nobody() -> None:
    with pytest.raises(Abortable, match="the group went on without this consumer"):
        group_offsets(member(-1), None, True, set(), POSITIONS)


def test_partitions_chosen_by_hand_are_committed_as_nobodys() -> None:
    taken = group_offsets(member(-1), "i", False, {KEPT}, POSITIONS)
    assert taken == GroupOffsets("g", -1, "", None, POSITIONS)


def test_records_of_a_partition_that_is_gone_abort() -> None:
    with pytest.raises(Abortable, match="t-1 went to another consumer"):
        group_offsets(member(3), None, True, {GIVEN}, POSITIONS)


def test_a_failed_membership_says_why() -> None:
    failed = member(3)
    failed.failure = Fatal("gone")
    with pytest.raises(Fatal, match="gone"):
        group_offsets(failed, None, True, set(), POSITIONS)
