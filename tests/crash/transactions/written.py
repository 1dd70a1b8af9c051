"""EDGE: a TransactionHistory that is written to a file while it happens, and read back from many.

Each step is a line, `nanoseconds what arguments`, before the request leaves or when its answer has
come. The clock is the machine's monotonic one, so that the lines of all programs can be merged.
"""

from __future__ import annotations

import ast
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from minibroker.testing import Acknowledged, Failed, Fate, Kept, TransactionHistory


class WrittenHistory(TransactionHistory):
    """Writes what it is told; it is judged by whoever reads the file."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def claim(self, producer: str, transactional_id: str, after: str | None = None) -> None:
        self._note("claim", producer, transactional_id, after)
        super().claim(producer, transactional_id, after)

    def granted(self, producer: str, producer_id: int = -1, epoch: int = -1) -> None:
        self._note("granted", producer, producer_id, epoch)
        super().granted(producer, producer_id, epoch)

    def refused(self, producer: str) -> None:
        self._note("refused", producer)

    def begin(self, transaction: str, producer: str) -> None:
        self._note("begin", transaction, producer)
        super().begin(transaction, producer)

    def send(
        self, transaction: str | None, partition: int, value: bytes, producer: str = ""
    ) -> None:
        self._note("send", transaction, partition, value, producer)

    def answered(self, value: bytes, outcome: Acknowledged | Failed) -> None:
        offset = outcome.offset if isinstance(outcome, Acknowledged) else None
        self._note("answered", value, offset)

    def dropped(self, value: bytes) -> None:
        self._note("dropped", value)

    def send_offset(self, transaction: str, group: str, partition: int, offset: int) -> None:
        self._note("send_offset", transaction, group, partition, offset)

    def offset_accepted(self, transaction: str, group: str, partition: int, offset: int) -> None:
        self._note("offset_accepted", transaction, group, partition, offset)

    def ask(self, transaction: str, fate: Fate) -> None:
        self._note("ask", transaction, fate.name)

    def tell(self, transaction: str, fate: Fate) -> None:
        self._note("tell", transaction, fate.name)

    def overdue(self, transaction: str) -> None:
        self._note("overdue", transaction)

    def fenced(self, producer: str) -> None:
        self._note("fenced", producer)

    def read(
        self, partition: int, begin: int, end: int, records: Sequence[Kept], *, is_committed: bool
    ) -> None:
        self._note("read", partition, begin, end, [tuple(each) for each in records], is_committed)

    def _note(self, what: str, *arguments: object) -> None:
        os.write(self._file, f"{time.monotonic_ns()} {what} {arguments!r}\n".encode())


def lines_of(paths: Iterable[Path]) -> list[str]:
    """The whole lines of some files, in the order of time."""
    lines: list[str] = []
    for path in paths:
        if path.exists():
            whole, _, _ = path.read_text().rpartition("\n")  # behind it one is being written
            lines += whole.splitlines()
    return sorted(lines, key=lambda line: int(line.partition(" ")[0]))


def history_of(lines: Iterable[str]) -> TransactionHistory:
    """What they say."""
    history = TransactionHistory()
    for line in lines:
        _, what, arguments = line.split(" ", 2)
        _take(history, what, ast.literal_eval(arguments))
    return history


def _take(history: TransactionHistory, what: str, arguments: tuple[Any, ...]) -> None:
    if what in ("ask", "tell"):
        getattr(history, what)(arguments[0], Fate[arguments[1]])
    elif what == "answered":
        value, offset = arguments
        history.answered(value, Failed(True) if offset is None else Acknowledged(offset))
    elif what == "read":
        partition, begin, end, records, is_committed = arguments
        kept = [Kept(*each) for each in records]
        history.read(partition, begin, end, kept, is_committed=is_committed)
    else:
        getattr(history, what)(*arguments)
