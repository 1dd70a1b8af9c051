"""Commits: what is asked again and what is not, and answers that leave something out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from minibroker.client.config import ConsumerConfig
from minibroker.client.errors import ConnectionFailed, Fatal, Fenced
from minibroker.client.group.assignors import NO_GENERATION
from minibroker.client.group.committing import Committing
from minibroker.client.group.membership import Membership, State
from minibroker.client.group.subscription import Subscription
from minibroker.client.partitions import OffsetAndMetadata, TopicPartition
from minibroker.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)

CONFIG = ConsumerConfig(bootstrap_servers=(("h", 1),), group_id="g")
OFFSETS = {TopicPartition("t", 0): OffsetAndMetadata(5)}
STORED = OffsetCommitResponse(
    topics=[
        OffsetCommitResponseTopic(
            name="t", partitions=[OffsetCommitResponsePartition(partition_index=0, error_code=0)]
        )
    ]
)


class Scripted:
    """A coordinator that answers as it is told, and keeps what it was asked."""

    def __init__(self, *answers: Callable[[], Any]) -> None:
        self.answers = [*answers]
        self.asked: list[OffsetCommitRequest] = []
        self.last_problem = ""

    async def ask(self, message: Any, timeout_ms: float) -> Any:
        self.asked.append(message)
        return self.answers.pop(0)()

    def forget(self) -> None:
        """Nothing to find anew."""

    def backoff_ms(self, attempts: int) -> float:
        return 0


def committing(coordinator: Scripted, membership: Membership) -> Committing:
    settled = asyncio.Event()
    settled.set()
    asked: Any = coordinator
    return Committing(CONFIG, asked, membership, Subscription(), settled)


def member() -> Membership:
    membership = Membership(CONFIG, "g")
    membership.state, membership.generation, membership.member_id = State.STABLE, 3, "m"
    return membership


async def test_a_member_that_the_group_has_lost_does_not_commit_as_nobody() -> None:
    """The application has unsubscribed, and the first answer was lost."""
    membership = member()

    def lost() -> Any:
        membership.lose()
        raise ConnectionFailed("gone")

    coordinator = Scripted(lost, lambda: STORED)
    with pytest.raises(Fenced):
        await committing(coordinator, membership).commit(OFFSETS, 5_000)
    assert [each.generation_id_or_member_epoch for each in coordinator.asked] == [3]


async def test_partitions_chosen_by_hand_are_committed_outside_of_generations() -> None:
    def lost() -> Any:
        raise ConnectionFailed("gone")

    coordinator = Scripted(lost, lambda: STORED)
    await committing(coordinator, Membership(CONFIG, "g")).commit(OFFSETS, 5_000)
    asked = [each.generation_id_or_member_epoch for each in coordinator.asked]
    assert asked == [NO_GENERATION, NO_GENERATION]


async def test_a_partition_that_the_answer_leaves_out_is_not_committed() -> None:
    coordinator = Scripted(lambda: OffsetCommitResponse(topics=[]))
    with pytest.raises(Fatal, match="group g, t-0: the broker has not said whether it was com"):
        await committing(coordinator, member()).commit(OFFSETS, 5_000)
