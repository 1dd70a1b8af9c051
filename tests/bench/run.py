"""What every part of a benchmark run is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console


@dataclass(frozen=True, slots=True)
class Run:
    """One run.

    Args:
        commands: the directory of the installed wheel's commands.
        rounds, seconds: so many rounds, and so long for each timed load of a round.
        without_kafka: why there is no real Kafka in this run; None when there is one.
        before: the commands of an earlier build to compare with; None without one.
        slower: where parts note what is slower than before.
    """

    console: Console
    commands: Path
    rounds: int
    seconds: float
    without_kafka: str | None
    before: Path | None = None
    slower: list[str] = field(default_factory=list)

    @property
    def builds(self) -> list[tuple[str, Path]]:
        """(name, commands) of every build of ours: beside an earlier one, this one twice."""
        if self.before is None:
            return [("ours", self.commands)]
        return [("before", self.before), ("ours", self.commands), ("again", self.commands)]
