"""The two brokers that scenarios are played on: a real Apache Kafka, and ours in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from minibroker.broker.faults.rules import Instant
from minibroker.broker.transactions.fold import Change
from minibroker.broker.transactions.outcomes import Answer, Settled
from minibroker.protocol.messages.find_coordinator import FindCoordinatorRequest
from minibroker.testing import TestBroker

from tests.support.processes.kafka import RealKafka
from tests.support.transactions.stage import Peer, Stage


def kafka_peer(kafka: RealKafka) -> Peer:
    """A Kafka that runs."""

    async def restart(kills: bool) -> None:
        (kafka.kill if kills else kafka.stop)()
        kafka.start()
        await wait_for_coordinators(peer)

    host, port = kafka.bootstrap_servers.split(":")
    peer = Peer(host, int(port), is_kafka=True, restart=restart)
    return peer


@asynccontextmanager
async def our_peer(
    settings: Mapping[str, str] | None = None,
    *,
    durability: str = "fsync",
    data_dir: Path | None = None,
) -> AsyncIterator[Peer]:
    """Ours; without a directory on a simulated disk, durable as on a real one."""
    async with TestBroker(durability=durability, settings=settings, data_dir=data_dir) as broker:

        async def restart(kills: bool) -> None:
            if kills:
                await broker.kill()
            await broker.restart()

        @asynccontextmanager
        async def hold_markers() -> AsyncIterator[None]:
            held = broker.faults.hold(at=Instant.TXN_MARKER)
            try:
                yield
            finally:
                held.release()

        def raise_epoch(transactional_id: str, epoch: int) -> None:
            transactions = broker.runtime.broker.transactions
            before = transactions.coordinator.state.transactions[transactional_id]
            change = Change(transactional_id, replace(before, producer_epoch=epoch))
            transactions.ask(transactional_id, lambda _: Settled(Answer(), (change,)))

        yield Peer(
            "127.0.0.1",
            broker.port,
            is_kafka=False,
            hold_markers=hold_markers,
            raise_epoch=raise_epoch,
            restart=restart,
        )


async def wait_for_coordinators(peer: Peer) -> None:
    """A broker that has just started says 14, 15 or 16 for a while, and makes topics when asked."""
    stage = Stage(peer, "first")
    a = stage.producer()
    try:
        for kind in (0, 1):
            await stage.ask(FindCoordinatorRequest(coordinator_keys=["x"], key_type=kind), 4)
        await stage.topic()
        await stage.until("0 p 0", a.init)
        assert await stage.until("0", stage.groups.commit_plainly, "g", 0, 1) == "0"
    finally:
        await stage.close()
