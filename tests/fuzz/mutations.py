"""Ways to spoil bytes: bit flips, splices, tampered lengths, cuts, repeats, repaired CRCs.

Everything is drawn from a random.Random: a seeded one makes a run repeatable, and Hypothesis's own
makes what it finds small. Most frames get one to three wounds, so that much of them still parses.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from random import Random

from minibroker.protocol.batch.header import (
    HEADER_BYTES,
    LENGTH_AT,
    LENGTH_END,
    MAGIC,
    MAGIC_AT,
)
from minibroker.protocol.batch.writing import resealed

WOUNDS_MAX = 3
FRAME_BYTES_MAX = 200_000  # spliced and repeated frames grow no further
REPEATS = (2, 3, 100, 5_000)
# Numbers at the edges of what a field can hold, and just beyond what can be true.
EDGES = (-(2**63), -(2**31), -(2**15), -129, -2, -1, 0, 1, 2, 127, 128, 2**15 - 1, 2**31 - 1)
_WIDTHS = ((1, "b"), (2, "h"), (4, "i"), (8, "q"))
_VARINTS = (
    *(b"\x00", b"\x01", b"\x7f", b"\x80\x01", b"\xff\xff\xff\xff\x07", b"\xff\xff\xff\xff\x0f"),
    *(b"\xff" * 9 + b"\x01", b"\x80" * 12),
)

Wound = Callable[[bytearray, Random], None]


def mutated(data: bytes, rng: Random, donors: Sequence[bytes]) -> bytes:
    """`data` with up to WOUNDS_MAX wounds; `donors` are what splices are cut from."""
    spoilt = bytearray(data)
    for _ in range(rng.randint(0, WOUNDS_MAX)):
        wound = rng.choice(_WOUNDS)
        if wound is _splice:
            _splice_from(spoilt, rng, rng.choice(donors))
        elif spoilt:
            wound(spoilt, rng)
    return bytes(spoilt[:FRAME_BYTES_MAX])


def mutated_batch(data: bytes, rng: Random, donors: Sequence[bytes]) -> bytes:
    """A spoilt batch; half of them get the length and CRC that their bytes need."""
    spoilt = mutated(data, rng, donors)
    return repaired(spoilt) if rng.getrandbits(1) else spoilt


def repaired(data: bytes) -> bytes:
    """A batch with the magic, length and CRC that its other bytes need."""
    if len(data) < HEADER_BYTES:
        return data
    fitting = bytearray(data)
    fitting[LENGTH_AT:LENGTH_END] = struct.pack(">i", len(data) - LENGTH_END)
    fitting[MAGIC_AT] = MAGIC
    return resealed(bytes(fitting))


def _flip(data: bytearray, rng: Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 8))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _overwrite(data: bytearray, rng: Random) -> None:
    data[rng.randrange(len(data))] = rng.randrange(256)


def _tamper(data: bytearray, rng: Random) -> None:
    """Put a telling number where a length, a count or any other field may stand."""
    width, code = rng.choice(_WIDTHS)
    number = rng.choice(EDGES)
    half = 1 << (8 * width - 1)
    at = rng.randrange(len(data))
    data[at : at + width] = struct.pack(f">{code}", max(-half, min(number, half - 1)))


def _tamper_varint(data: bytearray, rng: Random) -> None:
    at = rng.randrange(len(data))
    data[at : at + rng.randrange(3)] = rng.choice(_VARINTS)


def _cut_short(data: bytearray, rng: Random) -> None:
    del data[rng.randrange(len(data)) :]


def _cut_out(data: bytearray, rng: Random) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.randint(1, 16)]


def _repeat(data: bytearray, rng: Random) -> None:
    at = rng.randrange(len(data))
    piece = data[at : at + rng.choice((1, 4, 16, 64))]
    room = max(FRAME_BYTES_MAX - len(data), 0) // len(piece)
    data[at:at] = piece * min(rng.choice(REPEATS), room)


def _append(data: bytearray, rng: Random) -> None:
    data += rng.randbytes(rng.choice((1, 2, 30)))


def _splice(data: bytearray, rng: Random) -> None:
    _splice_from(data, rng, bytes(data))


def _splice_from(data: bytearray, rng: Random, donor: bytes) -> None:
    begin = rng.randint(0, len(donor))
    piece = donor[begin : begin + rng.choice((4, 20, 100, 1_000))]
    at = rng.randint(0, len(data))
    data[at : at + rng.choice((0, len(piece)))] = piece


_WOUNDS: tuple[Wound, ...] = (
    *(_flip, _flip, _overwrite, _tamper, _tamper, _tamper_varint),
    *(_cut_short, _cut_out, _repeat, _append, _splice),
)
