"""From a construct tree to the source of one flat encoding function.

How the code reads: pieces of bytes are collected in `out` and joined once. Neighbouring numbers
(legacy lengths and empty tag sections among them) are one struct.pack; what can be said as an
expression is, so that a struct without arrays is one statement. Only record bytes interrupt: they
become a buffer of their own, neither copied nor joined.

A value that does not fit raises one of unwritable_errors(); what it was exactly is for the tree to
explain. The same code can be written as a generator, which yields now and then in its arrays: long
messages are encoded while others go on.
Tests: tests/unit/protocol/codec/test_compiler.py
"""

import struct
from itertools import groupby
from typing import Any

from construct import Bytes, Construct

from ..varint import uvarint
from .source import Source, fixed_format, format_name, unnamed
from .text import STRING_BYTES_MAX
from .wire import (
    Absent,
    Array,
    Lengthed,
    Optional,
    RecordBytes,
    Tags,
    Text,
    TypedStruct,
    tag_section,
)

_NO_TAGS = "x"  # struct format of a zero byte


ELEMENTS_A_STEP = 250
"""Elements of arrays between two yields; each takes a microsecond or two."""


def encode_source(tree: TypedStruct, *, in_steps: bool = False) -> Source:
    """Write `encode(m) -> list of buffers` for `tree`; a generator that returns it `in_steps`.

    It yields how many bytes each step has made, those of records left out.

    The names `unwritable` (exceptions to catch) and `explain` (called with the message and the
    exception; returns what to raise) are left for the caller to bind.
    """
    source = Source(**_NAMES)
    with source.function("def encode(m):"):
        with source.block("try:"):
            source.line("done = []")
            source.line("out = []")
            if in_steps:
                source.line(f"left = {ELEMENTS_A_STEP}")
            writer = _Writer(source, in_steps=in_steps)
            writer.struct(tree, "m")
            writer.flush()
            source.line('done.append(b"".join(out))')
            if in_steps:
                source.line("yield len(done[-1])")
            source.line("return done")
        with source.block("except unwritable as error:"):
            source.line("raise explain(m, error) from None")
    return source


def unwritable_errors() -> tuple[type[Exception], ...]:
    """What the written code raises on values that do not fit."""
    return (struct.error, ValueError, TypeError, AttributeError, OverflowError)


class CompactLengths(dict[int, bytes]):
    """The compact prefix of a length, by length; small ones are kept once made."""

    def __init__(self, length_max: int) -> None:
        super().__init__()
        self.length_max = length_max

    def __missing__(self, length: int) -> bytes:
        if length > self.length_max:
            raise ValueError("too long")
        prefix = uvarint(length + 1)
        if length < 1024:
            self[length] = prefix
        return prefix


_NAMES = {
    "compact": CompactLengths(0xFFFFFFFE),
    "compact_text": CompactLengths(STRING_BYTES_MAX),
    "tag_section": tag_section,
}


def _uuid(value: bytes) -> bytes:
    if len(value) != 16:
        raise ValueError("a UUID is 16 bytes")
    return value


def _differs(value: str, default: Any) -> str:
    return f"{value} is not None" if default is None else f"{value} != {default!r}"


