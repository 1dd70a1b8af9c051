"""The records that every foreign client is given to write, and how programs exchange them.

Pure, standard library only: the Python programs import it from environments of their own. One
record is one line of JSON, binary parts in base64, null where Kafka has null:

    {"key": "YQ==", "value": null, "headers": [["name", "YQ=="], ["name", null]]}

What a program has read carries its "offset" as well.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from typing import NamedTuple

BIG_VALUE_BYTES = 1_000_000  # with its head just below max.message.bytes, 1,048,588
WORDS = ("sequence", "epoch", "offset", "batch", "leader", "replica", "fence", "retry", "once")


class Written(NamedTuple):
    """What a client is to write, or has read."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


def given_records(topic: str, count: int) -> list[Written]:
    """`count` records, no two equal; the odd ones stand in the middle of ordinary ones.

    Key and header texts have no NUL, comma or line break, so that a command line can carry them.
    """
    odd = list(_odd_records(topic))
    ordinary = [_ordinary_record(topic, number) for number in range(count - len(odd))]
    middle = len(ordinary) // 2
    return [*ordinary[:middle], *odd, *ordinary[middle:]]


def without_null_headers(topic: str, count: int) -> list[Written]:
    """The same, with empty header values for clients that refuse null ones."""
    return [
        Written(key, value, tuple((name, text or b"") for name, text in headers))
        for key, value, headers in given_records(topic, count)
    ]


def as_line(record: Written, offset: int | None = None) -> str:
    """One line of JSON, without its line break."""
    fields = {
        "key": _text(record.key),
        "value": _text(record.value),
        "headers": [[name, _text(value)] for name, value in record.headers],
    }
    return json.dumps(fields if offset is None else {"offset": offset, **fields})


def from_line(line: str) -> tuple[int | None, Written]:
    """Return (offset if there is one, record)."""
    fields = json.loads(line)
    headers = tuple((name, _bytes(value)) for name, value in fields["headers"])
    return fields.get("offset"), Written(_bytes(fields["key"]), _bytes(fields["value"]), headers)


def _ordinary_record(topic: str, number: int) -> Written:
    key = f"key {number % 100}".encode() if number % 3 else None
    return Written(key, f"{topic} {number:06} ".encode().ljust(100, b"."))


def _odd_records(topic: str) -> Iterator[Written]:
    yield Written(b"value null", None)
    yield Written(b"value empty", b"")
    yield Written(b"", b"key empty")
    yield Written(None, b"key null, all bytes " + bytes(range(256)))
    yield Written("schlüssel".encode(), "wert ü €\n".encode())
    yield Written(b"one header", b"a", (("trace", b"abc"),))
    yield Written(b"headers null and empty", b"b", (("null", None), ("empty", b"")))
    yield Written(b"header twice", b"c", (("twice", b"1"), ("twice", b"2"), ("größe", b"\xff\x01")))
    yield Written(b"value null, header", None, (("deleted", b"yes"),))
    rng = random.Random(topic)
    for number in range(2):
        words = " ".join(rng.choices(WORDS, k=BIG_VALUE_BYTES // 5))
        yield Written(f"big {number}".encode(), words.encode()[:BIG_VALUE_BYTES])


def _text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode("ascii")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
