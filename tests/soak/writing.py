"""EDGE: what each writer of the soak does in its process: values at a steady pace, for a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from tests.support.processes.clients import WRITERS
from tests.support.processes.load import value_of

RECORDS_PER_PAUSE = 5
PAUSE_S = 0.01
BATCH_BYTES = 4_000


def write_for(client: str, servers: str, topic: str, codec: str, seconds: float) -> list[int]:
    """Let a client write to partition 0 for a time; returns the offsets it was promised."""
    return WRITERS[client](servers, topic, _values(client, seconds), codec, BATCH_BYTES)


def _values(client: str, seconds: float) -> Iterator[bytes]:
    wait, end, number = threading.Event().wait, time.monotonic() + seconds, 0
    while time.monotonic() < end:
        yield value_of(client, number)
        number += 1
        if number % RECORDS_PER_PAUSE == 0:
            wait(PAUSE_S)