class _Writer:
    """Writes writing code; holds back pieces so that neighbours become one statement."""

    def __init__(self, source: Source, *, in_steps: bool = False) -> None:
        self._source = source
        self._in_steps = in_steps
        self._pieces: list[tuple[str, str]] = []  # struct format or "" for bytes, expression

    def struct(self, node: TypedStruct, variable: str) -> None:
        """Write the struct that `variable` names."""
        for member in node.subcons:
            if member.name is None:
                self._tags(member, variable)
            else:
                self._value(unnamed(member), f"{variable}.{member.name}")

    def flush(self) -> None:
        """Add the pieces held back so far to `out`."""
        expressions = self._expressions()
        if len(expressions) == 1:
            self._source.line(f"out.append({expressions[0]})")
        elif expressions:
            self._source.line(f"out += ({', '.join(expressions)})")

    def _expressions(self) -> list[str]:
        """The pieces held back, as expressions of bytes; neighbouring numbers share a pack."""
        expressions = []
        for is_fixed, group in groupby(self._pieces, key=lambda piece: piece[0] != ""):
            pieces = list(group)
            if is_fixed:
                formats = "".join(code for code, _ in pieces)
                expressions.append(self._pack(formats, [value for _, value in pieces if value]))
            else:
                expressions += [expression for _, expression in pieces]
        self._pieces.clear()
        return expressions

    def _pack(self, formats: str, values: list[str]) -> str:
        if not values:
            return repr(bytes(len(formats)))
        return f"{self._bind_pack(formats)}({', '.join(values)})"

    def _bind_pack(self, formats: str) -> str:
        name = f"pack_{format_name(formats)}"
        if name not in self._source.names:
            self._source.bind(name, struct.Struct(">" + formats).pack)
        return name

    def _value(self, node: Construct, value: str) -> None:
        """Write one value; `value` is an attribute or a variable."""
        formats = fixed_format(node)
        if isinstance(node, Bytes):
            self._pieces.append(("", f"{self._source.bind('uuid', _uuid)}({value})"))
        elif formats is not None:
            self._pieces.append((formats, value))
        elif isinstance(node, Absent):
            self._absent(node, value)
        elif isinstance(node, TypedStruct):
            self._inline(node, value)
        elif isinstance(node, Optional):
            self._optional(node, value)
        elif isinstance(node, Array):
            self._array(node, value)
        elif isinstance(node, RecordBytes):
            self._records(node, value)
        else:
            self._bytes(node, value)

    def _absent(self, node: Absent, value: str) -> None:
        if node.refuses:
            with self._source.block(f"if {_differs(value, node.default)}:"):
                self._source.line("raise ValueError")

    def _inline(self, node: TypedStruct, value: str) -> None:
        variable = self._source.fresh_name("m")
        self._source.line(f"{variable} = {value}")
        self.struct(node, variable)

    def _optional(self, node: Optional, value: str) -> None:
        source = self._source
        self.flush()
        with source.block(f"if {value} is None:"):
            source.line('out.append(b"\\xff")')
        with source.block("else:"):
            self._pieces.append(("b", "1"))
            self._inline(node.present, value)
            self.flush()

    def _length(self, node: Lengthed, length: str) -> None:
        """Write a length, given as an expression."""
        formats = fixed_format(node.length)
        if formats is None:
            prefixes = "compact_text" if isinstance(node, Text) else "compact"
            self._pieces.append(("", f"{prefixes}[{length}]"))
        else:
            self._pieces.append((formats, length))

    def _bytes(self, node: Lengthed, value: str) -> None:
        """Write a string or bytes; a nullable one is a single expression, null or not."""
        encoded = f"{value}.encode()" if isinstance(node, Text) else value
        name = self._source.fresh_name("b")
        before = self._pieces
        self._pieces = []
        self._length(node, f"len({name} := {encoded})")
        self._pieces.append(("", name))
        if node.nullable:
            present = " + ".join(self._expressions())
            self._pieces.append(("", f"{_null(node)} if {value} is None else {present}"))
        self._pieces = before + self._pieces

    def _records(self, node: RecordBytes, value: str) -> None:
        source = self._source
        name = source.fresh_name("r")
        self.flush()
        source.line(f"{name} = {value}")
        with source.block(f"if {name} is None:"):
            source.line(f"out.append({_null(node)})")
        with source.block("else:"):
            self._length(node, f"len({name})")
            self.flush()
            with source.block(f"if {name}:"):
                source.line(f'done += (b"".join(out), {name})')
                source.line("out.clear()")

    def _array(self, node: Array, value: str) -> None:
        source = self._source
        name = source.fresh_name("a")
        if not node.nullable:
            self._length(node, f"len({name} := {value})")
            self._elements(node, name)
            return
        self.flush()
        source.line(f"{name} = {value}")
        with source.block(f"if {name} is None:"):
            source.line(f"out.append({_null(node)})")
        with source.block("else:"):
            self._length(node, f"len({name})")
            self._elements(node, name)
            self.flush()

    def _elements(self, node: Array, name: str) -> None:
        source = self._source
        formats = fixed_format(node.element)
        if formats is not None and len(formats) == 1:
            self._pieces.append(("", f'b"".join(map({self._bind_pack(formats)}, {name}))'))
            return
        self.flush()
        element = source.fresh_name("m")
        with source.block(f"for {element} in {name}:"):
            if isinstance(node.element, TypedStruct):
                self.struct(node.element, element)
            else:
                self._value(node.element, element)
            self.flush()
            if self._in_steps:
                source.line("left -= 1")
                with source.block("if not left:"):
                    source.line(f"left = {ELEMENTS_A_STEP}")
                    source.line('done.append(b"".join(out))')  # bit by bit, not all at the end
                    source.line("out.clear()")
                    source.line("yield len(done[-1])")

    def _tags(self, node: Tags, owner: str) -> None:
        """Write a tag section: one zero byte where every tagged field has its default."""
        if not node.fields:
            self._pieces.append((_NO_TAGS, ""))
            return
        function = self._tags_function(node)
        tests = " or ".join(
            _differs(f"{owner}.{field.name}", default) for field, default in node.fields.values()
        )
        self._pieces.append(("", f"{function}({owner}) if {tests} else {bytes(1)!r}"))

    def _tags_function(self, node: Tags) -> str:
        source = self._source
        name = source.fresh_name("tags")
        with source.function(f"def {name}(owner):"):
            source.line("present = []")
            for tag, (field, default) in node.fields.items():
                value = f"owner.{field.name}"
                with source.block(f"if {_differs(value, default)}:"):
                    source.line("out = []")
                    writer = _Writer(source)
                    writer._value(unnamed(field), value)
                    writer.flush()
                    source.line(f'present.append(({tag}, b"".join(out)))')
            source.line("return tag_section(present)")
        return name


def _null(node: Lengthed) -> str:
    """The bytes of a null, as an expression."""
    return repr(node.length.build(-1))
