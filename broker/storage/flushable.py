"""What a log shows to whoever flushes it: how far it reaches, and which files are to be flushed.

Source of the durable point: docs/decisions/0003.
Tests: tests/unit/broker/waiting/test_group_commit.py
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .port import File

Mark = tuple[int, int]
"""The end of a log: (next offset, bytes appended since the log was opened)."""


class Flushable(Protocol):
    """A log with a durable point."""

    @property
    def key(self) -> str:
        """Its name in checkpoints: Log.key."""

    def mark(self) -> Mark:
        """How far the log reaches now."""

    def dirty_files(self) -> Sequence[File]:
        """Files written since this was asked last."""

    def made_durable(self, mark: Mark) -> None:
        """Everything up to a mark has been flushed."""
