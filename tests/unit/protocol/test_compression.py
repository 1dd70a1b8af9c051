"""What other clients need from our blobs, and what hostile blobs cost us."""

import gzip
import sys
import tracemalloc
from collections.abc import Callable
from typing import Final

import cramjam
import lz4.frame
import pytest
import zstandard
from minibroker.protocol.compression import (
    Codec,
    CompressionError,
    MissingCodecError,
    compress,
    decompress,
)

CODECS: Final = list(Codec)[1:]
TEXT: Final = b"The quick brown fox jumps over the lazy dog. " * 5_000
XERIAL_HEADER: Final = bytes.fromhex("82534e41505059000000000100000001")


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("data", [b"a", TEXT, bytes(range(256)) * 300], ids=["one", "text", "all"])
def test_what_goes_in_comes_out(codec: Codec, data: bytes) -> None:
    assert decompress(codec, compress(codec, data), size_max=len(data)) == data


def test_lz4_blocks_are_small_and_independent_as_java_demands() -> None:
    frame = lz4.frame.get_frame_info(compress(Codec.LZ4, TEXT))
    assert not frame["block_linked"]
    assert frame["block_size"] == 64 * 1024
    assert not frame["content_checksum"]
    assert not frame["block_checksum"]
    assert frame["content_size"] == 0


def test_snappy_is_written_in_blocks_as_java_does() -> None:
    packed = compress(Codec.SNAPPY, TEXT)
    assert packed.startswith(XERIAL_HEADER)
    first = int.from_bytes(packed[16:20], "big")
    assert bytes(cramjam.snappy.decompress_raw(packed[20 : 20 + first])) == TEXT[: 32 * 1024]


def test_snappy_is_read_with_and_without_javas_framing() -> None:
    raw = bytes(cramjam.snappy.compress_raw(TEXT))
    framed = XERIAL_HEADER + len(raw).to_bytes(4, "big") + raw
    for blob in (raw, framed):
        assert decompress(Codec.SNAPPY, blob, size_max=len(TEXT)) == TEXT


def test_zstd_is_read_with_and_without_a_content_size() -> None:
    stream = zstandard.ZstdCompressor().compressobj()
    unsized = stream.compress(TEXT) + stream.flush()
    assert zstandard.frame_content_size(unsized) == -1
    for blob in (unsized, zstandard.ZstdCompressor().compress(TEXT)):
        assert decompress(Codec.ZSTD, blob, size_max=len(TEXT)) == TEXT


def test_gzip_and_zstd_may_come_in_several_pieces() -> None:
    pieces = gzip.compress(b"a") + gzip.compress(b"b")
    assert decompress(Codec.GZIP, pieces, size_max=2) == b"ab"
    pieces = zstandard.compress(b"a") + zstandard.compress(b"b")
    assert decompress(Codec.ZSTD, pieces, size_max=2) == b"ab"


@pytest.mark.parametrize("codec", CODECS)
def test_one_byte_more_than_allowed_is_refused(codec: Codec) -> None:
    packed = compress(codec, TEXT)
    for size_max in (1, 1_000, len(TEXT) - 1):
        with pytest.raises(CompressionError, match="unpacked"):
            decompress(codec, packed, size_max=size_max)


BOMBS: Final = {
    Codec.GZIP: gzip.compress(bytes(2**25), compresslevel=1),
    Codec.SNAPPY: bytes(cramjam.snappy.compress_raw(bytes(2**25))),
    Codec.LZ4: lz4.frame.compress(bytes(2**25), block_linked=False),
    Codec.ZSTD: zstandard.compress(bytes(2**25)),
}
"""Blobs that unpack to 32 MiB of zeros."""


@pytest.mark.parametrize("codec", CODECS)
def test_a_bomb_is_refused_before_it_takes_memory(codec: Codec) -> None:
    blob = BOMBS[codec]
    tracemalloc.start()
    try:
        with pytest.raises(CompressionError, match="unpacked"):
            decompress(codec, blob, size_max=2**20)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("blob", [b"x", b"not compressed at all" * 9, b"\xff" * 50, bytes(40)])
def test_bytes_that_are_no_blob_are_refused(codec: Codec, blob: bytes) -> None:
    with pytest.raises(CompressionError, match=codec.name.lower()):
        decompress(codec, blob, size_max=10**6)


@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.SNAPPY, Codec.LZ4])
def test_a_blob_cut_short_is_refused(codec: Codec) -> None:
    packed = compress(codec, bytes(range(256)) * 4)
    no_blocks = len(XERIAL_HEADER) if codec == Codec.SNAPPY else 0
    for cut in set(range(1, len(packed))) - {no_blocks}:
        with pytest.raises(CompressionError):
            decompress(codec, packed[:cut], size_max=10**6)


@pytest.mark.parametrize("codec", CODECS)
def test_bytes_left_over_are_refused(codec: Codec) -> None:
    with pytest.raises(CompressionError):
        decompress(codec, compress(codec, TEXT) + b"left over", size_max=10**6)


def test_a_zstd_blob_cut_short_gives_no_more_than_there_was() -> None:
    packed = compress(Codec.ZSTD, bytes(range(256)) * 4)
    for cut in range(1, len(packed)):
        assert (bytes(range(256)) * 4).startswith(
            decompress(Codec.ZSTD, packed[:cut], size_max=10**6)
        )


@pytest.mark.parametrize(
    ("codec", "package"),
    [(Codec.SNAPPY, "cramjam"), (Codec.LZ4, "lz4"), (Codec.ZSTD, "zstandard")],
)
def test_a_missing_package_is_named_by_the_extra_that_brings_it(
    codec: Codec, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = compress(codec, b"a")
    monkeypatch.setitem(sys.modules, package, None)
    attempts: list[Callable[[], bytes]] = [
        lambda: compress(codec, b"a"),
        lambda: decompress(codec, packed, size_max=1),
    ]
    for attempt in attempts:
        with pytest.raises(MissingCodecError, match=r"pip install 'minibroker\[compression\]'"):
            attempt()
