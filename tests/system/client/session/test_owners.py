"""Every case of a session's owners on a broker of ours; interop has the same on a real Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from minibroker.client import TopicPartition
from minibroker.client.errors import ClientError
from minibroker.client.session.leaving.ownership import Ownership
from minibroker.client.session.leaving.owning import Owning
from minibroker.client.session.leaving.register import Registered
from minibroker.testing import TestBroker

from tests.support.sessions.owner_cases import (
    OWNER_CASES,
    OwnerCase,
    an_old_copy_does_not_disturb_the_owner,
    the_first_is_fenced_where_nobody_has_written,
    who_goes_on_with_a_copy_fences_the_first,
)
from tests.support.sessions.settling_stage import Stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async def lose(topic: str) -> None:
        raise NotImplementedError(topic)

    settings = {"auto.create.topics.enable": "false"}
    data_dir = tmp_path / "data"
    async with TestBroker(data_dir=data_dir, durability="page-cache", settings=settings) as broker:
        stage = Stage(broker.bootstrap_servers, stop=broker.kill, start=broker.start, lose=lose)
        yield stage
        await stage.close()


@pytest.mark.parametrize("case", OWNER_CASES, ids=lambda case: case.__name__)
async def test_one_owner_sends(case: OwnerCase, stage: Stage, tmp_path: Path) -> None:
    for topic in ("others", "t"):
        await stage.create(topic)
    await case(stage, "t", tmp_path / "session")


def nothing_is_marked(patch: pytest.MonkeyPatch) -> None:
    async def planted(self: Ownership, places: set[TopicPartition]) -> set[TopicPartition]:
        await self.renew()
        return places

    patch.setattr(Ownership, "shut_out", planted)


def nothing_is_registered(patch: pytest.MonkeyPatch) -> None:
    async def planted(self: Ownership, places: object, *, is_again: bool = False) -> None:
        """Nobody will know of these."""

    patch.setattr(Ownership, "register", planted)


def nobody_is_asked_before_a_new_partition(patch: pytest.MonkeyPatch) -> None:
    async def planted(self: Owning, place: object) -> None:
        """It is ours, as far as is known."""

    patch.setattr(Owning, "may_write", planted)


def the_register_is_not_read(patch: pytest.MonkeyPatch) -> None:
    async def planted(self: Ownership) -> list[Registered]:
        return []

    patch.setattr(Ownership, "registered", planted)


PLANTS = (
    (nothing_is_marked, who_goes_on_with_a_copy_fences_the_first),
    (nothing_is_registered, an_old_copy_does_not_disturb_the_owner),
    (the_register_is_not_read, an_old_copy_does_not_disturb_the_owner),
    (nobody_is_asked_before_a_new_partition, the_first_is_fenced_where_nobody_has_written),
)


@pytest.mark.parametrize(("plant", "case"), PLANTS, ids=lambda each: each.__name__)
async def test_a_planted_bug_is_seen(
    plant: Callable[[pytest.MonkeyPatch], None],
    case: OwnerCase,
    stage: Stage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for topic in ("others", "t"):
        await stage.create(topic)
    plant(monkeypatch)
    with pytest.raises((AssertionError, pytest.fail.Exception, ClientError)):
        await case(stage, "t", tmp_path / "session")
