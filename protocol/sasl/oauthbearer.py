"""OAUTHBEARER (RFC 7628): a token that somebody else has issued, and extensions beside it.

Source: OAuthBearerClientInitialResponse.java, KIP-255, KIP-342.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

MECHANISM = "OAUTHBEARER"
SEPARATOR = "\x01"
GIVEN_UP = SEPARATOR.encode()
"""What a client says to a server that has told why it refuses: the server then ends it."""

_TOKEN = re.compile(r"[-A-Za-z0-9._~+/]+=*", re.ASCII)
_NAME = re.compile(r"[A-Za-z]+", re.ASCII)
_VALUE = re.compile(r"[\x21-\x7E \t\r\n]+", re.ASCII)


def bearer_message(token: str, extensions: Mapping[str, str]) -> bytes:
    """What a client says first.

    Args:
        extensions: further names and values, such as a managed service asks for.

    Raises:
        ValueError: a token or an extension that cannot travel; the text never shows the token.
    """
    if not _TOKEN.fullmatch(token):
        raise ValueError("the token has letters that no bearer token has (RFC 6750), or none")
    for name, value in extensions.items():
        if name == "auth" or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"an extension {name!r} cannot travel: letters, and a printable value")
    said = "".join(f"{name}={value}{SEPARATOR}" for name, value in extensions.items())
    return f"n,,{SEPARATOR}auth=Bearer {token}{SEPARATOR}{said}{SEPARATOR}".encode()
