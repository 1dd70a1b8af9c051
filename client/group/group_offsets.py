"""What a transaction takes from a consumer: positions, and as which member of which group.

Both are taken in one turn of the loop, so that they belong together: a coordinator refuses offsets
of a member that the group has gone on without (KIP-447).
Tests: tests/unit/client/group/test_group_offsets.py
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from ...protocol.errors import ErrorCode
from ..errors import Abortable
from ..partitions import GroupOffsets, OffsetAndMetadata, TopicPartition, name_of
from .assignors import NO_GENERATION
from .membership import Membership


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
        raise Abortable(
            f"group {group_id}: the group went on without this consumer, and its partitions may be "
            "read by another: abort the transaction, and go on with what is read next",
            code=ErrorCode.UNKNOWN_MEMBER_ID,
        )
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
