"""A stage for group members that speak raw requests, and a transcript of what each was answered.

Scenarios (group_scenarios.py) play on it against any broker. The transcript holds nothing that two
runs of one broker would say differently: member ids become `a1`, `a2` (the first and second id that
actor `a` was given), lists of members are sorted, times are left out.
Every wait is bounded. An actor has two connections, for joins and syncs wait, and a broker does not
read on meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from minibroker.client.cluster.connection import Connection
from minibroker.protocol.errors import ErrorCode, error_code
from minibroker.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from minibroker.protocol.messages.delete_groups import DeleteGroupsRequest
from minibroker.protocol.messages.describe_groups import DescribeGroupsRequest
from minibroker.protocol.messages.find_coordinator import FindCoordinatorRequest
from minibroker.protocol.messages.heartbeat import HeartbeatRequest
from minibroker.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from minibroker.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from minibroker.protocol.messages.list_groups import ListGroupsRequest
from minibroker.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from minibroker.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from minibroker.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
)
from minibroker.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

from tests.support.in_loop.looking import pause

WAIT_S = 15.0
LONG_MS = 60_000
PARTITIONS = 3
SETTINGS = {
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "100",
    "group.max.session.timeout.ms": "100000",
    "group.max.size": "10",
    "offset.metadata.max.bytes": "100",
}


def subscription(*topics: str, user_data: bytes = b"") -> bytes:
    """What a consumer says in a protocol: version 0, topics, user data."""
    names = b"".join(len(name).to_bytes(2, "big") + name.encode() for name in topics)
    size = len(user_data).to_bytes(4, "big")
    return b"\0\0" + len(topics).to_bytes(4, "big") + names + size + user_data


class Actor:
    """One member to be."""

    def __init__(self, name: str, waiting: Connection, other: Connection) -> None:
        self.name = name
        self.waiting = waiting
        self.other = other
        self.member_id = ""
        self.generation_id = -1
        self.instance_id: str | None = None
        self.session_ms = LONG_MS
        self.rebalance_ms = LONG_MS
        self.protocol_type = "consumer"
        self.protocol_name: str | None = None  # what the group speaks, once told
        self.protocols: list[tuple[str, bytes]] = [("range", subscription("t"))]


class Stage:
    """Where a scenario plays: one group on one broker."""

    def __init__(self, host: str, port: int, group_id: str) -> None:
        self.lines: list[str] = []
        self.group_id = group_id
        self._address = host, port
        self._labels: dict[str, str] = {"": "-"}
        self._actors: list[Actor] = []

    async def actor(self, name: str, **settings: Any) -> Actor:
        """A new actor with these attributes."""
        connections = [await Connection.open(*self._address, client_id=name) for _ in range(2)]
        actor = Actor(name, *connections)
        for key, value in settings.items():
            setattr(actor, key, value)
        self._actors.append(actor)
        return actor

    async def close(self) -> None:
        """Hang up everybody's connection."""
        for actor in self._actors:
            await actor.waiting.close()
            await actor.other.close()

    def say(self, line: str) -> None:
        """Write a line of the transcript."""
        self.lines.append(line)

    def joining(self, actor: Actor, version: int = 9) -> asyncio.Task[Any]:
        """Send a join; `joined` waits for its answer."""
        request = JoinGroupRequest(
            group_id=self.group_id,
            session_timeout_ms=actor.session_ms,
            rebalance_timeout_ms=actor.rebalance_ms if version >= 1 else -1,
            member_id=actor.member_id,
            group_instance_id=actor.instance_id if version >= 5 else None,
            protocol_type=actor.protocol_type,
            protocols=[
                JoinGroupRequestProtocol(name=name, metadata=metadata)
                for name, metadata in actor.protocols
            ],
        )
        return self._ask(actor, request, version)

    async def joined(self, actor: Actor, task: asyncio.Task[Any]) -> Any:
        """Wait for the answer to a join, and believe it."""
        asked_as = self._label(actor.member_id)
        answer = await self._wait(task)
        said = f"{actor.name}: join as {asked_as}: {_code(answer.error_code)}"
        if answer.member_id not in self._labels:
            given = sum(label.startswith(actor.name) for label in self._labels.values())
            self._labels[answer.member_id] = f"{actor.name}{given + 1}"
        said += f" member={self._label(answer.member_id)} generation={answer.generation_id}"
        said += f" protocol={answer.protocol_type}/{answer.protocol_name}"
        said += f" leader={self._label(answer.leader)}"
        if answer.members:
            members = sorted(
                f"{self._label(each.member_id)}={each.group_instance_id}={len(each.metadata)} bytes"
                for each in answer.members
            )
            said += f" members={members}"
        if answer.skip_assignment:
            said += " skips the assignment"
        self.say(said)
        if answer.error_code in (0, ErrorCode.MEMBER_ID_REQUIRED):
            actor.member_id = answer.member_id
            actor.generation_id = answer.generation_id
            actor.protocol_name = answer.protocol_name
        return answer

    async def join(self, actor: Actor, version: int = 9) -> Any:
        """Join and wait."""
        return await self.joined(actor, self.joining(actor, version))

    async def entering(self, actor: Actor) -> asyncio.Task[Any]:
        """Get a member id, then send the join with it, which the group knows of on return."""
        await self.join(actor)
        task = self.joining(actor)
        await self.until_member(actor)
        return task

    def syncing(
        self, actor: Actor, given: Mapping[Actor, bytes] | None = None, **more: str | None
    ) -> asyncio.Task[Any]:
        """Send a sync; `synced` waits for its answer. One without a protocol is an old client."""
        spoken = {"protocol_type": actor.protocol_type, "protocol_name": actor.protocol_name}
        version = 5 if actor.protocol_name or more else 4
        request = SyncGroupRequest(
            group_id=self.group_id,
            generation_id=actor.generation_id,
            member_id=actor.member_id,
            group_instance_id=actor.instance_id,
            assignments=[
                SyncGroupRequestAssignment(member_id=each.member_id, assignment=assignment)
                for each, assignment in (given or {}).items()
            ],
            **({**spoken, **more} if version == 5 else {}),
        )
        return self._ask(actor, request, version)

    async def synced(self, actor: Actor, task: asyncio.Task[Any]) -> None:
        """Wait for the answer to a sync."""
        answer = await self._wait(task)
        self.say(
            f"{actor.name}: sync: {_code(answer.error_code)} assignment={answer.assignment!r}"
            f" protocol={answer.protocol_type}/{answer.protocol_name}"
        )

    async def sync(
        self, actor: Actor, given: Mapping[Actor, bytes] | None = None, **more: str | None
    ) -> None:
        """Sync and wait."""
        await self.synced(actor, self.syncing(actor, given, **more))

    async def heartbeat(self, actor: Actor) -> int:
        """Heartbeat."""
        request = HeartbeatRequest(
            group_id=self.group_id,
            generation_id=actor.generation_id,
            member_id=actor.member_id,
            group_instance_id=actor.instance_id,
        )
        answer = await self._wait(self._ask(actor, request, 4))
        self.say(f"{actor.name}: heartbeat: {_code(answer.error_code)}")
        code: int = answer.error_code
        return code

    async def leave(self, actor: Actor, *leaving: tuple[str, str | None]) -> None:
        """Let (member id, instance id) leave, or the actor itself."""
        who = leaving or ((actor.member_id, actor.instance_id),)
        members = [MemberIdentity(member_id=m, group_instance_id=i) for m, i in who]
        request = LeaveGroupRequest(group_id=self.group_id, members=members)
        answer = await self._wait(self._ask(actor, request, 5))
        each = [
            f"{self._label(m.member_id)}={m.group_instance_id}={_code(m.error_code)}"
            for m in answer.members
        ]
        self.say(f"{actor.name}: leave: {_code(answer.error_code)} {each}")

    async def leave_alone(self, actor: Actor) -> None:
        """Leave as old clients do."""
        request = LeaveGroupRequest(group_id=self.group_id, member_id=actor.member_id)
        answer = await self._wait(self._ask(actor, request, 2))
        self.say(f"{actor.name}: leave v2: {_code(answer.error_code)}")

    async def commit(
        self,
        actor: Actor,
        offset: int,
        *,
        topic: str = "t",
        partition: int = 0,
        metadata: str | None = "",
        version: int = 9,
        alone: bool = False,
    ) -> None:
        """Commit an offset, as the actor or for nobody in particular."""
        request = OffsetCommitRequest(
            group_id=self.group_id,
            generation_id_or_member_epoch=-1 if alone else actor.generation_id,
            member_id="" if alone else actor.member_id,
            group_instance_id=None if alone or version < 7 else actor.instance_id,
            topics=[
                OffsetCommitRequestTopic(
                    name=topic,
                    partitions=[
                        OffsetCommitRequestPartition(
                            partition_index=partition,
                            committed_offset=offset,
                            committed_metadata=metadata,
                        )
                    ],
                )
            ],
        )
        answer = await self._wait(self._ask(actor, request, version))
        code = _code(answer.topics[0].partitions[0].error_code)
        whose = "nobody's" if alone else "its"
        self.say(f"{actor.name}: commit v{version} {whose} {topic}-{partition}={offset}: {code}")

    async def offsets(
        self, actor: Actor, topics: Mapping[str, Sequence[int]] | None, version: int = 9
    ) -> None:
        """Fetch committed offsets; all of them for None."""
        asked = None
        if topics is not None:
            asked = [
                OffsetFetchRequestTopic(name=name, partition_indexes=[*partitions])
                for name, partitions in topics.items()
            ]
        if version >= 8:
            group = OffsetFetchRequestGroup(group_id=self.group_id, topics=asked)
            request = OffsetFetchRequest(groups=[group])
        else:
            request = OffsetFetchRequest(group_id=self.group_id, topics=asked)
        answer = await self._wait(self._ask(actor, request, version))
        found = answer.groups[0] if version >= 8 else answer
        each = sorted(
            f"{topic.name}-{p.partition_index}={p.committed_offset}/{p.committed_leader_epoch}"
            f"/{p.metadata!r}/{_code(p.error_code)}"
            for topic in found.topics
            for p in topic.partitions
        )
        self.say(f"{actor.name}: offsets v{version}: {_code(found.error_code)} {each}")

    async def delete_offset(self, actor: Actor, topic: str = "t", partition: int = 0) -> None:
        """Delete a committed offset."""
        inner = [OffsetDeleteRequestPartition(partition_index=partition)]
        request = OffsetDeleteRequest(
            group_id=self.group_id,
            topics=[OffsetDeleteRequestTopic(name=topic, partitions=inner)],
        )
        answer = await self._wait(self._ask(actor, request, 0))
        each = [_code(p.error_code) for found in answer.topics for p in found.partitions]
        code = _code(answer.error_code)
        self.say(f"{actor.name}: delete offset {topic}-{partition}: {code} {each}")

    async def delete(self, actor: Actor) -> None:
        """Delete the group."""
        answer = await self._wait(
            self._ask(actor, DeleteGroupsRequest(groups_names=[self.group_id]), 2)
        )
        self.say(f"{actor.name}: delete group: {_code(answer.results[0].error_code)}")

    async def describe(self) -> None:
        """What DescribeGroups says."""
        group = await self._described()
        members = sorted(
            f"{self._label(each.member_id)}={each.group_instance_id}={each.client_id}"
            f"={each.client_host}={len(each.member_metadata)} bytes={each.member_assignment!r}"
            for each in group.members
        )
        self.say(
            f"group: {_code(group.error_code)} {group.group_state}"
            f" {group.protocol_type or '-'}/{group.protocol_data or '-'} {members}"
        )

    async def listed(self, actor: Actor, states: Sequence[str], types: Sequence[str]) -> None:
        """Whether ListGroups lists the group, asked for states and types."""
        request = ListGroupsRequest(states_filter=[*states], types_filter=[*types])
        answer = await self._wait(self._ask(actor, request, 5))
        found = [
            f"{each.protocol_type or '-'} {each.group_state} {each.group_type}"
            for each in answer.groups
            if each.group_id == self.group_id
        ]
        asked = f"{[*states]} {[*types]}"
        self.say(f"{actor.name}: list {asked}: {_code(answer.error_code)} {found}")

    async def until_state(self, *states: str) -> None:
        """Wait until the group is in one of these states."""
        # Also for a group that has just been made: 1. Kafka gives out a member id  2. the record of
        # the new group still waits for company (group.coordinator.append.linger.ms) 3. whoever
        # asks is told of what is written, and finds nothing: "Dead"  4. it is written: "Empty".
        async with asyncio.timeout(WAIT_S):
            while (await self._described()).group_state not in states:
                await pause()

    async def until_member(self, actor: Actor) -> None:
        """Wait until the group knows an actor's member id."""
        async with asyncio.timeout(WAIT_S):
            while actor.member_id not in {
                each.member_id for each in (await self._described()).members
            }:
                pass

    def _label(self, member_id: str) -> str:
        return self._labels.get(member_id, f"?{member_id}" if member_id in BOGUS else "?")

    async def _described(self) -> Any:
        if self._actors[0].name != "watcher":
            await self.actor("watcher")
            self._actors.insert(0, self._actors.pop())
        request = DescribeGroupsRequest(groups=[self.group_id])
        answer = await self._wait(self._ask(self._actors[0], request, 5))
        return answer.groups[0]

    def _ask(self, actor: Actor, request: Any, version: int) -> asyncio.Task[Any]:
        waits_ms = int(WAIT_S * 1000)
        waits = isinstance(request, JoinGroupRequest | SyncGroupRequest)
        connection = actor.waiting if waits else actor.other
        asked = connection.request(request, version=version, timeout_ms=waits_ms)
        return asyncio.get_running_loop().create_task(asked)

    async def _wait(self, task: asyncio.Task[Any]) -> Any:
        async with asyncio.timeout(WAIT_S):
            return await task


BOGUS = ("bogus",)


def _code(code: int) -> str:
    return "ok" if code == 0 else f"{code} {error_code(code).name}"


async def prepare(host: str, port: int) -> None:
    """Make the topic `t`, and wait until the broker takes commits for groups."""
    connection = await Connection.open(host, port)
    topic = CreatableTopic(
        name="t", num_partitions=PARTITIONS, replication_factor=1, assignments=[], configs=[]
    )
    await connection.request(CreateTopicsRequest(topics=[topic], timeout_ms=10_000))
    await connection.request(FindCoordinatorRequest(key="first", key_type=0), version=3)
    await connection.close()
    stage = Stage(host, port, "first")
    actor = await stage.actor("first")
    async with asyncio.timeout(4 * WAIT_S):
        while not stage.lines or not stage.lines[-1].endswith(": ok"):
            await stage.commit(actor, 1, alone=True)
    await stage.close()
