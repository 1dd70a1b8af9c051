"""EDGE: a transport as some versions of Python have it, for tests of what watches it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any


class LaxTransport(asyncio.Transport):
    """As of Python 3.12.0-3.12.8 and 3.13.0-3.13.1: writelines() never pauses its protocol."""

    def __init__(self, protocol: asyncio.BaseProtocol) -> None:
        super().__init__()
        self.protocol = protocol
        self.unsent = b""
        self.is_closed = False

    def is_closing(self) -> bool:
        return self.is_closed

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.unsent += data

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.unsent += b"".join(list_of_data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if len(self.unsent) > (65536 if high is None else high):
            self.protocol.pause_writing()

    def close(self) -> None:
        self.is_closed = True
