"""The codecs a batch's records may be packed with, in the framing that Kafka's clients expect.

gzip comes with Python; the other codecs need the packages of the extra minibroker[compression],
which are imported when first used. What clients trip over, each found the hard way by somebody:
- lz4 is a frame of independent blocks: Java refuses the linked ones that python-lz4 makes unasked.
- snappy is a stream of blocks behind snappy-java's magic (Java, Python, sarama) or one raw block
  (librdkafka, franz-go): written as Java does, read either way.
- zstd frames from Java do not say how much they hold.

A blob may claim or hold any amount: no more than size_max is ever unpacked.
Source: org.apache.kafka.common.compress; KIP-110 for zstd.
"""

import struct
import zlib
from collections.abc import Callable
from enum import IntEnum
from typing import Final


class Codec(IntEnum):
    """Bits 0–2 of a batch's attributes."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


class CompressionError(ValueError):
    """A blob that its codec cannot unpack, or that holds more than it may."""


class TooMuchError(CompressionError):
    """A blob that holds more than it may."""


class MissingCodecError(ImportError):
    """The package that knows this codec is not installed; the text says how to get it."""

    def __init__(self, codec: Codec) -> None:
        super().__init__(
            f"{codec.name.lower()} needs a package that is not installed: "
            "pip install 'minibroker[compression]'"
        )


_GZIP_WBITS: Final = 31  # zlib's way to say: a gzip header and trailer around it
_XERIAL_MAGIC: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER: Final = _XERIAL_MAGIC + struct.pack(">ii", 1, 1)  # version, compatible with
_XERIAL_BLOCK_BYTES: Final = 32 * 1024
_LZ4_LEVEL_FAST: Final = 9  # Kafka's default, which its lz4 takes for the fast way
_STEP_BYTES: Final = 256 * 1024  # lz4 and zstd take this much at once, however little comes out


def missing_codec(codec: Codec) -> MissingCodecError | None:
    """What to install to use this codec; None if nothing is missing."""
    try:
        _PACK[codec](b"", None)
    except ImportError:
        return MissingCodecError(codec)
    return None


def compress(codec: Codec, data: bytes, *, level: int | None = None) -> bytes:
    """`data` as one blob of `codec`. Raises MissingCodecError.

    Args:
        level: as compression.<codec>.level of a topic, each codec's own scale; None for our
            default. snappy has none.
    """
    try:
        return _PACK[codec](data, level)
    except ImportError:
        raise MissingCodecError(codec) from None


def decompress(codec: Codec, data: bytes, *, size_max: int) -> bytes:
    """What a blob of `codec` holds, at most size_max bytes.

    Raises: CompressionError; MissingCodecError.
    """
    try:
        unpacked = _UNPACK[codec](data, size_max)
    except ImportError:
        raise MissingCodecError(codec) from None
    if len(unpacked) > size_max:
        raise TooMuchError(f"{codec.name.lower()}: more than {size_max} bytes when unpacked")
    return unpacked


# The functions below take size_max as a hint: when there is more they return a little more, or say
# how much it would be, and decompress() refuses it.


def _gzip_pack(data: bytes, level: int | None) -> bytes:
    return zlib.compress(data, -1 if level is None else level, wbits=_GZIP_WBITS)


def _gzip_unpack(data: bytes, size_max: int) -> bytes:
    unpacked = b""
    while data and len(unpacked) <= size_max:  # a file may have several members, one after another
        member = zlib.decompressobj(wbits=_GZIP_WBITS)
        try:
            unpacked += member.decompress(data, size_max + 1 - len(unpacked))
        except zlib.error as error:
            raise CompressionError(f"gzip: {error}") from None
        if not member.eof and len(unpacked) <= size_max:
            raise CompressionError("gzip: cut short")
        data = member.unused_data
    return unpacked


def _snappy_pack(data: bytes, _: int | None) -> bytes:
    from cramjam import snappy

    packed = bytearray(_XERIAL_HEADER)
    for start in range(0, len(data), _XERIAL_BLOCK_BYTES):
        block = bytes(snappy.compress_raw(data[start : start + _XERIAL_BLOCK_BYTES]))
        packed += len(block).to_bytes(4, "big") + block
    return bytes(packed)


def _snappy_unpack(data: bytes, size_max: int) -> bytes:
    if not data.startswith(_XERIAL_MAGIC):
        return _snappy_block(data, size_max)
    unpacked = bytearray()
    position = len(_XERIAL_HEADER)
    while position < len(data) and len(unpacked) <= size_max:
        block_at = position + 4
        position = block_at + int.from_bytes(data[position:block_at], "big")
        unpacked += _snappy_block(data[block_at:position], size_max - len(unpacked))
    if position > len(data):
        raise CompressionError("snappy: cut short")
    return bytes(unpacked)


def _snappy_block(data: bytes, size_max: int) -> bytes:
    import cramjam

    try:
        size = cramjam.snappy.decompress_raw_len(data)
        if size > size_max:
            raise TooMuchError(f"snappy: {size} bytes when unpacked, {size_max} are allowed")
        return bytes(cramjam.snappy.decompress_raw(data))
    except cramjam.DecompressionError as error:
        raise CompressionError(f"snappy: {error}") from None


def _lz4_pack(data: bytes, level: int | None) -> bytes:
    from lz4 import frame

    return bytes(
        frame.compress(
            data,
            compression_level=0 if level in (None, _LZ4_LEVEL_FAST) else level,
            block_linked=False,
            block_size=frame.BLOCKSIZE_MAX64KB,
            store_size=False,
        )
    )


def _lz4_unpack(data: bytes, size_max: int) -> bytes:
    from lz4 import frame

    reader = frame.LZ4FrameDecompressor()
    unpacked = bytearray()
    try:
        while not reader.eof and len(unpacked) <= size_max:
            part = reader.decompress(data, max_length=_STEP_BYTES)
            if not part and not reader.eof:
                raise CompressionError("lz4: cut short")
            unpacked += part
            data = b""  # what is left of it the reader keeps
    except RuntimeError as error:
        raise CompressionError(f"lz4: {error}") from None
    if reader.unused_data:
        raise CompressionError(f"lz4: {len(reader.unused_data)} bytes left over")
    return bytes(unpacked)


def _zstd_pack(data: bytes, level: int | None) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(level=3 if level is None else level).compress(data)


def _zstd_unpack(data: bytes, size_max: int) -> bytes:
    """A blob cut short gives what there is: the records in it then do not add up."""
    import zstandard

    reader = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True)
    unpacked = bytearray()
    try:
        while len(unpacked) <= size_max and (part := reader.read(_STEP_BYTES)):
            unpacked += part
    except zstandard.ZstdError as error:
        raise CompressionError(f"zstd: {error}") from None
    return bytes(unpacked)


_PACK: Final[dict[int, Callable[[bytes, int | None], bytes]]] = {
    Codec.GZIP: _gzip_pack,
    Codec.SNAPPY: _snappy_pack,
    Codec.LZ4: _lz4_pack,
    Codec.ZSTD: _zstd_pack,
}
_UNPACK: Final[dict[int, Callable[[bytes, int], bytes]]] = {
    Codec.GZIP: _gzip_unpack,
    Codec.SNAPPY: _snappy_unpack,
    Codec.LZ4: _lz4_unpack,
    Codec.ZSTD: _zstd_unpack,
}
