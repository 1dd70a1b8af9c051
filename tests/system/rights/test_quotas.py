"""Quotas as a client meets them: what is answered, when, and who else is heard meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from minibroker.client import Admin, ClientQuotaEntity
from minibroker.client.cluster.connection import Connection
from minibroker.client.errors import RequestTimedOut
from minibroker.testing import TestBroker

from tests.support.security.listeners import Authority
from tests.support.security.quota_scenes import KB_20, OVERRIDES, QUOTA_SCENES, play, produce
from tests.support.security.secured_broker import AUTHORIZED, secured_broker
from tests.support.security.talk import METADATA, Place

BOUND_MS = 10_000


@pytest.mark.parametrize("scene", QUOTA_SCENES, ids=lambda scene: scene.__name__)
async def test_as_on_kafka(scene: Callable[[Place], Awaitable[None]], tmp_path: Path) -> None:
    async with secured_broker(Authority(tmp_path), AUTHORIZED | OVERRIDES) as (_, place):
        await play(place, scene)


@pytest.mark.parametrize("is_armed", [False, True])
async def test_they_hold_in_a_broker_with_faults(is_armed: bool) -> None:
    async with TestBroker() as broker, Admin(broker.bootstrap_servers) as admin:
        broker.create_topic("a")
        await admin.alter_client_quotas(
            ClientQuotaEntity(user="ANONYMOUS"), {"producer_byte_rate": 1_000}
        )
        if is_armed:
            broker.faults.delay("Produce", delay_ms=1)
        connection = await Connection.open("127.0.0.1", broker.port)
        try:
            first = await connection.request(produce(KB_20), timeout_ms=BOUND_MS)
            assert first.throttle_time_ms > 5_000
            with pytest.raises(RequestTimedOut):
                await connection.request(METADATA, timeout_ms=100)
        finally:
            connection.abort()
