"""The check of a batch's records in its plainest form: what the fast one must agree with."""

from __future__ import annotations

INT32, INT64 = 32, 64


def plain_check(body: bytes, count: int, *, as_kafka: bool = False) -> tuple[int, int] | None:
    """As protocol/record_check.check_records, from the start of `body`, one field at a time.

    Args:
        as_kafka: take what Kafka takes of uncompressed batches: any offset deltas, any negative
            length for null, numbers whose bits do not fit, any attributes.
    """
    try:
        reader = _LenientReader(body) if as_kafka else _Reader(body)
        stamps = [_stamp_of_record(reader, index) for index in range(count)]
        reader.expect(reader.position == len(body))
    except ValueError:
        return None
    return min(stamps), max(stamps)


def _stamp_of_record(reader: _Reader, index: int) -> int:
    length = reader.number(INT32)
    reader.expect(length >= 0)
    end = reader.position + length
    attributes = reader.body[reader.position : reader.position + 1]
    reader.expect(attributes < b"\x80" or isinstance(reader, _LenientReader))
    reader.skip(1)
    stamp = reader.number(INT64)
    reader.expect(reader.number(INT32) == index or isinstance(reader, _LenientReader))
    for _ in ("key", "value"):
        reader.skip(reader.length(least=-1))
    for _ in range(reader.length(least=0)):
        reader.skip(reader.length(least=0))
        reader.skip(reader.length(least=-1))
    reader.expect(reader.position == end)
    return stamp


class _Reader:
    def __init__(self, body: bytes) -> None:
        self.body = body
        self.position = 0

    def expect(self, is_so: bool) -> None:
        if not is_so:
            raise ValueError(self.position)

    def skip(self, size: int) -> None:
        self.position += max(size, 0)
        self.expect(self.position <= len(self.body))

    def length(self, *, least: int) -> int:
        number = self.number(INT32)
        self.expect(number >= least)
        return number

    def number(self, bits: int) -> int:
        """A zig-zag number of so many bits, in as many bytes as they may take."""
        encoded = self.body[self.position :]
        size = 1 + next((at for at, byte in enumerate(encoded) if byte < 0x80), len(encoded))
        self.expect(size <= (bits + 6) // 7)
        self.skip(size)
        zigzag = sum((byte & 0x7F) << 7 * at for at, byte in enumerate(encoded[:size]))
        self.expect(zigzag < 2**bits)
        return (zigzag >> 1) ^ -(zigzag & 1)


class _LenientReader(_Reader):
    def length(self, *, least: int) -> int:
        return super().length(least=-(2**31) if least < 0 else least)

    def number(self, bits: int) -> int:
        start = self.position
        try:
            return super().number(bits)
        except ValueError:
            encoded = self.body[start : self.position]
            # Too many bytes, or none: nobody takes that. Too many bits in the last: they are lost.
            self.expect(self.position <= len(self.body) and bool(encoded) and encoded[-1] < 0x80)
            zigzag: int = sum((byte & 0x7F) << 7 * at for at, byte in enumerate(encoded))
            zigzag %= 2**bits
            return (zigzag >> 1) ^ -(zigzag & 1)
