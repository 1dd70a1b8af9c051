"""From a construct tree to the source of one flat decoding function.

How the code reads: `p` is the position, `limit` the end of the buffer; neighbouring numbers, and
the first byte of the varint or the length after them, are one struct.unpack_from. A slice or count
that does not fit raises ValueError, a read past the end IndexError or struct.error; what it was
exactly is for the tree to explain. Nothing is allocated before its count was checked. The same code
can be written as a generator, which yields now and then in its arrays.
Tests: tests/unit/protocol/codec/test_compiler.py
"""

import struct

from construct import Construct

from ..varint import read_uvarint, skip_tags
from .source import Source, fixed_format, format_name, format_size, unnamed
from .text import STRING_BYTES_MAX, read_text
from .wire import (
    Absent,
    Array,
    Blob,
    Lengthed,
    Optional,
    RecordBytes,
    Tags,
    Text,
    TypedStruct,
)

TAGGED_ELEMENTS_MAX = 10_000  # of one tag section, where elements are counted at all


class TooManyElements(ValueError):
    """A message's arrays hold more elements, all together, than it may have."""


ELEMENTS_A_STEP = 250
"""Elements of arrays between two yields; each takes a microsecond or two."""


def decode_source(
    tree: TypedStruct,
    elements_max: int | None = None,
    *,
    in_steps: bool = False,
    mends_text: bool = False,
) -> Source:
    """Write `decode(buf, p) -> (message, end)` for `tree`; a generator that returns it `in_steps`.

    With `elements_max` the arrays of a message may have so many elements in all: an element of two
    bytes on the wire becomes an object of a hundred, so the size of a frame bounds too little.

    Strings are decoded strictly, which is the quickest; a message with one that is not UTF-8 is
    left to `mending`, which is this function made with `mends_text`. Steps always mend.

    The names `malformed` (exceptions to catch), `explain` (called with the buffer, the start and
    the exception; returns what to raise) and `mending` (where text is not mended here) are left for
    the caller to bind.
    """
    mends_text |= in_steps
    source = Source(new=object.__new__, uvarint=read_uvarint, skip_tags=skip_tags)
    source.bind("text_length", _text_length)
    with source.function("def decode(buf, p=0):"):
        source.line("start = p")
        with source.block("try:"):
            with source.block("if type(buf) is not memoryview:"):
                source.line("buf = memoryview(buf)")
            source.line("limit = len(buf)")
            if elements_max is not None:
                source.bind("TooManyElements", TooManyElements)
                source.line(f"budget = {elements_max}")
            if in_steps:
                source.line(f"left = {ELEMENTS_A_STEP}")
            reader = _Reader(
                source,
                counts_elements=elements_max is not None,
                in_steps=in_steps,
                mends_text=mends_text,
            )
            result = reader.struct(tree)
            reader.flush()
            if in_steps:
                source.line("yield")
            source.line(f"return {result}, p")
        if mends_text:
            source.bind("read_text", read_text)
        else:
            with source.block("except UnicodeDecodeError:"):
                source.line("return mending(buf, start)")
        with source.block("except malformed as error:"):
            source.line("raise explain(buf, start, error) from None")
    return source


def _text_length(buf: memoryview, position: int, limit: int) -> tuple[int, int]:
    """Read the length of a compact string that takes more than one byte."""
    length, position = read_uvarint(buf, position, limit)
    if length - 1 > STRING_BYTES_MAX:
        raise ValueError("string too long")
    return length, position


