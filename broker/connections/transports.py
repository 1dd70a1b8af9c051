"""EDGE: what a connection does with its asyncio transport: write in parts, and close in time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ...protocol.framing import Buffer
from ..limits import LEAVE_MS_MAX, WRITE_BUFFER_HIGH_BYTES, WRITE_BUFFER_LOW_BYTES

JOIN_BYTES_MAX = 64 * 1024  # below this one copy is cheaper than many buffers


def write_parts(transport: asyncio.Transport, parts: Sequence[Buffer]) -> None:
    """Write all parts, one behind the other; the protocol is paused when too much is unsent."""
    if len(parts) == 1:
        transport.write(parts[0])
    elif sum(map(len, parts)) <= JOIN_BYTES_MAX:
        transport.write(b"".join(parts))
    else:
        transport.writelines(parts)
        watch_unsent(transport)


def watch_unsent(transport: asyncio.Transport) -> None:
    """Pause the protocol if so much is unsent that it must be.

    writelines() of Python 3.12.0-3.12.8 and 3.13.0-3.13.1 does not, however much is left; to set
    the limits looks at it again, in every version and with uvloop.
    """
    if not transport.is_closing():
        transport.set_write_buffer_limits(WRITE_BUFFER_HIGH_BYTES, WRITE_BUFFER_LOW_BYTES)


def close_in_time(transport: asyncio.Transport) -> None:
    """Close behind what is unsent; cut, if the peer does not take that in LEAVE_MS_MAX."""
    transport.close()
    if transport.get_write_buffer_size():
        asyncio.get_running_loop().call_later(LEAVE_MS_MAX / 1000, transport.abort)
