"""A properties file in Java's full syntax, as Kafka reads its server.properties.

`name=value`, `name: value` or `name value`; `#` and `!` begin a comment; a line that ends in an odd
number of backslashes goes on in the next, without that one's leading blanks. `\\t`, `\\n`, `\\r`,
`\\f` and `\\uXXXX` are escapes; before anything else a backslash is dropped. Later names win.
Source: java.util.Properties.load.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .properties import ConfigError

_BLANKS = " \t\f"
_SEPARATORS = "=:"
_LETTERS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_LINE_ENDS = re.compile(r"\r\n|\r|\n")
_BACKSLASHES_AT_END = re.compile(r"\\*$")
_ESCAPE = re.compile(r"\\(?:u(?P<code>[0-9a-fA-F]{4})|(?P<letter>.?))", re.DOTALL)
_BYTE_ORDER_MARK = "\ufeff"


def parse_properties(text: str) -> dict[str, str]:
    """The values by name. Raises ConfigError, with the line, for an escape that is none."""
    found: dict[str, str] = {}
    for number, line in _logical_lines(text.removeprefix(_BYTE_ORDER_MARK)):
        name, value = _split(line)
        try:
            found[_unescaped(name)] = _unescaped(value)
        except ValueError as error:
            raise ConfigError(f"line {number}: {error}") from None
    return found


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Each line with the ones it goes on in, and the number of its first; no comments."""
    first, held = 0, ""
    for number, natural in enumerate(_LINE_ENDS.split(text), start=1):
        line = natural.lstrip(_BLANKS)
        if not first:
            if not line or line[0] in "#!":
                continue
            first = number
        ending = _BACKSLASHES_AT_END.search(line)
        if ending is not None and len(ending[0]) % 2:
            held += line[:-1]
            continue
        yield first, held + line
        first, held = 0, ""
    if first:
        yield first, held


def _split(line: str) -> tuple[str, str]:
    """Name and value, still escaped."""
    at = 0
    while at < len(line) and line[at] not in _BLANKS + _SEPARATORS:
        at += 2 if line[at] == "\\" else 1
    value = line[at:].lstrip(_BLANKS)
    if value[:1] and value[0] in _SEPARATORS:
        value = value[1:].lstrip(_BLANKS)
    return line[:at], value


def _unescaped(text: str) -> str:
    def letter(match: re.Match[str]) -> str:
        if match["code"]:
            return chr(int(match["code"], 16))
        if match["letter"] == "u":
            raise ValueError(f"{text!r}: \\u needs four hexadecimal digits; write a \\ as \\\\")
        return _LETTERS.get(match["letter"], match["letter"])

    return _ESCAPE.sub(letter, text)
