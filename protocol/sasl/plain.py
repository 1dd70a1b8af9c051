"""PLAIN (RFC 4616): the user's name and password in one message, as they are.

Whoever sees the bytes has the password: that is what TLS is for.
"""

from __future__ import annotations

MECHANISM = "PLAIN"
NUL = "\0"


def plain_message(username: str, password: str) -> bytes:
    """What a client says, and all of it.

    Raises:
        ValueError: a name or password with NUL, which is what stands between them, or without
            any letter.
    """
    for what, text in (("user name", username), ("password", password)):
        if not text:
            raise ValueError(f"the {what} is empty, and PLAIN has no such")
        if NUL in text:
            raise ValueError(f"the {what} has a NUL in it, and PLAIN has no way to say that")
    return f"{NUL}{username}{NUL}{password}".encode()
