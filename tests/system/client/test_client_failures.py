"""What a newcomer meets: no broker, a port that answers nothing, an address that leads nowhere.

Every call ends within its bound, and its text says what to look at.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from itertools import count
from typing import TypeVar

import pytest
from minibroker.client import (
    ClientError,
    ConnectionFailed,
    Consumer,
    DeliveryTimeout,
    Fatal,
    Producer,
    Retriable,
)
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.apis import APIS
from minibroker.protocol.connection import ClientConnection, UnsupportedApi
from minibroker.protocol.messages.api_versions import ApiVersion, ApiVersionsResponse
from minibroker.testing import TestBroker

from tests.support.in_loop.looking import until
from tests.support.in_loop.runtime import running_broker

T = TypeVar("T")
NOBODY = "127.0.0.1:1"
SETUP_MS, DELIVERY_MS, BLOCK_MS, REQUEST_MS = 300, 900, 500, 300
SLACK_S = 1.0  # of a busy machine
REFUSED = "connection refused: nothing listens there; is the broker running, and on this port?"


def producer(address: str, *, delivery_timeout_ms: int = DELIVERY_MS) -> Producer:
    return Producer(
        address,
        delivery_timeout_ms=delivery_timeout_ms,
        max_block_ms=BLOCK_MS,
        request_timeout_ms=REQUEST_MS,
        socket_connection_setup_timeout_ms=SETUP_MS,
    )


async def failure(call: Awaitable[object], within_ms: float) -> Exception:
    """The error that a call ends with, in time."""
    began = time.monotonic()
    with pytest.raises((ClientError, ConnectionFailed)) as caught:
        await call
    assert time.monotonic() - began < within_ms / 1000 + SLACK_S
    return caught.value


@asynccontextmanager
async def black_hole() -> AsyncIterator[str]:
    """The address of somebody who accepts connections and never says anything."""

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"


@asynccontextmanager
async def orphan(*, delivery_timeout_ms: int = DELIVERY_MS) -> AsyncIterator[tuple[Producer, str]]:
    """A producer that knows topic t, and whose broker has gone; and where that was."""
    async with running_broker() as runtime:
        address = f"127.0.0.1:{runtime.bound[0].port}"
        orphaned = producer(address, delivery_timeout_ms=delivery_timeout_ms)
        await orphaned.start()
        await orphaned.send_and_wait("t", b"before")
    try:
        yield orphaned, address
    finally:
        await orphaned.stop(0)


async def test_nobody_listens() -> None:
    error = await failure(producer(NOBODY).start(), 0)
    assert str(error) == f"cannot connect to a broker at {NOBODY}: {REFUSED}"
    consumer = Consumer("t", bootstrap_servers=NOBODY)
    assert REFUSED in str(await failure(consumer.start(), 0))


async def test_a_connect_that_is_given_up_at_any_point_leaves_nothing_open() -> None:
    """In any turn of the loop; an unclosed socket that is collected is an error of this test."""
    outcome: object = None
    async with running_broker() as runtime, asyncio.timeout(10 * SLACK_S):
        gc.freeze()  # what there is already need not be looked through
        try:
            for turns in count():
                opening = asyncio.ensure_future(Connection.open("127.0.0.1", runtime.bound[0].port))
                for _ in range(turns):
                    await asyncio.sleep(0)
                opening.cancel()
                (outcome,) = await asyncio.gather(opening, return_exceptions=True)
                if isinstance(outcome, Connection):
                    break
            assert isinstance(outcome, Connection)
            outcome.abort()
            await until(lambda: not runtime.server.connections)
            gc.collect()
        finally:
            gc.unfreeze()
    assert turns > 3, "there is more than one point at which it can be given up"


async def test_every_server_that_was_tried_is_named() -> None:
    error = await failure(producer(f"{NOBODY},127.0.0.1:2").start(), 0)
    assert f"{NOBODY}: connection refused" in str(error)
    assert "127.0.0.1:2: connection refused" in str(error)


async def test_a_black_hole() -> None:
    async with black_hole() as address:
        error = await failure(producer(address).start(), SETUP_MS)
    assert str(error) == (
        f"{address} accepts connections and said nothing within {SETUP_MS} ms: "
        "is a Kafka broker there, and is this its plaintext listener?"
    )


async def test_a_broker_that_has_stopped_fails_deliveries_in_time_and_says_where() -> None:
    async with orphan() as (orphaned, address):
        error = await failure(orphaned.send_and_wait("t", b"v"), DELIVERY_MS)
        assert isinstance(error, DeliveryTimeout)
        assert not error.possibly_persisted
        assert str(error) == (
            "1 record for t-0 not confirmed within delivery_timeout_ms=900; it was never sent; "
            f"last problem: cannot connect to a broker at {address}: {REFUSED}"
        )


async def test_a_stopped_broker_bounds_flush_stop_and_new_topics() -> None:
    async with orphan() as (orphaned, address):
        error = await failure(orphaned.send("other", b"v"), BLOCK_MS)
        assert isinstance(error, Retriable)
        assert str(error).startswith(
            "topic other cannot be used after 500 ms: no broker has said anything about it; "
            f"last problem: cannot connect to a broker at {address}"
        )
        delivery = await orphaned.send("t", b"v")
        error = await failure(orphaned.flush(100), 100)
        assert isinstance(error, DeliveryTimeout)
        assert "1 records not confirmed within 100 ms" in str(error)
        began = time.monotonic()
        await orphaned.stop(100)
        assert time.monotonic() - began < 0.1 + SLACK_S
        with pytest.raises(Fatal, match="stopped before it was confirmed; it was not stored"):
            await delivery


async def test_send_many_tells_what_became_of_each_record() -> None:
    async with orphan() as (orphaned, _):
        error = await failure(orphaned.send_many("t", [b"a", b"b"]), DELIVERY_MS)
        assert isinstance(error, DeliveryTimeout)
        assert "2 of 2 records for t failed, 0 are stored; the first failure: " in str(error)
        assert [type(each) for each in error.outcomes] == [DeliveryTimeout] * 2
        assert not error.possibly_persisted


async def test_an_exception_inside_async_with_does_not_wait_for_a_broker_that_has_gone() -> None:
    async with orphan(delivery_timeout_ms=60_000) as (orphaned, _):
        await orphaned.send("t", b"v")
        began = time.monotonic()
        await orphaned.__aexit__(ValueError, ValueError(), None)
        assert time.monotonic() - began < 0.5


@pytest.mark.parametrize(
    ("advertised", "problem"),
    [
        ("127.0.0.1:1", f"cannot connect to a broker at {NOBODY}: {REFUSED}"),
        ("kafka.invalid:9092", "cannot connect to a broker at kafka.invalid:9092: "),
    ],
)
async def test_an_advertised_address_that_leads_nowhere_names_both_and_the_setting(
    advertised: str, problem: str
) -> None:
    settings = {"advertised.listeners": f"PLAINTEXT://{advertised}"}
    async with running_broker(settings=settings) as runtime:
        address = f"127.0.0.1:{runtime.bound[0].port}"
        lost = producer(address)
        await lost.start()
        error = await failure(lost.send_and_wait("t", b"v"), DELIVERY_MS)
        await lost.stop(0)
    assert f"last problem: {problem}" in str(error)
    assert str(error).endswith(
        f"(bootstrap server {address} gave this address for node 1; if it is wrong from here, "
        "change advertised.listeners of that broker)"
    )


async def test_an_advertised_black_hole_is_named_too() -> None:
    async with black_hole() as hole:
        settings = {"advertised.listeners": f"PLAINTEXT://{hole}"}
        async with running_broker(settings=settings) as runtime:
            lost = producer(f"127.0.0.1:{runtime.bound[0].port}")
            await lost.start()
            error = await failure(lost.send_and_wait("t", b"v"), DELIVERY_MS)
            await lost.stop(0)
    assert f"{hole} accepts connections and said nothing" in str(error)
    assert "change advertised.listeners" in str(error)


async def test_an_advertised_black_hole_is_in_the_log_within_three_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Long before connecting has timed out, which is after ten seconds."""
    caplog.set_level(logging.WARNING, "minibroker.client")
    async with black_hole() as hole:
        settings = {"advertised.listeners": f"PLAINTEXT://{hole}"}
        async with running_broker(settings=settings) as runtime:
            lost = Producer(f"127.0.0.1:{runtime.bound[0].port}", delivery_timeout_ms=60_000)
            await lost.start()
            await lost.send("t", b"v")
            await until(lambda: bool(caplog.records), 3 + SLACK_S)
            await lost.stop(0)
    text = caplog.records[0].getMessage()
    assert text.startswith(f"node 1 cannot be reached at {hole} (bootstrap server 127.0.0.1:")
    assert "change advertised.listeners of that broker" in text


