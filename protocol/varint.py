"""Varints: unsigned ones of up to 32 bits in flexible versions, zig-zag ones of 64 bits in records.

Seven bits a byte, lowest group first, the high bit says that another byte follows. Here are both
writers and the reader of the unsigned ones; records have a reader of their own, batch/reading.py.
Source: KIP-482; clients/src/main/java/org/apache/kafka/common/utils/internals/ByteUtils.java.
"""

UVARINT_BYTES_MAX = 5


def read_uvarint(buf: bytes | memoryview, position: int, limit: int) -> tuple[int, int]:
    """Read one varint.

    Args:
        buf: bytes to read from.
        position: where the varint begins.
        limit: position before which it must end.

    Returns:
        The value (0 to 2^32 - 1) and the position after it.

    Raises:
        ValueError: it runs past `limit`, over five bytes, or over 32 bits.
    """
    value = shift = 0
    while position < limit:
        byte = buf[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value > 0xFFFFFFFF:
                raise ValueError("varint exceeds 32 bits")
            return value, position
        shift += 7
        if shift == 7 * UVARINT_BYTES_MAX:
            raise ValueError("varint is longer than 5 bytes")
    raise ValueError("varint is cut off")


def uvarint(value: int) -> bytes:
    """Write `value` (0 to 2^64 - 1; most callers have 32 bits) in as few bytes as it needs."""
    if value < 0x80:  # as most are
        return value.to_bytes(1, "big")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def varint(number: int) -> bytes:
    """Write `number` (64 bits, signed) in zig-zag form, as records have it: 0, -1, 1, -2 …"""
    return uvarint((number << 1) ^ (number >> 63))


def skip_tags(buf: bytes | memoryview, position: int, limit: int) -> int:
    """Step over a tag section whose tags nobody here knows.

    Returns:
        The position after the section.

    Raises:
        ValueError: it runs past `limit`, or its tags do not ascend.
    """
    count, position = read_uvarint(buf, position, limit)
    last = -1
    for _ in range(count):
        tag, position = read_uvarint(buf, position, limit)
        if tag <= last:
            raise ValueError(f"tag {tag} follows tag {last}")
        last = tag
        size, position = read_uvarint(buf, position, limit)
        if size > limit - position:
            raise ValueError(f"tag {tag} claims {size} bytes, {limit - position} are left")
        position += size
    return position
