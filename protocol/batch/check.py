"""Whether the records of a batch are good to their last byte. One function, for the hot path.

Good means that every client gets past them: each number takes no more bytes and bits than its type
has, lengths are -1 or what is there, offset deltas are 0, 1, 2 …, every record and the last one
end where their lengths say. What is wrong is not said here: reading.records_in() reads the same
bytes and explains. Two ways lead to the same answer:
- record by record, about half a microsecond each; one that is alone and plain, as most are of a
  producer that waits for each, without what many take;
- records of one size in a row, which is what one producer mostly sends, by columns: a byte that
  stands at the same place of each is compared for all of them by one loop in C.
Nothing here needs more than integers and bytes, so that it can be compiled.
Source: DefaultRecord.java, ByteUtils.java.   Read first: header.py.
"""

from typing import Final, TypeAlias

Body: TypeAlias = bytes | bytearray | memoryview

RUN_MIN: Final = 16  # records of one size in a row that are worth a look at all of them at once
COPIED_BYTES_MAX: Final = 4096  # so much is copied to be looked at, if it is not bytes
_NOWHERE: Final = -(2**62)  # as an index into any bytes: IndexError
_NULL: Final = 1  # -1 as it is written
_NO_DELTAS: Final = b"\0\0\0"  # no attributes, and the time and the offset of the batch

# A length of one byte -> how far it leads, itself included; -1 means nothing, other negative
# numbers lead nowhere: librdkafka does not get past them, although Kafka takes them for -1.
_SKIP: Final = tuple(1 if n == _NULL else _NOWHERE if n & 1 else 1 + (n >> 1) for n in range(0x80))
# The offset delta n, in one, two or three bytes. The last two repeat every 8,192 records.
_ONE: Final = bytes(range(0, 0x80, 2))
_LOW: Final = bytes(2 * n & 0x7F | 0x80 for n in range(0x2000))
_HIGH: Final = bytes(n >> 6 for n in range(0x2000))
_MIDDLE: Final = bytes(n >> 6 | 0x80 for n in range(0x2000))
# A timestamp delta's only byte, or its first of two, -> the same in the order of the numbers, 64
# being 0; 255 where the byte is of another kind. isascii() then tells whether there is one.
_ALL: Final = bytes(range(0x80))
_OTHER: Final = b"\xff" * 0x80
_ORDERED: Final = bytes(64 + ((n >> 1) ^ -(n & 1)) for n in range(0x80))
_LAST_BYTE: Final = _ORDERED + _OTHER
_FIRST_OF_TWO: Final = _OTHER + _ORDERED


class TooLongError(Exception):
    """More to look at one by one than was allowed: nothing is known of the records yet."""


def check_records(
    body: Body, position: int, count: int, parts_max: int = 2**31
) -> tuple[int, int] | None:
    """The least and the greatest timestamp delta of `count` records; None unless all are good.

    Args:
        body: ends with the last record, as it is or decompressed.
        position: where the first record begins.
        count: at least 1.
        parts_max: how many records and headers to look at one by one; those that are compared by
            columns, which takes a twentieth of the time, do not count.
    Raises: TooLongError.
    """
    try:
        if count == 1 and len(body) - position <= COPIED_BYTES_MAX and _is_plain(body, position):
            return 0, 0
        left = [parts_max]
        # Only bytes can be compared by columns, and one by one they are quicker to look at. But
        # few large records are looked at where they lie: copying takes longer the larger they are.
        if count >= RUN_MIN:
            position, least, greatest = _runs(bytes(body), position, count, left)
        else:
            if len(body) <= COPIED_BYTES_MAX:
                body = bytes(body)
            position, least, greatest = _walk(body, position, 0, count, left)
    except IndexError:
        return None
    return (least, greatest) if position == len(body) else None


def _is_plain(body: Body, position: int) -> bool:
    """Whether a lone record is good that has a delta of 0, no headers and no long key.

    False says nothing of it. Looks at the bytes that _walk() looks at, in its order: what raises
    IndexError here does so there.
    """
    body = bytes(body)
    number = body[position]
    if number >= 0x80:
        position += 1
        number += (body[position] << 7) - 0x80  # of three bytes: more than COPIED_BYTES_MAX
    if number & 1 or body[position + 1 : position + 4] != _NO_DELTAS:
        return False
    record_end = position + 1 + (number >> 1)
    position += 4
    number = body[position]  # the key's length
    if number >= 0x80:
        return False
    position += _SKIP[number]
    number = body[position]  # the value's
    if number < 0x80:
        position += _SKIP[number]
    elif (high := body[position + 1]) < 0x80 and not number & 1:
        position += 2 + ((number + (high << 7) - 0x80) >> 1)
    else:
        return False
    return not body[position] and position + 1 == record_end == len(body)


