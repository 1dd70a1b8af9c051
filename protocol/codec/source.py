"""Python source in the making: lines, names, and the two emitters' common ground.

The emitters (emit_decode.py, emit_encode.py) walk a construct tree of wire.py once and write the
code that does the same without walking it. They know constructs, and nothing of Kafka.
Tests: tests/unit/protocol/codec/test_compiler.py
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from construct import Bytes, Construct, Flag, FormatField, Renamed


class Source:
    """Lines of one or more functions, and the names they refer to.

    Attributes:
        names: what the code finds in its global namespace.
    """

    def __init__(self, **names: Any) -> None:
        self.names: dict[str, Any] = names
        self._functions: list[list[str]] = []
        self._lines: list[str] = []
        self._depth = 0
        self._count = 0

    def line(self, text: str) -> None:
        """Add one line at the present depth."""
        self._lines.append("    " * self._depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Add `head`, and what is added meanwhile one level deeper."""
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1

    @contextmanager
    def function(self, head: str) -> Iterator[None]:
        """Begin a function of its own, wherever the code stands."""
        lines, depth = self._lines, self._depth
        self._lines, self._depth = [], 0
        with self.block(head):
            yield
        self._functions.append(self._lines)
        self._lines, self._depth = lines, depth

    def fresh_name(self, prefix: str) -> str:
        """A name not used before."""
        self._count += 1
        return f"{prefix}{self._count}"

    def bind(self, name: str, value: Any) -> str:
        """Make `value` a global of the code, under `name` or one derived from it."""
        while name in self.names and self.names[name] is not value:
            name += "_"
        self.names[name] = value
        return name

    def text(self) -> str:
        """All functions, inner ones first."""
        return "\n\n".join("\n".join(lines) for lines in self._functions) + "\n"


def fixed_format(node: Construct) -> str | None:
    """The struct format of a construct of fixed size; None for all others."""
    if isinstance(node, FormatField):
        assert node.fmtstr[0] == ">", "Kafka is big-endian throughout"
        return str(node.fmtstr[1:])
    if isinstance(node, Bytes):
        return f"{node.length}s"
    return "?" if node is Flag else None


def unnamed(node: Construct) -> Construct:
    """The construct itself, without the name it has in a struct."""
    return node.subcon if isinstance(node, Renamed) else node


def format_name(formats: str) -> str:
    """A readable part of a name for a struct format: "ih16s" as it is, "?" as t (truth)."""
    return formats.replace("?", "t")


def format_size(formats: str) -> int:
    """Bytes that a format takes on the wire."""
    return struct.calcsize(">" + formats)
