"""Which positions a transaction may take, and as whose."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from minibroker.client.config import ConsumerConfig
from minibroker.client.errors import Abortable, Fatal
from minibroker.client.fetch.handed_out import HandedOut
from minibroker.client.group.group_offsets import Taking, group_offsets
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


async def again(then: int, *, keeps: bool = True) -> GroupOffsets:
    """What is taken in generation 3, and again when a rebalance has led to generation `then`."""
    membership, settled = member(3), asyncio.Event()
    reading = SimpleNamespace(position=7)
    fetcher: Any = SimpleNamespace(
        handed_out=HandedOut(), readings={KEPT: reading}, positions=lambda: POSITIONS
    )
    fetcher.handed_out.note([KEPT], fetcher.readings)
    subscription: Any = SimpleNamespace(is_set=True)
    taking = Taking(membership._config, membership, subscription, fetcher, settled)
    taken = taking.take()
    assert taken.generation == 3
    waiting = asyncio.create_task(taking.take_again(taken))
    await asyncio.sleep(0)
    assert not waiting.done()
    membership.generation = then
    fetcher.positions = dict  # more was read since, which is not part of it
    if not keeps:
        del fetcher.readings[KEPT]
    settled.set()
    return await waiting


async def test_what_a_member_keeps_through_a_rebalance_it_takes_again() -> None:
    assert await again(4) == GroupOffsets("g", 4, "m", None, POSITIONS)


async def test_what_went_meanwhile_or_whom_the_group_left_takes_nothing_again() -> None:
    with pytest.raises(Abortable, match="t-0 went to another consumer"):
        await again(4, keeps=False)
    for then in (3, -1):
        with pytest.raises(Abortable, match="the group went on without this consumer"):
            await again(then)
