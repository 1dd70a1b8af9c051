"""acks=0: nobody answers, and yet what was sent is counted, and waited for, until it has left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest
from minibroker.client import ClientError, Delivery, DeliveryTimeout, Producer
from minibroker.testing import TestBroker

from tests.support.in_loop.looking import until

T = TypeVar("T")
BOUND_S = 5.0
KERNEL_BYTES = 20_000_000  # more than the socket buffers of two connections hold


async def soon(awaited: Awaitable[T]) -> T:
    """What comes of it, which must not take long."""
    async with asyncio.timeout(BOUND_S):
        return await awaited


@asynccontextmanager
async def relay(gate: asyncio.Event) -> AsyncIterator[TestBroker]:
    """A broker behind a relay that takes nothing from clients while the gate is closed."""
    broker_port: list[int] = []
    tasks: set[asyncio.Task[None]] = set()

    async def pour(
        source: asyncio.StreamReader, sink: asyncio.StreamWriter, gate: asyncio.Event | None
    ) -> None:
        try:
            while True:
                if gate is not None:
                    await gate.wait()
                data = await source.read(65_536)
                if not data:
                    break
                sink.write(data)
                await sink.drain()
        finally:
            sink.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", broker_port[0])
        for work in (pour(reader, back, gate), pour(there, writer, None)):
            task = asyncio.create_task(work)
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=65_536)
    address = "{}:{}".format(*server.sockets[0].getsockname())
    async with server:
        advertised = {"advertised.listeners": f"PLAINTEXT://{address}"}
        async with TestBroker(settings=advertised) as broker:
            broker_port.append(broker.runtime.bound[0].port)
            yield broker
        while tasks:
            await asyncio.wait({*tasks}, timeout=BOUND_S)


async def send_until_refused(producer: Producer, size: int, deliveries: list[Delivery]) -> None:
    while len(deliveries) < 200:
        deliveries.append(await soon(producer.send("t", bytes(size))))


async def test_acks_0_waits_until_the_bytes_have_left_and_counts_them() -> None:
    """A peer that reads nothing: what the kernel does not take stays in buffer_memory."""
    gate = asyncio.Event()
    gate.set()
    async with relay(gate) as broker:
        broker.create_topic("t")
        memory, size = 4_000_000, 500_000
        producer = Producer(
            f"127.0.0.1:{broker.runtime.bound[0].port}", acks=0, enable_idempotence=False,
            linger_ms=0, buffer_memory=memory, max_block_ms=200, delivery_timeout_ms=60_000,
        )  # fmt: skip
        await producer.start()
        await producer.send_and_wait("t", b"first")
        gate.clear()
        deliveries: list[Delivery] = []
        with pytest.raises(ClientError, match="buffer_memory"):
            await send_until_refused(producer, size, deliveries)
        taken = len(deliveries) * size
        assert taken < memory + KERNEL_BYTES
        with pytest.raises(DeliveryTimeout):
            await producer.flush(100)
        gate.set()
        await soon(producer.flush())
        await soon(producer.stop())
        count = len(deliveries) + 1
        await until(lambda: len(broker.records("t")) == count)


async def test_one_batch_alone_is_waited_for_with_acks_0() -> None:
    """Nothing is written behind it, by which it could be noticed that it has left."""
    gate = asyncio.Event()
    gate.set()
    async with relay(gate) as broker:
        broker.create_topic("t")
        producer = Producer(
            f"127.0.0.1:{broker.runtime.bound[0].port}", acks=0, enable_idempotence=False,
            max_request_size=2 * KERNEL_BYTES, buffer_memory=2 * KERNEL_BYTES,
        )  # fmt: skip
        await producer.start()
        await producer.send_and_wait("t", b"first")
        gate.clear()
        delivery = await soon(producer.send("t", bytes(KERNEL_BYTES)))
        with pytest.raises(DeliveryTimeout):
            await producer.flush(100)
        assert not delivery.done
        gate.set()
        await soon(delivery)
        await soon(producer.stop())


async def test_with_acks_0_nothing_is_lost_on_leaving() -> None:
    values = [b"%d" % n + bytes(20_000) for n in range(300)]
    async with TestBroker() as broker:
        servers = broker.bootstrap_servers
        async with Producer(servers, acks=0, enable_idempotence=False) as producer:
            for value in values:
                await producer.send("t", value)
        await until(lambda: len(broker.records("t")) == len(values))
