"""EDGE: what a durable session adds to `minibroker produce`: where to go on, and what is kept.

The mark is the byte position behind a line, its source names topic and input: the same lines to
another topic are another task. What was sent is in the session's directory before it leaves, so a
command that was killed goes on behind the mark, and what was on its way is settled.
Tests: tests/system/commands/test_produce_session.py
"""

from __future__ import annotations

import asyncio
import os
from argparse import Namespace

from ...client.producer import Producer
from ...client.session.journal import look
from ..terminal.running import CommandFailed
from ..terminal.visible import visible

STANDARD_INPUT = "standard input"


class InSession:
    """The session of one run."""

    def __init__(self, args: Namespace) -> None:
        self._directory: str = args.session
        name = STANDARD_INPUT if args.file is None else os.path.realpath(args.file)
        self._source = f"{args.topic} < {name}"
        self._start = 0

    def position(self, producer: Producer) -> int:
        """Where to go on. Raises CommandFailed: the mark is none of this command's."""
        found = producer.session.marks.get(self._source, 0)
        if not isinstance(found, int):
            raise CommandFailed(
                f"--session {self._directory}: the mark of {self._source!r} is {found!r}, and no "
                "position in bytes: another program has set it"
            )
        self._start = found
        return found

    def mark(self, end: int) -> tuple[str, int]:
        """That of a line that ends there."""
        return self._source, end

    def began(self) -> str:
        """Where the run began; nothing if that was at the beginning."""
        return f", from byte {self._start} on" if self._start else ""

    async def kept(self) -> list[str]:
        """What is left in the session of a producer that has stopped. Raises OSError."""
        recovered, _ = await asyncio.to_thread(look, self._directory)
        state = recovered.state
        where = visible(self._directory)
        said = []
        if state.open:
            count = sum(batch.count for batch in state.open.values())
            said.append(
                f"{count} records are in {where} and not confirmed: the same command goes on "
                "with them"
            )
        if state.refused:
            count = sum(each.batch.count for each in state.refused.values())
            said.append(
                f"{count} records were refused and are kept in {where}: see `minibroker session "
                f"show {where}`"
            )
        return said
