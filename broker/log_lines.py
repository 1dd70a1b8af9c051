"""How the broker's log lines are made: one structured line a happening, as logfmt or as JSON.

    log.info(Event("topic-created", topic=name, partitions=3))
    time=2026-11-27T21:04:05.123+00:00 level=INFO event=topic-created topic=orders partitions=3

An Event is given to `logging` as it is; a plain string becomes `msg="..."`. Whatever comes from the
network may stand in a value: it is quoted, escaped and cut here, so that no client id can repaint
a terminal, begin a line of its own or fill the disk.
Which handler writes where is for the command line (cli/commands/serve.py). Logfmt:
brandur.org/logfmt.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime
from enum import Enum

from ..protocol.errors import shortened

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")
VALUE_CHARACTERS_MAX = 500
TRACEBACK_CHARACTERS_MAX = 20_000
KEYS_MAX = 1024
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Event:
    """One happening.

    Args:
        name: what has happened, in kebab-case, the thing first: "topic-created".
        fields: its facts, in the order they are shown; None leaves a field out.
    """

    __slots__ = ("fields", "name")

    def __init__(self, name: str, /, **fields: object) -> None:
        self.name = name
        self.fields = fields

    def __str__(self) -> str:
        return logfmt({"event": self.name, **self.fields})


Line = str | Event
"""What a core says to the operator."""


def logfmt(fields: dict[str, object]) -> str:
    """`key=value` pairs, values quoted where a reader of logfmt needs it."""
    return " ".join(
        f"{key}={_quoted(key, value)}" for key, value in fields.items() if value is not None
    )


def escaped(text: str) -> str:
    """`text` in one line without anything a terminal could take for an order."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(_ESCAPES.get(each) or _escape(each) for each in text)


class TextFormatter(logging.Formatter):
    """A record as one line of logfmt."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, tracebacks included."""
        return logfmt(_facts(self, record))


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON; numbers and booleans stay what they are."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, in ASCII."""
        return json.dumps(
            {
                key: _plain(key, value)
                for key, value in _facts(self, record).items()
                if value is not None
            }
        )


def formatter(name: str) -> logging.Formatter:
    """The formatter of one of FORMATS."""
    return JsonFormatter() if name == "json" else TextFormatter()


class OncePerSecond:
    """Says which of many like lines may be written: one a second and key, in bounded memory.

    1. a peer's loop sends garbage, is cut off and connects again, 2,000 times a second
    2. a line for each would bury what matters and fill the disk. So the first is written, and the
    next one, a second later, says how many were left out.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, int]] = {}  # key -> (written at, left out since)

    def left_out(self, key: str, now_ms: int) -> int | None:
        """How many lines were left out before this one; None: leave this one out, too."""
        at_ms, count = self._last.get(key, (now_ms - 1000, 0))
        if now_ms - at_ms < 1000:
            self._last[key] = (at_ms, count + 1)
            return None
        self._last.pop(key, None)
        if len(self._last) >= KEYS_MAX:
            del self._last[next(iter(self._last))]  # the one written longest ago
        self._last[key] = (now_ms, 0)
        return count


def _facts(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, object]:
    at = datetime.fromtimestamp(record.created).astimezone()
    facts: dict[str, object] = {
        "time": at.isoformat(timespec="milliseconds"),
        "level": record.levelname,
    }
    if isinstance(record.msg, Event):
        facts["event"] = record.msg.name
        facts |= record.msg.fields
    else:
        facts["msg"] = record.getMessage()
    if record.exc_info:
        facts["traceback"] = formatter.formatException(record.exc_info)
    return facts


def _text(key: str, value: object) -> str:
    limit = TRACEBACK_CHARACTERS_MAX if key == "traceback" else VALUE_CHARACTERS_MAX
    return shortened(value.name if isinstance(value, Enum) else str(value), limit)


def _plain(key: str, value: object) -> object:
    # An ErrorCode, which is an int as well, is shown by its name; plain numbers stay numbers.
    return value if type(value) in (bool, int, float) else _text(key, value)


def _quoted(key: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = _text(key, value)
    if text and text.isprintable() and not any(each in text for each in ' "=\\'):
        return text
    return f'"{escaped(text)}"'


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
