"""Keys, values and headers as text, JSON or hex, as much of them as a page bears. Pure.

Tests: tests/unit/console/showing/test_values.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import StrEnum

from markupsafe import Markup, escape

from .words import visible

PREVIEW_BYTES = 200
TEXT_BYTES_MAX = 64 * 1024
HEX_BYTES_MAX = 8 * 1024
HEX_COLUMNS = 16
DEPTH_MAX = 60  # deeper, the indentation alone would be megabytes
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*)|(true|false|null)')
_CONTROL_BUT_LINES = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


class Form(StrEnum):
    """How bytes are shown."""

    TEXT = "text"
    JSON = "json"
    HEX = "hex"


def preview(data: bytes | None, bytes_max: int = PREVIEW_BYTES) -> str:
    """The beginning of a value in one line; hex where it is no text."""
    if data is None:
        return ""
    text = _decoded(data[:bytes_max])
    if text is None:
        return " ".join(f"{byte:02x}" for byte in data[:24]) + (" …" if len(data) > 24 else "")
    return visible(text) + ("…" if len(data) > bytes_max else "")


def is_text(data: bytes | None) -> bool:
    """Whether bytes are likely meant as text."""
    return data is not None and _decoded(data[:TEXT_BYTES_MAX]) is not None


def best_form(data: bytes | None) -> Form:
    """As what bytes are shown when nobody chooses."""
    if data is None or not is_text(data):
        return Form.HEX if data else Form.TEXT
    return Form.JSON if _parsed(data) is not None else Form.TEXT


def shown(data: bytes, form: Form) -> Markup:
    """Bytes as markup for a <pre>; nothing of them is taken for markup."""
    if form is Form.HEX:
        return escape("\n".join(_hex_lines(data[:HEX_BYTES_MAX])))
    if form is Form.JSON:
        parsed = _parsed(data)
        if parsed is not None:
            return _coloured(json.dumps(parsed[0], indent=2, ensure_ascii=False))
    text = data[:TEXT_BYTES_MAX].decode("utf-8", "replace")
    return escape(_CONTROL_BUT_LINES.sub(lambda found: visible(found[0]), text))


def cut_at(data: bytes | None, form: Form) -> int:
    """How many bytes are shown of bytes that are too many; 0 if all are."""
    most = HEX_BYTES_MAX if form is Form.HEX else TEXT_BYTES_MAX
    return most if data is not None and len(data) > most else 0


def _decoded(data: bytes) -> str | None:
    """Text of UTF-8, the last letter of which may be cut; None if it is none."""
    for end in range(len(data), max(-1, len(data) - 4), -1):
        try:
            text = data[:end].decode()
        except UnicodeDecodeError:
            continue
        odd = sum(letter < " " and letter not in "\t\n\r" for letter in text)
        return text if odd * 10 <= len(text) else None
    return None


def _parsed(data: bytes) -> tuple[object] | None:
    """What JSON says, in a tuple; None if it is none, or too much."""
    if len(data) > TEXT_BYTES_MAX or data.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return (found,) if _depth(found) <= DEPTH_MAX else None


def _depth(value: object) -> int:
    """How deep lists and objects lie in each other; beyond DEPTH_MAX it is not counted."""
    level, depth = [value], 0
    while level and depth <= DEPTH_MAX:
        level = [
            each
            for outer in level
            if isinstance(outer, list | dict)
            for each in (outer.values() if isinstance(outer, dict) else outer)
        ]
        depth += 1
    return depth


def _coloured(text: str) -> Markup:
    parts, position = [], 0
    for found in _TOKEN.finditer(text):
        parts.append(_plain(text[position : found.start()]))
        string, colon, figure, word = found.groups()
        if string is not None:
            kind = "k" if colon else "s"
            parts.append(
                Markup('<span class="j-{}">{}</span>{}').format(
                    kind, visible_in(string), colon or ""
                )
            )
        else:
            kind = "n" if figure is not None else "w"
            parts.append(Markup('<span class="j-{}">{}</span>').format(kind, figure or word))
        position = found.end()
    parts.append(_plain(text[position:]))
    return Markup("").join(parts)


def _plain(text: str) -> Markup:
    return escape(visible_in(text))


def visible_in(text: str) -> str:
    """Text of several lines, nothing of which is obeyed."""
    return _CONTROL_BUT_LINES.sub(lambda found: visible(found[0]), text)


def _hex_lines(data: bytes) -> Iterator[str]:
    for at in range(0, len(data), HEX_COLUMNS):
        row = data[at : at + HEX_COLUMNS]
        left = " ".join(f"{byte:02x}" for byte in row[:8])
        right = " ".join(f"{byte:02x}" for byte in row[8:])
        letters = "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in row)
        yield f"{at:08x}  {left:23}  {right:23}  {letters}"
