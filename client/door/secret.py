"""What must not be seen: a text that shows itself nowhere but where it is used.

Tracebacks with local values (pytest's, rich's), a debugger's lists and `repr` show arguments as
they are. A password that a caller hands over is replaced in the first line of the call.
Tests: tests/unit/client/door/test_secret.py
"""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")
HIDDEN = "'(hidden)'"


class Secret(str):
    """A text whose repr tells nothing of it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return HIDDEN


def hidden(text: T) -> T:
    """The same text as a Secret; what is no text stays what it is, to be refused by name."""
    held: Any = Secret(text) if isinstance(text, str) else text
    shown: T = held
    return shown