def _runs(body: bytes, position: int, count: int, left: list[int]) -> tuple[int, int, int]:
    """As _walk() from the first record on, by columns wherever that is possible."""
    index, ahead = 0, RUN_MIN
    least, greatest = 2**64, -(2**64)
    while index < count:
        done, position, low, high = _run(body, position, index, count - index)
        if done:
            ahead = RUN_MIN
        else:
            done = min(ahead, count - index)
            left[0] -= done
            if left[0] < 0:
                raise TooLongError
            position, low, high = _walk(body, position, index, index + done, left)
            ahead *= 2  # where sizes differ, looking for runs costs ever less
        index += done
        least, greatest = min(least, low), max(greatest, high)
    return position, least, greatest


def _walk(body: Body, position: int, first: int, end: int, left: list[int]) -> tuple[int, int, int]:
    """Records `first` to `end`, one by one: the position behind them, least and greatest stamp.

    Raises: IndexError for a record that is not good. What passes the record's own end on the way
        cannot come back to it, so that one comparison at the end of each record is enough.
    """
    least, greatest = 2**64, -(2**64)
    skip, lows, highs, ones, twos = _SKIP, _LOW, _HIGH, len(_ONE), len(_LOW)
    for index in range(first, end):
        number = body[position]
        if number < 0x80:
            position += 1
        elif (high := body[position + 1]) < 0x80:
            number += (high << 7) - 0x80
            position += 2
        else:
            number, position = _number(body, position)
        if number & 1 or body[position] >= 0x80:  # attributes: kafka-python takes a number there
            raise IndexError(position)
        record_end = position + (number >> 1)
        number = body[position + 1]
        if number < 0x80:
            position += 2
            stamp = _ORDERED[number] - 64
        elif (high := body[position + 2]) < 0x80:
            number += (high << 7) - 0x80
            position += 3
            stamp = (number >> 1) ^ -(number & 1)
        else:
            stamp, position = _timestamp_delta(body, position + 1)
        if stamp < least:  # noqa: PLR1730  min() costs as much as a quarter of the record
            least = stamp
        if stamp > greatest:  # noqa: PLR1730
            greatest = stamp
        if index < ones and body[position] == index << 1:
            position += 1
        elif (
            ones <= index < twos
            and body[position] == lows[index]
            and body[position + 1] == highs[index]
        ):
            position += 2
        else:
            position = _behind_offset_delta(body, position, index)
        number = body[position]  # the key's length
        position = position + skip[number] if number < 0x80 else _behind_bytes(body, position)
        number = body[position]  # the value's
        if number < 0x80:
            position += skip[number]
        elif (high := body[position + 1]) < 0x80 and not number & 1:
            position += 2 + ((number + (high << 7) - 0x80) >> 1)
        else:
            position = _behind_bytes(body, position)
        position = _behind_headers(body, position, left) if body[position] else position + 1
        if position != record_end:
            raise IndexError(position)
    return position, least, greatest


def _behind_offset_delta(body: Body, position: int, index: int) -> int:
    number, position = _number(body, position)
    if number != index << 1:
        raise IndexError(position)
    return position


def _behind_headers(body: Body, position: int, left: list[int]) -> int:
    """Where the headers end whose count stands at `position`; they are taken from what is left."""
    count, position = _number(body, position)
    if count & 1 or count >> 1 > len(body) - position:
        return _NOWHERE
    left[0] -= count >> 1
    if left[0] < 0:
        raise TooLongError
    skip = _SKIP
    for _ in range(count >> 1):
        number = body[position]
        if number == _NULL:
            return _NOWHERE  # a header without a key
        position = position + skip[number] if number < 0x80 else _behind_bytes(body, position)
        number = body[position]
        position = position + skip[number] if number < 0x80 else _behind_bytes(body, position)
    return position


def _behind_bytes(body: Body, position: int) -> int:
    """Where the bytes end whose length stands at `position`."""
    number = body[position]
    if number < 0x80:
        return position + _SKIP[number]
    if (high := body[position + 1]) < 0x80:
        number += (high << 7) - 0x80
        position += 2
    else:
        number, position = _number(body, position)
    if number & 1:
        return position if number == _NULL else _NOWHERE
    return position + (number >> 1)


def _number(body: Body, position: int) -> tuple[int, int]:
    """A number of 32 bits and five bytes at most, as it is written, and the position behind it."""
    number, shift = 0, 0
    while True:
        byte = body[position]
        position += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if number >> 32 or (shift > 28 and byte >= 0x80):
            raise IndexError(position)
        if byte < 0x80:
            return number, position


def _timestamp_delta(body: Body, position: int) -> tuple[int, int]:
    """A number of 64 bits and ten bytes at most, and the position behind it."""
    number, shift = 0, 0
    while True:
        byte = body[position]
        position += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if number >> 64 or (shift > 63 and byte >= 0x80):
            raise IndexError(position)
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), position


