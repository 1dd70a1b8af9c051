"""The codecs a batch's records may be packed with."""

import zlib
from enum import IntEnum


class Codec(IntEnum):
    """Bits 0–2 of a batch's attributes."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


def compress(codec: Codec, data: bytes) -> bytes:
    """`data` as a blob of `codec`."""
    assert codec == Codec.GZIP
    return zlib.compress(data, wbits=31)


def decompress(codec: Codec, data: bytes, *, size_max: int) -> bytes:
    """What a blob of `codec` holds. Raises ValueError when it is malformed or holds too much."""
    assert codec == Codec.GZIP
    reader = zlib.decompressobj(wbits=31)
    unpacked = reader.decompress(data, size_max)
    if not reader.eof:
        raise ValueError(f"{codec.name}: cut short, or more than {size_max} bytes")
    return unpacked
