"""Values that tell who wrote them, for tests in which several clients write to one log."""


def value_of(client: str, number: int) -> bytes:
    """The `number`-th value (from 0) that a client writes: 100 bytes, unlike all others."""
    return f"{client} {number:06} ".encode().ljust(100, b".")
