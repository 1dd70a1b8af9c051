"""The constructs that messages are made of on the wire, beyond what construct itself has.

schema.wire_at() puts them together into one tree per message and version. The tree is the truth:
it parses and builds by itself (slowly), prints itself, and explains what compiled code refused.
Nothing here knows a message; compiler.py turns each construct below into straight-line code, so a
construct added here needs its two emitters there.

Every length is checked against the bytes that are left before anything is read or allocated.
Source: KIP-482; clients/src/main/resources/common/message/README.md.
Tests: tests/property/test_codec_parity.py
"""

import io
from typing import Any

from construct import Bytes, Construct, ConstructError, Flag, FormatField, Int8sb, Renamed, Struct
from construct.core import stream_read, stream_write

from ..varint import UVARINT_BYTES_MAX, read_uvarint, uvarint
from .text import STRING_BYTES_MAX, read_text


class WireError(ConstructError):  # type: ignore[misc]  # construct has no types
    """Bytes or a value that break a rule of the wire; `why` is one clause, `path` construct's."""

    def __init__(self, why: str, path: str) -> None:
        super().__init__(why, path)
        self.why = why


class Uvarint(Construct):  # type: ignore[misc]
    """An unsigned varint of at most 5 bytes and 32 bits."""

    size_min = 1

    def _parse(self, stream: Any, context: Any, path: str) -> int:
        read = bytearray()
        while len(read) < UVARINT_BYTES_MAX:
            read += stream_read(stream, 1, path)
            if read[-1] < 0x80:
                break
        try:
            return read_uvarint(bytes(read), 0, len(read))[0]
        except ValueError as error:
            raise WireError(str(error), path) from None

    def _build(self, obj: int, stream: Any, context: Any, path: str) -> int:
        if not 0 <= obj <= 0xFFFFFFFF:
            raise WireError(f"{obj} does not fit a varint", path)
        encoded = uvarint(obj)
        stream_write(stream, encoded, len(encoded), path)
        return obj


class CompactLength(Uvarint):
    """A length of flexible versions: the varint of length + 1, so that 0 is null, here -1."""

    def _parse(self, stream: Any, context: Any, path: str) -> int:
        return super()._parse(stream, context, path) - 1

    def _build(self, obj: int, stream: Any, context: Any, path: str) -> int:
        super()._build(obj + 1, stream, context, path)
        return obj


class Lengthed(Construct):  # type: ignore[misc]
    """A length, then that many of something; length -1 is null, and only some may be null.

    Args:
        length: Int16sb, Int32sb or CompactLength().
        nullable: whether null is a value here.
    """

    def __init__(self, length: Construct, *, nullable: bool) -> None:
        super().__init__()
        self.length = length
        self.nullable = nullable

    @property
    def compact(self) -> bool:
        return isinstance(self.length, CompactLength)

    @property
    def size_min(self) -> int:
        return size_min(self.length)

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        length = self.length._parsereport(stream, context, path)
        if length == -1 and self.nullable:
            return None
        if length < 0:
            raise WireError("is null" if length == -1 else f"length is {length}", path)
        left = _bytes_left(stream)
        if length * self.unit_min > left:
            raise WireError(f"claims {length} {self.unit}, {left} bytes are left", path)
        return self._parse_units(length, stream, context, path)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        if obj is None and self.nullable:
            self.length._build(-1, stream, context, path)
            return obj
        if obj is None:
            raise WireError("is null", path)
        self._build_units(obj, stream, context, path)
        return obj


class Blob(Lengthed):
    """Bytes, copied out of the input."""

    unit, unit_min = "bytes", 1

    def _parse_units(self, length: int, stream: Any, context: Any, path: str) -> Any:
        return bytes(stream_read(stream, length, path))

    def _build_units(self, obj: Any, stream: Any, context: Any, path: str) -> None:
        self.length._build(len(obj), stream, context, path)
        stream_write(stream, bytes(obj), len(obj), path)


class RecordBytes(Blob):
    """Record batches: like bytes, but compiled code neither copies nor joins them."""

    def _parse_units(self, length: int, stream: Any, context: Any, path: str) -> Any:
        return stream_read(stream, length, path)


class Text(Lengthed):
    """A string: UTF-8 of at most 32767 bytes; what is none is read as Java reads it."""

    unit, unit_min = "bytes", 1

    def _parse_units(self, length: int, stream: Any, context: Any, path: str) -> str:
        if length > STRING_BYTES_MAX:
            raise WireError(f"string of {length} bytes, at most {STRING_BYTES_MAX} allowed", path)
        try:
            return read_text(bytes(stream_read(stream, length, path)))
        except ValueError as error:
            raise WireError(str(error), path) from None

    def _build_units(self, obj: str, stream: Any, context: Any, path: str) -> None:
        try:
            encoded = obj.encode()
        except UnicodeEncodeError as error:
            raise WireError(f"cannot be UTF-8: {error.reason}", path) from None
        if len(encoded) > STRING_BYTES_MAX:
            why = f"string of {len(encoded)} bytes, at most {STRING_BYTES_MAX} allowed"
            raise WireError(why, path)
        self.length._build(len(encoded), stream, context, path)
        stream_write(stream, encoded, len(encoded), path)


