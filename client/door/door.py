"""The door: what a caller hands over is examined and taken in the call that hands it over.

Every public call of Producer, Consumer and Admin passes what it was given through these functions
before it does anything. Each takes the argument's name and value, returns what the client keeps (a
copy, an encoding, or a value that nobody can change), and raises TypeError or ValueError naming the
argument. Behind the door nothing can be wrong with it: an error there would meet the neighbours of
the record that is at fault. Iterables are read once, and a text where a list is meant is refused.
What options may be stands in config.py, partitions and offsets in place_door.py.
Tests: tests/system/client/test_client_door.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from operator import index as as_index
from typing import Any, Final, TypeAlias, TypeVar

from .record_encoding import encoded_headers
from .secret import Secret

T = TypeVar("T")
INT_MAX: Final = 2**31 - 1
LONG_MAX: Final = 2**63 - 1
STRING_BYTES_MAX: Final = 32_767  # of a text whose length travels as an int16
NO_HEADERS: Final = b""

HeaderValue: TypeAlias = str | bytes | bytearray | memoryview | None
Headers: TypeAlias = Iterable[tuple[str, HeaderValue]] | Mapping[str, HeaderValue]
"""Names and values: bytes, text that is sent as UTF-8, or None."""


def whole(name: str, value: object, low: int = 0, high: int = INT_MAX) -> int:
    """A whole number between two bounds, both included."""
    try:
        number = as_index(value)  # type: ignore[arg-type]  # what it cannot take it refuses
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, not {shown(value)}")
    _check_range(name, number, low, high)
    return number


def number(name: str, value: object, low: float = 0, high: float = INT_MAX) -> float:
    """A finite number between two bounds, both included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return whole(name, value, int(low), int(high))
    if not isinstance(value, int) and not isfinite(value):
        raise ValueError(f"{name} must be a finite number, not {value}")
    _check_range(name, value, low, high)
    return value


def flag(name: str, value: object) -> bool:
    """True or False, and nothing that only counts as such."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {shown(value)}")
    return value


def text(name: str, value: object, bytes_max: int = STRING_BYTES_MAX) -> str:
    """A text that can travel: UTF-8, and not too long."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {shown(value)}")
    size = len(_utf8(name, value))
    if size > bytes_max:
        raise ValueError(f"{name} takes {size} bytes, and {bytes_max} is the most")
    return str(value)


def secret(name: str, value: object) -> Secret:
    """A text that is not empty, and shows itself nowhere."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {shown(value)}")
    if not value:
        raise ValueError(f"{name} is empty")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} is no text that UTF-8 can express") from None
    return Secret(value)


def optional_text(name: str, value: object) -> str | None:
    """A text, or None."""
    return None if value is None else text(name, value)


def texts(name: str, value: object) -> tuple[str, ...]:
    """Several texts; one alone is refused: its letters would be taken for them."""
    return tuple(text(f"each of {name}", each) for each in _each(name, value, "of str"))


def call(name: str, value: T) -> T:
    """A function, or None."""
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be callable, not {shown(value)}")
    return value


def within_ms(name: str, value: object, default_ms: float) -> float:
    """The bound of a wait in ms; None stands for the default."""
    return default_ms if value is None else number(name, value, 0, LONG_MAX)


def timestamp_ms(name: str, value: object) -> float:
    """A time in ms since 1970; negative ones are refused, as Java's ProducerRecord does."""
    return number(name, value, 0, LONG_MAX)


def content(
    name: str, value: object, serializer: Callable[..., bytes] | None = None
) -> bytes | None:
    """A key or a value as bytes nobody else can change; None stays None.

    Args:
        serializer: makes bytes of it; what it raises is raised.
    """
    if value is None:
        return None
    encoded = value if serializer is None else serializer(value)
    if encoded.__class__ is bytes:
        return encoded
    if encoded is None and serializer is not None:
        return None
    return _copied(name, encoded, f"; see {name}_serializer")


def contents(
    name: str, value: object, serializer: Callable[..., bytes] | None
) -> list[bytes | None]:
    """Many keys or values."""
    given = _each(name, value, "")
    if serializer is None and {*map(type, given)} <= {bytes}:
        return given
    one = name.removesuffix("s")
    return [content(one, each, serializer) for each in given]


def listed(name: str, value: object, kinds: str = "") -> list[Any]:
    """Any iterable but a text or bytes, read once."""
    return _each(name, value, kinds)


def headers(name: str, value: object) -> bytes:
    """Headers as they travel; NO_HEADERS for none. Source: DefaultRecord.writeTo."""
    if value is None or value == ():
        return NO_HEADERS
    given = value.items() if isinstance(value, Mapping) else value
    pairs = []
    for header in _each(name, given, "of (name, value)"):
        if isinstance(header, str | bytes) or not isinstance(header, Sequence) or len(header) != 2:
            raise TypeError(f"header of {name} must be (name, value), not {shown(header)}")
        key, held = header
        if not isinstance(key, str):
            raise TypeError(f"a name in {name} must be a str, not {shown(key)}")
        where = f"{name}[{key!a}]"
        if isinstance(held, str):
            held = _utf8(where, held)
        elif held is not None and held.__class__ is not bytes:
            held = _copied(where, held, ", str or None")
        pairs.append((_utf8(f"a name in {name}", key), held))
    return encoded_headers(pairs) if pairs else NO_HEADERS


def partition(name: str, value: object) -> int | None:
    """A partition, or None."""
    return None if value is None else whole(name, value)


def properties(name: str, value: object) -> dict[str, str | None]:
    """Configuration properties: names to texts, or to None."""
    return {
        text(f"a name in {name}", key): optional_text(f"{name}[{key!a}]", each)
        for key, each in mapping(name, value).items()
    }


def instance(name: str, value: object, kind: type[T]) -> T:
    """A value of a class of ours."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, not {shown(value)}")
    return value


def _each(name: str, value: object, kinds: str) -> list[Any]:
    if isinstance(value, str | bytes | bytearray | memoryview) or not isinstance(value, Iterable):
        wanted = f"a list or another iterable {kinds}".rstrip()
        raise TypeError(f"{name} must be {wanted}, not {shown(value)}")
    return [*value]


def mapping(name: str, value: object) -> Mapping[Any, Any]:
    """Any mapping."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping, not {shown(value)}")
    return value


def _utf8(name: str, value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} is no text that UTF-8 can express: {value!a}: {error}") from None


def _copied(name: str, value: object, hint: str) -> bytes:
    """The bytes of anything bytes-like; what is no such thing, a number above all, is refused."""
    try:
        return bytes(memoryview(value))  # type: ignore[arg-type]  # what it cannot take it refuses
    except TypeError:
        raise TypeError(f"{name} must be bytes{hint}, not {shown(value)}") from None


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if value < low:
        raise ValueError(f"{name}={value}: expected {low} or more")
    if value > high:
        raise ValueError(f"{name}={value}: expected {high} or less")


def shown(value: object) -> str:
    """What was given, for a text: its type."""
    return "None" if value is None else type(value).__name__
