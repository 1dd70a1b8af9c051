"""Batches that must be opened before they are stored: compressed ones, and those stored otherwise.

A consumer that meets damage inside a compressed batch stops there as well as in any other, so that
each is opened and its records are checked, as Kafka does. A topic with a compression.type of its
own has the records compressed anew. Small batches are opened on the spot, for others that is long
work, off the loop; what comes of it goes to batch_check.py and partition.py with the batch.
Here nothing is touched but what is given: a function may run beside the loop.
Source: LogValidator.validateMessagesAndAssignOffsetsCompressed.   Read next: apis/produce.py.
"""

from __future__ import annotations

from typing import NamedTuple

from ...protocol.batch.check import TooLongError, check_records
from ...protocol.batch.header import CODEC_BITS, HEADER_BYTES, BatchHeader, Buffer
from ...protocol.batch.writing import packed_anew
from ...protocol.compression import (
    Codec,
    CompressionError,
    MissingCodecError,
    TooMuchError,
    compress,
    decompress,
)
from ...protocol.errors import ErrorCode, Refused
from ..config.topic import TopicConfig
from ..limits import (
    CHECKED_AT_ONCE_MAX,
    COMPARED_AT_ONCE_MAX,
    OPENED_AT_ONCE_BYTES_MAX,
    OPENED_BYTES_MAX,
)

INVALID = ErrorCode.INVALID_RECORD


class Opened(NamedTuple):
    """What was found in a batch.

    Attributes:
        deltas: the least and greatest timestamp delta of its records; None if it could not be
            opened, because the package of its codec is not installed.
        refused: why it cannot be stored.
        batch: the same records, compressed as the topic wants them; None to store it as it came.
    """

    deltas: tuple[int, int] | None = None
    refused: Refused | None = None
    batch: bytes | None = None


def must_open(header: BatchHeader, config: TopicConfig) -> bool:
    """Whether a batch must be opened before it is stored: packed, to be packed, or a large one."""
    return (
        header.attributes & CODEC_BITS != 0
        or bool(config.codec)
        or header.batch_length > OPENED_AT_ONCE_BYTES_MAX
    )


def open_at_once(batch: Buffer, header: BatchHeader, config: TopicConfig) -> Opened | None:
    """As open_batch(), of a batch that takes no longer than a turn of the loop may; else None.

    That is a small one, opened too, or one that is not packed and holds no more than so many
    records and headers, whatever their size.
    """
    if header.records_count > COMPARED_AT_ONCE_MAX:
        return None
    size_max = OPENED_AT_ONCE_BYTES_MAX
    if len(batch) > size_max:
        if header.attributes & CODEC_BITS or config.codec:
            return None
        size_max = OPENED_BYTES_MAX
    try:
        opened = open_batch(batch, header, config, size_max, CHECKED_AT_ONCE_MAX)
    except TooLongError:
        return None
    return None if opened.refused is _TOO_MUCH else opened


def open_batch(
    batch: Buffer,
    header: BatchHeader,
    config: TopicConfig,
    size_max: int = OPENED_BYTES_MAX,
    parts_max: int = 2**31,
) -> Opened:
    """Check the records of a batch, and compress them anew if the topic stores them otherwise.

    Args:
        batch: one whole batch; its CRC need not be right, that is looked at elsewhere.
        size_max: bytes its records may take when they are unpacked.
        parts_max: how many records and headers to look at one by one.
    Raises: TooLongError: there are more.
    """
    codec, wanted = header.codec, config.codec
    if codec > Codec.ZSTD or header.records_count <= 0:
        return Opened()  # refused by its header
    if len(batch) > config.max_message_bytes:
        return Opened()  # refused for its size, before anything is unpacked
    try:
        body: Buffer = memoryview(batch)[HEADER_BYTES:]
        if codec:
            body = decompress(Codec(codec), bytes(body), size_max=size_max)
    except TooMuchError:
        return Opened(refused=_TOO_MUCH)
    except CompressionError as error:
        return Opened(refused=Refused(INVALID, f"the records cannot be unpacked: {error}"))
    except MissingCodecError as error:
        return Opened(refused=_cannot_be_packed(error) if wanted not in (None, codec) else None)
    deltas = check_records(body, 0, header.records_count, parts_max)
    if deltas is None:
        return Opened(refused=_BAD_RECORDS)
    if wanted is None or wanted == codec:
        return Opened(deltas)
    try:
        if wanted:
            body = compress(wanted, bytes(body), level=config.codec_level)
    except MissingCodecError as error:
        return Opened(refused=_cannot_be_packed(error))
    return Opened(deltas, batch=packed_anew(header, wanted, bytes(body)))


_TOO_MUCH = Refused(
    ErrorCode.MESSAGE_TOO_LARGE,
    f"the records take more than {OPENED_BYTES_MAX} bytes when they are unpacked",
)
_BAD_RECORDS = Refused(
    INVALID, "what the batch holds are not the records its header announces, as the format has them"
)


def _cannot_be_packed(error: MissingCodecError) -> Refused:
    return Refused(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, str(error))
