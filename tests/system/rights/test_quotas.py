"""Quotas as a client meets them: what is answered, when, and who else is heard meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.security.listeners import Authority
from tests.support.security.quota_scenes import QUOTA_SCENES, play
from tests.support.security.secured_broker import AUTHORIZED, secured_broker
from tests.support.security.talk import Place


@pytest.mark.parametrize("scene", QUOTA_SCENES, ids=lambda scene: scene.__name__)
async def test_as_on_kafka(scene: Callable[[Place], Awaitable[None]], tmp_path: Path) -> None:
    async with secured_broker(Authority(tmp_path), AUTHORIZED) as (_, place):
        await play(place, scene)
