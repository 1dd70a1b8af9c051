"""EDGE: many bad clients in a process of their own: spoilt frames, halves of frames, sudden ends.

What each connection sends follows from the seed and its number, so that it can be made again. What
one does besides sending follows from the same: it reads all answers, or none, stays a while with a
frame half sent, closes politely or resets the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import socket
import struct
from random import Random
from typing import Any

from tests.fuzz.targets import spoilt_connection

WORKERS = 32
PAUSE_S = 0.05
ANSWER_WAIT_S = 0.1
LINGER_S = 1.0
STOP_WAIT_S = 20.0
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: an abort, not a goodbye
_SPAWN = multiprocessing.get_context("spawn")


class Flood:
    """Bad clients at work from the start until `finish`."""

    def __init__(self, port: int, seed: int) -> None:
        self._stop = _SPAWN.Event()
        self._sent = _SPAWN.Value("q", 0)
        arguments = (port, seed, self._stop, self._sent)
        self._process = _SPAWN.Process(target=_run, args=arguments, daemon=True)
        self._process.start()

    @property
    def connections(self) -> int:
        """How many connections have been made so far."""
        count: int = self._sent.value
        return count

    def finish(self) -> None:
        """Let them all go."""
        self._stop.set()
        self._process.join(STOP_WAIT_S)
        self._process.kill()


def input_of(seed: int, number: int) -> bytes:
    """What the `number`-th connection of a flood sends."""
    return spoilt_connection(Random(f"{seed}/{number}"))


def _run(port: int, seed: int, stop: Any, sent: Any) -> None:
    asyncio.run(_flood(port, seed, stop, sent))


async def _flood(port: int, seed: int, stop: Any, sent: Any) -> None:
    async def work() -> None:
        never = asyncio.get_running_loop().create_future()
        while not stop.is_set():
            number = sent.value
            sent.value = number + 1
            with contextlib.suppress(OSError):  # the broker hangs up whenever it likes
                await _misbehave(port, input_of(seed, number), Random(number))
            await asyncio.wait([never], timeout=PAUSE_S)

    async with asyncio.TaskGroup() as group:
        for _ in range(WORKERS):
            group.create_task(work())


async def _misbehave(port: int, data: bytes, rng: Random) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        cut = rng.randint(0, len(data)) if rng.randrange(4) == 0 else len(data)
        writer.write(data[:cut])
        match rng.randrange(4):
            case 0:
                return  # without waiting for anything
            case 1:
                await _read_all(reader, LINGER_S if rng.randrange(10) == 0 else ANSWER_WAIT_S)
            case 2:
                await asyncio.wait_for(writer.drain(), ANSWER_WAIT_S)
                connected = writer.get_extra_info("socket")
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            case _:
                await _read_all(reader, ANSWER_WAIT_S)
                writer.write(data[cut:])
                await _read_all(reader, ANSWER_WAIT_S)
    except TimeoutError:
        pass  # the broker reads no more, which it may
    finally:
        writer.close()


async def _read_all(reader: asyncio.StreamReader, wait_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            while await reader.read(65_536):
                pass
