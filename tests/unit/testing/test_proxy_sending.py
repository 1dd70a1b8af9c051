"""EDGE: the proxy sends no faster than its peer takes, also where writelines() lets it."""

from __future__ import annotations

import asyncio

import pytest
from minibroker.testing import proxy as proxy_module

from tests.support.in_loop.lax_transport import LaxTransport
from tests.support.in_loop.scripted_upstream import BOUND_S


@pytest.mark.parametrize(("size", "waits"), [(1_000, False), (1_000_000, True)])
async def test_sending_waits_for_the_peer_in_every_python(size: int, waits: bool) -> None:
    protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
    transport = LaxTransport(protocol)
    writer = asyncio.StreamWriter(transport, protocol, None, asyncio.get_running_loop())
    sending = asyncio.create_task(proxy_module._send(writer, [bytes(size)]))
    for _ in range(5):
        await asyncio.sleep(0)
    assert sending.done() is not waits
    if waits:
        protocol.resume_writing()
    await asyncio.wait_for(sending, BOUND_S)
    writer.close()
