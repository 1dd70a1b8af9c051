"""EDGE: rights that are taken away in the middle of something, scene by scene.

What Apache Kafka 4.3.1 was seen to say stands in SCENES. Read next: rights_stage.py,
taken_in_transactions.py.
"""

from __future__ import annotations

import asyncio
from typing import Any

from minibroker.protocol.messages.heartbeat import HeartbeatRequest
from minibroker.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from minibroker.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from minibroker.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from minibroker.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from minibroker.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

from tests.support.in_loop.looking import pause
from tests.support.security.rights_requests import (
    OP,
    TOPIC,
    allow,
    fetch,
    metadata,
    produce,
)
from tests.support.security.rights_stage import Scene, Stage
from tests.support.security.taken_in_transactions import READ_TEAM, TEAM, TRANSACTION_SCENES
from tests.support.security.talk import Talk

SESSION_MS, REBALANCE_MS = 6000, 3000
READ_A = allow(OP.READ, TOPIC, "a")


async def newest(stage: Stage, topic: str) -> int:
    partition = ListOffsetsPartition(partition_index=0, timestamp=-1)
    asked = ListOffsetsRequest(topics=[ListOffsetsTopic(name=topic, partitions=[partition])])
    answer = await stage.admin.answer(asked, 5)
    offset: int = answer.topics[0].partitions[0].offset
    return offset


async def read_is_taken_from_a_fetch_that_waits(stage: Stage) -> None:
    await stage.may(READ_A)
    wanted = fetch("a")
    wanted.max_wait_ms, wanted.min_bytes = 10_000, 1
    wanted.topics[0].partitions[0].fetch_offset = await newest(stage, "a")
    waiting = asyncio.ensure_future(stage.bob.answer(wanted, 11))
    other = await stage.another_bob()
    here, stage.bob = stage.bob, other
    await stage.may()
    assert not waiting.done()
    await stage.admin.answer(produce("a"), 9)
    answer = await waiting
    stage.note("it waited when Read was taken, and records come", answer)
    records = answer.responses[0].partitions[0].records
    stage.seen.append(f"it is given them: {bool(records)}")
    stage.bob = here
    wanted.max_wait_ms = 0
    await stage.bob_asks("the next one", wanted, 11)


async def read_is_taken_from_a_fetch_that_waits_in_vain(stage: Stage) -> None:
    await stage.may(READ_A)
    wanted = fetch("a")
    wanted.max_wait_ms, wanted.min_bytes = 1_500, 1
    wanted.topics[0].partitions[0].fetch_offset = await newest(stage, "a")
    waiting = asyncio.ensure_future(stage.bob.answer(wanted, 11))
    stage.bob = await stage.another_bob()
    await stage.may()
    stage.note("it waited when Read was taken, and nothing comes", await waiting)


def join(member_id: str = "") -> JoinGroupRequest:
    return JoinGroupRequest(
        group_id=TEAM,
        session_timeout_ms=SESSION_MS,
        rebalance_timeout_ms=REBALANCE_MS,
        member_id=member_id,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
    )


def sync(generation: int, member_id: str, *assigned: str) -> SyncGroupRequest:
    return SyncGroupRequest(
        group_id=TEAM,
        generation_id=generation,
        member_id=member_id,
        assignments=[
            SyncGroupRequestAssignment(member_id=each, assignment=b"x") for each in assigned
        ],
    )


def beat(generation: int, member_id: str) -> HeartbeatRequest:
    return HeartbeatRequest(group_id=TEAM, generation_id=generation, member_id=member_id)


def commit_as(generation: int, member_id: str) -> OffsetCommitRequest:
    partition = OffsetCommitRequestPartition(
        partition_index=0, committed_offset=1, committed_metadata=""
    )
    return OffsetCommitRequest(
        group_id=TEAM,
        generation_id_or_member_epoch=generation,
        member_id=member_id,
        topics=[OffsetCommitRequestTopic(name="a", partitions=[partition])],
    )


def leave(member_id: str) -> LeaveGroupRequest:
    return LeaveGroupRequest(group_id=TEAM, members=[MemberIdentity(member_id=member_id)])


async def member_of(stage: Stage, talk: Talk) -> str:
    """An id for a member."""
    answer = await talk.answer(join(), 5)
    assert answer.error_code == 79, answer
    member_id: str = answer.member_id
    return member_id


async def the_group_is_taken_from_a_member(stage: Stage) -> None:
    await stage.may(READ_A, READ_TEAM)
    bob = await member_of(stage, stage.bob)
    joined = await stage.bob_asks("JoinGroup", join(bob), 5)
    generation = joined.generation_id
    await stage.bob_asks("SyncGroup", sync(generation, bob, bob), 3)
    await stage.bob_asks("Heartbeat", beat(generation, bob), 3)
    await stage.bob_asks("OffsetCommit", commit_as(generation, bob), 7)
    await stage.may(READ_TEAM)
    await stage.bob_asks("without Read on a: OffsetCommit", commit_as(generation, bob), 7)
    await stage.bob_asks("Heartbeat", beat(generation, bob), 3)
    await stage.may(READ_A)
    await stage.bob_asks("without Read on the group: Heartbeat", beat(generation, bob), 3)
    await stage.bob_asks("OffsetCommit", commit_as(generation, bob), 7)
    await stage.bob_asks("SyncGroup", sync(generation, bob), 3)
    await stage.bob_asks("JoinGroup", join(bob), 5)
    await stage.bob_asks("LeaveGroup", leave(bob), 4)
    await stage.may(READ_A, READ_TEAM)
    await stage.bob_asks("with it again: Heartbeat", beat(generation, bob), 3)
    await stage.bob_asks("LeaveGroup", leave(bob), 4)