class Array(Lengthed):
    """A count, then that many elements."""

    unit = "elements"

    def __init__(self, length: Construct, element: Construct, *, nullable: bool) -> None:
        super().__init__(length, nullable=nullable)
        self.element = element
        self.unit_min = size_min(element)
        assert self.unit_min > 0, "an array of nothing cannot be bounded"

    def _parse_units(self, length: int, stream: Any, context: Any, path: str) -> list[Any]:
        return [
            self.element._parsereport(stream, context, f"{path}[{index}]")
            for index in range(length)
        ]

    def _build_units(self, obj: Any, stream: Any, context: Any, path: str) -> None:
        self.length._build(len(obj), stream, context, path)
        for index, element in enumerate(obj):
            self.element._build(element, stream, context, f"{path}[{index}]")


class Optional(Construct):  # type: ignore[misc]
    """A struct that may be null: a byte before it, negative for null. Java writes -1 or 1."""

    size_min = 1

    def __init__(self, present: "TypedStruct") -> None:
        super().__init__()
        self.present = present

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        if Int8sb._parsereport(stream, context, path) < 0:
            return None
        return self.present._parsereport(stream, context, path)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        Int8sb._build(-1 if obj is None else 1, stream, context, path)
        if obj is not None:
            self.present._build(obj, stream, context, path)
        return obj


class Absent(Construct):  # type: ignore[misc]
    """A field that this version does not have: no bytes, always the default.

    Args:
        default: what parsing yields; a list is copied.
        refuses: whether building with another value is an error. If not, the value is dropped.
    """

    size_min = 0

    def __init__(self, default: Any, *, refuses: bool) -> None:
        super().__init__()
        self.default = default
        self.refuses = refuses

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        return fresh(self.default)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        if self.refuses and obj != self.default:
            raise WireError(f"this version cannot carry {obj!r}", path)
        return obj


class Tags(Construct):  # type: ignore[misc]
    """The tag section that ends every struct of a flexible version. Unknown tags are skipped.

    Args:
        fields: by ascending tag, the construct (named) and the value that is left out.
    """

    size_min = 1

    def __init__(self, fields: dict[int, tuple[Construct, Any]]) -> None:
        super().__init__()
        self.fields = fields

    def _parse(self, stream: Any, context: Any, path: str) -> dict[str, Any]:
        """Yields the values by field name, because the fields belong to the struct around."""
        values = {field.name: fresh(default) for field, default in self.fields.values()}
        number = Uvarint()
        here = f"{path} -> tags"
        last = -1
        for _ in range(number._parse(stream, context, here)):
            tag = number._parse(stream, context, here)
            if tag <= last:
                raise WireError(f"tag {tag} follows tag {last}", here)
            last = tag
            size = number._parse(stream, context, here)
            left = _bytes_left(stream)
            if size > left:
                raise WireError(f"tag {tag} claims {size} bytes, {left} are left", here)
            if tag not in self.fields:
                stream_read(stream, size, here)
                continue
            field = self.fields[tag][0]
            values[field.name] = field._parsereport(stream, context, path)
            used = left - _bytes_left(stream)
            if used != size:
                raise WireError(f"tag {tag} claims {size} bytes and uses {used}", here)
        return values

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        """`obj` is the message around, whose attributes the fields are."""
        present: list[tuple[int, bytes]] = []
        for tag, (field, default) in self.fields.items():
            value = getattr(obj, field.name)
            if value != default:
                payload = io.BytesIO()
                field._build(value, payload, context, path)
                present.append((tag, payload.getvalue()))
        section = tag_section(present)
        stream_write(stream, section, len(section), path)
        return obj


class TypedStruct(Struct):  # type: ignore[misc]
    """A construct.Struct whose values are objects of a message class instead of containers.

    Members are named after the attributes; the one unnamed member is the tag section.
    """

    def __init__(self, message: type[Any], *members: Construct) -> None:
        super().__init__(*members)
        self.message = message
        self.size_min = sum(size_min(member) for member in members)

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        message = object.__new__(self.message)
        for member in self.subcons:
            value = member._parsereport(stream, context, path)
            named = value if member.name is None else {member.name: value}
            for name, field in named.items():
                setattr(message, name, field)
        return message

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        if type(obj) is not self.message:
            raise WireError(f"is {obj!r}, not a {self.message.__name__}", path)
        for member in self.subcons:
            value = obj if member.name is None else getattr(obj, member.name)
            member._build(value, stream, context, path)
        return obj


def size_min(node: Construct) -> int:
    """The fewest bytes that `node` can take, so that a count can be checked beforehand."""
    if isinstance(node, Renamed):
        return size_min(node.subcon)
    if isinstance(node, FormatField | Bytes) or node is Flag:
        return int(node.sizeof())
    return int(node.size_min)


def fresh(default: Any) -> Any:
    """The default itself, or a new list, since two messages must never share one."""
    return [] if isinstance(default, list) else default


def tag_section(present: list[tuple[int, bytes]]) -> bytes:
    """Write a tag section from (tag, payload) pairs in ascending order."""
    parts = [uvarint(len(present))]
    for tag, payload in present:
        parts += (uvarint(tag), uvarint(len(payload)), payload)
    return b"".join(parts)


def _bytes_left(stream: Any) -> int:
    position = stream.tell()
    end = stream.seek(0, io.SEEK_END)
    stream.seek(position)
    return int(end - position)
