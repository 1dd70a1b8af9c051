"""EDGE: Admin's calls about consumer groups and the offsets that they have committed.

Tests: tests/system/client/test_client_groups.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...protocol.acls import AclOperation
from ...protocol.consumer_protocol import decode_assignment
from ...protocol.errors import DecodeError
from ...protocol.messages.delete_groups import DeleteGroupsRequest, DeleteGroupsResponse
from ...protocol.messages.describe_groups import (
    DescribedGroup,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)
from ...protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from ...protocol.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from ...protocol.messages.offset_commit import OffsetCommitResponse
from ...protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
)
from ...protocol.messages.offset_fetch import OffsetFetchResponse
from ..cluster.coordinator import version_max
from ..cluster.offsets_wire import commit_codes, commit_outside, fetch_request, fetched
from ..door import door, place_door
from ..group.assignors import by_topic, places_in
from ..group.membership import PROTOCOL_TYPE
from ..partitions import OffsetAndMetadata, TopicPartition, name_of
from .asking import Asking, check
from .results import GroupDescription, GroupListing, GroupMemberDescription

OFFSET_FETCH_KEY = 9
LIST_GROUPS_KEY = 16
STATES_FILTER_SINCE = 4


class Groups:
    """Groups, their members and their offsets."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def list_groups(self, states: Iterable[str] = ()) -> list[GroupListing]:
        """The groups of all brokers, by name."""
        wanted = sorted(set(door.texts("states", states)))

        async def ask() -> list[GroupListing]:
            await self._asking.cluster.refresh()
            found: dict[str, GroupListing] = {}
            for node_id in self._asking.cluster.metadata.brokers:
                connection = await self._asking.node(node_id)
                can_filter = version_max(connection, LIST_GROUPS_KEY) >= STATES_FILTER_SINCE
                request = ListGroupsRequest(states_filter=wanted if can_filter else [])
                answer: ListGroupsResponse = await self._asking.request(connection, request)
                check(
                    answer.error_code,
                    f"list the groups of node {node_id}",
                    None,
                    AclOperation.DESCRIBE,
                )
                for group in answer.groups:
                    found[group.group_id] = GroupListing(
                        group.group_id, group.protocol_type, group.group_state, group.group_type
                    )
            return [found[name] for name in sorted(found)]

        listed = await self._asking.persist("list groups", ask)
        return [each for each in listed if not wanted or not each.state or each.state in wanted]

    async def describe_group(self, group_id: str) -> GroupDescription:
        """State and members of a group; one that does not exist is described as "Dead"."""
        door.text("group_id", group_id)

        async def ask() -> GroupDescription:
            connection = await self._asking.coordinator(group_id)
            answer: DescribeGroupsResponse = await self._asking.request(
                connection, DescribeGroupsRequest(groups=[group_id])
            )
            group = answer.groups[0]
            check(group.error_code, f"group {group_id}", None, AclOperation.DESCRIBE)
            brokers = self._asking.cluster.metadata.brokers.items()
            address = (connection.host, connection.port)
            node_id = next((node for node, each in brokers if each == address), -1)
            return _group_description(group, node_id)

        return await self._asking.persist(f"describe group {group_id}", ask)

    async def delete_group(self, group_id: str) -> None:
        """Forget a group and its offsets. Raises Fatal if it has members or does not exist."""
        door.text("group_id", group_id)

        async def ask() -> None:
            answer: DeleteGroupsResponse = await self._asking.request(
                await self._asking.coordinator(group_id),
                DeleteGroupsRequest(groups_names=[group_id]),
            )
            check(answer.results[0].error_code, f"group {group_id}", None, AclOperation.DELETE)

        await self._asking.persist(f"delete group {group_id}", ask)

    async def remove_member(self, group_id: str, group_instance_id: str) -> None:
        """Make the group forget a static member, at once. Raises Fatal if there is none."""
        door.text("group_id", group_id)
        door.text("group_instance_id", group_instance_id)
        identity = MemberIdentity(member_id="", group_instance_id=group_instance_id)
        request = LeaveGroupRequest(group_id=group_id, members=[identity])

        async def ask() -> None:
            connection = await self._asking.coordinator(group_id)
            answer: LeaveGroupResponse = await self._asking.request(connection, request)
            check(answer.error_code, f"group {group_id}", None, AclOperation.READ)
            (removed,) = answer.members
            check(removed.error_code, f"group {group_id}, {group_instance_id}")

        await self._asking.persist(f"remove {group_instance_id} from group {group_id}", ask)

    async def list_group_offsets(
        self, group_id: str, partitions: Iterable[TopicPartition] | None = None
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        """What a group has committed, of these partitions or of all; the others are left out."""
        door.text("group_id", group_id)
        places = None if partitions is None else place_door.places("partitions", partitions)

        async def ask() -> dict[TopicPartition, OffsetAndMetadata]:
            connection = await self._asking.coordinator(group_id)
            version = version_max(connection, OFFSET_FETCH_KEY)
            answer: OffsetFetchResponse = await self._asking.request(
                connection, fetch_request(group_id, places, version, require_stable=False)
            )
            code, found = fetched(answer)
            check(code, f"group {group_id}", None, AclOperation.DESCRIBE)
            return found

        return await self._asking.persist(f"list the offsets of group {group_id}", ask)

    async def alter_group_offsets(
        self, group_id: str, offsets: Mapping[TopicPartition, OffsetAndMetadata | int]
    ) -> None:
        """Commit offsets for a group; one that does not exist is made."""
        self._asking.owner.check()
        door.text("group_id", group_id)
        wanted = place_door.by_place("offsets", offsets, place_door.committable)

        async def ask() -> None:
            answer: OffsetCommitResponse = await self._asking.request(
                await self._asking.coordinator(group_id), commit_outside(group_id, wanted)
            )
            codes = commit_codes(answer)
            for place in wanted:
                what = f"group {group_id}, {name_of(place)}"
                check(codes[place], what, None, AclOperation.READ)

        if wanted:
            await self._asking.persist(f"alter the offsets of group {group_id}", ask)

    async def delete_group_offsets(
        self, group_id: str, partitions: Iterable[TopicPartition]
    ) -> None:
        """Forget what a group has committed for partitions that none of its members reads."""
        door.text("group_id", group_id)
        places = place_door.places("partitions", partitions)
        topics = [
            OffsetDeleteRequestTopic(
                name=each.topic,
                partitions=[
                    OffsetDeleteRequestPartition(partition_index=i) for i in each.partitions
                ],
            )
            for each in by_topic(places)
        ]
        request = OffsetDeleteRequest(group_id=group_id, topics=topics)

        async def ask() -> None:
            answer: OffsetDeleteResponse = await self._asking.request(
                await self._asking.coordinator(group_id), request
            )
            check(answer.error_code, f"group {group_id}", None, AclOperation.DELETE)
            codes = {
                TopicPartition(topic.name, each.partition_index): each.error_code
                for topic in answer.topics
                for each in topic.partitions
            }
            for place in places:
                what = f"group {group_id}, {name_of(place)}"
                check(codes[place], what, None, AclOperation.READ)

        await self._asking.persist(f"delete offsets of group {group_id}", ask)


def _group_description(group: DescribedGroup, coordinator: int) -> GroupDescription:
    members = [
        GroupMemberDescription(
            member_id=each.member_id,
            group_instance_id=each.group_instance_id,
            client_id=each.client_id,
            client_host=each.client_host,
            partitions=_partitions(group.protocol_type, each.member_assignment),
        )
        for each in group.members
    ]
    return GroupDescription(
        group_id=group.group_id,
        state=group.group_state,
        protocol_type=group.protocol_type,
        protocol=group.protocol_data,
        coordinator=coordinator,
        members=tuple(sorted(members, key=lambda each: each.member_id)),
    )


def _partitions(protocol_type: str, assignment: bytes) -> frozenset[TopicPartition]:
    if protocol_type != PROTOCOL_TYPE:
        return frozenset()
    try:
        return frozenset(places_in(decode_assignment(assignment).assigned_partitions))
    except DecodeError:
        return frozenset()  # written by a client that keeps to no rule; the rest is still of use
