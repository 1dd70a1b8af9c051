"""EDGE: all foreign clients writing to one partition at once, each in a process of its own.

In one process they would starve each other: a busy thread makes every round trip of another 10 ms.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.synchronize import Event, Semaphore
from types import TracebackType
from typing import Self

from tests.support.clients import DELIVERY_TIMEOUT_S, WRITERS

BATCH_BYTES = 2_000
RECORDS_PER_PAUSE = 10
PAUSE_S = 0.002  # a kill shall find every producer at work, not done

_SPAWN = multiprocessing.get_context("spawn")


def value_of(client: str, number: int) -> bytes:
    """The `number`-th value (from 0) that a client writes: 100 bytes, unlike all others."""
    return f"{client} {number:06} ".encode().ljust(100, b".")


class Load:
    """Writers at work from the start of the block until `finish`."""

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
        self._target = (bootstrap_servers, topic)
        self._stopped = _SPAWN.Event()
        self._handed_out = {client: _SPAWN.Semaphore(0) for client in WRITERS}
        self._pool = ProcessPoolExecutor(
            len(WRITERS),
            _SPAWN,
            initializer=_remember,
            initargs=(self._stopped, self._handed_out),
        )
        self._writing: dict[str, Future[list[int]]] = {}

    def wait_for(self, count: int) -> None:
        """Return once each client has been handed `count` more values."""
        for client, handed_out in self._handed_out.items():
            for _ in range(count):
                assert handed_out.acquire(timeout=DELIVERY_TIMEOUT_S), f"{client} stands still"
        assert not any(each.done() for each in self._writing.values()), "a client gave up"

    def finish(self) -> dict[str, list[int]]:
        """Let all deliver what they have; returns the acknowledged offsets by client."""
        self._stopped.set()
        return {
            client: each.result(2 * DELIVERY_TIMEOUT_S) for client, each in self._writing.items()
        }

    def __enter__(self) -> Self:
        for client in WRITERS:
            self._writing[client] = self._pool.submit(_write, client, *self._target)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._pool.shutdown(wait=error is None, cancel_futures=True)


class _Writing:
    """What a child process was started with."""

    stopped: Event
    handed_out: dict[str, Semaphore]


def _remember(stopped: Event, handed_out: dict[str, Semaphore]) -> None:
    _Writing.stopped, _Writing.handed_out = stopped, handed_out


def _write(client: str, bootstrap_servers: str, topic: str) -> list[int]:
    return WRITERS[client](bootstrap_servers, topic, _values(client), batch_bytes=BATCH_BYTES)


def _values(client: str) -> Iterator[bytes]:
    number = 0
    while not _Writing.stopped.is_set():
        yield value_of(client, number)
        number += 1
        _Writing.handed_out[client].release()
        if number % RECORDS_PER_PAUSE == 0:
            _Writing.stopped.wait(PAUSE_S)
