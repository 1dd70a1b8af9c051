"""Golden message bodies, written by kio 0.6 and never by this code: frames/<api>.txt.

    python -m tests.golden.write_frames

writes them anew; a diff means that kio changed. Each line: message, version, shape, hex. The shape
"full" has every field that the version knows, tagged ones as well, with a value of its own; "bare"
has null wherever null may stand, no tagged field, and one element per array. Values follow from
kio's own field names and types, so that nothing of our schemas can leak in.
"""

from __future__ import annotations

import dataclasses
import sys
import typing
import uuid
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from kio.schema.errors import ErrorCode
from minibroker.protocol.apis import APIS
from minibroker.protocol.codec.schema import api_of

from tests.support.records.kio_messages import EPOCH, element_type, kio_bytes, kio_type
from tests.support.records.messages import KAFKAS

FOLDER = Path(__file__).parent / "frames"
SHAPES = ("full", "bare")
HEAD = "# Written by kio, see write_frames.py. Message, version, shape, hex of the body.\n"


def fill(cls: Any, shape: str, numbers: Iterator[int], depth: int = 0) -> Any:
    """An object of a kio class with a different value in every field."""
    arguments: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        nullable = type(None) in typing.get_args(field.type)
        if shape == "bare" and "tag" in field.metadata:
            continue
        if shape == "bare" and nullable and field.metadata.get("kafka_type") != "uuid":
            arguments[field.name] = None
            continue
        elements = 2 if shape == "full" and depth == 0 else 1
        inner = element_type(field)
        made = [
            fill(inner, shape, numbers, depth + 1) if inner else _value(field, next(numbers))
            for _ in range(elements)
        ]
        arguments[field.name] = tuple(made) if "tuple[" in str(field.type) else made[0]
    return cls(**arguments)


def _value(field: dataclasses.Field[Any], number: int) -> Any:
    kind = field.metadata["kafka_type"]
    match kind:
        case "string":
            return f"{field.name[:8]}-{number}"
        case "bytes" | "records":
            return f"{kind} {number}".encode()
        case "bool":
            return field.default is not True
        case "uuid":
            return uuid.UUID(int=number << 64 | number)
        case "float64":
            return number + 0.25
        case "error_code":
            return ErrorCode(number)
        case "timedelta_i32" | "timedelta_i64":
            return timedelta(milliseconds=1000 + number)
        case "datetime_i64":
            return EPOCH + timedelta(milliseconds=1_700_000_000_000 + number)
    bits = int(kind.removeprefix("u").removeprefix("int"))
    return number << (bits - 8) | number


def golden_lines() -> dict[str, list[str]]:
    """The lines of every file, by the file's name."""
    lines: dict[str, list[str]] = {
        f"{api.module_name}.txt": [] for api in APIS.values() if api.is_kafkas
    }
    for which in KAFKAS:
        cls = kio_type(which)
        name = f"{api_of(which.message).module_name}.txt"
        for shape in SHAPES:
            body = kio_bytes(fill(cls, shape, count(1))).hex()
            lines[name].append(f"{which.message.__name__} {which.version} {shape} {body}")
    return lines


def main() -> int:
    """Write the files. Returns the exit code."""
    FOLDER.mkdir(exist_ok=True)
    for name, lines in golden_lines().items():
        (FOLDER / name).write_text(HEAD + "\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
