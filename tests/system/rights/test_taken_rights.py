"""A right that is taken away in the middle of a transaction, a long poll, a group session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.security.listeners import Authority
from tests.support.security.rights_stage import Scene, seen_in
from tests.support.security.secured_broker import AUTHORIZED, secured_broker
from tests.support.security.taken_rights import SCENES

MORE = {**AUTHORIZED, "group.initial.rebalance.delay.ms": "0"}


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.play.__name__)
async def test_as_on_kafka(scene: Scene, tmp_path: Path) -> None:
    async with secured_broker(Authority(tmp_path), MORE) as (_, place):
        assert await seen_in(place, scene) == scene.expected