def _run(body: bytes, position: int, index: int, run: int) -> tuple[int, int, int, int]:
    """Up to `run` records of one size and shape: how many, where they end, their stamps.

    0 if that would be fewer than RUN_MIN. The first of them is looked at by itself, and says at
    which places of a record the lengths and counts stand. Where the others have the same bytes
    there, they end where it ends. Timestamps and offsets differ: each kind has its own comparison.
    """
    nothing = 0, position, 0, 0
    width = 1 if index < len(_ONE) else 2 if index < len(_LOW) else 3  # of an offset delta
    run = min(run, len(_ONE) - index if width == 1 else len(_LOW) - index % len(_LOW))
    number, stamp_at = body[position], position + 2
    if number >= 0x80:
        number += (body[position + 1] << 7) - 0x80
        stamp_at += 1
    if number & 1 or number >= 0x4000 or body[stamp_at - 1] >= 0x80:
        return nothing  # records of 8 KiB are few
    size = stamp_at - 1 - position + (number >> 1)
    column = body[position : position + run * size : size]
    if column != column[:1] * run:
        run = len(column) - len(column.lstrip(column[:1]))
        if run < RUN_MIN:
            return nothing
    if position + run * size > len(body):
        return nothing
    offset_at = stamp_at + (1 if body[stamp_at] < 0x80 else 2)
    if not _rises(body, offset_at, size, index, run):
        return nothing
    fixed = [*range(position + 1, stamp_at)]  # its own length, and the attributes
    if _add_fixed_places(body, offset_at + width, fixed) != position + size:
        return nothing
    span = run * size
    for place in fixed:
        column = body[place : place + span : size]
        if column != column[:1] * run:
            run -= len(column.lstrip(column[:1]))
            span = run * size
    if run < RUN_MIN:
        return nothing
    low, high = _stamps(body, stamp_at, offset_at - stamp_at, size, run)
    return (run, position + run * size, low, high) if low <= high else nothing


def _add_fixed_places(body: bytes, position: int, places: list[int]) -> int:
    """Add where the bytes of a record's lengths stand, from its key's on; return where it ends.

    -1 if one of them takes more than two bytes: records of 8 KiB are few.
    """
    left, count = 2, -1  # lengths to come: key's and value's, then two a header
    while left:
        places.append(position)
        number = body[position]
        if number < 0x80:
            position += _SKIP[number]
        else:
            high = body[position + 1]
            number += (high << 7) - 0x80
            if high >= 0x80 or number & 1:
                return -1
            places.append(position + 1)
            position += 2 + (number >> 1)
        left -= 1
        if not left and count < 0:
            places.append(position)
            count = body[position]
            if not count:
                return position + 1
            if _behind_headers(body, position, [count]) < 0 or count >= 0x80:
                return -1
            left = count  # written as twice the number
            position += 1
    return position


def _rises(body: bytes, place: int, size: int, index: int, run: int) -> bool:
    """Whether `run` offset deltas are index, index + 1 …, in as few bytes as they need."""
    end = place + run * size
    first = body[place:end:size]
    if index < len(_ONE):
        return first == _ONE[index : index + run]
    second = body[place + 1 : end + 1 : size]
    at = index % len(_LOW)
    if index == at:
        return first == _LOW[at : at + run] and second == _HIGH[at : at + run]
    third = body[place + 2 : end + 2 : size]
    return (
        first == _LOW[at : at + run]
        and second == _MIDDLE[at : at + run]
        and third.count(index >> 13) == run
        and index >> 13 < 0x80
    )


def _stamps(body: bytes, place: int, width: int, size: int, run: int) -> tuple[int, int]:
    """The least and greatest of `run` timestamp deltas, all of one width; 1, 0 if they are not."""
    end = place + run * size
    low = body[place:end:size]
    if width == 1:
        if (first := low[0]) < 0x80 and low == low[:1] * run:
            return _ORDERED[first] - 64, _ORDERED[first] - 64
        low = low.translate(_LAST_BYTE)
        if not low.isascii():
            return 1, 0
        if not low.translate(None, _ALL[low[0] : low[-1] + 1]):
            return low[0] - 64, low[-1] - 64  # nothing lies outside the first and the last
        return min(low) - 64, max(low) - 64
    low = low.translate(_FIRST_OF_TWO)
    high = body[place + 1 : end + 1 : size]
    if not (low.isascii() and high.isascii()):
        return 1, 0
    first, last = high[0], high[-1]
    firsts, lasts = high.count(first), high.count(last)
    if (  # rising, as time does, and none below 0
        not low.translate(None, _ALL[64:])
        and not high.translate(None, _ALL[first : last + 1])
        and high.startswith(high[:1] * firsts)
        and high.endswith(high[-1:] * lasts)
    ):
        return (first << 6) - 64 + min(low[:firsts]), (last << 6) - 64 + max(low[-lasts:])
    pairs = zip(high, low, strict=True)
    stamps = [b - 64 + (a << 6) if b >= 64 else b - 64 - (a << 6) for a, b in pairs]
    return min(stamps), max(stamps)
