"""The client's connections to the brokers of a cluster: one to each, and none is cut in use."""

from __future__ import annotations

import asyncio
from random import Random

from minibroker.client.cluster.cluster import Cluster
from minibroker.client.config import ProducerConfig
from minibroker.testing import TestBroker

BOUND_S = 20


async def test_a_connection_adopted_while_another_opens_is_not_cut() -> None:
    """Whatever was written to it would be sent again, and stored twice without idempotence."""
    async with TestBroker() as broker:
        changed = asyncio.Event()
        config = ProducerConfig(bootstrap_servers=(("127.0.0.1", broker.port),))
        cluster = Cluster(config, Random(1), changed.set)
        await cluster.start()
        try:
            (node_id,) = cluster.metadata.brokers
            first = cluster.connection(node_id)
            assert first is not None
            changed.clear()
            first.abort()
            async with asyncio.timeout(BOUND_S):
                await changed.wait()
            held = broker.faults.hold("ApiVersions", at="request")
            assert cluster.connection(node_id) is None, "another is being opened"
            await held.reached()
            await cluster.refresh()
            adopted = cluster.connection(node_id)
            assert adopted is not None
            changed.clear()
            held.release()
            async with asyncio.timeout(BOUND_S):
                await changed.wait()
            assert adopted.is_open
            assert cluster.connection(node_id) is adopted
        finally:
            await cluster.stop()
