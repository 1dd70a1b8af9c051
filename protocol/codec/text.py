"""Bytes that should be UTF-8, read as Java reads them: what is none becomes U+FFFD.

1. a client id or a group id in another encoding arrives   2. Kafka takes it, and shows it with a
question mark in a box; closing the connection would leave that client with nothing.
Nobody else is harmed: what was read here can always be written again. Two such names may become
one, as in Kafka. Hot paths decode strictly and come here when that has failed.
Source: String(byte[], Charset) of OpenJDK; a surrogate of three bytes is one malformed character.
Tests: tests/unit/protocol/codec/test_compiler.py
"""

import re

STRING_BYTES_MAX = 32767  # Kafka's readers and writers refuse more, in compact strings as well

_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_REPLACEMENT = "\ufffd".encode()


def read_text(data: bytes) -> str:
    """The text of `data`; of at most STRING_BYTES_MAX when written again, if it had to be mended.

    Raises:
        ValueError: it would be longer, for each malformed byte takes three.
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        pass
    text = _SURROGATE.sub(_REPLACEMENT, data).decode("utf-8", "replace")
    if len(text.encode()) > STRING_BYTES_MAX:
        raise ValueError(f"is not UTF-8, and takes more than {STRING_BYTES_MAX} bytes when mended")
    return text
