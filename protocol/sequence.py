"""The ring of producer sequence numbers: 0 … 2147483647, then 0 again.

Only this file knows that sequences wrap. Everyone else adds, and never compares with < or >:
on a ring "later" has no meaning, only "exactly the next" has.

Source: DefaultRecordBatch.incrementSequence; KIP-98.
"""

from typing import Final

SEQUENCE_MAX: Final = 2**31 - 1  # also the mask of the ring, because the ring has 2**31 places


def add(sequence: int, count: int) -> int:
    """The sequence `count` places after `sequence`.

    Args: sequence: 0…SEQUENCE_MAX. count: places to go, negative to go back.
    """
    return (sequence + count) & SEQUENCE_MAX


def last_of(first: int, count: int) -> int:
    """The sequence of the last record (inclusive) of a batch of `count` ≥ 1 records."""
    return (first + count - 1) & SEQUENCE_MAX


def next_of(sequence: int) -> int:
    """The only sequence that may follow `sequence`."""
    return (sequence + 1) & SEQUENCE_MAX
