"""What simulated applications hand over: records of every shape, and arguments that cannot be.

A record goes through the client's own door (client/door/door.py), as in Producer.send, and the
application changes its buffers as soon as the call is over. What cannot be has to be refused there.
"""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

from minibroker.client.door import door

from tests.support.in_loop.wrong_arguments import HEADERS, OPTIONAL_BYTES, TIMESTAMP

WRONG_SHARE = 0.1
NOW_MS = 1_000
AGES = (0, 1, 999, NOW_MS, 2**34, 2**41, 2**63 - 1)


class Taken(NamedTuple):
    """A record behind the door, and how it has to be read."""

    key: bytes | None
    value: bytes
    headers: bytes
    timestamp: float
    read: tuple[bytes | None, tuple[tuple[str, bytes | None], ...], int]


def draw(random: Random, value: bytes) -> Taken | None:
    """A record with this value; None where the door has refused another argument, as it must.

    Raises:
        AssertionError: the door has let in what cannot be.
    """
    if random.random() < WRONG_SHARE:
        _try_what_cannot_be(random)
        return None
    key = random.choice((None, None, b"", bytearray(b"key"), b"k" * random.randrange(40)))
    buffer = bytearray(b"header")
    pairs: list[Any] = random.choice(([], [], [("h", buffer), ("n", None)], [("ü", "text")] * 3))
    timestamp = random.choice(AGES) if random.random() < 0.3 else NOW_MS
    read = (
        None if key is None else bytes(key),
        tuple((name, _bytes_of(each)) for name, each in pairs),
        timestamp,
    )
    taken = Taken(
        door.content("key", key),
        value,
        door.headers("headers", iter(pairs)),
        door.timestamp_ms("timestamp_ms", timestamp),
        read,
    )
    buffer[:] = b"changed"
    if isinstance(key, bytearray):
        key[:] = b"changed"
    pairs.append(("late", b""))
    return taken


def _try_what_cannot_be(random: Random) -> None:
    takes, kind = random.choice(
        ((door.content, OPTIONAL_BYTES), (door.headers, HEADERS), (door.timestamp_ms, TIMESTAMP))
    )
    wrong = random.choice(kind.wrong)
    try:
        takes("argument", wrong)
    except (TypeError, ValueError):
        return
    raise AssertionError(f"{wrong!r} was let in")


def _bytes_of(value: Any) -> bytes | None:
    if isinstance(value, str):
        return value.encode()
    return None if value is None else bytes(value)