async def bob_waits_to_join(
    stage: Stage,
) -> tuple[Talk, str, str, asyncio.Future[Any]]:
    """Another member's connection and id, bob's id, and what his JoinGroup will be answered."""
    await stage.may(READ_A, READ_TEAM)
    other = await stage.place.open("PLAINTEXT")
    leader = await member_of(stage, other)
    first = await other.answer(join(leader), 5)
    await other.answer(sync(first.generation_id, leader, leader), 3)
    bob = await member_of(stage, stage.bob)
    waiting = asyncio.ensure_future(stage.bob.answer(join(bob), 5))
    while not (await other.answer(beat(first.generation_id, leader), 3)).error_code:
        await pause()  # until the rebalance has begun: bob's JoinGroup is there
    return other, leader, bob, waiting


async def the_group_is_taken_from_who_waits_to_join(stage: Stage) -> None:
    other, leader, bob, waiting = await bob_waits_to_join(stage)
    here, stage.bob = stage.bob, await stage.another_bob()
    await stage.may()
    joined = await other.answer(join(leader), 5)
    stage.note("its JoinGroup waited when Read was taken", await waiting)
    stage.bob = here
    await stage.bob_asks("then SyncGroup", sync(joined.generation_id, bob), 3)
    others = asyncio.ensure_future(other.answer(sync(joined.generation_id, leader, leader, bob), 3))
    stage.note("the leader's SyncGroup", await others)
    await stage.bob_asks("then Heartbeat", beat(joined.generation_id, bob), 3)
    stage.note("the leader's LeaveGroup", await other.answer(leave(leader), 4))
    stage.note("bob's, by the administrator", await stage.admin.answer(leave(bob), 4))


async def the_group_is_taken_from_who_waits_to_sync(stage: Stage) -> None:
    other, leader, bob, waiting = await bob_waits_to_join(stage)
    joined = await other.answer(join(leader), 5)
    stage.note("JoinGroup", await waiting)
    syncing = asyncio.ensure_future(stage.bob.answer(sync(joined.generation_id, bob), 3))
    stage.bob = await stage.another_bob()
    await stage.may()
    assert not syncing.done()
    await other.answer(sync(joined.generation_id, leader, leader, bob), 3)
    answer = await syncing
    stage.note("its SyncGroup waited when Read was taken", answer)
    stage.seen.append(f"it is assigned: {bytes(answer.assignment)!r}")
    stage.note("the leader's LeaveGroup", await other.answer(leave(leader), 4))
    stage.note("bob's, by the administrator", await stage.admin.answer(leave(bob), 4))


async def describe_is_given_and_taken(stage: Stage) -> None:
    """On one connection, without a new one."""
    await stage.may()
    await stage.bob_asks("Metadata", metadata("a"), 9)
    await stage.may(allow(OP.DESCRIBE, TOPIC, "a"))
    await stage.bob_asks("with Describe", metadata("a"), 9)
    await stage.may()
    await stage.bob_asks("without it again", metadata("a"), 9)


SCENES = [
    *TRANSACTION_SCENES,
    Scene(
        read_is_taken_from_a_fetch_that_waits,
        [
            "it waited when Read was taken, and records come: 0 0",
            "it is given them: True",
            "the next one: 0 29",
        ],
    ),
    Scene(
        read_is_taken_from_a_fetch_that_waits_in_vain,
        [
            "it waited when Read was taken, and nothing comes: 0 0",
        ],
    ),
    Scene(
        the_group_is_taken_from_a_member,
        [
            "JoinGroup: 0",
            "SyncGroup: 0",
            "Heartbeat: 0",
            "OffsetCommit: 0",
            "without Read on a: OffsetCommit: 29",
            "Heartbeat: 0",
            "without Read on the group: Heartbeat: 30",
            "OffsetCommit: 30",
            "SyncGroup: 30",
            "JoinGroup: 30",
            "LeaveGroup: 30",
            "with it again: Heartbeat: 0",
            "LeaveGroup: 0 0",
        ],
    ),
    Scene(
        the_group_is_taken_from_who_waits_to_join,
        [
            "its JoinGroup waited when Read was taken: 0",
            "then SyncGroup: 30",
            "the leader's SyncGroup: 0",
            "then Heartbeat: 30",
            "the leader's LeaveGroup: 0 0",
            "bob's, by the administrator: 0 0",
        ],
    ),
    Scene(
        the_group_is_taken_from_who_waits_to_sync,
        [
            "JoinGroup: 0",
            "its SyncGroup waited when Read was taken: 0",
            "it is assigned: b'x'",
            "the leader's LeaveGroup: 0 0",
            "bob's, by the administrator: 0 0",
        ],
    ),
    Scene(
        describe_is_given_and_taken,
        [
            "Metadata: 29 0",
            "with Describe: 0 0 0",
            "without it again: 29 0",
        ],
    ),
]
