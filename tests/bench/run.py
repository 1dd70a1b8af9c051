"""What every part of a benchmark run is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console


@dataclass(frozen=True, slots=True)
class Run:
    """One run.

    Args:
        commands: the directory of the installed wheel's commands.
        rounds, seconds: so many rounds, and so long for each timed load of a round.
        without_kafka: why there is no real Kafka in this run; None when there is one.
    """

    console: Console
    commands: Path
    rounds: int
    seconds: float
    without_kafka: str | None
