"""What a configuration property is: name, type, default, bounds, documentation; text to value.

The properties themselves stand in broker.py (the broker's) and topic.py (a topic's).
Names, types and defaults are Kafka's. `used` is False for a name that Kafka knows and that
means nothing here: it is accepted and warned about, so that existing files and tools work.
Tests: tests/unit/broker/config/test_config.py
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from ...protocol.configs import ConfigType


class Secret:
    """A password or what is as good as one: no text of it shows it but `reveal()`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """What it is; for who uses it, never for a line that people read."""
        return self._text

    def __repr__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


HIDDEN = "[hidden]"
Value = bool | int | float | str | tuple[str, ...] | Secret | None

INT_MAX = 2**31 - 1
_DIGITS_MAX = 100  # of a number that is looked at
LONG_MAX = 2**63 - 1


class ConfigError(ValueError):
    """A configuration that cannot be used; the text says which property and what to do."""


# As Java reads them; int() also takes 1_000 and digits of other scripts.
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DOUBLE = re.compile(r"[+-]?(?:NaN|Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")
_INTEGER_BOUNDS = {
    ConfigType.INT: (-(2**31), INT_MAX),
    ConfigType.SHORT: (-(2**15), 2**15 - 1),
    ConfigType.LONG: (-(2**63), LONG_MAX),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One configuration property.

    Args:
        at_least, at_most: inclusive bounds of a number.
        excluded: numbers within the bounds that are no value all the same.
        choices: the words allowed; empty for any.
        broker_name: for a topic property, the broker property that gives its default.
        synonym: for a topic property without one, the name Kafka gives its default; None for none.
        dynamic: for a broker property, whether it may change while the broker runs.
        default_listed: False where Kafka's own default is null, and a coarser name has the value.
        used: False when the name is Kafka's and has no meaning here.
    """

    name: str
    type: ConfigType
    default: Value
    documentation: str
    at_least: float | None = None
    at_most: float | None = None
    excluded: tuple[int, ...] = ()
    choices: tuple[str, ...] = ()
    broker_name: str | None = None
    synonym: str | None = None
    dynamic: bool = False
    default_listed: bool = True
    used: bool = True

    def parse(self, text: str) -> Value:
        """The value a text stands for. Raises ConfigError naming the property and its bounds."""
        text = text.strip()
        match self.type:
            case ConfigType.BOOLEAN:
                value: Value = self._boolean(text)
            case ConfigType.INT | ConfigType.SHORT | ConfigType.LONG:
                value = self._integer(text)
            case ConfigType.DOUBLE:
                value = self._double(text)
            case ConfigType.LIST:
                value = self._list(text)
            case ConfigType.PASSWORD:
                value = Secret(text)
            case _:  # STRING, CLASS
                value = text
        self._check_choice(value)
        return value

    def parse_stored(self, text: str, otherwise: Value) -> Value:
        """The value of a text that an earlier version took; `otherwise` if it is none any more.

        A broker must start on what it has stored, whatever has become stricter since.
        """
        try:
            return self.parse(text)
        except ConfigError:
            return otherwise

    def format(self, value: Value) -> str | None:
        """The text of a value, as Kafka's tools show it; None for null, and for a secret."""
        if value is None or isinstance(value, Secret):
            return None
        if isinstance(value, bool):
            return "true" if value else "false"
        return ",".join(value) if isinstance(value, tuple) else str(value)

    def _boolean(self, text: str) -> bool:
        if text.lower() not in ("true", "false"):
            raise ConfigError(f"{self.name}={text}: expected true or false")
        return text.lower() == "true"

    def _integer(self, text: str) -> int:
        if _INTEGER.fullmatch(text) is None:
            raise ConfigError(f"{self.name}={text}: expected a whole number")
        value = int(text) if len(text) < _DIGITS_MAX else INT_MAX**3  # beyond any bound
        low, high = _INTEGER_BOUNDS[self.type]
        self._check_bounds(
            text,
            value,
            low if self.at_least is None else self.at_least,
            high if self.at_most is None else self.at_most,
        )
        return value

    def _check_bounds(self, text: str, value: float, low: float, high: float) -> None:
        if value < low or value > high or value in self.excluded:
            besides = "".join(f", and not {each}" for each in self.excluded)
            raise ConfigError(
                f"{self.name}={text}: expected a number from {low} to {high}{besides}"
            )

    def _double(self, text: str) -> float:
        if _DOUBLE.fullmatch(text) is None:
            raise ConfigError(f"{self.name}={text}: expected a number")
        value = float(text)
        low = -math.inf if self.at_least is None else self.at_least
        self._check_bounds(text, value, low, math.inf if self.at_most is None else self.at_most)
        return value

    def _list(self, text: str) -> tuple[str, ...]:
        words = tuple(part.strip() for part in text.split(","))
        if text and self.choices and "" in words:
            raise ConfigError(f"{self.name}={text}: a word is missing beside a comma")
        return tuple(word for word in words if word)

    def _check_choice(self, value: Value) -> None:
        if not self.choices:
            return
        for word in value if isinstance(value, tuple) else (value,):
            if word not in self.choices:
                allowed = ", ".join(self.choices)
                raise ConfigError(f"{self.name}={word}: expected one of {allowed}")


def setting(
    name: str,
    kind: ConfigType,
    default: Value,
    documentation: str,
    *,
    at_least: int | None = None,
    at_most: int | None = None,
    excluded: tuple[int, ...] = (),
    choices: tuple[str, ...] = (),
    dynamic: bool = False,
    default_listed: bool = True,
) -> Any:
    """Declare a property as a field of a configuration; arguments are those of Property."""
    prop = Property(
        name=name,
        type=kind,
        default=default,
        documentation=documentation,
        at_least=at_least,
        at_most=at_most,
        excluded=excluded,
        choices=choices,
        dynamic=dynamic,
        default_listed=default_listed,
    )
    return field(default=default, metadata={"property": prop})


NAME_MEANT_MAX = 256  # twice and more what any known name has: too far from all of them


def nearest(name: str, names: Iterable[str]) -> str:
    """'; did you mean X?' when a known name is close to `name`, else nothing."""
    if len(name) > NAME_MEANT_MAX:  # to compare 32,000 letters takes some milliseconds a name
        return ""
    close = get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""
