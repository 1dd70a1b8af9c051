"""What is fuzzed in-process: bytes in; whatever comes out but the documented errors is a find.

connection   all bytes that one client sends                 tests/fuzz/socketless.py
codec        two bytes choose a message and version, then its body; request headers
batch        one batch, or a few, as read from a socket or a disk
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random

from minibroker.protocol.batch.header import (
    HEADER_BYTES,
    MAGIC,
    BatchError,
    crc_is_valid,
    headers_in,
    read_header,
)
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.batch.writing import restamped
from minibroker.protocol.codec.compiler import decoder, encoder
from minibroker.protocol.compression import Codec, CompressionError, decompress
from minibroker.protocol.errors import DecodeError
from minibroker.protocol.framing import frame
from minibroker.protocol.header import decode_request_header

from tests.fuzz.mutations import mutated, mutated_batch, repaired
from tests.fuzz.seeds import batches, request_frames
from tests.fuzz.socketless import Stage
from tests.support.records.batches import records_are_good
from tests.support.records.golden import golden_bodies
from tests.support.records.messages import ALL

UNPACKED_BYTES_MAX = 1024 * 1024
FRAMES_MAX = 5
_INDEX_BYTES = 2

Target = Callable[[bytes], None]


def connection(data: bytes) -> None:
    """What one client sends, as it comes from the socket."""

    async def play() -> None:
        await Stage().play(data, Random(len(data)))

    asyncio.run(play())


def codec(data: bytes) -> None:
    """A body that decodes can be encoded again, and then means the same."""
    with suppress(DecodeError):
        decode_request_header(memoryview(data))
    which = ALL[int.from_bytes(data[:_INDEX_BYTES], "big") % len(ALL)]
    body = memoryview(data)[_INDEX_BYTES:]
    decode = decoder(which.message, which.version)
    try:
        message, end = decode(body, 0)
    except DecodeError:
        return
    assert 0 <= end <= len(body)
    written = b"".join(encoder(which.message, which.version)(message))
    assert decode(written, 0) == (message, len(written)), which


def batch(data: bytes) -> None:
    """A batch that passes the broker's checks can be read; nothing else escapes."""
    with suppress(BatchError):
        for position, found in headers_in(data):
            crc_is_valid(data, found, position)
            with suppress(BatchError):
                records_in(data[position : position + found.size_bytes])
    for packing in (Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD):
        with suppress(CompressionError):
            unpacked = decompress(packing, data[HEADER_BYTES:], size_max=UNPACKED_BYTES_MAX)
            assert len(unpacked) <= UNPACKED_BYTES_MAX
    try:
        header = read_header(data)
    except BatchError:
        return
    crc_is_valid(data, header)
    is_whole = header.magic == MAGIC and header.size_bytes == len(data)
    is_good = is_whole and header.codec == Codec.NONE and records_are_good(data, header)
    if is_whole:
        stamped = restamped(data, header, attributes=header.attributes, max_timestamp=5)
        assert crc_is_valid(stamped, read_header(stamped))
    try:
        records = records_in(data, decompressed_bytes_max=UNPACKED_BYTES_MAX)
    except BatchError as error:
        is_readable = "timestamp" in str(error)  # of more than 64 bits, which the broker answers
    else:
        assert len(records) == header.records_count
        is_readable = True
    assert is_readable or not is_good


TARGETS: dict[str, Target] = {"connection": connection, "codec": codec, "batch": batch}


def spoilt_connection(rng: Random) -> bytes:
    """What a broken client may send: a few frames, most of them spoilt, some sizes too."""
    sent = bytearray()
    for number in range(rng.randint(1, FRAMES_MAX)):
        body = bytearray(spoilt_frame(rng))
        body[4:8] = number.to_bytes(4, "big")
        sent += b"".join(frame([bytes(body)]))
    if rng.randrange(10) == 0:
        return mutated(bytes(sent), rng, request_frames())
    return bytes(sent)


def spoilt_message(rng: Random) -> bytes:
    """Input for `codec`."""
    which, body = rng.choice(_GOLDEN)
    return which + mutated(body, rng, [body])


def spoilt_batch(rng: Random) -> bytes:
    """Input for `batch`."""
    known = batches()
    return mutated_batch(rng.choice(known), rng, known)


SPOILT: dict[str, Callable[[Random], bytes]] = {
    "connection": spoilt_connection,
    "codec": spoilt_message,
    "batch": spoilt_batch,
}


def spoilt_frame(rng: Random) -> bytes:
    """One request without its size; half of the batches in it are spoilt and still have a CRC."""
    frames, known = request_frames(), batches()
    whole = rng.choice(frames)
    inside = next((each for each in known if each in whole), None)
    if inside is None or rng.randrange(4) == 0:
        return mutated(whole, rng, frames)
    # As long as the one it replaces, so that the frame around it still parses.
    spoilt = mutated(inside, rng, known)[: len(inside)].ljust(len(inside), b"\0")
    return whole.replace(inside, repaired(spoilt) if rng.getrandbits(1) else spoilt)


_GOLDEN = tuple(
    (ALL.index(each.which).to_bytes(_INDEX_BYTES, "big"), each.body) for each in golden_bodies()
)
