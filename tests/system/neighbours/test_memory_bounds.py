"""EDGE: what silent, slow and boastful clients cost a broker process, and that others are served.

All at once: 1,000 connections that say nothing, 200 that stop in the middle of a frame, and one
that claims 100 MB and sends CLAIMED_SENT of them. Memory may follow what was sent, never what was
announced. Measured: 22 MB in all (4 KB an idle connection, 9 KB one that is half sent, 16 times
what was sent of the claim, as framing.GROWTH has it), 7 MB when they have left.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic

from tests.fuzz.seeds import produce, request_frames
from tests.support.processes.broker import BrokerProcess
from tests.support.processes.vitals import allow_descriptors, vitals

IDLE, HALF_SENT = 1_000, 200
CLAIMED = 100 * 1024 * 1024
CLAIMED_SENT = 1024 * 1024
GROWTH_KB_MAX = 40 * 1024
LEFT_KB_MAX = 20 * 1024
ROUND_TRIPS = 100
WAIT_S = 20.0
TOPIC = "served"


def test_idle_half_sent_and_boastful_connections_cost_bounded_memory() -> None:
    if not allow_descriptors(2 * (IDLE + HALF_SENT)):
        pytest.skip("the hard limit on open files is too low here")
    with BrokerProcess() as broker:
        sockets = vitals(broker.pid).sockets
        served(broker.port)
        until_sockets(broker, sockets)
        before = vitals(broker.pid)
        with crowd(broker.port):
            served(broker.port)
            beside = vitals(broker.pid)
        assert beside.sockets - sockets >= IDLE + HALF_SENT + 1
        assert beside.rss_kb - before.rss_kb < GROWTH_KB_MAX
        until_sockets(broker, sockets)
        after = vitals(broker.pid)
        assert after.rss_kb - before.rss_kb < LEFT_KB_MAX
        assert after.descriptors == before.descriptors


@contextmanager
def crowd(port: int) -> Iterator[None]:
    """All the connections; what they send has arrived when the block begins."""
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            for _ in range(IDLE + HALF_SENT + 1)
        ]
        for number, half in enumerate(connections[IDLE : IDLE + HALF_SENT]):
            frame = request_frames()[number]
            half.sendall(struct.pack(">i", len(frame)) + frame[: len(frame) // 2])
        connections[-1].sendall(struct.pack(">ih", CLAIMED, 0) + bytes(CLAIMED_SENT - 6))
        yield


def served(port: int) -> None:
    """Another client writes and is answered, again and again."""

    async def work() -> None:
        connection = await Connection.open("127.0.0.1", port)
        topics = [MetadataRequestTopic(name=TOPIC)]
        await connection.request(MetadataRequest(topics=topics))
        batch = build_batch([(None, b"v", (), 1)])
        async with asyncio.timeout(WAIT_S):
            for _ in range(ROUND_TRIPS):
                response = await connection.request(produce(batch, topic=TOPIC))
                assert response.responses[0].partition_responses[0].error_code == 0
        await connection.close()

    asyncio.run(work())


def until_sockets(broker: BrokerProcess, count: int) -> None:
    """Return when the broker has noticed who has left."""
    deadline = time.monotonic() + WAIT_S
    while vitals(broker.pid).sockets > count:
        assert time.monotonic() < deadline, "it keeps the sockets of clients that have left"
        threading.Event().wait(0.02)
