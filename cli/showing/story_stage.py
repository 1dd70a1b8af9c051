"""EDGE: what the scenes of the story have in common: where they are played, and what comes of it.

Read next: story_scenes.py, story_transactions.py.
Tests: tests/system/commands/test_story.py
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ...client.cluster.connection import Connection
from ...protocol.messages.explain_produce import ExplainProduceRequest, ProduceVerdict
from ...testing.child_broker import ChildBroker
from ...testing.stored import Stored
from .story_frames import Frame


@dataclass(frozen=True, slots=True)
class Stage:
    """Where scenes are played.

    Attributes:
        client: the library of the producers, a key of console/lesson/producers/process.CLIENTS.
    """

    broker: ChildBroker
    client: str


@dataclass(frozen=True, slots=True)
class Told:
    """What has happened in a scene.

    Attributes:
        log: the topic read back at the end.
        facts: what the story claims, and whether it is so.
    """

    frames: Sequence[Frame]
    log: Sequence[Stored]
    facts: dict[str, bool]

    @property
    def untrue(self) -> list[str]:
        """The claims that do not hold."""
        return [claim for claim, holds in self.facts.items() if not holds]


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture.

    Attributes:
        setting: who sends, and what goes wrong.
        moral: what the log shows, if all facts are as claimed.
    """

    title: str
    setting: str
    play: Callable[[Stage, str], Awaitable[Told]]
    moral: str


async def verdicts(stage: Stage, topic: str) -> list[ProduceVerdict]:
    """What the broker has noted of each Produce on the topic, in the order in which they came."""
    connection = await Connection.open("127.0.0.1", stage.broker.port)
    try:
        response = await connection.request(ExplainProduceRequest(topic=topic))
    finally:
        await connection.close()
    noted: list[ProduceVerdict] = response.verdicts
    return sorted(noted, key=lambda each: each.number)