class _Reader:
    """Writes reading code; holds back fixed fields so that neighbours become one unpack."""

    def __init__(
        self, source: Source, *, counts_elements: bool, in_steps: bool, mends_text: bool
    ) -> None:
        self._source = source
        self._decode_text = "read_text({})" if mends_text else "{}.decode()"
        self._in_steps = in_steps
        self._counts_elements = counts_elements
        self._pending: list[tuple[str, str]] = []  # struct format, assignment target

    def struct(self, node: TypedStruct) -> str:
        """Read a struct into a new object; returns its variable."""
        source = self._source
        variable = source.fresh_name("m")
        source.line(f"{variable} = new({source.bind(node.message.__name__, node.message)})")
        for member in node.subcons:
            if member.name is None:
                self._tags(member, variable)
            else:
                self._value(unnamed(member), f"{variable}.{member.name}")
        return variable

    def flush(self) -> None:
        """Read the fixed fields held back so far."""
        if not self._pending:
            return
        formats = "".join(code for code, _ in self._pending)
        targets = ", ".join(target for _, target in self._pending)
        self._pending.clear()
        if formats == "B":
            self._source.line(f"{targets} = buf[p]")
        else:
            unpack = self._bind_unpack(formats)
            comma = "" if ", " in targets else ","
            self._source.line(f"{targets}{comma} = {unpack}(buf, p)")
        self._source.line(f"p += {format_size(formats)}")

    def _bind_unpack(self, formats: str) -> str:
        name = f"unpack_{format_name(formats)}"
        if name not in self._source.names:
            self._source.bind(name, struct.Struct(">" + formats).unpack_from)
        return name

    def _value(self, node: Construct, target: str) -> None:
        """Read one value into `target`: an attribute or a variable."""
        formats = fixed_format(node)
        if formats is not None:
            self._pending.append((formats, target))
        elif isinstance(node, Absent):
            self._source.line(f"{target} = {node.default!r}")
        elif isinstance(node, TypedStruct):
            self._source.line(f"{target} = {self.struct(node)}")
        elif isinstance(node, Optional):
            self._optional(node, target)
        elif isinstance(node, Array):
            self._array(node, target)
        else:
            self._bytes(node, target)

    def _optional(self, node: Optional, target: str) -> None:
        source = self._source
        sign = source.fresh_name("n")
        self._pending.append(("b", sign))
        self.flush()
        with source.block(f"if {sign} < 0:"):
            source.line(f"{target} = None")
        with source.block("else:"):
            variable = self.struct(node.present)
            self.flush()
            source.line(f"{target} = {variable}")

    def _length(self, node: Lengthed, long_reader: str) -> str:
        """Read a length (compact ones as they stand: plus one); returns its variable."""
        variable = self._source.fresh_name("n")
        formats = "B" if node.compact else fixed_format(node.length)
        assert formats is not None
        self._pending.append((formats, variable))
        self.flush()
        if node.compact:
            with self._source.block(f"if {variable} > 127:"):
                self._source.line(f"{variable}, p = {long_reader}(buf, p - 1, limit)")
        return variable

    def _bytes(self, node: Lengthed, target: str) -> None:
        source = self._source
        length = self._length(node, "text_length" if isinstance(node, Text) else "uvarint")
        if node.nullable:
            null = f"{length} == 0" if node.compact else f"{length} == -1"
            with source.block(f"if {null}:"):
                source.line(f"{target} = None")
            with source.block("else:"):
                self._slice(node, length, target)
        else:
            self._slice(node, length, target)

    def _slice(self, node: Lengthed, length: str, target: str) -> None:
        source = self._source
        source.line(f"q = p + {length}{' - 1' if node.compact else ''}")
        with source.block("if not p <= q <= limit:"):
            source.line("raise ValueError")
        if isinstance(node, Text):
            source.line(f"{target} = {self._decode_text.format('buf[p:q].tobytes()')}")
        elif isinstance(node, RecordBytes):
            source.line(f"{target} = buf[p:q]")
        else:
            assert isinstance(node, Blob)
            source.line(f"{target} = buf[p:q].tobytes()")
        source.line("p = q")

    def _array(self, node: Array, target: str) -> None:
        source = self._source
        count = self._length(node, "uvarint")
        if node.compact:
            source.line(f"{count} -= 1")
        if node.nullable:
            with source.block(f"if {count} == -1:"):
                source.line(f"{target} = None")
            with source.block("else:"):
                self._elements(node, count, target)
        else:
            self._elements(node, count, target)

    def _elements(self, node: Array, count: str, target: str) -> None:
        source = self._source
        size = count if node.unit_min == 1 else f"{count} * {node.unit_min}"
        with source.block(f"if not 0 <= {size} <= limit - p:"):
            source.line("raise ValueError")
        if self._counts_elements:
            source.line(f"budget -= {count}")
            with source.block("if budget < 0:"):
                source.line("raise TooManyElements")
        formats = fixed_format(node.element)
        if formats is not None and len(formats) == 1:
            source.bind("unpack_from", struct.unpack_from)
            source.line(f'{target} = list(unpack_from(f">{{{count}}}{formats}", buf, p))')
            source.line(f"p += {size}")
            return
        elements = source.fresh_name("a")
        source.line(f"{target} = {elements} = []")
        with source.block(f"while {count}:"):
            source.line(f"{count} -= 1")
            if isinstance(node.element, TypedStruct):
                element = self.struct(node.element)
            else:
                element = source.fresh_name("v")
                self._value(node.element, element)
            self.flush()
            source.line(f"{elements}.append({element})")
            if self._in_steps:
                source.line("left -= 1")
                with source.block("if not left:"):
                    source.line(f"left = {ELEMENTS_A_STEP}")
                    source.line("yield")

    def _tags(self, node: Tags, owner: str) -> None:
        """Read a tag section; a section without tags, the common case, costs one byte read."""
        source = self._source
        for field, default in node.fields.values():
            source.line(f"{owner}.{field.name} = {default!r}")
        count = source.fresh_name("n")
        self._pending.append(("B", count))
        self.flush()
        with source.block(f"if {count}:"):
            if node.fields:
                source.line(f"p = {self._tags_function(node)}(buf, p - 1, limit, {owner})")
            else:
                source.line("p = skip_tags(buf, p - 1, limit)")

    def _tags_function(self, node: Tags) -> str:
        source = self._source
        name = source.fresh_name("tags")
        with source.function(f"def {name}(buf, p, limit, owner):"):
            source.line("count, p = uvarint(buf, p, limit)")
            source.line("last = -1")
            if self._counts_elements:
                source.line(f"budget = {TAGGED_ELEMENTS_MAX}")
            in_steps, self._in_steps = self._in_steps, False  # a function of its own
            with source.block("for _ in range(count):"):
                source.line("tag, p = uvarint(buf, p, limit)")
                source.line("size, p = uvarint(buf, p, limit)")
                source.line("end = p + size")
                with source.block("if tag <= last or end > limit:"):
                    source.line("raise ValueError")
                source.line("last = tag")
                word = "if"
                for tag, (field, _) in node.fields.items():
                    with source.block(f"{word} tag == {tag}:"):
                        self._value(unnamed(field), f"owner.{field.name}")
                        self.flush()
                    word = "elif"
                with source.block("else:"):
                    source.line("p = end")
                with source.block("if p != end:"):
                    source.line("raise ValueError")
            self._in_steps = in_steps
            source.line("return p")
        return name


def malformed_errors() -> tuple[type[Exception], ...]:
    """What the written code raises on bytes that are not the message."""
    return (IndexError, struct.error, ValueError)
