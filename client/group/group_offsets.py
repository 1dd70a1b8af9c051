"""EDGE: what a transaction takes from a consumer: positions, and as which member of which group.

Both are taken in one turn of the loop, so that they belong together: a coordinator refuses offsets
of a member that the group has gone on without (KIP-447).
Tests: tests/unit/client/group/test_group_offsets.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Set
from typing import Any

from ...protocol.errors import ErrorCode
from ..config import ConsumerConfig
from ..errors import Abortable
from ..fetch.fetcher import Fetcher
from ..partitions import GroupOffsets, OffsetAndMetadata, TopicPartition, name_of
from .assignors import NO_GENERATION
from .membership import Membership
from .subscription import Subscription


class Taking:
    """What the transactions of an application take from its consumer.

    Args:
        is_settled: set while the member is neither joining nor waiting for its assignment.
    """

    def __init__(
        self,
        config: ConsumerConfig,
        membership: Membership,
        subscription: Subscription,
        fetcher: Fetcher[Any, Any],
        is_settled: asyncio.Event,
    ) -> None:
        self._instance_id = config.group_instance_id
        self._membership = membership
        self._subscription = subscription
        self._fetcher = fetcher
        self._is_settled = is_settled

    def take(self) -> GroupOffsets:
        """Positions and membership, as of one instant. Raises Abortable."""
        gone = self._fetcher.handed_out.take(self._fetcher.readings)
        return self._as_now(gone, self._fetcher.positions())

    async def take_again(self, taken: GroupOffsets) -> GroupOffsets:
        """What was taken last, and refused since the group is in another generation.

        A member of a cooperative group joins while its application works, and keeps what it has:
        1. a transaction takes offsets in generation 5 2. all have joined, and 6 begins 3. the
        offsets arrive, and are refused, though nobody else reads these partitions: what a member
        has when it joins is given to nobody before it gave it up. So they are its own in 6, too.

        Raises:
            Abortable: the group has gone on without this member, or partitions have gone.
        """
        await self._is_settled.wait()
        membership = self._membership
        if membership.generation == taken.generation:
            raise outside(membership.group_id, ErrorCode.ILLEGAL_GENERATION)
        gone = self._fetcher.handed_out.gone_of_taken(self._fetcher.readings)
        return self._as_now(gone, taken.offsets)

    def _as_now(
        self, gone: Set[TopicPartition], offsets: Mapping[TopicPartition, OffsetAndMetadata]
    ) -> GroupOffsets:
        is_subscribed = self._subscription.is_set
        return group_offsets(self._membership, self._instance_id, is_subscribed, gone, offsets)


def group_offsets(
    membership: Membership,
    instance_id: str | None,
    is_subscribed: bool,
    gone: Set[TopicPartition],
    offsets: Mapping[TopicPartition, OffsetAndMetadata],
) -> GroupOffsets:
    """Take positions as this member.

    Args:
        is_subscribed: the group assigns; otherwise partitions were assigned by hand.
        gone: partitions of which the application got records since this was last asked, and that
            the group has taken away since, even if they came back.
        offsets: the positions of what is assigned now.

    Raises:
        Abortable: they are not this consumer's to commit.
    """
    group_id = membership.group_id
    if membership.failure is not None:
        raise membership.failure.with_traceback(None)
    if not is_subscribed:
        return GroupOffsets(group_id, NO_GENERATION, "", None, offsets)
    # A coordinator takes offsets of generation -1 from anybody: 1. the session of this consumer is
    # over 2. another one reads on, and commits 3. ours, committed as nobody's, would be taken too.
    if membership.generation == NO_GENERATION:
        raise outside(group_id, ErrorCode.UNKNOWN_MEMBER_ID)
    # 1. Records of partition 3 are handed out, and what came of them is sent 2. the consumer is
    # asked for more, and the group gives 3 to another 3. without 3 the offsets would be accepted,
    # and the other would read, and send, the same once more. Back again, with the position that
    # the other has committed, it would be accepted as well.
    if gone:
        names = ", ".join(map(name_of, sorted(gone)))
        raise Abortable(
            f"group {group_id}: {names} went to another consumer before the transaction was "
            "committed: abort it, and go on with what is read next",
            code=ErrorCode.ILLEGAL_GENERATION,
        )
    return GroupOffsets(group_id, membership.generation, membership.member_id, instance_id, offsets)


def outside(group_id: str, code: ErrorCode) -> Abortable:
    """The group has other members now."""
    return Abortable(
        f"group {group_id}: the group went on without this consumer, and its partitions may be "
        "read by another: abort the transaction, and go on with what is read next",
        code=code,
    )
