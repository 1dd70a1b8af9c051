"""EDGE: what is unsent is watched in every Python, and a close does not wait for ever."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from minibroker.broker.connections import transports
from minibroker.broker.connections.transports import JOIN_BYTES_MAX, close_in_time, write_parts
from minibroker.broker.limits import WRITE_BUFFER_HIGH_BYTES

from tests.support.in_loop.lax_transport import LaxTransport
from tests.support.in_loop.looking import until


class Paused(asyncio.Protocol):
    """Counts how often it was paused."""

    def __init__(self) -> None:
        self.count = 0

    def pause_writing(self) -> None:
        self.count += 1


@pytest.mark.parametrize(
    ("size", "pauses"), [(JOIN_BYTES_MAX, 0), (WRITE_BUFFER_HIGH_BYTES, 0), (5_000_000, 1)]
)
async def test_a_protocol_is_paused_in_every_python(size: int, pauses: int) -> None:
    protocol = Paused()
    transport = LaxTransport(protocol)
    write_parts(transport, [b"head", bytes(size - 4)])
    assert len(transport.unsent) == size
    assert protocol.count == pauses


class Unread(LaxTransport):
    """Its peer takes nothing, so that a close waits."""

    def get_write_buffer_size(self) -> int:
        return len(self.unsent)

    def abort(self) -> None:
        self.unsent = b""


async def test_what_nobody_takes_is_cut_some_time_after_the_close(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transports, "LEAVE_MS_MAX", 20)
    transport = Unread(Paused())
    transport.writelines([b"unsent"])
    close_in_time(cast(asyncio.Transport, transport))
    assert transport.is_closing()
    assert transport.unsent == b"unsent"
    await until(lambda: not transport.unsent)
