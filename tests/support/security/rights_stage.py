"""EDGE: a stage for scenes in which somebody's rights change: ours or a real Kafka.

A scene tells what it saw, one line a step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from minibroker.broker.cluster.acls import Acl
from minibroker.protocol.messages.create_acls import CreateAclsRequest
from minibroker.protocol.messages.delete_acls import DeleteAclsRequest
from minibroker.protocol.messages.describe_groups import DescribeGroupsRequest

from tests.support.security.rights import bobs, creation, everything, make_topics
from tests.support.security.rights_requests import (
    GROUP,
    OP,
    allow,
    codes_in,
)
from tests.support.security.talk import CLOSED, Place, Talk

BOUND_S = 60  # the machine may be busy


class Stage:
    """One scene: bob, the administrator, and what was seen."""

    def __init__(self, place: Place, admin: Talk, bob: Talk) -> None:
        self.place = place
        self.admin = admin
        self.bob = bob
        self.seen: list[str] = []
        self.looked_at = ""
        self._changes = 0

    async def bob_asks(self, what: str, message: Any, version: int) -> Any:
        """Ask as bob, and note the codes."""
        answer = await self.bob.answer(message, version)
        self.note(what, answer)
        return answer

    def note(self, what: str, answer: Any) -> None:
        """Note the codes of an answer."""
        told = CLOSED if answer == CLOSED else " ".join(map(str, codes_in(answer)))
        self.seen.append(f"{what}: {told}")

    async def may(self, *rules: Acl) -> None:
        """Let bob have these rights and no others, and wait until the broker goes by them."""
        self._changes += 1
        marker = f"marker-{self._changes}"
        await self.admin.answer(DeleteAclsRequest(filters=[everything()]), 3)
        for some in (rules, (allow(OP.DESCRIBE, GROUP, marker),)):
            made = await self.admin.answer(CreateAclsRequest(creations=[*map(creation, some)]), 3)
            assert not any(each.error_code for each in made.results), made
        # Changes are told in order: when the last one is known, all are.
        async with asyncio.timeout(BOUND_S):
            while (
                (await self.bob.answer(DescribeGroupsRequest(groups=[marker]), 5))
                .groups[0]
                .error_code
            ):
                continue

    async def another_bob(self) -> Talk:
        """Another connection of bob's."""
        return await bobs(self.place)


class Scene(NamedTuple):
    """A scene, and what Kafka lets bob see in it."""

    play: Callable[[Stage], Awaitable[None]]
    expected: list[str]


async def seen_in(place: Place, scene: Scene) -> list[str]:
    """Play one; one that has no end within BOUND_S says so."""
    admin = await place.open("PLAINTEXT")
    await make_topics(admin)
    stage = Stage(place, admin, await bobs(place))
    try:
        async with asyncio.timeout(BOUND_S):
            await scene.play(stage)
    except TimeoutError:
        stage.seen.append(f"nothing more within {BOUND_S} s: {stage.looked_at}")
    finally:
        again = await place.open("PLAINTEXT")  # the other one may be in the midst of an answer
        await again.answer(DeleteAclsRequest(filters=[everything()]), 3)
    return stage.seen