def test_an_api_that_the_broker_lacks_is_named_with_both_ranges() -> None:
    connection = ClientConnection("test")
    connection.learn(
        ApiVersionsResponse(
            error_code=0, api_keys=[ApiVersion(api_key=0, min_version=0, max_version=2)]
        )
    )
    with pytest.raises(UnsupportedApi) as caught:
        connection.version_for(APIS[0])
    assert str(caught.value) == "Produce: the broker offers v0-v2, this client speaks v3-v12"
    with pytest.raises(UnsupportedApi) as caught:
        connection.version_for(APIS[22])
    assert str(caught.value) == (
        "InitProducerId (key 22): the broker offers no version of it, this client speaks v0-v5"
    )


async def test_a_bootstrap_server_that_takes_the_connection_and_dies_is_not_the_last_one() -> None:
    async with TestBroker() as dying, TestBroker() as well:
        dying.faults.disconnect("Metadata")
        address = f"{dying.bootstrap_servers},{well.bootstrap_servers}"
        async with producer(address) as writer:
            await writer.send_and_wait("t", b"v")
        assert [each.value for each in well.records("t")] == [b"v"]
        well.faults.disconnect("Metadata")
        text = str(await failure(producer(address).start(), SETUP_MS))
        for each in (dying, well):
            assert f"{each.bootstrap_servers} closed the connection" in text
